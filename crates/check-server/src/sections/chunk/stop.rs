//! Stop strings: taken from an answer that has been seen, so that the same answer must run into them.
//!
//! Owns how a stop string is chosen, and how a stopped answer is held against the one that was not stopped. What
//! cannot be compared, because the model has taken another way, is no one's fault.

use serde_json::json;

use super::{TEXT_CHARACTERS, track};
use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::ChatStream;
use crate::exchange::excerpt;
use crate::samples;
use crate::trial::Trial;

/// How many stop strings are tried until one tells.
pub(super) const TRIES: u32 = 3;
/// Shorter words are found inside others.
const SHORTEST_WORD: usize = 4;
/// Of words that are cut anyway.
const SHORTEST_TO_CUT: usize = 3;
/// What a stop string has of each of two words.
const CHARACTERS_OF_A_WORD: usize = 2;
/// A text that goes on to its limit behind a stop string has at least so many bytes there; fewer may be chance.
const LEAST_BEHIND: usize = 12;
/// A stop string is not looked for in the first part of a text, so that something is left before it.
const SHARE_BEFORE: usize = 6;

/// What a stop string did to an answer.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// The text ends right before it, for the reason `stop`.
    Clean,
    /// The text has it.
    NotStopped,
    /// The text ends right before it, for another reason.
    OtherReason(String),
    /// The text goes on with the beginning of it.
    Leak(String),
    /// The text lacks it, and goes on with what stands behind it.
    GoesOn(String),
    /// The text ends before it, and something is missing.
    Shortened(String),
    /// The answer is another one.
    AnotherAnswer,
}

pub(super) async fn stop_excluded(trial: &Trial) -> Outcome {
    each_stop(trial, whole_words, |stream, stop, effect| match effect {
        Effect::OtherReason(reason) => Err(stream
            .broken(format!("the text ends before {stop}, with the finish_reason {reason}"))
            .expected("finish_reason stop")),
        Effect::GoesOn(rest) => {
            Err(stream.broken(format!("the text lacks {stop} and goes on behind it, with {rest}")))
        }
        // What comes of a part of it is the other case's matter.
        _ => held(format!("the text ends before {stop}, with the finish_reason stop")),
    })
    .await
}

pub(super) async fn stop_across_tokens(trial: &Trial) -> Outcome {
    each_stop(trial, two_halves, |stream, stop, effect| match effect {
        Effect::Leak(rest) => {
            Err(stream.broken(format!("of the stop string {stop} the text has the beginning, {rest}")))
        }
        Effect::GoesOn(rest) => Err(stream
            .broken(format!("the text lacks the stop string {stop} and goes on behind it, with {rest}"))),
        Effect::Shortened(lost) => {
            Err(stream.broken(format!("the text lacks {lost} before the stop string {stop}")))
        }
        // The reason is the other case's matter.
        _ => held(format!("the text ends right before {stop}")),
    })
    .await
}

/// Asks with one stop string after another, until one tells.
async fn each_stop(
    trial: &Trial,
    choose: fn(&str) -> Vec<(usize, String)>,
    judge: impl Fn(&ChatStream, &str, Effect) -> Outcome,
) -> Outcome {
    let ordinary = trial.stream(samples::streamed(trial)).await?.unbroken()?;
    let text = ordinary.text(0);
    let mut last = ordinary.inconclusive(format!(
        "no stop string can be taken from the answer {}",
        excerpt(text.as_bytes(), TEXT_CHARACTERS)
    ));
    for stop in spread(&choose(&text), &text) {
        let question = samples::streamed(trial)
            .titled(format!("a streamed chat with the stop string {stop:?}"))
            .with("stop", json!(stop));
        let stream = trial.stream(question.clone()).await?.unbroken()?;
        let told = excerpt(stop.as_bytes(), TEXT_CHARACTERS);
        match Effect::of(&stop, &text, &stream) {
            Some(Effect::NotStopped) => {
                let stopped = stream.text(0);
                let at = stopped.find(&stop).map_or(0, |at| stopped[..at].chars().count());
                return Err(stream.broken(format!("the text has the stop string {told}, at character {at}")));
            }
            Some(Effect::AnotherAnswer) | None => {
                let reason = track::first_finish_reason(&stream).unwrap_or("null");
                last = stream.inconclusive(format!(
                    "with the stop string {told} the answer took another way, to the finish_reason {reason}"
                ));
            }
            // A model whose answers differ may have ended a sentence earlier by itself.
            Some(Effect::Shortened(_)) if !repeats(trial, question, &stream, &ordinary).await? => {
                last = stream.inconclusive("the same request brings different answers");
            }
            Some(effect) => return judge(&stream, &told, effect),
        }
    }
    Err(last)
}

/// Whether the stopped answer and the ordinary one are the same once more.
async fn repeats(
    trial: &Trial,
    question: Chat<'_>,
    stopped: &ChatStream,
    ordinary: &ChatStream,
) -> Result<bool, Objection> {
    for (question, before) in [(question, stopped), (samples::streamed(trial), ordinary)] {
        let again = ChatStream::read(&trial.ask_anew(question).await)?.unbroken()?;
        if again.text(0) != before.text(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Effect {
    /// None where the stream does not tell: it broke off, or has no finish reason.
    fn of(stop: &str, ordinary: &str, stream: &ChatStream) -> Option<Effect> {
        Effect::on(stop, ordinary, &stream.text(0), track::first_finish_reason(stream)?)
    }

    fn on(stop: &str, ordinary: &str, text: &str, reason: &str) -> Option<Effect> {
        if text.contains(stop) {
            return Some(Effect::NotStopped);
        }
        let before = ordinary.split(stop).next()?;
        let behind = ordinary.get(before.len() + stop.len()..)?;
        let told = |text: &str| excerpt(text.as_bytes(), TEXT_CHARACTERS);
        // White space at the end is often taken away.
        if text.trim_end() == before.trim_end() {
            return match reason {
                "stop" => Some(Effect::Clean),
                "content_filter" => None,
                other => Some(Effect::OtherReason(other.to_owned())),
            };
        }
        let rest = text.strip_prefix(before).map(str::trim_end).filter(|rest| !rest.is_empty());
        if let Some(rest) = rest
            && behind.starts_with(rest)
            && (reason == "stop" || rest.len() >= LEAST_BEHIND)
        {
            return Some(Effect::GoesOn(told(rest)));
        }
        if reason != "stop" {
            return Some(Effect::AnotherAnswer);
        }
        if let Some(rest) = rest {
            let is_part = stop.starts_with(rest);
            return Some(if is_part { Effect::Leak(told(rest)) } else { Effect::AnotherAnswer });
        }
        match before.strip_prefix(text.trim_end()) {
            Some(lost) if !text.trim().is_empty() => Some(Effect::Shortened(told(lost))),
            _ => Some(Effect::AnotherAnswer),
        }
    }
}

/// Words and where they first stand.
fn whole_words(text: &str) -> Vec<(usize, String)> {
    words(text, SHORTEST_WORD)
        .into_iter()
        .filter(|(at, word)| text.find(word) == Some(*at))
        .map(|(at, word)| (at, word.to_owned()))
        .collect()
}

/// The end of one word and the beginning of the next, and where they first stand.
fn two_halves(text: &str) -> Vec<(usize, String)> {
    let words = words(text, SHORTEST_TO_CUT);
    let pairs = words.iter().zip(words.iter().skip(1));
    pairs
        .filter_map(|((first_at, first), (second_at, second))| {
            let from = first_at + first.char_indices().rev().nth(CHARACTERS_OF_A_WORD - 1)?.0;
            let to = second_at + second.char_indices().nth(CHARACTERS_OF_A_WORD)?.0;
            let adjacent = text.get(first_at + first.len()..*second_at)? == " ";
            let stop = text.get(from..to)?;
            (adjacent && text.find(stop) == Some(from)).then(|| (from, stop.to_owned()))
        })
        .collect()
}

/// Runs of letters that are long enough.
fn words(text: &str, shortest: usize) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for run in text.split_inclusive(|character: char| !character.is_alphabetic()) {
        let word = run.trim_end_matches(|character: char| !character.is_alphabetic());
        if word.chars().count() >= shortest {
            words.push((at, word));
        }
        at += run.len();
    }
    words
}

/// A few of them, from the middle of the text first.
fn spread(found: &[(usize, String)], text: &str) -> Vec<String> {
    let late: Vec<&String> =
        found.iter().filter(|(at, _)| *at > text.len() / SHARE_BEFORE).map(|(_, stop)| stop).collect();
    let mut chosen: Vec<String> = Vec::new();
    for quarter in [2, 1, 3] {
        let stop = late.get(late.len() * quarter / 4);
        chosen.extend(stop.filter(|stop| !chosen.contains(stop)).map(|stop| (*stop).clone()));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "In the garden stands a mighty tree,\nwith golden leaves that dance";

    #[test]
    fn stop_strings_are_where_they_first_stand() {
        let words: Vec<String> = whole_words(TEXT).into_iter().map(|(_, word)| word).collect();
        assert_eq!(
            words,
            ["garden", "stands", "mighty", "tree", "with", "golden", "leaves", "that", "dance"]
        );
        let halves: Vec<String> = two_halves(TEXT).into_iter().map(|(_, stop)| stop).collect();
        assert_eq!(halves, ["he ga", "en st", "ty tr", "th go", "en le", "es th", "at da"]);
        assert!(whole_words("tree trees").iter().all(|(_, word)| word != "rees"));
        assert_eq!(two_halves("木が一本 🌳"), []);
    }

    #[test]
    fn few_are_tried_from_the_middle_first() {
        assert_eq!(spread(&whole_words(TEXT), TEXT), ["golden", "tree", "that"]);
        assert_eq!(spread(&[], TEXT), [""; 0]);
    }

    #[test]
    fn a_stopped_answer_is_held_against_the_ordinary_one() {
        let effect = |text: &str, reason: &str| Effect::on("ty tr", TEXT, text, reason);
        let before = "In the garden stands a migh";
        assert_eq!(effect(before, "stop"), Some(Effect::Clean));
        assert_eq!(effect(before, "length"), Some(Effect::OtherReason("length".to_owned())));
        assert_eq!(effect(before, "content_filter"), None);
        assert_eq!(effect(TEXT, "length"), Some(Effect::NotStopped));
        assert_eq!(effect("In the garden stands a mighty tree", "stop"), Some(Effect::NotStopped));
        assert_eq!(
            effect("In the garden stands a mighee,\nwith golden", "length"),
            Some(Effect::GoesOn(r#""ee,\nwith golden""#.to_owned()))
        );
        assert_eq!(effect("In the garden stands a mighty", "stop"), Some(Effect::Leak(r#""ty""#.to_owned())));
        assert_eq!(
            effect("In the garden stands a mighee", "stop"),
            Some(Effect::GoesOn(r#""ee""#.to_owned()))
        );
        assert_eq!(
            effect("In the garden stands a", "stop"),
            Some(Effect::Shortened(r#"" migh""#.to_owned()))
        );
        for (text, reason) in [
            ("In the garden stands a mighty", "length"),
            ("In the garden stands a migh, migh", "stop"),
            ("A tree", "stop"),
            ("", "stop"),
        ] {
            assert_eq!(effect(text, reason), Some(Effect::AnotherAnswer), "{text}");
        }
    }
}
