//! Responses: their events, and their whole answers.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Brings, Ends, Heard, Usage, json};
use crate::failure::Failure;

#[derive(Deserialize)]
struct ResponseEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    usage: Option<ToldUsage>,
    #[serde(borrow)]
    output: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
struct ToldUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
}

/// Deltas that are output.
const CONTENT: [&str; 4] = [
    "response.output_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
];

/// Deltas that are thoughts.
const REASONING: [&str; 2] = ["response.reasoning_text.delta", "response.reasoning_summary_text.delta"];

/// One event. The terminal one stands for finish reason and end alike, so that nothing begins before it.
pub(super) fn take(data: &str, ends: &mut Ends, heard: &mut Heard) -> Result<Brings, Failure> {
    let event: ResponseEvent<'_> = json(data.as_bytes(), Failure::MalformedEvent)?;
    let says = event.delta.as_ref().is_some_and(|delta| !delta.is_empty());
    match event.kind.as_ref() {
        "error" => return Err(Failure::ErrorEvent),
        "response.failed" => return Err(Failure::ResponseFailed),
        kind @ ("response.completed" | "response.incomplete") => {
            ends.finish(0);
            ends.done = true;
            heard.ended_by_length |= kind == "response.incomplete";
            take_usage(event.response.and_then(|response| response.usage), heard);
        }
        "response.output_text.delta" => heard.add_text(event.delta.as_deref().unwrap_or_default()),
        _ => {}
    }
    let kind = event.kind.as_ref();
    Ok(Brings { content: says && CONTENT.contains(&kind), reasoning: says && REASONING.contains(&kind) })
}

/// A whole response.
pub(super) fn whole(body: &[u8], heard: &mut Heard) -> Result<Brings, Failure> {
    let Response { status, usage, output } = json(body, Failure::MalformedBody)?;
    take_usage(usage, heard);
    match status.as_deref() {
        Some("completed") => {}
        Some("incomplete") => heard.ended_by_length = true,
        Some("failed" | "cancelled") => return Err(Failure::ResponseFailed),
        _ => return Err(Failure::MalformedBody),
    }
    let mut brings = Brings::default();
    for item in output.ok_or(Failure::MalformedBody)? {
        match item.kind.as_ref() {
            "reasoning" => brings.reasoning = true,
            "message" => {
                for part in item.content.iter().flatten() {
                    let says =
                        |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
                    brings.content |= says(&part.text) || says(&part.refusal);
                    heard.add_text(part.text.as_deref().unwrap_or_default());
                }
            }
            _ => brings.content = true,
        }
    }
    Ok(brings)
}

fn take_usage(usage: Option<ToldUsage>, heard: &mut Heard) {
    // A usage without its numbers is as good as none.
    if let Some(ToldUsage { input_tokens: Some(prompt_tokens), output_tokens: Some(completion_tokens) }) =
        usage
    {
        heard.usage = Some(Usage { prompt_tokens, completion_tokens });
    }
}
