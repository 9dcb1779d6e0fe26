//! Answers that are no chat: `embedding` and `error`.

use bytes::Bytes;
use http::StatusCode;
use interference_faults::parse_duration;
use serde_json::json;

use interference_toml_values::{Node, Problems};

use crate::answer::{Embedding, ErrorAnswer};
use crate::reading::LONGEST_NAME;
use crate::reading::members::Members;

/// How many dimensions a vector may have.
pub(crate) const MOST_DIMENSIONS: usize = 8_192;

/// The longest `retry_after`, in seconds: a day.
const LONGEST_RETRY_AFTER: u64 = 24 * 60 * 60;

/// How long the message of an error may be, in bytes.
const LONGEST_MESSAGE: usize = 64 * 1024;

pub(super) fn embedding(members: &Members<'_, '_>, problems: &mut Problems) -> Option<Embedding> {
    let node = members.get("embedding")?;
    if let Some(table) = node.get_ref().as_table() {
        problems.check_keys(table, "`embedding`", &["dimensions"]);
        let Some(dimensions) = table.get("dimensions") else {
            problems.add(node.span(), "`embedding` must be an array of numbers or { dimensions = N }");
            return None;
        };
        let dimensions = problems.count(dimensions, "dimensions", 1, MOST_DIMENSIONS as u64)?;
        return Some(Embedding::OfText { dimensions: dimensions as usize });
    }
    if !node.get_ref().is_array() {
        problems.wrong_type(node, "embedding", "an array of numbers or { dimensions = N }");
        return None;
    }
    let entries = problems.array(node, "embedding")?;
    if entries.is_empty() || entries.len() > MOST_DIMENSIONS {
        problems.add(node.span(), format!("`embedding` must have from 1 to {MOST_DIMENSIONS} numbers"));
        return None;
    }
    let vector: Option<Vec<f32>> = entries.iter().map(|entry| component(entry, problems)).collect();
    vector.map(Embedding::Constant)
}

fn component(node: &Node<'_>, problems: &mut Problems) -> Option<f32> {
    let value = problems.number(node, "embedding")? as f32;
    if !value.is_finite() {
        problems.add(node.span(), "`embedding` has a number that is too large for single precision");
        return None;
    }
    Some(value)
}

pub(super) fn error(members: &Members<'_, '_>, problems: &mut Problems) -> Option<ErrorAnswer> {
    let node = members.get("error")?;
    let table = problems.table(node, "error")?;
    problems.check_keys(table, "`error`", &["status", "message", "type", "code", "param", "retry_after"]);
    let (Some(status), Some(message)) = (table.get("status"), table.get("message")) else {
        problems.add(node.span(), "`error` needs a `status` and a `message`");
        return None;
    };
    let status = problems.count(status, "status", 400, 599);
    let message = problems.short_text(message, "message", LONGEST_MESSAGE);
    let mut text = |key: &str| match table.get(key) {
        None => Some(None),
        Some(node) => problems.short_text(node, key, LONGEST_NAME).map(Some),
    };
    let (kind, code, param) = (text("type"), text("code"), text("param"));
    let retry_after = match table.get("retry_after") {
        None => None,
        Some(node) => Some(retry_after(node, problems)?),
    };
    let status = StatusCode::from_u16(u16::try_from(status?).ok()?).ok()?;
    let kind = kind?.unwrap_or(match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    });
    let body = json!({"error": {"message": message?, "type": kind, "param": param?, "code": code?}});
    Some(ErrorAnswer { status, body: Bytes::from(body.to_string()), retry_after })
}

/// Whole seconds: a number, or a duration.
fn retry_after(node: &Node<'_>, problems: &mut Problems) -> Option<u64> {
    let Some(text) = node.get_ref().as_str() else {
        return problems.count(node, "retry_after", 0, LONGEST_RETRY_AFTER);
    };
    match parse_duration(text) {
        Ok(duration) if duration.subsec_nanos() == 0 => Some(duration.as_secs()),
        Ok(_) => {
            problems.add(node.span(), "`retry_after` must be whole seconds: the header has no fractions");
            None
        }
        Err(error) => {
            problems.add(node.span(), format!("`retry_after` {error}"));
            None
        }
    }
}
