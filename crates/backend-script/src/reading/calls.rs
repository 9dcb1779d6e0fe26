//! `tool_calls` of an answer.

use interference_toml_values::{Node, Problems};

use super::{LONGEST_NAME, json};
use crate::answer::{Call, Part, Step};
use crate::pieces::Cut;

/// How many calls an answer may make.
pub(crate) const MOST_CALLS: usize = 128;

/// Reads the calls and the steps that tell them.
pub(super) fn read(node: &Node<'_>, cut: Cut, problems: &mut Problems) -> Option<(Vec<Call>, Vec<Step>)> {
    let entries = problems.array(node, "tool_calls")?;
    if entries.is_empty() || entries.len() > MOST_CALLS {
        problems.add(node.span(), format!("`tool_calls` must have from 1 to {MOST_CALLS} calls"));
        return None;
    }
    let (mut calls, mut steps) = (Vec::new(), Vec::new());
    for (position, entry) in entries.iter().enumerate() {
        let (call, arguments) = call(entry, problems)?;
        steps.push(Step::new(Part::CallOpening(position), call.name.as_str()));
        let pieces = cut.pieces(&arguments);
        steps.extend(pieces.into_iter().map(|piece| Step::new(Part::CallArguments(position), piece)));
        calls.push(call);
    }
    Some((calls, steps))
}

fn call(node: &Node<'_>, problems: &mut Problems) -> Option<(Call, String)> {
    let table = problems.table(node, "tool_calls")?;
    problems.check_keys(table, "a call", &["name", "arguments", "id"]);
    let Some(name) = table.get("name") else {
        problems.add(node.span(), "a call needs a `name`: that of a tool which the request offers");
        return None;
    };
    let name = problems.short_text(name, "name", LONGEST_NAME)?.to_owned();
    let id = match table.get("id") {
        Some(id) => Some(problems.short_text(id, "id", LONGEST_NAME)?.to_owned()),
        None => None,
    };
    let arguments = match table.get("arguments") {
        Some(arguments) => text_of_arguments(arguments, problems)?,
        None => "{}".to_owned(),
    };
    Some((Call { name, id }, arguments))
}

/// A table is told as JSON, a string as it is, whether that is JSON or not.
fn text_of_arguments(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    if let Some(text) = node.get_ref().as_str() {
        return Some(text.to_owned());
    }
    if !node.get_ref().is_table() {
        problems.wrong_type(node, "arguments", "a table or a string");
        return None;
    }
    match json(node) {
        Ok(value) => Some(value.to_string()),
        Err(span) => {
            problems.add(span, "JSON has no such number; write it into a string");
            None
        }
    }
}
