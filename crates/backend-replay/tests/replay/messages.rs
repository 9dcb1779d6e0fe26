//! What is told of a request that no recording matches, as a whole.

use http::Method;
use interference_backend::{Backend, Refusal};
use interference_backend_replay::{MOST_COMPARED, ReplayBackend, ReplayOptions};
use interference_cassette::{End, Recording, Redaction};

use crate::asking::{chat, measured, recording, refusal_of, replay, request};

fn recorded(name: &str, request: interference_backend::Request) -> Recording {
    recording(name, request, &[], End::Complete)
}

async fn told(backend: &dyn Backend, request: interference_backend::Request) -> String {
    match refusal_of(backend, request).await {
        Refusal::NothingFits { message, code } => {
            assert_eq!(code, "no_recording_matches");
            message
        }
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn the_nearest_recording_is_told_with_its_differences() {
    let backend = replay([
        recorded(
            "000001-far.json",
            chat(r#"{"model":"m","messages":[],"stop":["a"],"top_p":1,"seed":1,"n":2}"#),
        ),
        recorded(
            "000002-near.json",
            chat(
                r#"{"model":"m","messages":[{"role":"user","content":"Write a poem about a tree, and make it a long one, please."}],"temperature":0.7}"#,
            ),
        ),
    ]);
    let asked = r#"{"model":"m","messages":[{"role":"user","content":"Write a poem about a tree, and make it a short one."},{"role":"user","content":"Now."}],"max_tokens":5}"#;
    let message = told(&backend, request(Method::POST, "/chat/completions?trace=1", asked)).await;
    assert_eq!(
        message,
        "No recording in `cassettes` matches POST /chat/completions. The nearest is 000002-near.json, which differs:\n  \
         a parameter of the query: recorded nothing, asked `trace=1`\n  \
         messages[0].content: recorded \"…tree, and make it a long one, please.\", asked \"…tree, and make it a short one.\"\n  \
         messages[1]: recorded nothing, asked {\"role\":\"user\",\"content\":\"Now.\"}\n  \
         temperature: recorded 0.7, asked nothing\n  \
         max_tokens: recorded nothing, asked 5\n\
         Record this request, too, or leave out of the comparison what may differ."
    );
    // The documentation shows it.
    let documentation = include_str!("../../../../docs/cassettes.md");
    assert!(documentation.contains(&format!("```text\n{message}\n```")), "{message}");
    assert_eq!(measured(&backend, "recordings_missed"), 1);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_told_by_their_lengths() {
    let post = |body: &str| request(Method::POST, "/files?a=1&a=1", body);
    let backend = replay([recorded("1.json", post("a tree"))]);
    let ahead = "No recording in `cassettes` matches POST /files. The nearest is 1.json, which differs:\n  ";
    let advice = "\nRecord this request, too, or leave out of the comparison what may differ.";
    for (asked, expected) in [
        (post("a bush"), "the body: recorded 6 bytes, asked 6 bytes, of which the first 2 are alike"),
        (post(""), "the body: recorded 6 bytes that are no JSON, asked nothing"),
        (post("[1]"), "the body: recorded 6 bytes that are no JSON, asked [1]"),
        (
            request(Method::POST, "/files?a=1", "a tree"),
            "a parameter of the query: recorded `a=1`, asked nothing",
        ),
    ] {
        assert_eq!(told(&backend, asked).await, format!("{ahead}{expected}{advice}"));
    }
}

#[tokio::test]
async fn an_endpoint_without_recordings_is_told_those_that_have_some() {
    let asked = || request(Method::POST, "/embeddings", "{}");
    assert_eq!(
        told(&replay([]), asked()).await,
        "`cassettes` has no recordings, and none of POST /embeddings. Record this request first."
    );
    let backend = replay([
        recorded("1", request(Method::GET, "/models", "")),
        recorded("2", chat("{}")),
        recorded("3", chat("{}")),
    ]);
    assert_eq!(
        told(&backend, asked()).await,
        "No recording in `cassettes` is of POST /embeddings. There are recordings of POST /chat/completions, GET /models. \
         Record this request, too."
    );
}

#[tokio::test]
async fn no_secret_is_told() {
    let key = "sk-live-0123456789";
    let redaction = Redaction::new([key]);
    let options = ReplayOptions { redaction, ..ReplayOptions::default() };
    let body = r#"{"api_key":"one","tools":[{"headers":{"authorization":"two"}}],"input":"a"}"#;
    let backend = ReplayBackend::new("c", [recorded("1", chat(body))], options);
    let asked = format!(r#"{{"api_key":"three","input":"a {key}","more":{{"password":["four"]}}}}"#);
    let asked = request(Method::POST, "/chat/completions?key=five", &asked);
    assert_eq!(
        told(&backend, asked).await,
        "No recording in c matches POST /chat/completions. The nearest is 1, which differs:\n  \
         a parameter of the query: recorded nothing, asked `key=[redacted]`\n  \
         api_key: recorded \"[redacted]\", asked \"[redacted]\"\n  \
         tools: recorded [{\"headers\":{\"authorization\":\"[redacted]\"}}], asked nothing\n  \
         input: recorded \"a\", asked \"a ******************\"\n  \
         more: recorded nothing, asked {\"password\":[\"[redacted]\"]}\n\
         Record this request, too, or leave out of the comparison what may differ."
    );
}

#[tokio::test]
async fn a_message_has_an_end_however_much_differs() {
    let long = "é".repeat(10_000);
    let members: Vec<String> = (0..500).map(|number| format!("\"{long}{number}\":\"{long}\"")).collect();
    let asked = chat(&format!("{{{}}}", members.join(",")));
    let many = (0..MOST_COMPARED + 10).map(|number| recorded("name", chat(&format!("{{\"n\":{number}}}"))));
    let message = told(&replay(many), asked).await;
    assert!(message.chars().count() < 3_000, "{} characters", message.chars().count());
    assert!(message.contains("\n  and in 493 more places\n"), "{message}");
}
