//! Typed values out of parsed TOML, with a problem for each that is not as it should be.
//!
//! Owns the words of such problems, and their list. It refuses to know what the values mean.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{MOST_PROBLEMS, ScriptError, Source};
use crate::suggestion::did_you_mean;

/// A value with its place in the file.
pub(crate) type Node<'i> = Spanned<DeValue<'i>>;

/// How much of a wrong value is repeated, in characters.
const LONGEST_VALUE: usize = 60;

/// What is wrong with a script so far.
pub(crate) struct Problems {
    /// By place, each once: what several answers take from one is read several times.
    found: BTreeSet<(usize, usize, String)>,
    untold: usize,
}

impl Problems {
    /// Nothing so far.
    pub(crate) fn new() -> Problems {
        Problems { found: BTreeSet::new(), untold: 0 }
    }

    /// Notes one.
    pub(crate) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = (span.start, span.end, message.into());
        if self.found.len() < MOST_PROBLEMS {
            self.found.insert(problem);
        } else if !self.found.contains(&problem) {
            self.untold += 1;
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The error that they come to.
    pub(crate) fn into_error(self, source: &Source<'_>) -> ScriptError {
        let problems =
            self.found.into_iter().map(|(start, end, message)| source.problem(&(start..end), message));
        ScriptError::Invalid { problems: problems.collect(), untold: self.untold }
    }

    /// Notes the keys of a table that are not among those that are known there; `place` is such as `a rule`.
    pub(crate) fn check_keys(&mut self, table: &DeTable<'_>, place: &str, known: &[&str]) {
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                self.unknown_key(key.span(), name, place, known);
            }
        }
    }

    /// Notes a key that is not known.
    pub(crate) fn unknown_key(&mut self, span: Range<usize>, name: &str, place: &str, known: &[&str]) {
        let name = shortened(name);
        let hint = match did_you_mean(&name, known.iter().copied()) {
            hint if hint.is_empty() => format!("; known are {}", listed(known)),
            hint => hint,
        };
        self.add(span, format!("unknown key `{name}` in {place}{hint}"));
    }

    /// Notes that a value is of a wrong type.
    pub(crate) fn wrong_type(&mut self, node: &Node<'_>, key: &str, expected: &str) {
        self.add(node.span(), format!("`{key}` must be {expected}, not {}", kind(node.get_ref())));
    }

    /// A string.
    pub(crate) fn text<'n>(&mut self, node: &'n Node<'_>, key: &str) -> Option<&'n str> {
        let text = node.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(node, key, "a string");
        }
        text
    }

    /// A string that is not empty, of at most so many bytes.
    pub(crate) fn short_text<'n>(
        &mut self,
        node: &'n Node<'_>,
        key: &str,
        longest: usize,
    ) -> Option<&'n str> {
        let text = self.text(node, key)?;
        if text.is_empty() {
            self.add(node.span(), format!("`{key}` must not be empty"));
            return None;
        }
        if text.len() > longest {
            self.add(node.span(), format!("`{key}` has {} bytes, and {longest} are the most", text.len()));
            return None;
        }
        Some(text)
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        node: &Node<'_>,
        key: &str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let Some(text) = node.get_ref().as_str() else {
            self.wrong_type(node, key, &format!("one of {expected}"));
            return None;
        };
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            self.add(node.span(), format!("`{key}` must be one of {expected}, not \"{}\"", shortened(text)));
        }
        found
    }

    /// True or false.
    pub(crate) fn switch(&mut self, node: &Node<'_>, key: &str) -> Option<bool> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            self.wrong_type(node, key, "true or false");
        }
        value
    }

    /// A whole number within bounds.
    pub(crate) fn count(&mut self, node: &Node<'_>, key: &str, low: u64, high: u64) -> Option<u64> {
        let Some(integer) = node.get_ref().as_integer() else {
            self.wrong_type(node, key, "a whole number");
            return None;
        };
        let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.filter(|value| (low..=high).contains(value));
        if value.is_none() {
            let bounds =
                format!("`{key}` must be from {low} to {high}, not {}", shortened(&integer.to_string()));
            self.add(node.span(), bounds);
        }
        value
    }

    /// A finite number, whole or not.
    pub(crate) fn number(&mut self, node: &Node<'_>, key: &str) -> Option<f64> {
        let value = match node.get_ref() {
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|whole| whole as f64)
            }
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => {
                self.wrong_type(node, key, "a number");
                return None;
            }
        };
        let value = value.filter(|value: &f64| value.is_finite());
        if value.is_none() {
            self.add(node.span(), format!("`{key}` must be a finite number"));
        }
        value
    }

    /// An array.
    pub(crate) fn array<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n [Node<'i>]> {
        match node.get_ref() {
            DeValue::Array(array) => Some(array),
            _ => {
                self.wrong_type(node, key, "an array");
                None
            }
        }
    }

    /// A table.
    pub(crate) fn table<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n DeTable<'i>> {
        let table = node.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(node, key, "a table");
        }
        table
    }

    /// A value of a type that reads itself, and says itself what is wrong.
    pub(crate) fn read<T: for<'de> Deserialize<'de>>(&mut self, node: &Node<'_>, key: &str) -> Option<T> {
        match T::deserialize(toml::de::ValueDeserializer::from(node.clone())) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = error.message();
                // Most of them name the key already.
                let message = match message.contains(&format!("`{key}")) {
                    true => message.to_owned(),
                    false => format!("`{key}`: {message}"),
                };
                self.add(node.span(), message);
                None
            }
        }
    }
}

/// `a, b and c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

/// A text that is short enough to be repeated.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_VALUE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
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
