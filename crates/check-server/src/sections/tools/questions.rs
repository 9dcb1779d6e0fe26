//! What the cases about tools ask.
//!
//! Owns prompts, tools and limits, and which answers several cases look at. Knows no requirement.

use serde_json::{Value, json};

use crate::case::Objection;
use crate::chat::Chat;
use crate::chat_answer::{Call, ChatAnswer, is_text};
use crate::samples::{self, POEM_TOKENS, weather_tool};
use crate::trial::Trial;

/// The limit of an answer with one call.
pub(super) const CALL_TOKENS: u32 = POEM_TOKENS;
/// The limit of an answer that might be a text in the place of a call: only one that comes to its end shows it.
pub(super) const REQUIRED_TOKENS: u32 = 256;
/// The limit of an answer with two calls.
pub(super) const TWO_CALLS_TOKENS: u32 = 96;
/// Limits that cut a call, in the order in which they are tried: within its arguments as a rule; shorter, where the model
/// was done by then; longer, where it had not begun.
pub(super) const CUT_LIMITS: [u32; 3] = [24, 8, 48];

/// Prompts that need two calls.
const TWO_CITIES: [&str; 3] = [
    "Call get_weather for Paris and get_weather for Oslo.",
    "What is the weather in Paris, and what is it in Oslo? Ask for each city.",
    "Compare the weather in Paris and in Oslo: call get_weather twice, once for each city.",
];

/// What a tool answers.
const WEATHER: &str = "{\"temperature_celsius\": 18, \"sky\": \"clear\"}";

/// The tool that nobody needs for the weather.
fn time_tool() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": "get_time",
            "description": "The time in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "The city's name."}},
                "required": ["city"],
                "additionalProperties": false
            }
        }
    })
}

fn note_tool() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": "save_note",
            "description": "Saves a note.",
            "parameters": {
                "type": "object",
                "properties": {"text": {"type": "string", "description": "The note's text."}},
                "required": ["text"],
                "additionalProperties": false
            }
        }
    })
}

fn strict_weather_tool() -> Value {
    let mut tool = weather_tool();
    if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
        function.insert("strict".to_owned(), json!(true));
    }
    tool
}

/// A chat that must call the weather tool for two cities; `number` is which of the prompts.
pub(super) fn two_cities(trial: &Trial, number: usize) -> Chat<'_> {
    let prompt = TWO_CITIES.get(number).copied().unwrap_or(TWO_CITIES[0]);
    trial
        .chat(prompt, TWO_CALLS_TOKENS)
        .titled("a chat that must call a tool for two cities")
        .with("tools", json!([weather_tool()]))
        .with("tool_choice", json!("required"))
        .with("parallel_tool_calls", json!(true))
}

/// The chats about two cities, streamed, in the order in which they are tried.
pub(super) fn two_cities_streamed(trial: &Trial) -> [Chat<'_>; 3] {
    [0, 1, 2].map(|number| two_cities(trial, number).streamed())
}

/// A chat that needs two calls and may make one.
pub(super) fn one_at_a_time(trial: &Trial) -> Chat<'_> {
    two_cities(trial, 1)
        .titled("a chat about two cities with parallel_tool_calls = false")
        .with("parallel_tool_calls", json!(false))
}

/// The answers that cases look at for any calls.
pub(super) fn calling(trial: &Trial) -> [Chat<'_>; 3] {
    [samples::forced_call(trial), two_cities(trial, 0), one_at_a_time(trial)]
}

/// A chat whose call must be exactly as its schema says.
pub(super) fn strict_call(trial: &Trial) -> Chat<'_> {
    trial
        .chat("What is the weather in Rome?", TWO_CALLS_TOKENS)
        .titled("a chat that must call a tool that is strict")
        .with("tools", json!([strict_weather_tool()]))
        .with("tool_choice", json!("required"))
}

/// A chat that needs a tool and must not call it.
pub(super) fn no_call(trial: &Trial) -> Chat<'_> {
    trial
        .chat("What is the weather in Madrid? Use get_weather.", CALL_TOKENS)
        .titled("a chat with tool_choice = none")
        .with("tools", json!([weather_tool()]))
        .with("tool_choice", json!("none"))
}

/// A chat that must call the tool for the time.
pub(super) fn named_call(trial: &Trial) -> Chat<'_> {
    trial
        .chat("What is the weather in Athens?", CALL_TOKENS)
        .titled("a chat that must call get_time")
        .with("tools", json!([weather_tool(), time_tool()]))
        .with("tool_choice", json!({"type": "function", "function": {"name": "get_time"}}))
}

/// A chat that needs no tool and must call one.
pub(super) fn required_call(trial: &Trial) -> Chat<'_> {
    trial
        .chat("Good morning! How are you today?", REQUIRED_TOKENS)
        .titled("a chat that needs no tool and must call one")
        .with("tools", json!([weather_tool(), time_tool()]))
        .with("tool_choice", json!("required"))
}

/// A chat whose call is longer than its limit.
pub(super) fn cut_call(trial: &Trial, limit: u32) -> Chat<'_> {
    trial
        .chat("Save a note with a poem about a tree, forty lines long.", limit)
        .titled("a chat whose call is cut by its limit")
        .with("tools", json!([note_tool()]))
        .with("tool_choice", json!("required"))
}

/// The turn after an answer with calls: the message that made them, and a result for each id.
pub(super) fn results<'a>(trial: &'a Trial, message: Value, ids: &[Value]) -> Chat<'a> {
    trial
        .chat("", CALL_TOKENS)
        .titled("the results of calls")
        .messages(with_results(message, ids))
        .with("tools", json!([weather_tool()]))
}

/// The same, and a question that must call the tool once more.
pub(super) fn called_again<'a>(trial: &'a Trial, message: Value, ids: &[Value]) -> Chat<'a> {
    let mut messages = with_results(message, ids);
    if let Some(messages) = messages.as_array_mut() {
        messages.push(
            json!({"role": "assistant", "content": "It is 18 degrees in Paris, and the sky is clear."}),
        );
        messages.push(json!({"role": "user", "content": "And what is the weather in Vienna?"}));
    }
    trial
        .chat("", CALL_TOKENS)
        .titled("a second turn that must call a tool")
        .messages(messages)
        .with("tools", json!([weather_tool()]))
        .with("tool_choice", json!("required"))
}

fn with_results(message: Value, ids: &[Value]) -> Value {
    let prompt = if ids.len() > 1 { TWO_CITIES[0] } else { "What is the weather in Paris?" };
    let mut messages = vec![json!({"role": "user", "content": prompt}), message];
    for id in ids {
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": WEATHER}));
    }
    Value::Array(messages)
}

/// The message of an answer, for the next turn: a whole one as it came, a streamed one from what its deltas say.
///
/// # Errors
/// INCONCLUSIVE where it has no call, or one that other cases object to.
pub(super) fn message_with_calls(answer: &ChatAnswer) -> Result<(Value, Vec<Value>), Objection> {
    let calls: Vec<&Call> =
        answer.choices.first().map(|choice| choice.calls.iter().collect()).unwrap_or_default();
    if calls.is_empty() {
        return Err(answer.inconclusive(no_call_seen(answer)));
    }
    let ids: Vec<Value> = calls.iter().map(|call| call.id.clone()).collect();
    let told_apart = ids.iter().enumerate().all(|(number, id)| is_text(id) && !ids[..number].contains(id));
    if !told_apart || calls.iter().any(|call| call.object().is_err()) {
        return Err(answer.inconclusive("a call that is cut, or not as it should be"));
    }
    let came = answer.exchange.json().ok().and_then(|body| body.pointer("/choices/0/message").cloned());
    let joined = || {
        let call = |call: &&Call| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": call.id, "type": "function", "function": function})
        };
        let calls: Vec<Value> = calls.iter().map(call).collect();
        let content = answer.choices.first().map(|choice| choice.content.as_str());
        let content = content.filter(|content| !content.is_empty());
        json!({"role": "assistant", "content": content, "tool_calls": calls})
    };
    Ok((came.unwrap_or_else(joined), ids))
}

/// What came instead of a call, for people.
pub(super) fn no_call_seen(answer: &ChatAnswer) -> String {
    let told = answer.choices.first().map(crate::chat_answer::Choice::told).unwrap_or_default();
    format!("no call: {told}")
}
