//! `chat`: what it prints, how it ends, and which server it takes.

mod endings;
mod port_1337;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::bench::{Bench, Finished, Running, Server, finish};
use crate::our_schemas;

/// What the default model says to the prompt below, at temperature 0, in 8 tokens.
const TREE: &str = "In the heart of the forest, a";
const PROMPT: &str = "write a poem about a tree";

/// `chat` with the answer above.
fn chat(bench: &Bench, server: &Server, arguments: &[&str]) -> Command {
    let mut command = bench.command(&["chat", "--temperature", "0", "--max-tokens", "8"]);
    command.args(["--base-url", &server.base_url()]).args(arguments);
    command
}

/// The same with a text on its stdin.
fn chat_from_stdin(bench: &Bench, server: &Server, arguments: &[&str], text: &str) -> Finished {
    let mut command = chat(bench, server, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running { child: command.spawn().unwrap() };
    running.child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    running.finish()
}

#[test]
fn the_text_goes_to_stdout_and_nothing_else_does() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    for arguments in [&[][..], &["--no-stream"]] {
        let finished = finish(chat(&bench, &server, arguments).arg(PROMPT));
        assert_eq!(finished.stderr, "", "{arguments:?}");
        assert_eq!(finished.succeeded(), format!("{TREE}\n"), "{arguments:?}");
    }
    let by_variable = finish(
        bench
            .command(&["chat", "--temperature", "0", "--max-tokens", "8", PROMPT])
            .env("OPENAI_BASE_URL", server.base_url()),
    );
    assert_eq!(by_variable.succeeded(), format!("{TREE}\n"));
}

#[test]
fn json_is_one_object_with_the_names_that_others_rely_on() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    for arguments in [&["--json"][..], &["--json", "--no-stream"]] {
        let printed = finish(chat(&bench, &server, arguments).arg(PROMPT)).succeeded();
        our_schemas::follows("account-1.json", &printed);
        assert_eq!(
            printed,
            format!(
                r#"{{"text":"{TREE}","finish_reason":"length","tool_calls":[],"usage":{{"prompt_tokens":36,"completion_tokens":8,"total_tokens":44}},"error":null}}"#
            ) + "\n"
        );
    }
    let mut refused = chat(&bench, &server, &["--json", "-m", "no-such-model", PROMPT]);
    let refused = finish(&mut refused);
    refused.failed_with(1);
    let object = our_schemas::follows("account-1.json", &refused.stdout);
    assert_eq!(object["text"], "");
    assert_eq!(object["finish_reason"], Value::Null);
    assert_eq!(object["error"]["type"], "invalid_request_error");
    assert_eq!(object["error"]["typed"], json!(true));
}

#[test]
fn statistics_go_to_stderr() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let finished = finish(chat(&bench, &server, &["--stats"]).arg(PROMPT));
    assert_eq!(finished.stdout, format!("{TREE}\n"));
    for part in ["time to first token ", " ms, 36 prompt tokens, 8 completion tokens, ", " tokens per second"]
    {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
}

#[test]
fn the_prompt_comes_from_stdin_where_it_is_piped() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    for arguments in [&[][..], &["-"]] {
        let finished = chat_from_stdin(&bench, &server, arguments, PROMPT);
        assert_eq!(finished.succeeded(), format!("{TREE}\n"), "{arguments:?}");
    }
    chat_from_stdin(&bench, &server, &[], " \n").failed_with(2);
    finish(chat(&bench, &server, &[]).arg("")).failed_with(2);
}

#[test]
fn parameters_reach_the_server() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let text = |arguments: &[&str]| finish(chat(&bench, &server, arguments).arg(PROMPT)).succeeded();
    assert_eq!(text(&["--stop", " forest"]), "In the heart of the\n");
    assert_eq!(text(&["--stop", "zebra", "--stop", "heart"]), "In the \n");
    assert_ne!(text(&["--system", "You speak French."]), format!("{TREE}\n"));
    let drawn = |seed| {
        let mut command = bench.command(&["chat", "--max-tokens", "8", "--seed", seed, PROMPT]);
        finish(command.env("OPENAI_BASE_URL", server.base_url())).succeeded()
    };
    assert_eq!(drawn("1"), drawn("1"));
    assert_ne!(drawn("1"), drawn("2"));
}

#[test]
fn a_parameter_that_is_out_of_bounds_is_refused_with_a_hint() {
    let bench = Bench::take();
    let server = bench.serve(&[]);
    let mut hot = bench.command(&["chat", "--temperature", "3", "--base-url", &server.base_url(), PROMPT]);
    let hot = finish(&mut hot);
    assert!(hot.failed_with(1).contains("temperature"), "{}", hot.stderr);
    assert_eq!(hot.stdout, "");
}

/// The tools for which a rule of the script asks.
const TOOLS: &str = r#"[{"type":"function","function":{"name":"get_weather"}}]"#;

#[test]
fn functions_are_offered_and_their_calls_are_told() {
    let bench = Bench::take();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/conversations.toml");
    let server = bench.serve(&["--script", script]);
    let question = "the weather in Oslo and Rome?";
    let asked = ["chat", "--base-url", &server.base_url(), "--tools", TOOLS, question];
    let oslo = r#"{"city":"Oslo","days":1}"#;
    let rome = r#"{"city":"Rome","days":2}"#;
    for delivery in [&[][..], &["--no-stream"]] {
        let told = finish(bench.command(&asked).args(delivery)).succeeded();
        assert_eq!(told, format!("Let me look.\nget_weather({oslo})\nget_weather({rome})\n"), "{delivery:?}");
        let told = finish(bench.command(&asked).arg("--json").args(delivery)).succeeded();
        let object: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(object["finish_reason"], "tool_calls");
        let functions: Vec<&Value> =
            object["tool_calls"].as_array().unwrap().iter().map(|call| &call["function"]).collect();
        assert_eq!(functions[0], &json!({"name": "get_weather", "arguments": oslo}));
        assert_eq!(functions[1], &json!({"name": "get_weather", "arguments": rome}));
        assert_eq!(functions.len(), 2);
    }
    let wrong = bench.run(&["chat", "--base-url", &server.base_url(), "--tools", "[1]", question]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("--tools"), "{wrong:#?}");
}
