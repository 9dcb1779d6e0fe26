//! `match`: what a fixture asks of a request.

use toml::{Table, Value};

use crate::notes::{Notes, Unfit};
use crate::tree::{Members, Node, Value as NodeValue};
use crate::wildcard;

/// What is looked for in a text.
enum Wanted {
    /// To be contained.
    Part(String),
    /// To match somewhere.
    Regex(String),
}

/// The conditions of a rule.
///
/// # Errors
/// Where a condition has no like: without it the rule would answer more than the fixture.
pub(super) fn conditions(mut members: Members, notes: &mut Notes<'_>) -> Result<Table, Unfit> {
    let mut when = Table::new();
    let mut insert = |key: &str, value: Value| drop(when.insert(key.to_owned(), value));
    match wanted(&mut members, "user_message")? {
        Some(Wanted::Part(part)) => insert("text", part.into()),
        Some(Wanted::Regex(regex)) => insert("regex", regex.into()),
        None => {}
    }
    if let Some(model) = wanted(&mut members, "model")? {
        insert("model", pattern(&model, "match.model")?.into());
    }
    match wanted(&mut members, "system_prompt")? {
        Some(Wanted::Part(part)) => insert("system", part.into()),
        Some(Wanted::Regex(_)) => {
            return Err(Unfit("`match.system_prompt` is a regular expression".to_owned()));
        }
        None => {}
    }
    match wanted(&mut members, "tool_schema")? {
        Some(Wanted::Part(name)) => {
            let reason = format!("a tool of exactly the name `{name}` must be offered");
            notes.changed(members.path("tool_schema"), reason);
            insert("tools", name.into());
        }
        Some(Wanted::Regex(regex)) => match wildcard::text_of_regex(&regex) {
            Some(name) => insert("tools", name.into()),
            None => return Err(Unfit("`match.tool_schema` is a regular expression".to_owned())),
        },
        None => {}
    }
    if let Some(headers) = headers(&mut members)? {
        insert("header", headers.into());
    }
    for name in ["temperature", "metadata", "body_jsonpath"] {
        if members.take(name).is_some_and(|node| node.value != NodeValue::Members(Vec::new())) {
            return Err(Unfit(format!("`match.{name}` asks for what no rule sees")));
        }
    }
    members.end(notes);
    Ok(when)
}

fn headers(members: &mut Members) -> Result<Option<Table>, Unfit> {
    let Some(mut headers) = members.members("headers")? else { return Ok(None) };
    let mut patterns = Table::new();
    for (name, node) in headers.take_all() {
        let path = headers.path(&name);
        let pattern = pattern(&read(node, &path)?, &path)?;
        patterns.insert(name.to_ascii_lowercase(), pattern.into());
    }
    Ok((!patterns.is_empty()).then_some(patterns))
}

fn wanted(members: &mut Members, name: &str) -> Result<Option<Wanted>, Unfit> {
    let path = members.path(name);
    members.take(name).map(|node| read(node, &path)).transpose()
}

fn read(node: Node, path: &str) -> Result<Wanted, Unfit> {
    if let NodeValue::Text(part) = node.value {
        return Ok(Wanted::Part(part));
    }
    let regex = Members::of(path, node)?.text("regex")?;
    regex.map(Wanted::Regex).ok_or_else(|| Unfit(format!("`{path}` is neither a text nor a `regex`")))
}

fn pattern(wanted: &Wanted, path: &str) -> Result<String, Unfit> {
    let pattern = match wanted {
        Wanted::Part(part) => wildcard::containing(part),
        Wanted::Regex(regex) => wildcard::of_regex(regex),
    };
    pattern.ok_or_else(|| Unfit(format!("`{path}` cannot be said by a pattern with `*`")))
}
