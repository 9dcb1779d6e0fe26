//! The scripts in the documentation.

use interference_backend_script::Script;

use crate::exchange::{backend, said};

const DOCUMENTATION: &str = include_str!("../../../../docs/script.md");

/// All blocks of TOML, with the line in which each begins.
fn blocks() -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (position, line) in DOCUMENTATION.lines().enumerate() {
        match line {
            "```toml" => {
                is_inside = true;
                blocks.push((position + 2, String::new()));
            }
            "```" => is_inside = false,
            _ if is_inside => {
                if let Some((_, block)) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

#[test]
fn every_script_in_the_documentation_is_sound() {
    let blocks = blocks();
    assert!(blocks.len() >= 5, "{} blocks", blocks.len());
    for (line, block) in blocks {
        if let Err(error) = Script::parse(&block, "script.md") {
            panic!("the block in line {line}:\n{error}");
        }
    }
}

#[tokio::test]
async fn the_first_script_answers_as_it_is_said_to() {
    let (_, first) = blocks().swap_remove(0);
    let backend = backend(&first);
    assert_eq!(said(&backend, "What is the weather in Oslo?", &[]).await, "It is sunny in Oslo.");
    assert_eq!(said(&backend, "hello", &[]).await, "I am a script.");
}
