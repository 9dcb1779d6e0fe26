//! The text of a plan as a tree of values that know their places.
//!
//! Owns the forms that a text may have: a TOML document, one line of it (the inside of an inline table, with or without
//! its braces), and `none`. Knows no key but those that stand for plans without faults.

use toml::de::{DeTable, DeValue};

use super::PLAN_BYTES_MAX;
use super::error::{PlanError, Position};

/// What a line is put behind to make a document of it.
const LINE_PREFIX: &str = "plan = ";

/// The text of a plan that does nothing, alone or before `, seed = N`.
pub(crate) const NOTHING: &str = "none";

/// A value, and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) position: Option<Position>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Switch(bool),
    /// A date, or a number that 64 bits do not hold.
    Other,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_position: Option<Position>,
    pub(crate) node: Node,
}

/// Reads a text in any of its forms.
///
/// # Errors
/// It is too long, or no TOML.
pub(crate) fn read(text: &str) -> Result<Node, PlanError> {
    if text.len() > PLAN_BYTES_MAX {
        return Err(PlanError::TooLong { bytes: text.len() });
    }
    let body = without_nothing(text);
    let source = Source { text, body_start: text.len() - body.len(), prefix: 0 };
    if body.trim_start().starts_with('{') {
        return source.read_line(body, "", "");
    }
    match source.read_document(body) {
        // A document never has a comma between its pairs, so that of the two errors the line's tells more.
        Err(_) if !body.trim().contains('\n') => source.read_line(body, "{", "\n}"),
        document => document,
    }
}

/// What follows `none` and its comma; all of a text that begins otherwise.
fn without_nothing(text: &str) -> &str {
    let Some(rest) = text.trim_start().strip_prefix(NOTHING) else { return text };
    let rest = rest.trim_start();
    match rest.strip_prefix(',') {
        Some(pairs) => pairs,
        None if rest.is_empty() => rest,
        None => text,
    }
}

/// Turns offsets of the TOML reader into places of the original text.
struct Source<'a> {
    text: &'a str,
    /// Where in `text` the part begins that is read.
    body_start: usize,
    /// Bytes that were put before it.
    prefix: usize,
}

impl Source<'_> {
    fn read_document(&self, document: &str) -> Result<Node, PlanError> {
        let table = DeTable::parse(document).map_err(|error| self.syntax_error(&error))?;
        let span = table.span();
        Ok(self.node(&DeValue::Table(table.into_inner()), span.start))
    }

    fn read_line(&self, body: &str, opening: &str, closing: &str) -> Result<Node, PlanError> {
        let prefix = LINE_PREFIX.len() + opening.len();
        let source = Source { prefix, ..*self };
        let document = format!("{LINE_PREFIX}{opening}{body}{closing}");
        let Node { value, position } = source.read_document(&document)?;
        match value {
            Value::Table(mut entries) if entries.len() == 1 => Ok(entries.remove(0).node),
            _ => Err(PlanError::Syntax {
                position: position.unwrap_or(Position { line: 1, column: 1 }),
                message: "text follows the closing brace".to_owned(),
            }),
        }
    }

    fn syntax_error(&self, error: &toml::de::Error) -> PlanError {
        let offset = error.span().map_or(0, |span| span.start);
        // Some messages have several lines.
        let message = error.message().replace('\n', ", ");
        PlanError::Syntax { position: self.position(offset), message }
    }

    fn position(&self, offset: usize) -> Position {
        let offset = (offset.saturating_sub(self.prefix) + self.body_start).min(self.text.len());
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |line_end| line_end + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    fn node(&self, value: &DeValue<'_>, offset: usize) -> Node {
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Whole)
            }
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Fraction),
            DeValue::Boolean(switch) => Value::Switch(*switch),
            DeValue::Datetime(_) => Value::Other,
            DeValue::Array(list) => {
                Value::List(list.iter().map(|entry| self.node(entry.get_ref(), entry.span().start)).collect())
            }
            DeValue::Table(table) => {
                let mut entries: Vec<Entry> = table
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.get_ref().to_string(),
                        key_position: Some(self.position(key.span().start)),
                        node: self.node(value.get_ref(), value.span().start),
                    })
                    .collect();
                entries.sort_by_key(|entry| entry.key_position.map(|place| (place.line, place.column)));
                Value::Table(entries)
            }
        };
        Node { value, position: Some(self.position(offset)) }
    }
}

/// A value of another file, whose places are not known here.
pub(crate) fn of_value(value: toml::Value) -> Node {
    let value = match value {
        toml::Value::String(text) => Value::Text(text),
        toml::Value::Integer(number) => Value::Whole(number),
        toml::Value::Float(number) => Value::Fraction(number),
        toml::Value::Boolean(switch) => Value::Switch(switch),
        toml::Value::Datetime(_) => Value::Other,
        toml::Value::Array(list) => Value::List(list.into_iter().map(of_value).collect()),
        toml::Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, value)| Entry { key, key_position: None, node: of_value(value) })
                .collect(),
        ),
    };
    Node { value, position: None }
}
