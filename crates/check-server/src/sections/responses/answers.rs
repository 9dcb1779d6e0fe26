//! What a response says: calls as items, and why it is not complete.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::case::{Objection, Outcome, held};
use crate::exchange::{Exchange, excerpt};
use crate::response_request::{LEAST_LIMIT, ResponseRequest};
use crate::response_samples::{CALL_PROMPT, ENOUGH_TOKENS, cut_off, forced_call, tool};
use crate::response_stream::{ResponseStream, TOLD_CHARACTERS};
use crate::response_texts::output_text;
use crate::trial::Trial;

/// A limit beside the least: an answer may end by itself at one of them, and hardly at both.
pub(super) const OTHER_LIMIT: u32 = 24;
/// An answer of more words than this for each token that it may have has no limit.
const WORDS_PER_TOKEN: usize = 2;

pub(super) async fn function_call_items(trial: &Trial) -> Outcome {
    let plain = trial.ask(forced_call(trial)).await;
    plain.accepted()?;
    let response = plain.json()?;
    let calls = calls_of(&plain, &response)?;
    let streamed = trial.ask(forced_call(trial).streamed()).await;
    if let Ok(stream) = ResponseStream::read(&streamed) {
        streamed_calls(&stream)?;
    }
    taken_back(trial, &response, &calls).await?;
    let names: Vec<String> = calls.iter().filter_map(|call| Some(call.get("name")?.to_string())).collect();
    held(format!("calls of {}, taken back with their output", names.join(", ")))
}

/// The calls of a response, each well formed.
fn calls_of(exchange: &Arc<Exchange>, response: &Value) -> Result<Vec<Value>, Objection> {
    let broken = |seen: String| Objection::broken(seen).about(exchange);
    let is_call = |item: &&Value| item.get("type").is_some_and(|kind| kind == "function_call");
    let output = response.get("output").and_then(Value::as_array).into_iter().flatten();
    let calls: Vec<Value> = output.filter(is_call).cloned().collect();
    if calls.is_empty() {
        let text = excerpt(output_text(response).as_bytes(), TOLD_CHARACTERS);
        let status = response.get("status").and_then(Value::as_str).unwrap_or_default();
        let seen = format!("no item of type function_call, though one is required; the text is {text}");
        return Err(match status {
            "completed" => broken(seen),
            _ => Objection::inconclusive(format!("{seen}, the status {status:?}")).about(exchange),
        });
    }
    let mut ids = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        well_formed(call).map_err(|why| broken(format!("call {}: {why}", place + 1)))?;
        ids.extend(call.get("call_id").and_then(Value::as_str));
    }
    ids.sort_unstable();
    if let Some([twice, _]) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(broken(format!("two calls have the call_id {twice:?}")));
    }
    Ok(calls)
}

/// Or why a call is not well formed.
fn well_formed(call: &Value) -> Result<(), String> {
    let shown =
        |name: &str| call.get(name).map_or(format!("no {name}"), |value| format!("the {name} {value}"));
    for name in ["call_id", "name"] {
        if call.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(shown(name));
        }
    }
    if call["name"] != tool()["name"] {
        return Err(format!("{}, where {} alone was offered", shown("name"), tool()["name"]));
    }
    let Some(arguments) = call.get("arguments").and_then(Value::as_str) else {
        return Err(shown("arguments"));
    };
    // Whether they are JSON at all is the model's business. JSON in a string in JSON is the server's.
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::String(inner))
            if serde_json::from_str::<Value>(&inner).is_ok_and(|inner| inner.is_object()) =>
        {
            Err(format!("{}, JSON in a string in JSON", shown("arguments")))
        }
        _ => Ok(()),
    }
}

/// In a stream, a call is the same when it is added, when it is done, and in the whole response.
fn streamed_calls(stream: &ResponseStream) -> Result<(), Objection> {
    let Ok(stream) = stream.unbroken() else { return Ok(()) };
    let calls = |told: &str| -> Vec<(&Value, &Value)> {
        let events = stream.told.iter().filter(|event| event.kind == told);
        events
            .filter_map(|event| Some((event.value.get("output_index")?, event.value.get("item")?)))
            .filter(|(_, item)| item.get("type").is_some_and(|kind| kind == "function_call"))
            .collect()
    };
    let added = calls("response.output_item.added");
    let done = calls("response.output_item.done");
    for (index, item) in &done {
        well_formed(item).map_err(|why| stream.broken(format!("the call at {index}: {why}")))?;
        let before = added.iter().find(|(place, _)| place == index);
        for name in ["call_id", "name"] {
            let added = before.and_then(|(_, added)| added.get(name));
            if let Some(added) = added.filter(|added| Some(*added) != item.get(name)) {
                let done = item.get(name).unwrap_or(&Value::Null);
                return Err(stream.broken(format!(
                    "the call at {index} is added with the {name} {added}, and done with {done}"
                )));
            }
        }
    }
    // A whole response without what was told of it in pieces is another case's matter.
    let output = stream.response().and_then(|response| response.get("output")?.as_array());
    match stream.response() {
        Some(response) if done.is_empty() || output.is_some_and(|output| !output.is_empty()) => {
            calls_of(&stream.exchange, response).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// What the server has said is an input that it takes, all of it: calls belong to the thoughts before them. With the output
/// of each call behind it.
async fn taken_back(trial: &Trial, response: &Value, calls: &[Value]) -> Result<(), Objection> {
    let mut input = vec![json!({"role": "user", "content": CALL_PROMPT})];
    input.extend(response.get("output").and_then(Value::as_array).into_iter().flatten().cloned());
    input.extend(calls.iter().map(|call| {
        json!({"type": "function_call_output", "call_id": call["call_id"], "output": "{\"weather\": \"sunny\"}"})
    }));
    let request = ResponseRequest::new(trial, "the calls with their output", input, ENOUGH_TOKENS)
        .with("tools", json!([tool()]));
    trial.ask(request).await.must_accept().map(|_| ())
}

/// How an answer stands to its limit.
enum Limited {
    /// It is incomplete, and says why.
    Told,
    /// It says that it is complete, and has exactly as many tokens as it may have.
    AtItsLimit(Objection),
    /// It came to its end before.
    EndedBefore,
}

pub(super) async fn incomplete_reason(trial: &Trial) -> Outcome {
    let mut at_their_limit = Vec::new();
    let mut told = 0;
    for limit in [LEAST_LIMIT, OTHER_LIMIT] {
        let exchange = trial.ask(cut_off(trial, limit)).await;
        exchange.accepted()?;
        match limited(&exchange, &exchange.json()?, limit)? {
            Limited::Told => told += 1,
            Limited::AtItsLimit(objection) => at_their_limit.push(objection),
            Limited::EndedBefore => {}
        }
    }
    let exchange = trial.ask(cut_off(trial, LEAST_LIMIT).streamed()).await;
    if let Ok(stream) = ResponseStream::read(&exchange) {
        stream.unbroken()?;
        if let (Some(end), Some(response)) = (stream.terminal(), stream.response()) {
            match limited(&exchange, response, LEAST_LIMIT)? {
                Limited::Told if end.kind != "response.incomplete" => {
                    let seen = format!("the incomplete response ends with {}", stream.place(end));
                    return Err(stream.broken(seen).expected("response.incomplete"));
                }
                Limited::Told => told += 1,
                Limited::AtItsLimit(objection) => at_their_limit.push(objection),
                Limited::EndedBefore => {}
            }
        }
    }
    // One that ends by itself just there is no flaw.
    if at_their_limit.len() > 1 || (told > 0 && !at_their_limit.is_empty()) {
        return Err(at_their_limit.remove(0));
    }
    if told == 0 {
        return Err(Objection::inconclusive("every answer came to its end before its limit"));
    }
    held(format!("{told} responses are incomplete, with the reason max_output_tokens"))
}

fn limited(exchange: &Arc<Exchange>, response: &Value, limit: u32) -> Result<Limited, Objection> {
    let broken = |seen: String| Objection::broken(seen).about(exchange);
    let status = response.get("status").and_then(Value::as_str).unwrap_or_default();
    let details = response.get("incomplete_details").unwrap_or(&Value::Null);
    if status == "incomplete" {
        if details.get("reason").is_some_and(|reason| reason == "max_output_tokens") {
            return Ok(Limited::Told);
        }
        return Err(broken(format!("the status is incomplete, and incomplete_details {details}")));
    }
    let text = output_text(response);
    let words = text.split_whitespace().count();
    let tokens = response.pointer("/usage/output_tokens").and_then(Value::as_u64);
    let seen = |count: String| {
        broken(format!(
            "the status is {status:?}, incomplete_details {details}, with {count} where {limit} tokens are the limit"
        ))
        .expected("status: incomplete, incomplete_details.reason: max_output_tokens")
    };
    match tokens {
        Some(tokens) if tokens > u64::from(limit) => Err(seen(format!("{tokens} tokens"))),
        Some(tokens) if tokens == u64::from(limit) => {
            Ok(Limited::AtItsLimit(seen(format!("{tokens} tokens"))))
        }
        None if words > WORDS_PER_TOKEN * limit as usize => Err(seen(format!("{words} words"))),
        _ => Ok(Limited::EndedBefore),
    }
}
