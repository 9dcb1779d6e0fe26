//! Calls of functions, whole and in pieces.

use interference_client::{ClientError, Cut};
use serde_json::{Value, json};

use crate::byte_server::{DONE, Outcome, outcome_of_bytes, outcome_of_stream, response, text};

/// An event with a fragment of a call.
fn fragment(fragment: Value) -> String {
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [fragment]}, "finish_reason": null}]});
    format!("data: {chunk}\n\n")
}

/// The event that ends a choice.
fn finish(reason: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n")
}

/// A text, and a call that is cut in two.
fn calling() -> [String; 3] {
    [
        text("Let me look."),
        fragment(
            json!({"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\""}}),
        ),
        fragment(json!({"index": 0, "function": {"arguments": ":\"Oslo\"}"}})),
    ]
}

fn told(outcome: &Outcome) -> Value {
    serde_json::to_value(&outcome.tool_calls).unwrap()
}

fn call(arguments: &str) -> Value {
    json!([{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}])
}

#[tokio::test]
async fn a_call_in_pieces_is_put_together() {
    let outcome = outcome_of_stream([&calling().concat(), &finish("tool_calls"), DONE].concat()).await;
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!(
        (outcome.text.as_str(), outcome.finish_reason.as_deref()),
        ("Let me look.", Some("tool_calls"))
    );
    assert_eq!(told(&outcome), call(r#"{"city":"Oslo"}"#));
}

#[tokio::test]
async fn a_call_that_was_cut_says_so() {
    let [said, began, _] = calling();
    let at_its_length = outcome_of_stream([&said, &began, &finish("length"), DONE].concat()).await;
    assert!(at_its_length.error.is_none(), "{at_its_length:?}");
    assert_eq!(at_its_length.finish_reason.as_deref(), Some("length"));
    assert_eq!(told(&at_its_length), call("{\"city\""));

    let broken_off = outcome_of_stream([said, began].concat()).await;
    let error = broken_off.error_after("Let me look.");
    assert!(matches!(error, ClientError::BrokeOff { cut: Cut::WithoutFinish, .. }), "{error:?}");
    assert_eq!(told(&broken_off), call("{\"city\""), "what had come is kept");
}

#[tokio::test]
async fn a_whole_answer_has_whole_calls() {
    let calls = call(r#"{"city":"Oslo"}"#);
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let completion = json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    let outcome = outcome_of_bytes(response("200 OK", "application/json", completion.to_string())).await;
    assert!(outcome.error.is_none(), "{outcome:?}");
    assert_eq!((outcome.text.as_str(), outcome.finish_reason.as_deref()), ("", Some("tool_calls")));
    assert_eq!(told(&outcome), calls);
}
