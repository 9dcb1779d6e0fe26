//! The golden table: what the default model answers, by hash. A change of it is a change of every user's snapshots.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::*;

/// Written once; the test prints what it found where it differs.
const TABLE: &str = include_str!("../../../../fixtures/golden/smollm2-135m-instruct-q4_1.txt");
const TOKENS: usize = 40;

fn prompts() -> Vec<(&'static str, Vec<ChatMessage>)> {
    let long = "The river carried the boats past the mill, and the miller counted them. ".repeat(40);
    vec![
        ("poem", user("write a poem about a tree")),
        ("word", user("Hi")),
        ("code", user("Write a Python function that reverses a string.")),
        ("numbers", user("What is 17 + 25? Then list the first ten prime numbers: 2, 3, 5,")),
        ("french", user("Raconte-moi une histoire très courte à propos d'un château.")),
        ("signs", user("Explain this: 日本語 😀 <|im_end|> \u{0}\t\r\n {{ template }}")),
        (
            "system",
            vec![message("system", "Answer like a pirate."), message("user", "Where is the treasure?")],
        ),
        (
            "turns",
            vec![
                message("user", "My name is Ada."),
                message("assistant", "Hello Ada, how can I help you?"),
                message("user", "What is my name?"),
            ],
        ),
        ("spaces", user("   leading,\n\n\n   middle      and trailing   \n")),
        ("long", user(&format!("{long}\nHow many boats were there?"))),
    ]
}

fn hash(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn table(engine: &Engine, wanted: fn(&str) -> bool) -> String {
    let mut lines = String::new();
    for (number, (name, messages)) in (1_u64..).zip(prompts()) {
        let prompt = engine.render_chat(&messages).unwrap();
        let sampled = Sampling { temperature: 0.9, top_p: 0.95, seed: number, choice: 0 };
        for (kind, sampling) in [("greedy", Sampling::GREEDY), ("sampled", sampled)] {
            if !wanted(&format!("{name} {kind}")) {
                continue;
            }
            let answer = Answer::of(engine, request(prompt.clone(), TOKENS, sampling));
            let text = answer.text(engine);
            let logprobs: Vec<u8> = answer.logprobs.iter().flat_map(|value| value.to_le_bytes()).collect();
            let start: String = text.chars().take(40).collect();
            lines += &format!(
                "{name:11} {kind:7} {:4} prompt tokens, {:2} tokens, text {}, logprobs {}  {start:?}\n",
                prompt.len(),
                answer.tokens.len(),
                hash(&text),
                hash(&logprobs)
            );
        }
    }
    lines
}

/// Tables are made one after another: pools that compete for the processors only slow each other down.
static ALONE: Mutex<()> = Mutex::new(());

fn check(kernels: InstructionSet, threads: usize, wanted: fn(&str) -> bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let found = table(&engine(kernels, threads), wanted);
    let is_wanted = |line: &&str| wanted(&line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    let expected: Vec<&str> = TABLE.lines().filter(is_wanted).collect();
    assert_eq!(
        expected,
        found.lines().collect::<Vec<_>>(),
        "{kernels:?}, {threads} threads; found:\n{found}"
    );
    assert!(expected.len() >= 10, "the table is there");
}

fn everything(_: &str) -> bool {
    true
}

#[test]
fn the_table_holds_on_the_best_kernels() {
    check(InstructionSet::detect(), 2, everything);
}

#[test]
fn the_table_holds_on_one_thread() {
    check(InstructionSet::detect(), 1, everything);
}

#[test]
fn the_table_holds_on_more_threads_than_processors() {
    check(InstructionSet::detect(), 3, everything);
}

#[test]
fn the_table_holds_on_portable_kernels() {
    // Every prompt in one of the two ways: portable kernels are slow.
    check(InstructionSet::Portable, 2, |line| {
        let sampled = ["poem", "code", "french", "signs", "turns"];
        sampled.iter().any(|name| line.starts_with(name)) == line.ends_with("sampled")
    });
}
