//! Typed values out of parsed TOML, with a problem and its place for each that is not as it should be.
//!
//! Owns the words of such problems, their order and their number. It refuses to know what the values mean.

use std::ops::Range;
use std::time::Duration;

use interference_faults::parse_duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{FileProblem, MOST_PROBLEMS};
use crate::RelayError;

/// A value with its place in the file.
pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// How much of an unknown key is repeated, in characters.
const LONGEST_KEY: usize = 60;

/// What is wrong with a file so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<(usize, String)>,
    untold: usize,
}

impl Problems {
    /// Notes one, at the beginning of these bytes.
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        if self.found.len() < MOST_PROBLEMS {
            self.found.push((span.start, message.into()));
        } else {
            self.untold += 1;
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The error that they come to, in the order of the file.
    pub(super) fn into_error(mut self, file_name: &str, text: &str) -> RelayError {
        self.found.sort_by_key(|(offset, _)| *offset);
        let problem = |(offset, message)| {
            let before = text.get(..offset).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            FileProblem {
                file_name: file_name.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message,
            }
        };
        RelayError::File { problems: self.found.into_iter().map(problem).collect(), untold: self.untold }
    }

    /// Notes the keys of a table that are not known; `place` is such as `an upstream`.
    pub(super) fn check_keys(&mut self, table: &DeTable<'_>, place: &str, known: &[&str]) {
        for (key, _) in table.iter() {
            let name: String = key.get_ref().chars().take(LONGEST_KEY).collect();
            if !known.contains(&name.as_str()) {
                let known = listed(known);
                self.add(key.span(), format!("unknown key `{name}` in {place}; known are {known}"));
            }
        }
    }

    /// A string.
    pub(super) fn text<'n>(&mut self, node: &'n Node<'_>, key: &str) -> Option<&'n str> {
        let text = node.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(node, key, "a string");
        }
        text
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        let boolean = node.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong_type(node, key, "a boolean");
        }
        boolean
    }

    /// A whole number within bounds.
    pub(super) fn count(&mut self, node: &Node<'_>, key: &str, low: u32, high: u32) -> Option<u32> {
        let Some(integer) = node.get_ref().as_integer() else {
            self.wrong_type(node, key, "a whole number");
            return None;
        };
        let value = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.filter(|value| (low..=high).contains(value));
        if value.is_none() {
            self.add(node.span(), format!("`{key}` must be from {low} to {high}"));
        }
        value
    }

    /// A duration, longer than nothing.
    pub(super) fn duration(&mut self, node: &Node<'_>, key: &str) -> Option<Duration> {
        match parse_duration(self.text(node, key)?) {
            Ok(Duration::ZERO) => self.add(node.span(), format!("`{key}` must be longer than nothing")),
            Ok(duration) => return Some(duration),
            Err(error) => self.add(node.span(), format!("`{key}` {error}")),
        }
        None
    }

    /// An array.
    pub(super) fn array<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n [Node<'i>]> {
        match node.get_ref() {
            DeValue::Array(array) => Some(array),
            _ => {
                self.wrong_type(node, key, "an array");
                None
            }
        }
    }

    /// A table.
    pub(super) fn table<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n DeTable<'i>> {
        let table = node.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(node, key, "a table");
        }
        table
    }

    fn wrong_type(&mut self, node: &Node<'_>, key: &str, expected: &str) {
        self.add(node.span(), format!("`{key}` must be {expected}, not {}", kind(node.get_ref())));
    }
}

/// `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
