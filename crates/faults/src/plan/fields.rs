//! Tables and fields of a plan while it is read: types, bounds, and errors that name the key and its place.
//!
//! Knows no fault. What a table may hold is said when it is opened, so that a misspelt key is told as such, and not as
//! the absence of the key that was meant.

use std::time::Duration;

use super::LIST_ENTRIES_MAX;
use super::document::{Entry, Node, Value};
use super::error::{Place, PlanError, Position};
use crate::duration_text::parse_duration;

/// The largest whole number of a plan; it survives a floating-point number.
pub(crate) const WHOLE_MAX: u64 = crate::seeds::SEED_MAX;

/// How many changed letters still make a key look like another.
const LETTERS_APART_MAX: usize = 2;

/// A value with its path.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    path: String,
    key_position: Option<Position>,
    node: &'a Node,
}

impl<'a> Field<'a> {
    /// The value at the top. An empty path stands for the plan itself.
    pub(crate) fn root(node: &'a Node, path: &str) -> Field<'a> {
        Field { path: path.to_owned(), key_position: node.position, node }
    }

    /// An error about this field.
    pub(crate) fn error(&self, problem: impl Into<String>) -> PlanError {
        let position = self.node.position.or(self.key_position);
        PlanError::Value { place: Place { key: shown(&self.path), position }, problem: problem.into() }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, least: u64, most: u64) -> Result<u64, PlanError> {
        let Value::Whole(number) = self.node.value else {
            return Err(self.error(format!("must be a whole number from {least} to {most}")));
        };
        let number = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.error(format!("must be from {least} to {most}")))
    }

    /// A number above 0, up to a bound.
    pub(crate) fn positive(&self, most: f64) -> Result<f64, PlanError> {
        let number = match self.node.value {
            Value::Whole(number) => number as f64,
            Value::Fraction(number) => number,
            _ => return Err(self.error(format!("must be a number above 0, up to {most}"))),
        };
        // Neither holds for what is no number.
        if number > 0.0 && number <= most {
            Ok(number)
        } else {
            Err(self.error(format!("must be above 0, up to {most}")))
        }
    }

    /// A text of at most so many bytes.
    pub(crate) fn text(&self, bytes_max: usize) -> Result<&'a str, PlanError> {
        match &self.node.value {
            Value::Text(text) if text.len() <= bytes_max => Ok(text),
            Value::Text(_) => Err(self.error(format!("is longer than {bytes_max} bytes; shorten it"))),
            _ => Err(self.error("must be a text in quotes")),
        }
    }

    /// `true` or `false`.
    pub(crate) fn switch(&self) -> Result<bool, PlanError> {
        match self.node.value {
            Value::Switch(switch) => Ok(switch),
            _ => Err(self.error("must be true or false")),
        }
    }

    /// A duration, as [`parse_duration`] reads it.
    pub(crate) fn duration(&self) -> Result<Duration, PlanError> {
        match &self.node.value {
            Value::Text(text) => parse_duration(text).map_err(|error| self.error(error.to_string())),
            _ => Err(self.error("must be a duration in quotes, such as \"500ms\"")),
        }
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, PlanError> {
        let found = match &self.node.value {
            Value::Text(text) => choices.iter().find(|(name, _)| name == text),
            _ => None,
        };
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.error(format!("must be one of {}", names.join(", ")))
        })
    }

    /// A list with at least one entry and at most [`LIST_ENTRIES_MAX`].
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>, PlanError> {
        let Value::List(list) = &self.node.value else {
            return Err(self.error("must be a list, in brackets"));
        };
        if list.is_empty() {
            return Err(self.error("is empty; name at least one, or leave the key out"));
        }
        if list.len() > LIST_ENTRIES_MAX {
            return Err(
                self.error(format!("has {} entries, and {LIST_ENTRIES_MAX} are the most", list.len()))
            );
        }
        let entry = |(index, node)| Field {
            path: format!("{}[{index}]", self.path),
            key_position: self.key_position,
            node,
        };
        Ok(list.iter().enumerate().map(entry).collect())
    }

    /// A list of whole numbers from `least`, each larger than the one before.
    pub(crate) fn ascending(&self, least: u64) -> Result<Vec<u64>, PlanError> {
        let mut numbers: Vec<u64> = Vec::new();
        for field in self.list()? {
            let number = field.whole(least, WHOLE_MAX)?;
            if numbers.last().is_some_and(|last| *last >= number) {
                return Err(field.error("must be larger than the entry before it; put the list in order"));
            }
            numbers.push(number);
        }
        Ok(numbers)
    }

    /// Whether this is a text, where a table could be as well.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    /// A table that may hold these keys and no others.
    pub(crate) fn table(&self, known: &[&'static str]) -> Result<Table<'a>, PlanError> {
        let Value::Table(entries) = &self.node.value else {
            return Err(self.error(format!("must be a table, in braces, with {}", known.join(", "))));
        };
        if let Some(entry) = entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            return Err(PlanError::UnknownKey {
                place: Place { key: joined(&self.path, &entry.key), position: entry.key_position },
                known: known.to_vec(),
                nearest: nearest(&entry.key, known),
            });
        }
        Ok(Table { field: self.clone(), entries })
    }
}

/// A table of a plan, all of whose keys are known.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    field: Field<'a>,
    entries: &'a [Entry],
}

impl<'a> Table<'a> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field {
            path: joined(&self.field.path, key),
            key_position: entry.key_position,
            node: &entry.node,
        })
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &str) -> Result<Field<'a>, PlanError> {
        self.get(key).ok_or_else(|| self.error(format!("needs `{key}`")))
    }

    /// The one of these keys that is there.
    pub(crate) fn need_one(&self, keys: &[&'static str]) -> Result<(&'static str, Field<'a>), PlanError> {
        let mut found = keys.iter().filter_map(|key| Some((*key, self.get(key)?)));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(self.error(format!("needs one of {}", keys.join(", ")))),
            (Some((first, _)), Some((second, _))) => {
                Err(self.error(format!("has both `{first}` and `{second}`; leave one of them out")))
            }
        }
    }

    /// What a reader makes of the value of a key, if it is there.
    pub(crate) fn read<T>(
        &self,
        key: &str,
        reader: impl FnOnce(&Field<'a>) -> Result<T, PlanError>,
    ) -> Result<Option<T>, PlanError> {
        self.get(key).map(|field| reader(&field)).transpose()
    }

    /// An error about the table.
    pub(crate) fn error(&self, problem: impl Into<String>) -> PlanError {
        self.field.error(problem)
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "plan".to_owned() } else { path.to_owned() }
}

/// The known name that is written almost like this one.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    // A long name is no slip of the hand, and comparing it would take long.
    if name.len() > 64 {
        return None;
    }
    let near = known.iter().map(|candidate| (strsim::levenshtein(name, candidate), *candidate));
    near.filter(|(apart, _)| *apart <= LETTERS_APART_MAX)
        .min_by_key(|(apart, _)| *apart)
        .map(|(_, name)| name)
}
