//! What a fixture answers: `response`.

use toml::{Table, Value};

use crate::notes::{Notes, Unfit};
use crate::script_words::{call, finish_reason, table, text_or_json};
use crate::tree::{Members, Node};

/// The members that make a response one of an API that a script does not have.
const FOREIGN: [&str; 8] = ["audio", "image", "images", "json", "live", "transcription", "video", "previews"];

/// The status of an error that names none.
const DEFAULT_STATUS: i64 = 500;

/// The answer of a response.
///
/// # Errors
/// Where a script has no such answer.
pub(super) fn answer(mut response: Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    if let Some(foreign) = FOREIGN.into_iter().find(|name| response.take(name).is_some()) {
        return Err(Unfit(format!("`response.{foreign}` is of an API that a script does not answer")));
    }
    if let Some(error) = response.members("error")? {
        return self::error(error, response, notes);
    }
    if let Some(vector) = response.list("embedding")? {
        let numbers = vector.iter().map(|node| node.to_json().as_f64().map(Value::from));
        let numbers = numbers.collect::<Option<Vec<Value>>>();
        let numbers =
            numbers.ok_or_else(|| Unfit("`response.embedding` has what is no number".to_owned()))?;
        response.end(notes);
        return Ok(table([("embedding", Value::Array(numbers))]));
    }
    let mut answer = said(&mut response, notes)?;
    if answer.is_empty() {
        return Err(Unfit("`response` says nothing that a script can say".to_owned()));
    }
    if let Some(reasoning) = response.text("reasoning")? {
        answer.insert("reasoning".to_owned(), reasoning.into());
    }
    let reason = response.text("finishReason")?;
    finish_reason(&mut answer, reason, response.path("finishReason"), notes);
    if let Some(fingerprint) = response.text("systemFingerprint")? {
        answer.insert("system_fingerprint".to_owned(), fingerprint.into());
    }
    if let Some(usage) = response.members("usage")? {
        let usage = self::usage(usage, notes)?;
        if !usage.is_empty() {
            answer.insert("usage".to_owned(), usage.into());
        }
    }
    response.end(notes);
    Ok(answer)
}

/// Text and calls.
fn said(response: &mut Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    let content = response.take("content").map(|node| text_or_json(&node));
    let calls = response.list("toolCalls")?;
    let blocks = response.list("blocks")?.filter(|blocks| !blocks.is_empty());
    let (content, calls) = match blocks {
        Some(blocks) => in_blocks(blocks, notes)?,
        None => {
            let calls = calls.map(|calls| calls.into_iter().map(|node| tool_call(node, notes)).collect());
            (content, calls.transpose()?.unwrap_or_default())
        }
    };
    let mut answer = Table::new();
    if let Some(content) = content {
        answer.insert("text".to_owned(), content.into());
    }
    if !calls.is_empty() {
        answer.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Ok(answer)
}

/// Blocks have an order, and an answer of a script has its text first.
fn in_blocks(blocks: Vec<Node>, notes: &mut Notes<'_>) -> Result<(Option<String>, Vec<Value>), Unfit> {
    let mut content: Option<String> = None;
    let mut calls = Vec::new();
    for node in blocks {
        let text = node.get("text").and_then(Node::as_text);
        match text {
            Some(text) => {
                if !calls.is_empty() {
                    notes.changed("response.blocks", "all text comes before the calls");
                }
                content.get_or_insert_default().push_str(text);
            }
            None => calls.push(tool_call(node, notes)?),
        }
    }
    Ok((content, calls))
}

fn tool_call(node: Node, notes: &mut Notes<'_>) -> Result<Value, Unfit> {
    let mut members = Members::of("response.toolCalls", node)?;
    // A block says what it is.
    let _kind = members.take("type");
    let name = members.text("name")?.unwrap_or_default();
    let arguments = members.take("arguments").map_or_else(String::new, |node| text_or_json(&node));
    let id = members.text("id")?;
    members.end(notes);
    Ok(call(name, arguments, id))
}

fn error(mut error: Members, mut response: Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    let status = response.whole("status")?.unwrap_or(DEFAULT_STATUS);
    let mut made = table([
        ("status", status.into()),
        ("message", error.text("message")?.unwrap_or_default().into()),
        ("type", error.text("type")?.unwrap_or_else(|| "server_error".to_owned()).into()),
    ]);
    for name in ["param", "code"] {
        if let Some(text) = error.text(name)? {
            made.insert(name.to_owned(), text.into());
        }
    }
    let retry_after = response.whole("retryAfter")?;
    if status == 429 {
        made.insert("retry_after".to_owned(), retry_after.unwrap_or(1).into());
    } else if retry_after.is_some() {
        notes.part(response.path("retryAfter"), "the original sends it with status 429 alone");
    }
    error.end(notes);
    response.end(notes);
    Ok(table([("error", made.into())]))
}

/// In the names of either API.
fn usage(mut usage: Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    let mut made = Table::new();
    for (name, other) in [("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")] {
        let (count, alias) = (usage.whole(name)?, usage.whole(other)?);
        if let Some(count) = count.or(alias) {
            made.insert(name.to_owned(), count.into());
        }
    }
    // The sum follows.
    let _total = usage.take("total_tokens");
    usage.end(notes);
    Ok(made)
}
