//! The adapters for `check-client`: what each says of a whole answer with a call in it, and of one that breaks off.

use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::bench::{finish, from_xtask};
use crate::clients::clients;
use crate::clients::suite::Served;

/// The member `tools` of the requests.
const TOOLS: &str = r#"[{"type":"function","function":{"name":"get_weather","description":"The weather in a city.","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}}]"#;

/// A command for `check-client`, and what its SDK makes of a connection that ends inside the answer.
struct Adapter {
    name: &'static str,
    command: Vec<String>,
    /// The type of the error, and whether it is one of the SDK's own.
    cut: (&'static str, bool),
}

fn adapters() -> Vec<Adapter> {
    let file = |path: &str| clients().join(path).to_str().unwrap().to_owned();
    let xtask = |variable: &str| from_xtask(variable).to_str().unwrap().to_owned();
    let python = |script: &str| vec![xtask("INTERFERENCE_TEST_PYTHON"), file(script)];
    let python_028 = |script: &str| vec![xtask("INTERFERENCE_TEST_PYTHON_028"), file(script)];
    let node = |script: &str| {
        let script = from_xtask("INTERFERENCE_TEST_NODE_CLIENT").join(script);
        vec!["node".to_owned(), script.to_str().unwrap().to_owned()]
    };
    let rust = from_xtask("INTERFERENCE_TEST_RUST_CLIENT").with_file_name("check_client");
    let adapter = |name, command, cut| Adapter { name, command, cut };
    vec![
        adapter("openai-python", python("python/check_client.py"), ("APIConnectionError", true)),
        adapter(
            "openai-python 0.28",
            python_028("python-0.28/check_client.py"),
            ("ChunkedEncodingError", false),
        ),
        adapter("LangChain", python("python/check_client_langchain.py"), ("OpenAIConnectionError", true)),
        adapter("openai-node", node("check_client.mjs"), ("TypeError", false)),
        adapter("AI SDK", node("check_client_ai.mjs"), ("APICallError", true)),
        adapter("async-openai", vec![rust.to_str().unwrap().to_owned()], ("OpenAIError", true)),
        adapter("interference chat", vec![file("chat/check_client.sh")], ("broke_off", true)),
    ]
}

/// An adapter as `check-client` runs it.
fn command(served: &Served, adapter: &Adapter, model: &str) -> Command {
    let [program, arguments @ ..] = adapter.command.as_slice() else {
        panic!("{} has no command", adapter.name)
    };
    let mut command = served.command(program);
    command
        .args(arguments)
        .env("INTERFERENCE", env!("CARGO_BIN_EXE_interference"))
        .env("INTERFERENCE_MODEL", model)
        .env("INTERFERENCE_PROMPT", "the weather in Oslo and Rome?")
        .env("INTERFERENCE_TOOLS", TOOLS)
        .env("INTERFERENCE_TIMEOUT_MS", "20000");
    command
}

/// The object that it prints.
fn account(name: &str, command: &mut Command) -> Value {
    let finished = finish(command);
    let account: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{name}: {error}: {finished:#?}"));
    assert_eq!(finished.code, Some(i32::from(!account["error"].is_null())), "{name}: {finished:#?}");
    account
}

/// The names and arguments of an account's calls; whether an SDK parses arguments is its own affair.
fn calls(account: &Value) -> Vec<(&str, Value)> {
    let calls = account["tool_calls"].as_array().unwrap().iter().map(|call| {
        assert_eq!(call["type"], "function");
        assert!(call["id"].is_string(), "{call}");
        let function = &call["function"];
        let arguments = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
        (function["name"].as_str().unwrap(), arguments)
    });
    calls.collect()
}

fn check(adapter: &Adapter, whole: &Value, cut: &Value) {
    let name = adapter.name;
    assert_eq!(whole["error"], Value::Null, "{name}");
    assert_eq!(whole["text"], "Let me look.", "{name}");
    assert_eq!(whole["finish_reason"], "tool_calls", "{name}");
    let weather = |city, days| ("get_weather", json!({"city": city, "days": days}));
    assert_eq!(calls(whole), [weather("Oslo", 1), weather("Rome", 2)], "{name}");

    assert_eq!((&cut["text"], &cut["finish_reason"]), (&json!("Let me look."), &Value::Null), "{name}");
    assert_eq!(cut["tool_calls"], json!([]), "{name}");
    let (kind, typed) = adapter.cut;
    assert_eq!(
        (&cut["error"]["type"], &cut["error"]["typed"]),
        (&json!(kind), &json!(typed)),
        "{name}: {cut}"
    );
}

#[test]
fn each_says_truly_what_its_sdk_makes_of_an_answer() {
    let served = Served::script("conversations.toml");
    let adapters = adapters();
    thread::scope(|scope| {
        for adapter in &adapters {
            let [mut whole, mut cut] =
                ["scripted", "scripted#cut.after_events=3"].map(|model| command(&served, adapter, model));
            scope.spawn(move || {
                let name = adapter.name;
                check(adapter, &account(name, &mut whole), &account(name, &mut cut));
            });
        }
    });
}
