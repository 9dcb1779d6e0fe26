//! `--list`: a catalogue, as lines or as JSON.

use interference_catalogue::Clause;
use interference_report::Level;
use serde_json::{Map, Value, json};

use crate::stdout;

/// A case as it is listed.
pub(crate) struct Listed {
    pub(crate) slug: &'static str,
    pub(crate) section: &'static str,
    pub(crate) level: Level,
    pub(crate) requirement: &'static str,
    pub(crate) clauses: &'static [Clause],
    /// Members that only one of the judges has.
    pub(crate) more: Vec<(&'static str, Value)>,
}

/// Prints cases as lines, and a last line that sums them up.
///
/// # Errors
/// stdout takes nothing.
pub(crate) fn print_lines(cases: &[Listed], sum: &str) -> anyhow::Result<()> {
    let mut lines = String::new();
    let mut section = "";
    for case in cases {
        if case.section != section {
            section = case.section;
            lines.push_str(&format!("{section}\n"));
        }
        lines.push_str(&format!("  {:<32} {:<6} {}\n", case.slug, case.level.word(), case.requirement));
    }
    Ok(stdout::print(&format!("{lines}{sum}\n"))?)
}

/// Prints cases as one JSON object, which has these members besides.
///
/// # Errors
/// stdout takes nothing.
pub(crate) fn print_json(cases: &[Listed], members: Vec<(&str, Value)>) -> anyhow::Result<()> {
    let mut document: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    document.insert("cases".to_owned(), cases.iter().map(one).collect());
    Ok(stdout::print(&format!("{:#}\n", Value::Object(document)))?)
}

fn one(case: &Listed) -> Value {
    let clauses: Vec<Value> = case
        .clauses
        .iter()
        .map(|clause| json!({"source": clause.source.name(), "place": clause.place, "quote": clause.quote}))
        .collect();
    let mut object = Map::from_iter([
        ("slug".to_owned(), json!(case.slug)),
        ("section".to_owned(), json!(case.section)),
        ("level".to_owned(), json!(case.level.word().to_lowercase())),
        ("requirement".to_owned(), json!(case.requirement)),
        ("clauses".to_owned(), json!(clauses)),
    ]);
    object.extend(case.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Value::Object(object)
}
