//! `logprobs`: the log probabilities of an answer's tokens.
//!
//! Looks at two answers, one of plain words and one whose characters take several tokens each. Which tokens a server
//! makes of a text is its own business; that their bytes are the text is not.

use std::collections::HashSet;

use interference_report::Level::Must;
use serde_json::{Value, json};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, ObjectionKind, Outcome};
use crate::chat::Chat;
use crate::chat_answer::{Answers, ChatAnswer, Choice};
use crate::chat_stream::ChatStream;
use crate::exchange::excerpt;
use crate::json_answer::must_be_json;
use crate::refusal::{all_refused, held_by};
use crate::trial::Trial;
use interference_catalogue::Clause;

/// The limit of an answer.
const ANSWER_TOKENS: u32 = 24;
/// How many alternatives are asked for.
const ALTERNATIVES: usize = 3;
/// Prompts for words, and for characters that take several tokens each.
const WORDS: &str = "Write a haiku about a tree.";
const CHARACTERS: &str = "Repeat exactly, and say nothing else: 🌳🌲🍃 木が一本 дерево";
/// What of an entry or a text is told, in characters.
const TOLD_CHARACTERS: usize = 160;

/// Logarithms of probabilities may be above zero by the errors of short floating point numbers.
const ROUNDING: f64 = 1e-3;
/// Probabilities of different tokens may sum up to more than one by the same errors.
const MOST_IN_SUM: f64 = 1.05;

const ANSWERS_COST: Cost = Cost::new(2, 2 * ANSWER_TOKENS);
const WITH_LOGPROBS: &str =
    "Two chats with `logprobs` and `top_logprobs` 3: a haiku, and characters of several bytes.";
const EACH_TOKEN: Clause = Clause::openai(
    "CreateChatCompletionRequest.logprobs",
    "returns the log probabilities of each output token returned in the `content` of `message`",
);

pub(super) const SECTION: Section = Section {
    name: "logprobs",
    title: "Log probabilities",
    cases: &[
        Case {
            slug: "logprobs.shape",
            level: Must,
            requirement: "With logprobs, each token of the content has its token, logprob, bytes and top_logprobs.",
            clauses: &[
                EACH_TOKEN,
                Clause::openai(
                    "ChatCompletionTokenLogprob",
                    "required: [token, logprob, bytes, top_logprobs]",
                ),
                Clause::openai(
                    "ChatCompletionTokenLogprob.bytes",
                    "A list of integers representing the UTF-8 bytes representation of the token.",
                ),
            ],
            trigger: "Chats with `logprobs`: a haiku and characters of several bytes with `top_logprobs` 3, and the haiku without.",
            company: Company::Others,
            cost: Cost::new(3, 3 * ANSWER_TOKENS),
            judge: |trial| Box::pin(shape(trial)),
        },
        Case {
            slug: "logprobs.count",
            level: Must,
            requirement: "A token has no more alternatives than were asked for, and their values are logarithms of probabilities.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.top_logprobs",
                    "specifying the maximum number of most likely tokens to return at each token position, each with an associated log probability",
                ),
                Clause::openai(
                    "ChatCompletionTokenLogprob.top_logprobs",
                    "The number of entries may be fewer than the requested `top_logprobs`.",
                ),
            ],
            trigger: "The same two chats, and one with `top_logprobs` 0.",
            company: Company::Others,
            cost: Cost::new(3, 3 * ANSWER_TOKENS),
            judge: |trial| Box::pin(count(trial)),
        },
        Case {
            slug: "logprobs.bytes-join",
            level: Must,
            requirement: "The bytes of the tokens join into the content.",
            clauses: &[
                EACH_TOKEN,
                Clause::openai(
                    "ChatCompletionTokenLogprob.bytes",
                    "their byte representations must be combined to generate the correct text representation",
                ),
            ],
            trigger: WITH_LOGPROBS,
            company: Company::Others,
            cost: ANSWERS_COST,
            judge: |trial| Box::pin(bytes_join(trial)),
        },
        Case {
            slug: "logprobs.top-needs-logprobs",
            level: Must,
            requirement: "top_logprobs without logprobs is refused with 400.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.top_logprobs",
                "`logprobs` must be set to `true` if this parameter is used.",
            )],
            trigger: "Chats with `top_logprobs` 3, and `logprobs` absent or false.",
            company: Company::Others,
            cost: Cost::new(3, 3 * ANSWER_TOKENS),
            judge: |trial| Box::pin(top_needs_logprobs(trial)),
        },
        Case {
            slug: "logprobs.streamed",
            level: Must,
            requirement: "A stream brings the log probabilities of all of its tokens, once each and of the same form.",
            clauses: &[
                EACH_TOKEN,
                Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.logprobs.content",
                    "A list of message content tokens with log probability information.",
                ),
                Clause::python(
                    "openai/lib/streaming/chat/_completions.py, _accumulate_chunk",
                    "choice_snapshot.logprobs.content.extend(choice.logprobs.content)",
                ),
            ],
            trigger: "The same two chats, streamed.",
            company: Company::Others,
            cost: ANSWERS_COST,
            judge: |trial| Box::pin(streamed(trial)),
        },
    ],
};

/// A chat that asks for log probabilities.
fn with_logprobs<'a>(trial: &'a Trial, prompt: &str) -> Chat<'a> {
    trial
        .chat(prompt, ANSWER_TOKENS)
        .titled("a chat with logprobs")
        .with("logprobs", json!(true))
        .with("top_logprobs", json!(ALTERNATIVES))
}

fn chats(trial: &Trial) -> [Chat<'_>; 2] {
    [with_logprobs(trial, WORDS), with_logprobs(trial, CHARACTERS)]
}

/// The entries of a choice; none where it says nothing.
///
/// # Errors
/// INCONCLUSIVE where there are none for a content that says something: that is the case of the form.
fn entries<'a>(answer: &ChatAnswer, choice: &'a Choice) -> Result<&'a [Value], Objection> {
    match choice.logprobs.as_deref() {
        Some(entries) if !entries.is_empty() => Ok(entries),
        _ if choice.content.is_empty() => Ok(&[]),
        _ => Err(answer.inconclusive("no log probabilities in the answer")),
    }
}

async fn shape(trial: &Trial) -> Outcome {
    let without = with_logprobs(trial, WORDS).titled("a chat without top_logprobs").without("top_logprobs");
    let chats: Vec<Chat<'_>> = chats(trial).into_iter().chain([without]).collect();
    for chat in &chats {
        let exchange = trial.ask(chat.clone()).await;
        // Some write the logarithm of nothing as `-Infinity`, which no JSON has.
        if exchange.accepted().is_ok() && exchange.json().is_err() {
            must_be_json(&exchange)?;
        }
    }
    let answers = Answers::ask(trial, chats).await?;
    let tokens = well_formed(&answers)?;
    answers.held(format!("{tokens} tokens in {} answers", answers.len()))
}

/// Every entry of every choice has the form.
fn well_formed(answers: &Answers) -> Result<usize, Objection> {
    let mut tokens = 0;
    for answer in answers.iter() {
        for choice in &answer.choices {
            let entries = entries(answer, choice).map_err(|_| {
                answer.broken(format!("no logprobs.content, for the content {}", choice.told()))
            })?;
            for (index, entry) in entries.iter().enumerate() {
                if let Some(flaw) = flaw(entry) {
                    let told = excerpt(entry.to_string().as_bytes(), TOLD_CHARACTERS);
                    return Err(answer.broken(format!("logprobs.content[{index}]{flaw}: {told}")));
                }
            }
            tokens += entries.len();
        }
    }
    some_token(answers, tokens)?;
    Ok(tokens)
}

fn some_token(answers: &Answers, tokens: usize) -> Result<(), Objection> {
    match answers.first() {
        Some(answer) if tokens == 0 => Err(answer.inconclusive("no content in the answer")),
        _ => Ok(()),
    }
}

/// What is wrong with the form of an entry and its alternatives, and where.
fn flaw(entry: &Value) -> Option<String> {
    if let Some(flaw) = token_flaw(entry) {
        return Some(flaw);
    }
    let Some(alternatives) = entry.get("top_logprobs").and_then(Value::as_array) else {
        return Some(".top_logprobs is no array".to_owned());
    };
    let told = |(index, alternative)| Some(format!(".top_logprobs[{index}]{}", token_flaw(alternative)?));
    alternatives.iter().enumerate().find_map(told)
}

fn token_flaw(token: &Value) -> Option<String> {
    if !token.is_object() {
        return Some(" is no object".to_owned());
    }
    if !token.get("token").is_some_and(Value::is_string) {
        return Some(".token is no string".to_owned());
    }
    if !token.get("logprob").is_some_and(Value::is_number) {
        return Some(".logprob is no number".to_owned());
    }
    match token.get("bytes") {
        None => Some(".bytes is absent".to_owned()),
        Some(Value::Null) => None,
        Some(Value::Array(bytes))
            if bytes.iter().all(|byte| byte.as_u64().is_some_and(|byte| byte < 256)) =>
        {
            None
        }
        Some(_) => Some(".bytes is no array of bytes".to_owned()),
    }
}

async fn count(trial: &Trial) -> Outcome {
    let none =
        with_logprobs(trial, WORDS).titled("a chat with top_logprobs = 0").with("top_logprobs", json!(0));
    let answers = Answers::ask(trial, chats(trial).into()).await?;
    let without = ChatAnswer::read(&trial.ask(none).await);
    let asked =
        answers.iter().map(|answer| (answer, ALTERNATIVES)).chain(without.iter().map(|answer| (answer, 0)));
    let (mut tokens, mut most) = (0, 0);
    for (answer, asked) in asked {
        for choice in &answer.choices {
            // Without alternatives some servers have no entries at all; that is not what is counted here.
            let entries = choice.logprobs.as_deref().unwrap_or_default();
            for (index, entry) in entries.iter().enumerate() {
                most = most.max(alternatives(entry).len());
                if let Some(flaw) = value_flaw(entry, asked) {
                    let told = excerpt(entry.to_string().as_bytes(), TOLD_CHARACTERS);
                    return Err(answer.broken(format!("logprobs.content[{index}]: {flaw}: {told}")));
                }
            }
            tokens += entries.len();
        }
    }
    match answers.first() {
        Some(answer) if tokens == 0 => Err(answer.inconclusive("no log probabilities in the answer")),
        _ => answers.held(format!("{tokens} tokens, with {most} alternatives at most")),
    }
}

fn alternatives(entry: &Value) -> &[Value] {
    entry.get("top_logprobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is wrong with the values of an entry, and with how many alternatives it has.
fn value_flaw(entry: &Value, asked: usize) -> Option<String> {
    let alternatives = alternatives(entry);
    if alternatives.len() > asked {
        return Some(format!("{} alternatives, of {asked} that were asked for", alternatives.len()));
    }
    let value = |token: &Value| token.get("logprob").and_then(Value::as_f64);
    let above = [entry].into_iter().chain(alternatives).filter_map(value).find(|value| *value > ROUNDING);
    if let Some(value) = above {
        return Some(format!("the log probability {value} is above 0"));
    }
    // A server that lists the chosen token once more has one probability twice.
    let mut different: HashSet<String> = HashSet::new();
    let sum: f64 = alternatives
        .iter()
        .filter(|token| different.insert(token.to_string()))
        .filter_map(value)
        .map(f64::exp)
        .sum();
    (sum > MOST_IN_SUM).then(|| format!("the probabilities of the alternatives sum up to {sum:.3}"))
}

async fn bytes_join(trial: &Trial) -> Outcome {
    all_joined(&Answers::ask(trial, chats(trial).into()).await?)
}

fn all_joined(answers: &Answers) -> Outcome {
    let (mut tokens, mut doubt) = (0, None);
    for answer in answers.iter() {
        for choice in &answer.choices {
            match joined(answer, choice) {
                Ok(joined) => tokens += joined,
                Err(objection) if objection.kind == ObjectionKind::Broken => {
                    return Err(objection);
                }
                Err(objection) => doubt = doubt.or(Some(objection)),
            }
        }
    }
    match doubt {
        Some(objection) if tokens == 0 => Err(objection),
        _ => {
            some_token(answers, tokens)?;
            answers.held(format!("{tokens} tokens of {} answers join into their contents", answers.len()))
        }
    }
}

/// How many tokens join into the content of a choice.
fn joined(answer: &ChatAnswer, choice: &Choice) -> Result<usize, Objection> {
    if choice.has_reasoning {
        return Err(answer.inconclusive("the model thinks, and its thoughts may have log probabilities, too"));
    }
    let entries = entries(answer, choice)?;
    // What has null for its bytes stands for its text, or for none, as the end of an answer does.
    let (mut bytes, mut told_bytes) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(further) = bytes_of(entry) else {
            return Err(answer.inconclusive("a token without bytes"));
        };
        if entry.get("bytes").is_some_and(Value::is_array) {
            told_bytes.extend_from_slice(&further);
        }
        bytes.extend(further);
    }
    if [&bytes, &told_bytes].iter().all(|bytes| !is_text_of(&choice.content, bytes)) {
        return Err(answer.broken(format!(
            "the bytes join into {}, the content is {}",
            excerpt(&bytes, TOLD_CHARACTERS),
            excerpt(choice.content.as_bytes(), TOLD_CHARACTERS)
        )));
    }
    Ok(entries.len())
}

/// Whether these bytes are the content. White space at the ends, which some servers take off, is no character lost to
/// anybody, and what is no character stands in a text as whatever a server writes for it, or as nothing.
fn is_text_of(content: &str, bytes: &[u8]) -> bool {
    let whole = whole_characters(bytes);
    match std::str::from_utf8(whole) {
        Ok(text) => text.as_bytes().trim_ascii() == whole_text(content).as_bytes().trim_ascii(),
        Err(_) => {
            let characters = |text: &str| text.replace(char::REPLACEMENT_CHARACTER, "");
            characters(&String::from_utf8_lossy(whole)).trim_ascii() == characters(content).trim_ascii()
        }
    }
}

/// Without the beginning of a character that a limit has cut.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

/// Without what may stand for such a beginning in a text.
fn whole_text(content: &str) -> &str {
    content.trim_end_matches(char::REPLACEMENT_CHARACTER)
}

/// The bytes of a token; where they are null, those of its text, if it has no character that stands for others.
fn bytes_of(entry: &Value) -> Option<Vec<u8>> {
    match entry.get("bytes") {
        Some(Value::Array(bytes)) => {
            bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
        }
        _ => {
            let text = entry.get("token").and_then(Value::as_str)?;
            (!text.contains(char::REPLACEMENT_CHARACTER)).then(|| text.as_bytes().to_vec())
        }
    }
}

async fn top_needs_logprobs(trial: &Trial) -> Outcome {
    let [words, _] = chats(trial);
    trial.ask(words.clone()).await.accepted()?;
    let absent = words.clone().without("logprobs").titled("top_logprobs without logprobs");
    let switched_off = words.with("logprobs", json!(false)).titled("top_logprobs with logprobs = false");
    let refused = all_refused(trial, [absent, switched_off].map(Chat::question)).await;
    held_by(&refused.map_err(|objection| objection.expected("a status of 400"))?)
}

async fn streamed(trial: &Trial) -> Outcome {
    let chats = chats(trial).map(Chat::streamed);
    for chat in &chats {
        if let Ok(stream) = ChatStream::read(&trial.ask(chat.clone()).await) {
            all_are_json(&stream)?;
        }
    }
    let answers = Answers::ask(trial, chats.into()).await?;
    well_formed(&answers)?;
    all_joined(&answers)
}

/// Log probabilities that were told are JSON, each chunk for itself; what else a chunk may be is no matter here.
fn all_are_json(stream: &ChatStream) -> Result<(), Objection> {
    for index in &stream.no_json {
        let Some(event) = stream.stream.events.get(*index).filter(|event| event.closed) else { continue };
        let data = event.data.as_deref().unwrap_or_default();
        if let Some(at) = data.find("\"logprob\"") {
            let told = excerpt(&data.as_bytes()[at..], TOLD_CHARACTERS);
            return Err(stream.broken(format!("{} is no JSON: {told}", stream.place(*index))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(logprob: f64, others: &[f64]) -> Value {
        let token = |logprob: f64| json!({"token": format!("a{logprob}"), "logprob": logprob, "bytes": [97]});
        let mut entry = token(logprob);
        entry["top_logprobs"] = others.iter().map(|other| token(*other)).collect();
        entry
    }

    #[test]
    fn bytes_that_are_no_character_stand_in_a_text_as_anything() {
        for (content, bytes) in [
            ("a tree ", b"a tree".as_slice()),
            ("a\u{fffd}", b"a\xf0\x9f"),
            ("a", b"a\xf0\x9f"),
            ("a\u{fffd}b", b"a\xf0\x9fb"),
            ("a\u{fffd}\u{fffd}b", b"a\xf0\x9fb"),
            ("ab", b"a\xffb"),
        ] {
            assert!(is_text_of(content, bytes), "{content:?}");
        }
        for (content, bytes) in [
            ("a\u{fffd}b", "aäb".as_bytes()),
            ("a\u{fffd}äb", "aäb".as_bytes()),
            ("a\u{fffd}c", b"a\xf0\x9fb"),
            ("a", b"a\xffb"),
        ] {
            assert!(!is_text_of(content, bytes), "{content:?}");
        }
    }

    #[test]
    fn values_are_logarithms_of_probabilities() {
        assert_eq!(value_flaw(&entry(-0.5, &[-0.5, -1.2]), 2), None);
        assert_eq!(value_flaw(&entry(1e-7, &[1e-7, 1e-7]), 2), None);
        assert_eq!(value_flaw(&entry(-9999.0, &[]), 2), None);
        for wrong in [
            entry(0.5, &[]),
            entry(-0.5, &[-0.5, 0.1]),
            entry(-0.5, &[-0.5, -0.6, -0.7]),
            // What probabilities are when the logarithm is taken to the base of ten.
            entry(-0.1, &[-0.1, -0.7]),
        ] {
            assert!(value_flaw(&wrong, 2).is_some(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_has_four_members_of_their_types() {
        assert_eq!(flaw(&entry(-0.5, &[-0.5])), None);
        let mut without_bytes = entry(-0.5, &[-0.5]);
        without_bytes["bytes"] = Value::Null;
        assert_eq!(flaw(&without_bytes), None);
        for (path, value) in [
            ("/token", json!(1)),
            ("/logprob", json!("-0.5")),
            ("/logprob", Value::Null),
            ("/bytes", json!("a")),
            ("/bytes", json!([97.0])),
            ("/bytes", json!([256])),
            ("/top_logprobs", json!({"a": -0.5})),
            ("/top_logprobs/0", json!("a")),
            ("/top_logprobs/0/logprob", Value::Null),
        ] {
            let mut wrong = entry(-0.5, &[-0.5]);
            *wrong.pointer_mut(path).unwrap() = value;
            assert!(flaw(&wrong).is_some(), "{path}");
        }
        let mut absent = entry(-0.5, &[]);
        absent.as_object_mut().unwrap().remove("top_logprobs");
        assert!(flaw(&absent).is_some());
    }
}
