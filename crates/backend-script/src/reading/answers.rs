//! Answers: `[answers.NAME]`, and those that stand in rules.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use interference_api_types::openai::chat_reply::FinishReason;
use interference_faults::{Latency, StandingPlan};
use interference_toml_values::{Node, Problems, listed, shortened};
use toml::de::DeTable;

use super::members::{KINDS, Members, Named, Origin, exclude_each_other, named_answer};
use super::{LONGEST_NAME, calls};
use crate::answer::{Answer, AnswerBody, Call, ChatAnswer, Logprobs, Part, Saying, Step};
use crate::pieces::Cut;
use crate::template::{LONGEST_TEMPLATE, TemplateProblem, Templates, TemplatesBuilder};

mod numbers;
mod other_kinds;

/// How many pieces all answers of a script may have together.
pub const MOST_PIECES: usize = 262_144;

/// How much text all answers of a script may have together, in bytes.
pub const MOST_TEXT_BYTES: usize = 32 * 1024 * 1024;

const KEYS: [&str; 18] = [
    "text",
    "template",
    "timestamps",
    "tool_calls",
    "embedding",
    "error",
    "refusal",
    "reasoning",
    "like",
    "pieces",
    "latency",
    "faults",
    "next_state",
    "finish_reason",
    "usage",
    "logprobs",
    "top_logprobs",
    "system_fingerprint",
];

/// What says something in the answer to a chat only.
const OF_CHATS: [&str; 6] =
    ["pieces", "finish_reason", "logprobs", "top_logprobs", "reasoning", "system_fingerprint"];

const FINISH_REASONS: [(&str, FinishReason); 5] = [
    ("stop", FinishReason::Stop),
    ("length", FinishReason::Length),
    ("tool_calls", FinishReason::ToolCalls),
    ("content_filter", FinishReason::ContentFilter),
    ("function_call", FinishReason::FunctionCall),
];

/// Reads answers, and keeps what they have in common.
pub(super) struct AnswerReader<'n, 'i> {
    named: Named<'n, 'i>,
    read: BTreeMap<&'n str, ReadAnswer>,
    latency: Option<Latency>,
    templates: TemplatesBuilder,
    /// What all answers have taken of their bounds.
    pieces: usize,
    text_bytes: usize,
}

/// What became of an answer.
enum ReadAnswer {
    Ready(Arc<Answer>),
    /// It has no kind: something for others to be like.
    Kindless,
    /// A problem was noted.
    Broken,
}

impl<'n, 'i> AnswerReader<'n, 'i> {
    /// Finds the named answers. `latency` is that of answers without their own.
    pub(super) fn new(
        document: &'n DeTable<'i>,
        latency: Option<Latency>,
        problems: &mut Problems,
    ) -> AnswerReader<'n, 'i> {
        let mut named = Named::new();
        let table = document.get("answers").and_then(|node| problems.table(node, "answers"));
        for (key, node) in table.into_iter().flat_map(DeTable::iter) {
            let name = key.get_ref().as_ref();
            if name.is_empty() || name.len() > LONGEST_NAME {
                problems.add(key.span(), format!("the name of an answer has from 1 to {LONGEST_NAME} bytes"));
            }
            if problems.table(node, &format!("answers.{}", shortened(name))).is_some() {
                named.insert(name, (key.span(), node));
            }
        }
        let templates = TemplatesBuilder::new();
        AnswerReader { named, read: BTreeMap::new(), latency, templates, pieces: 0, text_bytes: 0 }
    }

    /// Reads all named answers, those too that no rule uses.
    pub(super) fn read_named(&mut self, problems: &mut Problems) {
        let named: Vec<(&'n str, &'n Node<'i>)> =
            self.named.iter().map(|(name, (_, node))| (*name, *node)).collect();
        for (name, node) in named {
            let Some(table) = node.get_ref().as_table() else { continue };
            let read = self.read_table(table, Some(name), problems);
            self.read.insert(name, read);
        }
    }

    /// An answer in a rule: the name of one, or a table.
    pub(super) fn answer(&mut self, node: &'n Node<'i>, problems: &mut Problems) -> Option<Arc<Answer>> {
        if node.get_ref().is_str() {
            return self.by_name(node, node, "answer", problems);
        }
        let Some(table) = node.get_ref().as_table() else {
            problems.wrong_type(node, "answer", "a table or the name of an answer");
            return None;
        };
        // What is in no way its own need not be kept twice.
        if let (Some(like), 1) = (table.get("like"), table.len()) {
            return self.by_name(like, node, "like", problems);
        }
        match self.read_table(table, None, problems) {
            ReadAnswer::Ready(answer) => Some(answer),
            ReadAnswer::Kindless => {
                problems
                    .add(node.span(), format!("the answer says nothing: it needs one of {}", listed(&KINDS)));
                None
            }
            ReadAnswer::Broken => None,
        }
    }

    /// The templates of all answers.
    pub(super) fn into_templates(self) -> Templates {
        self.templates.build()
    }

    fn by_name(
        &self,
        name: &'n Node<'i>,
        node: &Node<'_>,
        key: &str,
        problems: &mut Problems,
    ) -> Option<Arc<Answer>> {
        let (name, _) = named_answer(name, key, &self.named, problems)?;
        match self.read.get(name)? {
            ReadAnswer::Ready(answer) => Some(Arc::clone(answer)),
            ReadAnswer::Kindless => {
                let name = shortened(name);
                problems.add(
                    node.span(),
                    format!("the answer `{name}` says nothing: it needs one of {}", listed(&KINDS)),
                );
                None
            }
            ReadAnswer::Broken => None,
        }
    }

    fn read_table(
        &mut self,
        table: &'n DeTable<'i>,
        name: Option<&'n str>,
        problems: &mut Problems,
    ) -> ReadAnswer {
        problems.check_keys(table, "an answer", &KEYS);
        let Some(members) = Members::collect(table, name, &self.named, problems) else {
            return ReadAnswer::Broken;
        };
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| members.map.contains_key(kind)).collect();
        if kinds.is_empty() {
            return ReadAnswer::Kindless;
        }
        if !check_kinds(&members, &kinds, problems) {
            return ReadAnswer::Broken;
        }
        let body = match kinds.as_slice() {
            ["embedding"] => other_kinds::embedding(&members, problems).map(AnswerBody::Embedding),
            ["error"] => other_kinds::error(&members, problems).map(AnswerBody::Error),
            _ => self.chat(&members, problems).map(AnswerBody::Chat),
        };
        // The others are read in any case, for their problems.
        let latency = members.get("latency").map(|node| problems.read(node, "latency"));
        let faults = members.get("faults").map(|node| problems.read(node, "faults"));
        let next_state = members
            .get("next_state")
            .map(|node| problems.short_text(node, "next_state", LONGEST_NAME).map(str::to_owned));
        let ready = (|| {
            Some(Answer {
                body: body?,
                latency: optional(latency)?.or_else(|| self.latency.clone()),
                faults: optional(faults)?.map(StandingPlan::new),
                next_state: optional(next_state)?,
            })
        })();
        ready.map_or(ReadAnswer::Broken, |answer| ReadAnswer::Ready(Arc::new(answer)))
    }

    fn chat(&mut self, members: &Members<'n, 'i>, problems: &mut Problems) -> Option<ChatAnswer> {
        // All members are read before the first `?`, for the problems of all.
        let cut = members.get("pieces").map(|node| cut(node, problems));
        let known_cut = cut.flatten().unwrap_or_default();
        let saying = self.saying(members, known_cut, problems);
        let content_pieces = saying.as_ref().and_then(|(saying, _)| saying.content_pieces());
        let finish_reason =
            members.get("finish_reason").map(|node| problems.choice(node, "finish_reason", &FINISH_REASONS));
        let usage = members.get("usage").map(|node| numbers::usage(node, problems));
        let logprobs = members.get("logprobs").map(|node| numbers::logprobs(node, content_pieces, problems));
        let top_logprobs =
            members.get("top_logprobs").map(|node| numbers::top_logprobs(node, content_pieces, problems));
        let system_fingerprint = members
            .get("system_fingerprint")
            .map(|node| problems.short_text(node, "system_fingerprint", LONGEST_NAME).map(str::to_owned));
        optional(cut)?;
        let (saying, calls) = saying?;
        Some(ChatAnswer {
            saying,
            calls,
            finish_reason: optional(finish_reason)?,
            usage: optional(usage)?.unwrap_or_default(),
            logprobs: optional(logprobs)?.unwrap_or(Logprobs::Each(0.0)),
            top_logprobs: optional(top_logprobs)?.unwrap_or_default(),
            system_fingerprint: optional(system_fingerprint)?,
            constant_choices: OnceLock::new(),
        })
    }

    /// What is said, in order: reasoning, text, refusal, calls.
    fn saying(
        &mut self,
        members: &Members<'n, 'i>,
        cut: Cut,
        problems: &mut Problems,
    ) -> Option<(Saying, Vec<Call>)> {
        let before = said(members, "reasoning", Part::Reasoning, cut, problems);
        let behind = said(members, "refusal", Part::Refusal, cut, problems);
        let calls = members.get("tool_calls").map(|node| calls::read(node, cut, problems));
        let text = members.get("text").map(|node| text(members, node, cut, problems));
        let template = members.get("template").map(|node| self.template(node, problems));
        let timestamps = members.get("timestamps").map(|node| timestamps(node, problems));
        let (before, mut behind) = (before?, behind?);
        let (calls, call_steps): (Vec<Call>, Vec<Step>) = optional(calls)?.unwrap_or_default();
        behind.extend(call_steps);
        let (text, template) = (optional(text)?, optional(template)?);
        let text = optional(timestamps)?.or(text);
        self.charge(members, before.iter().chain(text.iter().flatten()).chain(&behind), problems)?;
        let saying = match template {
            Some(name) => Saying::Template { name, cut, before, behind },
            None => {
                Saying::Constant(before.into_iter().chain(text.unwrap_or_default()).chain(behind).collect())
            }
        };
        Some((saying, calls))
    }

    fn template(&mut self, node: &Node<'_>, problems: &mut Problems) -> Option<String> {
        let source = problems.short_text(node, "template", LONGEST_TEMPLATE)?;
        self.text_bytes += source.len();
        match self.templates.add(source) {
            Ok(name) => Some(name),
            Err(problem) => {
                let TemplateProblem { line, reason } = problem;
                problems.add(node.span(), format!("`template` has an error in its line {line}: {reason}"));
                None
            }
        }
    }

    /// Takes what steps need of the bounds on all answers together.
    fn charge<'s>(
        &mut self,
        members: &Members<'_, '_>,
        steps: impl Iterator<Item = &'s Step>,
        problems: &mut Problems,
    ) -> Option<()> {
        let was_within = self.pieces <= MOST_PIECES && self.text_bytes <= MOST_TEXT_BYTES;
        for step in steps {
            self.pieces += 1;
            self.text_bytes += step.text.len();
        }
        if self.pieces <= MOST_PIECES && self.text_bytes <= MOST_TEXT_BYTES {
            return Some(());
        }
        let first = members.map.values().map(|member| member.node.span()).min_by_key(|span| span.start);
        if let (true, Some(span)) = (was_within, first) {
            let message = format!(
                "from here on, the answers come to more than {MOST_PIECES} pieces, or {MOST_TEXT_BYTES} bytes of text"
            );
            problems.add(span, message);
        }
        None
    }
}

impl Saying {
    /// How many pieces the text has, where that is known.
    fn content_pieces(&self) -> Option<usize> {
        match self {
            Saying::Constant(steps) => Some(steps.iter().filter(|step| step.part == Part::Content).count()),
            Saying::Template { .. } => None,
        }
    }
}

/// What was not given is no problem; what was given and is wrong was noted.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

/// Notes kinds that exclude each other, and members that say nothing in an answer of its kind.
fn check_kinds(members: &Members<'_, '_>, kinds: &[&str], problems: &mut Problems) -> bool {
    let clash = kinds.iter().any(|one| kinds.iter().any(|other| exclude_each_other(one, other)));
    if clash {
        let keys = kinds.iter().filter_map(|kind| members.map.get(kind));
        let span = keys.map(|member| member.key_span.clone()).max_by_key(|span| span.start).unwrap_or(0..0);
        let names: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problems.add(span, format!("an answer is of one kind, and this one has {}", listed(&names)));
        return false;
    }
    let pointless: &[&str] = match kinds {
        ["embedding"] => &OF_CHATS,
        ["error"] => &[
            "pieces",
            "finish_reason",
            "logprobs",
            "top_logprobs",
            "reasoning",
            "system_fingerprint",
            "usage",
        ],
        kinds if !kinds.contains(&"text") && !kinds.contains(&"template") => &["logprobs", "top_logprobs"],
        _ => &[],
    };
    let mut well = true;
    for key in pointless {
        // What comes from another answer is simply of no use here.
        if let Some(member) = members.map.get(key).filter(|member| member.origin == Origin::Own) {
            let what = match kinds {
                ["embedding"] => "an embedding",
                ["error"] => "an error",
                _ => "an answer without text",
            };
            problems.add(member.key_span.clone(), format!("`{key}` says nothing in {what}"));
            well = false;
        }
    }
    well
}

fn cut(node: &Node<'_>, problems: &mut Problems) -> Option<Cut> {
    let expected = "\"words\", \"characters\", \"whole\" or { characters = N }";
    if let Some(table) = node.get_ref().as_table() {
        problems.check_keys(table, "pieces", &["characters"]);
        let Some(count) = table.get("characters") else {
            problems.add(node.span(), format!("`pieces` must be {expected}"));
            return None;
        };
        let count = problems.count(count, "characters", 1, 1_000_000)?;
        return Some(Cut::Characters(usize::try_from(count).unwrap_or(usize::MAX)));
    }
    if !node.get_ref().is_str() {
        problems.wrong_type(node, "pieces", expected);
        return None;
    }
    let choices = [("words", Cut::Words), ("characters", Cut::Characters(1)), ("whole", Cut::Whole)];
    problems.choice(node, "pieces", &choices)
}

/// The steps of a member that is a string; none when it is absent.
fn said(
    members: &Members<'_, '_>,
    key: &str,
    part: Part,
    cut: Cut,
    problems: &mut Problems,
) -> Option<Vec<Step>> {
    let Some(node) = members.get(key) else { return Some(Vec::new()) };
    let text = problems.text(node, key)?;
    Some(cut.pieces(text).into_iter().map(|piece| Step::new(part, piece)).collect())
}

/// The steps of `timestamps`: so many times.
fn timestamps(node: &Node<'_>, problems: &mut Problems) -> Option<Vec<Step>> {
    let count = problems.count(node, "timestamps", 1, MOST_PIECES as u64)?;
    Some(vec![Step::new(Part::Timestamp, ""); usize::try_from(count).ok()?])
}

/// The steps of `text`: a string, which is cut, or its pieces.
fn text(members: &Members<'_, '_>, node: &Node<'_>, cut: Cut, problems: &mut Problems) -> Option<Vec<Step>> {
    if let Some(text) = node.get_ref().as_str() {
        return Some(cut.pieces(text).into_iter().map(|piece| Step::new(Part::Content, piece)).collect());
    }
    if !node.get_ref().is_array() {
        problems.wrong_type(node, "text", "a string, or an array of strings");
        return None;
    }
    if let Some(member) = members.map.get("pieces").filter(|member| member.origin == Origin::Own) {
        problems.add(member.key_span.clone(), "`pieces` says nothing here: `text` is in pieces already");
    }
    let pieces = problems.array(node, "text")?;
    pieces.iter().map(|piece| Some(Step::new(Part::Content, problems.text(piece, "text")?))).collect()
}
