//! What a fixture answers: `response`, `error` or `refusal`.

use serde_json::json;
use toml::{Table, Value};

use super::delivery;
use crate::notes::{Notes, Unfit};
use crate::script_words::{call, finish_reason, pieces, table, text_or_json};
use crate::tree::{Members, Node};

/// Characters of a chunk, unless the fixture says otherwise.
const CHUNK_CHARACTERS: i64 = 20;

/// The answers of a fixture, one for each kind of request.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// To chats and completions; an error is to all.
    pub(super) chat: Option<Table>,
    /// To embeddings.
    pub(super) embedding: Option<Table>,
}

/// Takes all that a fixture answers out of it.
///
/// # Errors
/// Where the original would not take it either, or a script cannot say it.
pub(super) fn answers(members: &mut Members, notes: &mut Notes<'_>) -> Result<Answers, Unfit> {
    let error = members.members("error")?;
    let refusal = members.members("refusal")?;
    let response = members.members("response")?;
    match (error, refusal, response) {
        (Some(error), None, None) => {
            Ok(Answers { chat: Some(table([("error", self::error(error, notes)?.into())])), embedding: None })
        }
        (None, Some(mut refusal), None) => {
            let reason = refusal.text("reason")?;
            refusal.end(notes);
            let reason = reason.ok_or_else(|| Unfit("`refusal` has no `reason`".to_owned()))?;
            Ok(Answers { chat: Some(table([("refusal", reason.into())])), embedding: None })
        }
        (None, None, Some(response)) => {
            let mut answers = self::response(response, notes)?;
            if let Some(chat) = &mut answers.chat {
                delivery::add(chat, members, notes)?;
            }
            Ok(answers)
        }
        _ => Err(Unfit("it has not exactly one of `response`, `error` and `refusal`".to_owned())),
    }
}

/// The names that the original gives an error by its status.
fn error(mut error: Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    let status = error.whole("status")?.unwrap_or_default();
    let (kind, code) = match status {
        400 => ("invalid_request_error", "invalid_request"),
        401 => ("authentication_error", "invalid_api_key"),
        403 => ("permission_denied_error", "permission_denied"),
        404 => ("not_found_error", "not_found"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        500 => ("server_error", "server_error"),
        502 => ("server_error", "bad_gateway"),
        503 => ("server_error", "service_unavailable"),
        529 => ("server_error", "overloaded"),
        _ => ("api_error", "error"),
    };
    let message = error.text("message")?.unwrap_or_default();
    let mut made = table([
        ("status", status.into()),
        ("message", message.into()),
        ("type", kind.into()),
        ("code", code.into()),
    ]);
    if let Some(mut headers) = error.members("headers")? {
        for (name, node) in headers.take_all() {
            let seconds = text_or_json(&node).parse::<i64>().ok();
            match seconds.filter(|_| name.eq_ignore_ascii_case("retry-after")) {
                Some(seconds) => drop(made.insert("retry_after".to_owned(), seconds.into())),
                None => notes.part(headers.path(&name), "of headers, errors have `retry-after` in seconds"),
            }
        }
    }
    error.end(notes);
    Ok(made)
}

fn response(mut response: Members, notes: &mut Notes<'_>) -> Result<Answers, Unfit> {
    let mut answers = Answers::default();
    let content = response.text("content")?;
    let template = response.text("content_template")?;
    let calls = response.list("tool_calls")?;
    let mut chat = Table::new();
    let makes_calls = calls.is_some();
    if let Some(calls) = calls {
        let calls =
            calls.into_iter().map(|node| tool_call(node, notes)).collect::<Result<Vec<_>, Unfit>>()?;
        chat.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    if let Some(content) = content {
        chat.insert("text".to_owned(), content.into());
    }
    if let Some(template) = template {
        chat.insert("template".to_owned(), translated(&template).into());
    }
    let (stop, finish) = (response.text("stop_reason")?, response.text("finish_reason")?);
    let name = if stop.is_some() { "stop_reason" } else { "finish_reason" };
    if !chat.is_empty() {
        finish_reason(&mut chat, stop.or(finish), response.path(name), notes);
        let cut = if makes_calls { "whole".into() } else { pieces(CHUNK_CHARACTERS) };
        chat.insert("pieces".to_owned(), cut);
        answers.chat = Some(chat);
    }
    if let Some(vector) = response.list("embedding")? {
        let numbers = vector.iter().map(|node| node.to_json().as_f64().map(Value::from));
        let numbers = numbers.collect::<Option<Vec<Value>>>();
        let numbers =
            numbers.ok_or_else(|| Unfit("`response.embedding` has what is no number".to_owned()))?;
        answers.embedding = Some(table([("embedding", Value::Array(numbers))]));
    }
    if answers.chat.is_none() && answers.embedding.is_none() {
        return Err(Unfit("`response` says nothing that a script can say".to_owned()));
    }
    response.end(notes);
    Ok(answers)
}

fn tool_call(node: Node, notes: &mut Notes<'_>) -> Result<Value, Unfit> {
    let mut members = Members::of("response.tool_calls", node)?;
    let name = members.text("name")?.unwrap_or_default();
    let mut arguments = members.take("arguments").map_or_else(|| json!({}), |node| node.to_json());
    // The original tells them in the order of their names.
    arguments.sort_all_objects();
    members.end(notes);
    Ok(call(name, arguments.to_string(), None))
}

/// The template with the names that the original gives the request.
fn translated(template: &str) -> String {
    let names = [("user_message", "text | trim"), ("provider", "\"openai\"")];
    let names = names.iter().filter(|(name, _)| template.contains(name));
    let names: String = names.map(|(name, value)| format!("{{% set {name} = {value} %}}")).collect();
    names + template
}
