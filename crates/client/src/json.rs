//! Tolerant reading of the API's JSON.
//!
//! Takes what it needs from a [`Value`], wherever servers are known to put it, and passes over everything else:
//! unknown fields, missing ones, nulls. It judges no server; it only refuses what it cannot read an answer from.

use http::StatusCode;
use serde_json::Value;

use crate::{ApiError, ChatEvent, Usage};

/// The pieces in one chunk of a stream; none in a chunk without a choice, such as the one that carries the usage.
pub(crate) fn chunk_events(chunk: &Value) -> Vec<ChatEvent> {
    let choice = first_choice(chunk);
    let text = choice.and_then(|choice| said(choice.get("delta")?));
    answer_events(text, choice, chunk)
}

/// What a chunk of a stream says of calls of functions.
pub(crate) fn chunk_calls(chunk: &Value) -> &[Value] {
    calls_at(first_choice(chunk), "/delta/tool_calls")
}

/// The calls of functions in a whole answer.
pub(crate) fn completion_calls(completion: &Value) -> &[Value] {
    calls_at(first_choice(completion), "/message/tool_calls")
}

/// The pieces of a whole answer; `None` if this is not one.
pub(crate) fn completion_events(completion: &Value) -> Option<Vec<ChatEvent>> {
    let choice = first_choice(completion)?;
    let message = choice.get("message").filter(|message| message.is_object())?;
    Some(answer_events(said(message), Some(choice), completion))
}

/// The names in a list of models; `None` if this is not one.
pub(crate) fn model_names(list: &Value) -> Option<Vec<String>> {
    let models = list.get("data")?.as_array()?;
    Some(models.iter().filter_map(|model| text_at(model, "id")).collect())
}

/// The error that a document declares itself to be, at any status: `{"error": …}` or `{"object": "error", …}`.
pub(crate) fn declared_error(document: &Value, status: StatusCode) -> Option<ApiError> {
    match document.get("error") {
        Some(error @ Value::Object(_)) => Some(error_from(error, status)),
        Some(Value::String(message)) if !message.is_empty() => {
            Some(error_with_message(message.clone(), status))
        }
        _ if document.get("object").is_some_and(|object| object == "error") => {
            Some(error_from(document, status))
        }
        _ => None,
    }
}

/// The error in a document of which something else (a status, an event's name) says that it is one.
pub(crate) fn known_error(document: &Value, status: StatusCode) -> Option<ApiError> {
    declared_error(document, status).or_else(|| {
        document.as_object().filter(|object| !object.is_empty()).map(|_| error_from(document, status))
    })
}

/// An error of which nothing is known but a message.
pub(crate) fn error_with_message(message: String, status: StatusCode) -> ApiError {
    ApiError { status, message, kind: None, param: None, code: None, retry_after: None }
}

fn calls_at<'document>(choice: Option<&'document Value>, pointer: &str) -> &'document [Value] {
    let calls = choice.and_then(|choice| choice.pointer(pointer)).and_then(Value::as_array);
    calls.map_or(&[], Vec::as_slice)
}

/// What a message says: its content, or in its place why the model refuses to answer.
fn said(message: &Value) -> Option<String> {
    let mut texts = ["content", "refusal"].iter().filter_map(|member| message.get(*member)).map(text_of);
    texts.find(|text| !text.is_empty())
}

/// A text, or those of its parts that are one: servers of models that think send the thoughts as parts of their own kind.
fn text_of(content: &Value) -> String {
    let is_text = |part: &&Value| part.get("type").is_none_or(|kind| kind == "text" || kind == "output_text");
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter(is_text).filter_map(|part| part.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    }
}

fn answer_events(text: Option<String>, choice: Option<&Value>, document: &Value) -> Vec<ChatEvent> {
    // Some servers send an empty one with every chunk.
    let finish_reason = choice.and_then(|choice| choice.get("finish_reason")).and_then(Value::as_str);
    let finish_reason = finish_reason.filter(|reason| !reason.is_empty());
    [
        text.map(ChatEvent::Text),
        finish_reason.map(|reason| ChatEvent::Finished(reason.to_owned())),
        document.get("usage").and_then(usage).map(ChatEvent::Usage),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The choice that was asked for: requests here never ask for more than one.
fn first_choice(document: &Value) -> Option<&Value> {
    let choices = document.get("choices")?.as_array()?;
    choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0)
}

fn usage(usage: &Value) -> Option<Usage> {
    let prompt_tokens = usage.get("prompt_tokens")?.as_u64()?;
    let completion_tokens = usage.get("completion_tokens").and_then(Value::as_u64).unwrap_or(0);
    let total_tokens = usage.get("total_tokens").and_then(Value::as_u64);
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total_tokens.unwrap_or_else(|| prompt_tokens.saturating_add(completion_tokens)),
    })
}

fn error_from(error: &Value, status: StatusCode) -> ApiError {
    // Some frameworks say `detail`; where neither is a text, the whole error is the best message there is.
    let message = text_at(error, "message").or_else(|| text_at(error, "detail"));
    ApiError {
        status,
        message: message.unwrap_or_else(|| error.to_string()),
        kind: text_at(error, "type"),
        param: text_at(error, "param"),
        code: text_at(error, "code"),
        retry_after: None,
    }
}

fn text_at(value: &Value, field: &str) -> Option<String> {
    match value.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_come_in_many_shapes() {
        let message = |document| declared_error(&document, StatusCode::OK).map(|error| error.message);
        assert_eq!(message(json!({"error": {"message": "a"}})), Some("a".into()));
        assert_eq!(message(json!({"error": "a"})), Some("a".into()));
        assert_eq!(message(json!({"object": "error", "message": "a"})), Some("a".into()));
        assert_eq!(message(json!({"error": {"reason": "a"}})), Some(r#"{"reason":"a"}"#.into()));
        assert_eq!(message(json!({"error": null, "choices": []})), None);
        assert_eq!(message(json!({"message": "a"})), None);

        let message = |document| known_error(&document, StatusCode::OK).map(|error| error.message);
        assert_eq!(message(json!({"message": "a"})), Some("a".into()));
        assert_eq!(message(json!({"detail": "a"})), Some("a".into()));
        assert_eq!(message(json!({"detail": [1]})), Some(r#"{"detail":[1]}"#.into()));
        assert_eq!(message(json!({})), None);
        assert_eq!(message(json!(["a"])), None);
    }

    #[test]
    fn chunks_may_lack_anything() {
        for chunk in [
            json!({}),
            json!({"choices": null}),
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!({"choices": [{"delta": null, "finish_reason": null}], "usage": null}),
            json!({"choices": [{"delta": {"content": ""}, "finish_reason": ""}]}),
            json!({"choices": [{"index": 1, "delta": {"content": "other"}}]}),
            json!({"usage": {"prompt_tokens": "many"}}),
        ] {
            assert_eq!(chunk_events(&chunk), [], "{chunk}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_place_of_an_answer() {
        let told = [ChatEvent::Text("I cannot.".into())];
        assert_eq!(
            chunk_events(&json!({"choices": [{"delta": {"content": null, "refusal": "I cannot."}}]})),
            told
        );
        let message = json!({"role": "assistant", "content": null, "refusal": "I cannot."});
        assert_eq!(completion_events(&json!({"choices": [{"message": message}]})).unwrap(), told);
    }

    #[test]
    fn a_content_may_come_in_parts() {
        let content = json!([
            {"type": "thinking", "thinking": [{"type": "text", "text": "A tree?"}]},
            {"type": "text", "text": "An oak"},
            {"type": "text", "text": " stands."},
            {"type": "reasoning", "text": "It should."},
            {"type": "image_url", "image_url": {"url": "data:,"}},
            "no part",
        ]);
        let told = [ChatEvent::Text("An oak stands.".into())];
        assert_eq!(chunk_events(&json!({"choices": [{"delta": {"content": content}}]})), told);
        assert_eq!(
            completion_events(&json!({"choices": [{"message": {"content": content}}]})).unwrap(),
            told
        );
    }

    #[test]
    fn one_chunk_may_hold_everything() {
        let chunk = json!({
            "choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2},
        });
        let usage = Usage { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
        assert_eq!(
            chunk_events(&chunk),
            [ChatEvent::Text("a".into()), ChatEvent::Finished("stop".into()), ChatEvent::Usage(usage)]
        );
    }
}
