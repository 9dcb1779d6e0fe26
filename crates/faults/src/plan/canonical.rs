//! The canonical form of a plan: one line of ASCII that reads back as the same plan.
//!
//! A key stands in an order that never changes, a default is left out, and characters beyond ASCII are escaped, so that
//! the line fits into a header.

use std::fmt::Write;

/// Pairs of keys and written values.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<String>);

impl Pairs {
    pub(crate) fn push(&mut self, key: &str, value: impl AsRef<str>) {
        self.0.push(format!("{key} = {}", value.as_ref()));
    }

    pub(crate) fn push_some(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }

    pub(crate) fn push_true(&mut self, key: &str, switch: bool) {
        if switch {
            self.push(key, "true");
        }
    }

    /// As the inside of an inline table.
    pub(crate) fn into_line(self) -> String {
        self.0.join(", ")
    }

    /// As an inline table.
    pub(crate) fn into_table(self) -> String {
        format!("{{ {} }}", self.into_line())
    }
}

/// A list of written values.
pub(crate) fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}

/// A text in quotes.
pub(crate) fn text(value: &str) -> String {
    let mut written = String::with_capacity(value.len() + 2);
    written.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                written.push('\\');
                written.push(character);
            }
            ' '..='~' => written.push(character),
            _ if u32::from(character) <= 0xFFFF => {
                // Writing to a text cannot fail.
                let _ = write!(written, "\\u{:04X}", u32::from(character));
            }
            _ => {
                let _ = write!(written, "\\U{:08X}", u32::from(character));
            }
        }
    }
    written.push('"');
    written
}
