//! Why a cell of the matrix is not sound: one line for each, written by a person who has looked.
//!
//! Owns that every such cell has one, and that none is left over.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::Examined;

/// By client, then by case.
#[derive(Debug, Default)]
pub(super) struct Reasons(BTreeMap<String, BTreeMap<String, String>>);

impl Reasons {
    /// Reads `{"CLIENT": {"CASE": "REASON"}}`.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub(super) fn read(path: &Path) -> anyhow::Result<Reasons> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ok(Reasons(serde_json::from_str(&text).with_context(|| path.display().to_string())?))
    }

    /// The reason of a cell.
    pub(super) fn of(&self, client: &str, slug: &str) -> Option<&str> {
        Some(self.0.get(client)?.get(slug)?.as_str())
    }

    /// What is missing, and what is stale.
    pub(super) fn complaints(&self, examined: &[Examined]) -> Vec<String> {
        let mut complaints = Vec::new();
        for Examined { client, report } in examined {
            let unsound: Vec<&str> = unsound(report).map(|case| text(case, "slug")).collect();
            for slug in unsound.iter().filter(|slug| self.of(client.name, slug).is_none()) {
                complaints.push(format!("{}, {slug}: no reason", client.name));
            }
            let listed = self.0.get(client.name).into_iter().flat_map(BTreeMap::keys);
            for slug in listed.filter(|slug| !unsound.contains(&slug.as_str())) {
                complaints.push(format!("{}, {slug}: a reason, but it is sound", client.name));
            }
        }
        complaints
    }
}

/// The cases of a report in which the client is not sound.
pub(super) fn unsound(report: &Value) -> impl Iterator<Item = &Value> {
    let cases = report.get("cases").and_then(Value::as_array).into_iter().flatten();
    cases.filter(|case| text(case, "verdict") != "PASS")
}

/// A member that is a string; else nothing.
pub(super) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}
