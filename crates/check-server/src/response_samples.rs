//! Responses that many cases look at.
//!
//! Owns the standard questions to the Responses API, as [`samples`](crate::samples) does for chats. Knows no
//! requirement.

use serde_json::{Value, json};

use crate::case::{Cost, Objection};
use crate::response_request::{LEAST_LIMIT, ResponseRequest};
use crate::response_stream::ResponseStream;
use crate::samples::weather_tool;
use crate::trial::Trial;

/// How long a response may get that should come to its end.
pub(crate) const ENOUGH_TOKENS: u32 = 48;

/// What [`streams`] costs a case, at most.
pub(crate) const STREAMS_COST: Cost = Cost::new(4, 3 * ENOUGH_TOKENS + LEAST_LIMIT);

/// A response that comes to its end.
pub(crate) fn short(trial: &Trial) -> ResponseRequest {
    ResponseRequest::new(
        trial,
        "a short response",
        "Say hello to a tree, in one short sentence.",
        ENOUGH_TOKENS,
    )
}

/// A response that its limit cuts off: at exactly so many tokens, whatever the model needs for its thoughts.
pub(crate) fn cut_off(trial: &Trial, limit: u32) -> ResponseRequest {
    let prompt = "Write a long poem about a forest, of at least ten verses.";
    ResponseRequest::new(trial, &format!("a response of {limit} tokens"), prompt, limit)
        .with("max_output_tokens", json!(limit))
}

/// A response of characters of several bytes.
fn many_bytes(trial: &Trial) -> ResponseRequest {
    let prompt = "Repeat exactly, and say nothing else: 木が一本 🌳 Bäume, дерево";
    ResponseRequest::new(trial, "a response of emoji and CJK", prompt, ENOUGH_TOKENS)
}

/// The tool that cases offer, as this API has it.
pub(crate) fn tool() -> Value {
    let mut tool = weather_tool()["function"].take();
    tool["type"] = json!("function");
    tool["strict"] = json!(true);
    tool
}

/// What can only be answered by the tool.
pub(crate) const CALL_PROMPT: &str = "How is the weather in Porto now?";

/// A response that must call the tool.
pub(crate) fn forced_call(trial: &Trial) -> ResponseRequest {
    ResponseRequest::new(trial, "a response that must call a function", CALL_PROMPT, ENOUGH_TOKENS)
        .with("tools", json!([tool()]))
        .with("tool_choice", json!("required"))
        .with("parallel_tool_calls", json!(false))
}

/// Streams of every kind that the server takes, the short one first.
///
/// # Errors
/// That of the short one, where not one of them is a stream.
pub(crate) async fn streams(trial: &Trial) -> Result<Vec<ResponseStream>, Objection> {
    let requests = [short(trial), many_bytes(trial), cut_off(trial, LEAST_LIMIT), forced_call(trial)];
    let mut streams = Vec::new();
    let mut first_objection = None;
    for request in requests {
        match ResponseStream::read(&trial.ask(request.streamed()).await) {
            Ok(stream) => streams.push(stream),
            Err(objection) => {
                first_objection.get_or_insert(objection);
            }
        }
    }
    match first_objection {
        Some(objection) if streams.is_empty() => Err(objection),
        _ => Ok(streams),
    }
}
