//! `[[rule]]`: conditions, answers, and what follows the last of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use interference_toml_values::{Node, Problems, shortened};
use regex::RegexBuilder;
use toml::de::DeTable;

use super::answers::AnswerReader;
use super::{LONGEST_NAME, in_order};
use crate::answer::{Answer, AnswerBody};
use crate::condition::Condition;
use crate::error::Source;
use crate::facts::Endpoint;
use crate::script::{Rule, Serves, Then};
use crate::wildcard::{LONGEST_PATTERN, Wildcard};

/// How many rules a script may have.
pub const MOST_RULES: usize = 10_000;

/// How long the text of a condition may be, in bytes.
const LONGEST_CONDITION: usize = 64 * 1024;

/// How large the program of a regular expression may become, in bytes.
pub const LONGEST_REGEX_PROGRAM: usize = 1024 * 1024;

/// How much of a rule's name is told in a header, in characters.
const LONGEST_LABEL: usize = 200;

/// How many headers a rule may look at.
const MOST_HEADERS: usize = 32;

const KEYS: [&str; 5] = ["name", "when", "answer", "answers", "then"];

const CONDITIONS: [&str; 12] = [
    "model",
    "text",
    "regex",
    "tool_result",
    "tool",
    "turn",
    "state",
    "endpoint",
    "tools",
    "stream",
    "header",
    "system",
];

const THENS: [(&str, Then); 3] = [("last", Then::Last), ("cycle", Then::Cycle), ("pass", Then::Pass)];

const ENDPOINTS: [(&str, Endpoint); 3] =
    [("chat", Endpoint::Chat), ("completions", Endpoint::Completions), ("embeddings", Endpoint::Embeddings)];

/// A rule with the places of what may yet be wrong with it.
pub(super) struct ReadRule {
    pub(super) rule: Rule,
    /// Its header.
    pub(super) span: Range<usize>,
    /// Of each condition.
    pub(super) condition_spans: Vec<Range<usize>>,
}

impl Rule {
    /// The patterns that the model must fit.
    pub(super) fn models(&self) -> impl Iterator<Item = &Wildcard> {
        self.conditions.iter().filter_map(|condition| match condition {
            Condition::Model(pattern) => Some(pattern),
            _ => None,
        })
    }
}

/// All rules that are sound in themselves.
pub(super) fn read<'n, 'i>(
    document: &'n DeTable<'i>,
    source: &Source<'_>,
    answers: &mut AnswerReader<'n, 'i>,
    problems: &mut Problems,
) -> Vec<ReadRule> {
    let Some(node) = document.get("rule") else {
        problems.add(0..0, "the script has no rules; each begins with `[[rule]]`");
        return Vec::new();
    };
    if node.get_ref().is_table() {
        problems.add(node.span(), "rules are a list: write `[[rule]]`, not `[rule]`");
        return Vec::new();
    }
    let Some(nodes) = problems.array(node, "rule") else { return Vec::new() };
    if nodes.is_empty() {
        problems.add(node.span(), "the script has no rules; each begins with `[[rule]]`");
    }
    if nodes.len() > MOST_RULES {
        problems
            .add(node.span(), format!("the script has {} rules, and {MOST_RULES} are the most", nodes.len()));
        return Vec::new();
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut rules = Vec::new();
    for (position, node) in nodes.iter().enumerate() {
        let Some(table) = problems.table(node, "rule") else { continue };
        problems.check_keys(table, "a rule", &KEYS);
        let line = source.line(node.span().start);
        let name = name(table, position, problems);
        if let Some(other) = names.insert(name.clone(), line) {
            let span = table.get("name").map_or(node.span(), |name| name.span());
            problems.add(span, format!("the rule in line {other} has the name `{}`, too", shortened(&name)));
        }
        rules.extend(rule(node, table, name, line, answers, problems));
    }
    rules
}

fn name(table: &DeTable<'_>, position: usize, problems: &mut Problems) -> String {
    let given = table.get("name").and_then(|node| problems.short_text(node, "name", LONGEST_NAME));
    given.map_or_else(|| format!("rule {}", position + 1), str::to_owned)
}

fn rule<'n, 'i>(
    node: &'n Node<'i>,
    table: &'n DeTable<'i>,
    name: String,
    line: usize,
    answers: &mut AnswerReader<'n, 'i>,
    problems: &mut Problems,
) -> Option<ReadRule> {
    let when = match table.get("when") {
        Some(when) => conditions(when, problems),
        None => Some(Vec::new()),
    };
    let then = match table.get("then") {
        Some(then) => problems.choice(then, "then", &THENS),
        None => Some(Then::default()),
    };
    let answers = all_answers(node, table, answers, problems)?;
    let Some(serves) = serves(&answers) else {
        problems.add(node.span(), "some answers of this rule are embeddings and others are not");
        return None;
    };
    let (condition_spans, conditions) = when?.into_iter().unzip();
    let label = label(&name);
    let rule = Rule { name, label, line, conditions, answers, then: then?, serves };
    Some(ReadRule { rule, span: node.span(), condition_spans })
}

fn all_answers<'n, 'i>(
    rule: &'n Node<'i>,
    table: &'n DeTable<'i>,
    answers: &mut AnswerReader<'n, 'i>,
    problems: &mut Problems,
) -> Option<Vec<Arc<Answer>>> {
    match (table.get("answer"), table.get("answers")) {
        (Some(answer), None) => Some(vec![answers.answer(answer, problems)?]),
        (None, Some(several)) => {
            let nodes = problems.array(several, "answers")?;
            if nodes.is_empty() {
                problems.add(several.span(), "`answers` must have at least one answer");
                return None;
            }
            // All are read, for the problems of all.
            let read: Vec<Option<Arc<Answer>>> =
                nodes.iter().map(|node| answers.answer(node, problems)).collect();
            read.into_iter().collect()
        }
        (Some(_), Some(several)) => {
            problems.add(several.span(), "a rule has either `answer` or `answers`");
            None
        }
        (None, None) => {
            problems.add(rule.span(), "the rule has no `answer`");
            None
        }
    }
}

/// What the answers fit together; none when they fit nothing in common.
fn serves(answers: &[Arc<Answer>]) -> Option<Serves> {
    let mut serves = Serves::Everything;
    for answer in answers {
        let one = match answer.body {
            AnswerBody::Chat(_) => Serves::Texts,
            AnswerBody::Embedding(_) => Serves::Vectors,
            AnswerBody::Error(_) => continue,
        };
        if serves != Serves::Everything && serves != one {
            return None;
        }
        serves = one;
    }
    Some(serves)
}

type SpannedCondition = (Range<usize>, Condition);

fn conditions(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<SpannedCondition>> {
    let table = problems.table(node, "when")?;
    problems.check_keys(table, "`when`", &CONDITIONS);
    let mut conditions = Vec::new();
    let mut well = true;
    for (key, node) in in_order(table) {
        let key = key.get_ref().as_ref();
        if key == "header" {
            match headers(node, problems) {
                Some(headers) => conditions.extend(headers),
                None => well = false,
            }
        } else if CONDITIONS.contains(&key) {
            match condition(key, node, problems) {
                Some(condition) => conditions.push((node.span(), condition)),
                None => well = false,
            }
        }
    }
    well.then_some(conditions)
}

fn condition(key: &str, node: &Node<'_>, problems: &mut Problems) -> Option<Condition> {
    let name = |problems: &mut Problems| problems.short_text(node, key, LONGEST_NAME).map(str::to_owned);
    let part = |problems: &mut Problems| problems.short_text(node, key, LONGEST_CONDITION).map(str::to_owned);
    match key {
        "model" => {
            problems.short_text(node, key, LONGEST_PATTERN).map(|text| Condition::Model(Wildcard::new(text)))
        }
        "text" => part(problems).map(Condition::Text),
        "regex" => regex(node, problems),
        "tool_result" => part(problems).map(Condition::ToolResult),
        "tool" => name(problems).map(Condition::Tool),
        "turn" => turn(node, problems),
        "state" => name(problems).map(Condition::State),
        "endpoint" => problems.choice(node, key, &ENDPOINTS).map(Condition::Endpoint),
        "tools" => name(problems).map(Condition::Tools),
        "stream" => problems.boolean(node, key, "true or false").map(Condition::Stream),
        _ => part(problems).map(Condition::System),
    }
}

fn turn(node: &Node<'_>, problems: &mut Problems) -> Option<Condition> {
    if node.get_ref().as_integer().is_some_and(|turn| turn.as_str() == "0") {
        problems.add(node.span(), "the rule can never match: turns are counted from 1");
        return None;
    }
    problems.count(node, "turn", 1, 1_000_000).map(Condition::Turn)
}

fn regex(node: &Node<'_>, problems: &mut Problems) -> Option<Condition> {
    let text = problems.short_text(node, "regex", LONGEST_CONDITION)?;
    let compiled = RegexBuilder::new(text)
        .size_limit(LONGEST_REGEX_PROGRAM)
        .dfa_size_limit(LONGEST_REGEX_PROGRAM)
        .build();
    let message = match compiled {
        Ok(regex) => return Some(Condition::Regex(regex)),
        Err(regex::Error::CompiledTooBig(_)) => format!(
            "`regex` explodes: compiled it has more than {LONGEST_REGEX_PROGRAM} bytes; use smaller repetitions"
        ),
        Err(error) => format!("`regex` is not valid: {}", last_line(&error.to_string())),
    };
    problems.add(node.span(), message);
    None
}

/// The library draws a picture over several lines; the last of them says what is wrong.
fn last_line(message: &str) -> String {
    let line = message.lines().next_back().unwrap_or(message);
    shortened(line.trim_start_matches("error: "))
}

fn headers(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<SpannedCondition>> {
    let table = problems.table(node, "header")?;
    if table.is_empty() || table.len() > MOST_HEADERS {
        problems.add(node.span(), format!("`header` must have from 1 to {MOST_HEADERS} names"));
        return None;
    }
    let mut conditions = Vec::new();
    for (key, node) in in_order(table) {
        let name = key.get_ref().as_ref();
        let pattern = problems.text(node, "header")?;
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            problems.add(key.span(), format!("`{}` is no name of a header", shortened(name)));
            return None;
        };
        if pattern.len() > LONGEST_PATTERN {
            problems.add(node.span(), format!("a pattern has at most {LONGEST_PATTERN} bytes"));
            return None;
        }
        conditions.push((node.span(), Condition::Header(header, Wildcard::new(pattern))));
    }
    Some(conditions)
}

/// A name as it can stand in a header: printable ASCII, the rest replaced, and not long.
fn label(name: &str) -> Option<HeaderValue> {
    let is_safe = |character: &char| character.is_ascii_graphic() || *character == ' ';
    let safe: String =
        name.chars().take(LONGEST_LABEL).map(|one| if is_safe(&one) { one } else { '?' }).collect();
    // Cannot fail, since the name was made safe; if it did, the answer would still be worth having.
    HeaderValue::try_from(safe).ok()
}
