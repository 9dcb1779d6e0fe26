//! What is told when no recording matches: the one that comes nearest, and where it differs.
//!
//! Owns the count of differences, and the words for them, which are few and without secrets. Refuses to know how
//! recordings are found.

use std::fmt::Write;

use interference_cassette::{REDACTED, is_secret};
use serde_json::{Map, Value};

use crate::request_key::{BodyKey, RequestKey};
use crate::shelf::Known;

/// How many recordings of an endpoint are compared with a request that none matches: the first.
pub const MOST_COMPARED: usize = 1_000;

/// How many differences are told one by one.
pub const MOST_DIFFERENCES: usize = 8;

/// How many endpoints are told where nothing was recorded of the one that was asked for.
pub(crate) const MOST_ENDPOINTS: usize = 8;

/// How much of a value is told, in characters.
const LONGEST_VALUE: usize = 60;

/// How much is told of what two texts have in common ahead of their difference, in characters.
const LONGEST_LEAD: usize = 20;

/// How much of a path is told, of a request or of a member, in characters.
const LONGEST_PATH: usize = 120;

/// What to do about it.
const ADVICE: &str = "Record this request, too, or leave out of the comparison what may differ.";

/// A message for a request to an endpoint of which nothing was recorded; `endpoints` are those of which something was.
pub(crate) fn of_another_endpoint(folder: &str, asked: &RequestKey, endpoints: &[String]) -> String {
    let request = told_request(asked);
    if endpoints.is_empty() {
        return format!("{folder} has no recordings, and none of {request}. Record this request first.");
    }
    let endpoints: Vec<&str> = endpoints.iter().map(|endpoint| beginning(endpoint, LONGEST_PATH)).collect();
    format!(
        "No recording in {folder} is of {request}. There are recordings of {}. Record this request, too.",
        endpoints.join(", ")
    )
}

/// A message for a request that none of the known ones of its endpoint is like.
pub(crate) fn of_the_same_endpoint(folder: &str, asked: &RequestKey, known: &[Known]) -> Option<String> {
    let differences = |known: &&Known| {
        let mut count = 0_usize;
        compare(&known.key, asked, &mut |_, _, _| count += 1);
        count
    };
    let nearest = known.iter().min_by_key(differences)?;
    let mut told = Vec::new();
    let mut untold = 0_usize;
    compare(&nearest.key, asked, &mut |path, recorded, asked| {
        if told.len() < MOST_DIFFERENCES {
            told.push(difference(path, recorded, asked));
        } else {
            untold += 1;
        }
    });
    let mut message = format!(
        "No recording in {folder} matches {}. The nearest is {}, which differs:\n",
        told_request(asked),
        nearest.name
    );
    for line in told {
        message.push_str("  ");
        message.push_str(&line);
        message.push('\n');
    }
    if untold > 0 {
        // Cannot fail: it is written to a text.
        let _ = writeln!(message, "  and in {untold} more places");
    }
    message.push_str(ADVICE);
    Some(message)
}

/// What a difference is between: values of JSON, or what has no members to be told.
#[derive(Clone, Copy)]
enum Side<'v> {
    Absent,
    Json(&'v Value),
    Parameter(&'v str),
    Bytes(&'v [u8]),
}

/// Where a difference is: the members that lead there, from the outside in.
#[derive(Clone, Copy)]
enum Place<'p> {
    Parameter,
    Body,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

type Found<'f> = &'f mut dyn FnMut(Place<'_>, Side<'_>, Side<'_>);

/// Every difference between two requests to the same endpoint.
fn compare(recorded: &RequestKey, asked: &RequestKey, found: Found<'_>) {
    for parameter in without(&recorded.parameters, &asked.parameters) {
        found(Place::Parameter, Side::Parameter(parameter), Side::Absent);
    }
    for parameter in without(&asked.parameters, &recorded.parameters) {
        found(Place::Parameter, Side::Absent, Side::Parameter(parameter));
    }
    match (&recorded.body, &asked.body) {
        (BodyKey::Json(recorded), BodyKey::Json(asked)) => {
            compare_values(Place::Body, recorded, asked, found);
        }
        (recorded, asked) if recorded != asked => found(Place::Body, side_of(recorded), side_of(asked)),
        _ => {}
    }
}

/// The parameters that others lack, each as often as they do.
fn without<'p>(parameters: &'p [String], others: &[String]) -> Vec<&'p str> {
    let mut left: Vec<&str> = parameters.iter().map(String::as_str).collect();
    for other in others {
        if let Some(position) = left.iter().position(|parameter| parameter == other) {
            left.remove(position);
        }
    }
    left
}

fn side_of(body: &BodyKey) -> Side<'_> {
    match body {
        BodyKey::Json(value) => Side::Json(value),
        BodyKey::Form(bytes) | BodyKey::Bytes(bytes) if bytes.is_empty() => Side::Absent,
        BodyKey::Form(bytes) | BodyKey::Bytes(bytes) => Side::Bytes(bytes),
    }
}

/// Calls itself once for each level, of which a body has at most 128.
fn compare_values(place: Place<'_>, recorded: &Value, asked: &Value, found: Found<'_>) {
    match (recorded, asked) {
        (Value::Object(recorded), Value::Object(asked)) => compare_members(place, recorded, asked, found),
        (Value::Array(recorded), Value::Array(asked)) => {
            for position in 0..recorded.len().max(asked.len()) {
                let place = Place::Item(&place, position);
                compare_where_there(place, recorded.get(position), asked.get(position), found);
            }
        }
        (recorded, asked) if recorded != asked => found(place, Side::Json(recorded), Side::Json(asked)),
        _ => {}
    }
}

fn compare_members(
    place: Place<'_>,
    recorded: &Map<String, Value>,
    asked: &Map<String, Value>,
    found: Found<'_>,
) {
    for (name, value) in recorded {
        compare_where_there(Place::Member(&place, name), Some(value), asked.get(name), found);
    }
    for (name, value) in asked.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
        compare_where_there(Place::Member(&place, name), None, Some(value), found);
    }
}

fn compare_where_there(place: Place<'_>, recorded: Option<&Value>, asked: Option<&Value>, found: Found<'_>) {
    match (recorded, asked) {
        (Some(recorded), Some(asked)) => compare_values(place, recorded, asked, found),
        (recorded, asked) => {
            found(place, recorded.map_or(Side::Absent, Side::Json), asked.map_or(Side::Absent, Side::Json));
        }
    }
}

/// A difference in a line.
fn difference(place: Place<'_>, recorded: Side<'_>, asked: Side<'_>) -> String {
    let path = place.to_string();
    let path = beginning(&path, LONGEST_PATH);
    let shown = if place.is_secret() { Shown::Hidden } else { Shown::Open };
    let (recorded, asked) = match (recorded, asked) {
        (Side::Json(Value::String(recorded)), Side::Json(Value::String(asked))) if shown == Shown::Open => {
            let lead = lead(recorded, asked);
            (told_text(recorded, lead), told_text(asked, lead))
        }
        (Side::Bytes(recorded), Side::Bytes(asked)) => {
            let alike = recorded.iter().zip(asked).take_while(|(one, other)| one == other).count();
            return format!(
                "{path}: recorded {} bytes, asked {} bytes, of which the first {alike} are alike",
                recorded.len(),
                asked.len()
            );
        }
        (recorded, asked) => (told(recorded, shown), told(asked, shown)),
    };
    format!("{path}: recorded {recorded}, asked {asked}")
}

/// Whether texts are shown. Numbers and flags always are: `max_tokens` has a name that could be a secret's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Open,
    Hidden,
}

impl Place<'_> {
    /// Whether the value there belongs to a member whose name tells of a secret.
    fn is_secret(self) -> bool {
        match self {
            Place::Parameter | Place::Body => false,
            Place::Member(above, name) => is_secret(name) || above.is_secret(),
            Place::Item(above, _) => above.is_secret(),
        }
    }
}

/// A path such as `messages[0].content`.
impl std::fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Parameter => formatter.write_str("a parameter of the query"),
            Place::Body => formatter.write_str("the body"),
            Place::Member(Place::Body, name) => formatter.write_str(name),
            Place::Member(above, name) => write!(formatter, "{above}.{name}"),
            Place::Item(above, position) => write!(formatter, "{above}[{position}]"),
        }
    }
}

fn told(side: Side<'_>, shown: Shown) -> String {
    match side {
        Side::Absent => "nothing".to_owned(),
        Side::Json(Value::String(text)) if shown == Shown::Open => told_text(text, 0),
        Side::Json(value) => cut(&without_secrets(value, shown).to_string(), 0),
        Side::Parameter(text) => format!("`{}`", beginning(text, LONGEST_VALUE)),
        Side::Bytes(bytes) => format!("{} bytes that are no JSON", bytes.len()),
    }
}

/// A value in which the texts of members with secret names are replaced.
fn without_secrets(value: &Value, shown: Shown) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let shown = if is_secret(name) { Shown::Hidden } else { shown };
                (name.clone(), without_secrets(value, shown))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| without_secrets(item, shown)).collect()),
        Value::String(_) if shown == Shown::Hidden => Value::from(REDACTED),
        other => other.clone(),
    }
}

/// Where, in characters, two texts are best shown from, so that their difference is seen.
fn lead(one: &str, other: &str) -> usize {
    let alike = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    if alike < LONGEST_VALUE / 2 { 0 } else { alike.saturating_sub(LONGEST_LEAD) }
}

/// A text in quotation marks, from a character on.
fn told_text(text: &str, from: usize) -> String {
    let shown = cut(text, from);
    Value::from(shown).to_string()
}

/// A piece of a text, with signs where some of it is missing.
fn cut(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from);
    let mut shown: String = if from > 0 { "…" } else { "" }.to_owned();
    shown.extend(rest.by_ref().take(LONGEST_VALUE));
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

fn told_request(asked: &RequestKey) -> String {
    format!("{} {}", asked.method, beginning(&asked.path, LONGEST_PATH))
}

/// The first so many characters.
fn beginning(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}
