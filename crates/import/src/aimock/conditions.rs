//! `match`: what a fixture asks of a request.

use toml::{Table, Value};

use super::asks_for_a_result;
use super::calls::Calls;
use crate::notes::{Notes, Unfit};
use crate::script_words::table;
use crate::tree::{Members, Value as NodeValue};
use crate::wildcard;

/// The header whose value `context` is.
const CONTEXT: &str = "x-aimock-context";

/// The conditions of a fixture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions {
    /// Those that a script has.
    pub(super) when: Table,
    pub(super) after_tool: Option<AfterTool>,
    /// Which of its like it answers.
    pub(super) index: Option<Index>,
}

/// Whether there is to be a tool's result behind the last user message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AfterTool {
    Needed,
    RuledOut,
}

/// A place among fixtures that differ in nothing else, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Among the requests that they answer.
    Sequence(i64),
    /// Among the assistant's messages of a conversation.
    Turn(i64),
}

impl Conditions {
    /// Reads them.
    ///
    /// # Errors
    /// Where a condition has no like: without it the rule would answer more than the fixture.
    pub(super) fn read(
        mut members: Members,
        calls: &Calls,
        notes: &mut Notes<'_>,
    ) -> Result<Conditions, Unfit> {
        let mut when = Table::new();
        let mut insert = |key: &str, value: Value| drop(when.insert(key.to_owned(), value));
        let mut after_tool = members.switch("hasToolResult")?.map(|needed| match needed {
            true => AfterTool::Needed,
            false => AfterTool::RuledOut,
        });
        let (spoken, input) = (members.text("userMessage")?, members.text("inputText")?);
        if spoken.is_some() && input.is_some() {
            return Err(Unfit("`match` asks for a user message and for the input of embeddings".to_owned()));
        }
        if let Some(part) = spoken.as_ref().or(input.as_ref()).filter(|part| !part.is_empty()) {
            insert("text", part.as_str().into());
        }
        if let Some(endpoint) = endpoint(&mut members, input.is_some())? {
            insert("endpoint", endpoint.into());
        }
        if let Some(part) = system(&mut members)? {
            insert("system", part.into());
        }
        if let Some(id) = members.text("toolCallId")? {
            let Some(tool) = calls.tool(&id) else {
                return Err(Unfit(format!(
                    "`match.toolCallId` is {id}, and no fixture makes a call of that id"
                )));
            };
            notes.changed(members.path("toolCallId"), format!("any result of `{tool}` will do"));
            insert("tool", tool.into());
        }
        match members.text("toolResultContains")? {
            Some(part) if part.is_empty() => after_tool = Some(AfterTool::Needed),
            Some(part) => insert("tool_result", part.into()),
            None => {}
        }
        if let Some(name) = members.text("toolName")? {
            insert("tools", name.into());
        }
        if let Some(model) = exactly(&mut members, "model")? {
            let reason = format!("only exactly `{model}` fits, and no version of it with a date");
            notes.changed(members.path("model"), reason);
            insert("model", model.into());
        }
        if let Some(context) = exactly(&mut members, "context")? {
            insert("header", table([(CONTEXT, context.into())]).into());
        }
        if members.take("responseFormat").is_some() {
            return Err(Unfit("`match.responseFormat` asks for what no rule sees".to_owned()));
        }
        let index = index(&mut members, notes)?;
        members.end(notes);
        if after_tool == Some(AfterTool::RuledOut) && asks_for_a_result(&when) {
            let reason = "it can never match: `match` asks for a tool's result and rules it out";
            return Err(Unfit(reason.to_owned()));
        }
        Ok(Conditions { when, after_tool, index })
    }
}

/// The pattern of the text of a member.
fn exactly(members: &mut Members, name: &str) -> Result<Option<String>, Unfit> {
    let Some(text) = members.text(name)? else { return Ok(None) };
    let pattern = wildcard::literal(&text);
    pattern
        .map(Some)
        .ok_or_else(|| Unfit(format!("`{}` has a `*`, which no pattern has", members.path(name))))
}

fn endpoint(members: &mut Members, has_input: bool) -> Result<Option<&'static str>, Unfit> {
    match members.text("endpoint")?.as_deref() {
        None if has_input => Ok(Some("embeddings")),
        None => Ok(None),
        Some("chat") if !has_input => Ok(Some("chat")),
        Some("embedding") => Ok(Some("embeddings")),
        Some(other) => Err(Unfit(format!("`match.endpoint` is {other}, which a script does not answer"))),
    }
}

/// One text; a script cannot ask for several.
fn system(members: &mut Members) -> Result<Option<String>, Unfit> {
    let Some(node) = members.take("systemMessage") else { return Ok(None) };
    let parts = match node.value {
        NodeValue::List(list) => list,
        _ => vec![node],
    };
    match parts.as_slice() {
        [] => Ok(None),
        [part] => match part.as_text() {
            Some(part) if !part.is_empty() => Ok(Some(part.to_owned())),
            _ => Err(Unfit("`match.systemMessage` asks for a text that cannot be asked for".to_owned())),
        },
        _ => {
            Err(Unfit("`match.systemMessage` asks for several texts, and a rule can ask for one".to_owned()))
        }
    }
}

fn index(members: &mut Members, notes: &mut Notes<'_>) -> Result<Option<Index>, Unfit> {
    let (sequence, turn) = (members.whole("sequenceIndex")?, members.whole("turnIndex")?);
    if sequence.is_some() && turn.is_some() {
        notes.part(members.path("turnIndex"), "`sequenceIndex` decides alone");
    }
    Ok(sequence.map(Index::Sequence).or(turn.map(Index::Turn)))
}
