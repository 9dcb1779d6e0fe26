//! What is wrong with a file, and the values that are right.
//!
//! Owns the words of problems with types and bounds, and the list of all problems, in the order of the file.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::Node;
use crate::words::{kind, listed, shortened};

/// How many problems of a file are told one by one.
pub const MOST_PROBLEMS: usize = 50;

/// What is said of a key that is not known, behind its name and place: from the name and the keys that are known there to
/// such as `; known are a and b`.
pub type UnknownKeyHint = fn(&str, &[&str]) -> String;

/// What is wrong with a file so far.
#[derive(Debug)]
pub struct Problems {
    /// By place, each once: some values are read several times.
    found: BTreeSet<(usize, usize, String)>,
    untold: usize,
    unknown_key_hint: UnknownKeyHint,
}

/// All that is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// At most [`MOST_PROBLEMS`], in the order of the file: the bytes that are meant, what is wrong, and what would be
    /// right.
    pub problems: Vec<(Range<usize>, String)>,
    /// How many more there are.
    pub untold: usize,
}

/// All keys that are known: [`UnknownKeyHint`].
pub fn known_are(_name: &str, known: &[&str]) -> String {
    format!("; known are {}", listed(known))
}

/// An integer, if it is within bounds.
pub fn within(integer: &DeInteger<'_>, low: u64, high: u64) -> Option<u64> {
    let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
    value.filter(|value| (low..=high).contains(value))
}

impl Problems {
    /// Nothing so far.
    pub fn new(unknown_key_hint: UnknownKeyHint) -> Problems {
        Problems { found: BTreeSet::new(), untold: 0, unknown_key_hint }
    }

    /// The document that a text is. None if it is no TOML, which is noted.
    pub fn document<'i>(&mut self, text: &'i str) -> Option<Spanned<DeTable<'i>>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            self.add(error.span().unwrap_or(0..0), error.message());
        }
        errors.is_empty().then_some(document)
    }

    /// Notes one.
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = (span.start, span.end, message.into());
        if self.found.len() < MOST_PROBLEMS {
            self.found.insert(problem);
        } else if !self.found.contains(&problem) {
            self.untold += 1;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them.
    pub fn told(self) -> Told {
        let problems = self.found.into_iter().map(|(start, end, message)| (start..end, message));
        Told { problems: problems.collect(), untold: self.untold }
    }

    /// Notes the keys of a table that are not among those that are known there; `place` is such as `a rule`.
    pub fn check_keys(&mut self, table: &DeTable<'_>, place: &str, known: &[&str]) {
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                self.unknown_key(key.span(), name, place, known);
            }
        }
    }

    fn unknown_key(&mut self, span: Range<usize>, name: &str, place: &str, known: &[&str]) {
        let name = shortened(name);
        let hint = (self.unknown_key_hint)(&name, known);
        self.add(span, format!("unknown key `{name}` in {place}{hint}"));
    }

    /// Notes that a value is of a wrong type.
    pub fn wrong_type(&mut self, node: &Node<'_>, key: &str, expected: &str) {
        self.add(node.span(), format!("`{key}` must be {expected}, not {}", kind(node.get_ref())));
    }

    /// A string.
    pub fn text<'n>(&mut self, node: &'n Node<'_>, key: &str) -> Option<&'n str> {
        let text = node.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(node, key, "a string");
        }
        text
    }

    /// A string that is not empty, of at most so many bytes.
    pub fn short_text<'n>(&mut self, node: &'n Node<'_>, key: &str, longest: usize) -> Option<&'n str> {
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
    pub fn choice<T: Copy>(
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

    /// A boolean; `expected` is such as `true or false`.
    pub fn boolean(&mut self, node: &Node<'_>, key: &str, expected: &str) -> Option<bool> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            self.wrong_type(node, key, expected);
        }
        value
    }

    /// A whole number, which may be too large for any type.
    pub fn integer<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n DeInteger<'i>> {
        let integer = node.get_ref().as_integer();
        if integer.is_none() {
            self.wrong_type(node, key, "a whole number");
        }
        integer
    }

    /// A whole number within bounds.
    pub fn count(&mut self, node: &Node<'_>, key: &str, low: u64, high: u64) -> Option<u64> {
        let integer = self.integer(node, key)?;
        let value = within(integer, low, high);
        if value.is_none() {
            let bounds =
                format!("`{key}` must be from {low} to {high}, not {}", shortened(&integer.to_string()));
            self.add(node.span(), bounds);
        }
        value
    }

    /// A finite number, whole or not.
    pub fn number(&mut self, node: &Node<'_>, key: &str) -> Option<f64> {
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
    pub fn array<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n [Node<'i>]> {
        match node.get_ref() {
            DeValue::Array(array) => Some(array),
            _ => {
                self.wrong_type(node, key, "an array");
                None
            }
        }
    }

    /// A table.
    pub fn table<'n, 'i>(&mut self, node: &'n Node<'i>, key: &str) -> Option<&'n DeTable<'i>> {
        let table = node.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(node, key, "a table");
        }
        table
    }

    /// A value of a type that reads itself, and says itself what is wrong.
    pub fn read<T: for<'de> Deserialize<'de>>(&mut self, node: &Node<'_>, key: &str) -> Option<T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of what is marked, and the message.
    fn told(problems: Problems) -> Vec<(usize, String)> {
        let Told { problems, untold: 0 } = problems.told() else { panic!("all are told") };
        problems.into_iter().map(|(span, message)| (span.start, message)).collect()
    }

    #[test]
    fn values_are_read_and_what_is_wrong_is_told_in_the_order_of_the_file() {
        let text = "a = 1\nb = 0x1F\nc = 'x'\nd = 99999999999999999999\ne = 1.5\nf = [1979-05-27]\ng = true\nh = {}\n";
        let mut problems = Problems::new(known_are);
        let document = problems.document(text).unwrap().into_inner();
        let node = |key: &str| document.get(key).unwrap();
        assert_eq!(problems.boolean(node("g"), "g", "a boolean"), Some(true));
        assert_eq!(problems.count(node("b"), "b", 1, 31), Some(31));
        assert_eq!(
            (problems.number(node("a"), "a"), problems.number(node("e"), "e")),
            (Some(1.0), Some(1.5))
        );
        assert_eq!(problems.text(node("c"), "c"), Some("x"));
        assert_eq!(problems.choice(node("c"), "c", &[("x", 7)]), Some(7));
        assert!(problems.table(node("h"), "h").unwrap().is_empty());
        assert!(problems.is_empty());

        problems.check_keys(&document, "a file", &["a", "b", "c", "d", "e", "f", "g"]);
        let date = &problems.array(node("f"), "f").unwrap()[0];
        assert_eq!(problems.text(date, "f"), None);
        assert_eq!(problems.count(node("d"), "d", 1, 9), None);
        assert_eq!(problems.boolean(node("c"), "c", "true or false"), None);
        assert_eq!(problems.count(node("e"), "e", 1, 9), None);
        assert_eq!(problems.choice(node("c"), "c", &[("y", 1), ("z", 2)]), None);
        // Told once.
        assert_eq!(problems.boolean(node("c"), "c", "true or false"), None);
        let at = |mark: &str| text.find(mark).unwrap();
        let expected = [
            ("'x'", "`c` must be one of \"y\", \"z\", not \"x\""),
            ("'x'", "`c` must be true or false, not a string"),
            ("9999", "`d` must be from 1 to 9, not 99999999999999999999"),
            ("1.5", "`e` must be a whole number, not a float"),
            ("1979", "`f` must be a string, not a date or time"),
            ("h =", "unknown key `h` in a file; known are a, b, c, d, e, f and g"),
        ];
        assert_eq!(told(problems), expected.map(|(mark, message)| (at(mark), message.to_owned())));
    }

    #[test]
    fn what_is_no_toml_is_told_and_many_problems_are_counted() {
        let mut problems = Problems::new(known_are);
        assert!(problems.document("a = \"b\nc = 1\n").is_none() && !problems.is_empty());
        let mut problems = Problems::new(known_are);
        for _ in 0..2 {
            (0..MOST_PROBLEMS).for_each(|start| problems.add(start..start + 1, "wrong"));
        }
        problems.add(MOST_PROBLEMS..MOST_PROBLEMS, "wrong");
        let Told { problems, untold } = problems.told();
        assert_eq!((problems.len(), untold), (MOST_PROBLEMS, 1));
    }
}
