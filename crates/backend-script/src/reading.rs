//! From the text of a script to a [`Script`], or to all that is wrong with it.
//!
//! Owns the form of the file: which keys there are, and where. TOML is read with the place of every value, and by
//! hand, so that a problem can say what would be right. It refuses to know how anything that it reads is carried out.

mod answers;
mod calls;
mod members;
mod rules;
mod unreachable;

use std::sync::Arc;

use interference_faults::Latency;
use interference_toml_values::{Node, Problems};
use toml::de::{DeTable, DeValue};

use crate::answer::Answer;
use crate::error::{ScriptError, Source};
use crate::script::{DEFAULT_MODEL, DEFAULT_STATE, Memory, Models, Script, Then, digest_of, fingerprint_of};
use crate::suggestion::nearest_or_known;
use crate::template::on_large_stack;
use crate::wildcard::{LONGEST_PATTERN, Wildcard};
use answers::AnswerReader;
use rules::ReadRule;

pub use answers::{MOST_PIECES, MOST_TEXT_BYTES};
pub use members::LONGEST_LIKE;
pub use rules::{LONGEST_REGEX_PROGRAM, MOST_RULES};

/// How long a name may be (of a rule, an answer, a state, a tool), in bytes.
pub const LONGEST_NAME: usize = 256;

/// How many entries `models` may have.
pub const MOST_MODELS: usize = 1_000;

const KEYS: [&str; 5] = ["models", "latency", "state", "answers", "rule"];

/// Reads all of a script, on a thread with a large stack.
pub(crate) fn script(text: &str, file_name: &str) -> Result<Script, ScriptError> {
    let read = on_large_stack(|| read(text, file_name));
    read.unwrap_or_else(|error| {
        Err(ScriptError::Unreadable { file_name: file_name.to_owned(), reason: error.to_string() })
    })
}

fn read(text: &str, file_name: &str) -> Result<Script, ScriptError> {
    let source = Source::new(file_name, text);
    let mut problems = Problems::new(nearest_or_known);
    let Some(document) = problems.document(text) else {
        return Err(source.error(problems));
    };
    let document = document.into_inner();
    problems.check_keys(&document, "a script", &KEYS);
    let head = Head::read(&document, &mut problems);
    let mut answers = AnswerReader::new(&document, head.latency.clone(), &mut problems);
    answers.read_named(&mut problems);
    let rules = rules::read(&document, &source, &mut answers, &mut problems);
    unreachable::check(&head, &rules, &mut problems);
    if !problems.is_empty() {
        return Err(source.error(problems));
    }
    let digest = digest_of(text.as_bytes());
    let models = head.models.unwrap_or_else(|| default_models(&rules));
    let states = states(&head.state, &rules);
    Ok(Script {
        file_name: file_name.to_owned(),
        digest,
        fingerprint: fingerprint_of(&digest),
        models,
        first_state: head.state,
        memory: memory(&rules),
        states,
        rules: rules.into_iter().map(|read| read.rule).collect(),
        templates: answers.into_templates(),
    })
}

/// What stands before the rules.
struct Head {
    models: Option<Models>,
    latency: Option<Latency>,
    state: String,
}

impl Head {
    fn read(document: &DeTable<'_>, problems: &mut Problems) -> Head {
        let latency = document.get("latency").and_then(|node| problems.read(node, "latency"));
        let state = document.get("state").and_then(|node| problems.short_text(node, "state", LONGEST_NAME));
        Head {
            models: document.get("models").and_then(|node| models(node, problems)),
            latency,
            state: state.unwrap_or(DEFAULT_STATE).to_owned(),
        }
    }
}

fn models(node: &Node<'_>, problems: &mut Problems) -> Option<Models> {
    let entries = problems.array(node, "models")?;
    if entries.is_empty() || entries.len() > MOST_MODELS {
        problems.add(node.span(), format!("`models` must have from 1 to {MOST_MODELS} names"));
        return None;
    }
    let mut models = Models { listed: Vec::new(), patterns: Vec::new() };
    for entry in entries {
        let pattern = Wildcard::new(problems.short_text(entry, "models", LONGEST_PATTERN)?);
        match pattern.is_literal() {
            true => models.listed.push(pattern.as_str().to_owned()),
            false => models.patterns.push(pattern),
        }
    }
    // Patterns alone cannot be listed.
    if models.listed.is_empty() {
        models.listed.push(DEFAULT_MODEL.to_owned());
    }
    Some(models)
}

/// Without `models`: the names that rules ask for are listed, and any name is taken.
fn default_models(rules: &[ReadRule]) -> Models {
    let mut listed: Vec<String> = Vec::new();
    for pattern in rules.iter().flat_map(|read| read.rule.models()) {
        if pattern.is_literal() && !listed.iter().any(|known| known == pattern.as_str()) {
            listed.push(pattern.as_str().to_owned());
        }
    }
    if !listed.iter().any(|known| known == DEFAULT_MODEL) {
        listed.push(DEFAULT_MODEL.to_owned());
    }
    Models { listed, patterns: vec![Wildcard::new("*")] }
}

/// The states that sessions can come to.
fn states(first: &str, rules: &[ReadRule]) -> Vec<String> {
    let mut states = vec![first.to_owned()];
    let set =
        rules.iter().flat_map(|read| &read.rule.answers).filter_map(|answer| answer.next_state.as_ref());
    states.extend(set.cloned());
    states.sort();
    states.dedup();
    states
}

fn memory(rules: &[ReadRule]) -> Memory {
    let remembers = |answer: &Arc<Answer>| answer.next_state.is_some();
    let any = rules
        .iter()
        .map(|read| &read.rule)
        .any(|rule| rule.answers.len() > 1 || rule.then == Then::Pass || rule.answers.iter().any(remembers));
    if any { Memory::Sessions } else { Memory::None }
}

/// The members of a table in the order of the file.
fn in_order<'n, 'i>(
    table: &'n DeTable<'i>,
) -> Vec<(&'n toml::Spanned<toml::de::DeString<'i>>, &'n Node<'i>)> {
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(key, _)| key.span().start);
    members
}

/// A value of TOML as JSON.
///
/// # Errors
/// The place of a number that JSON does not have.
fn json(node: &Node<'_>) -> Result<serde_json::Value, std::ops::Range<usize>> {
    use serde_json::Value;
    Ok(match node.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(integer) => {
            let whole = i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| node.span())?;
            Value::from(whole)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            Value::Number(number.ok_or(node.span())?)
        }
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(array) => Value::Array(array.iter().map(json).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let mut members = serde_json::Map::new();
            for (key, node) in in_order(table) {
                members.insert(key.get_ref().to_string(), json(node)?);
            }
            Value::Object(members)
        }
    })
}
