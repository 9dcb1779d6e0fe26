//! Characters of several bytes, which models make of several tokens.
//!
//! Owns how a damaged character is told from one that the model itself got wrong: the plain answer to the same request
//! has it whole. What the model can say is no matter.

use serde_json::Value;

use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::ChatStream;
use crate::exchange::excerpt;
use crate::samples;
use crate::trial::Trial;

use super::TEXT_CHARACTERS;

/// What stands for bytes that are no character.
const REPLACEMENT: char = '\u{FFFD}';

pub(super) async fn no_replacement_char(trial: &Trial) -> Outcome {
    let stream = trial.stream(samples::many_bytes(trial)).await?.unbroken()?;
    if let Some(index) = stream.half_pairs.first() {
        let data = stream.stream.events.get(*index).and_then(|event| event.data.clone()).unwrap_or_default();
        let told = excerpt(data.as_bytes(), TEXT_CHARACTERS);
        return Err(stream.broken(format!("half of a surrogate pair in {}: {told}", stream.place(*index))));
    }
    let streamed = whole_text(&stream);
    let exchange = trial.ask(plain(trial)).await;
    exchange.accepted()?;
    let plain = content(&exchange.json()?);
    if streamed.contains(REPLACEMENT) {
        return Err(replaced(&stream, &streamed, &plain));
    }
    if lost(&streamed, &plain) {
        return repeated(trial, &stream, &streamed, &plain).await;
    }
    match streamed.chars().filter(|character| !character.is_ascii()).count() {
        0 => Err(stream.inconclusive(format!(
            "no character of several bytes in the answer: {}",
            excerpt(streamed.as_bytes(), TEXT_CHARACTERS)
        ))),
        count => held(format!("{count} characters of several bytes, all whole")),
    }
}

fn plain(trial: &Trial) -> Chat<'_> {
    samples::many_bytes(trial).titled("a plain chat of emoji and CJK").without("stream")
}

fn content(answer: &Value) -> String {
    answer.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The text, as far as the end of its tokens does not cut a character.
fn whole_text(stream: &ChatStream) -> String {
    let text = stream.text(0);
    match stream.finish_reason(0) {
        Some("length") => text.trim_end_matches(REPLACEMENT).to_owned(),
        _ => text,
    }
}

fn replaced(stream: &ChatStream, streamed: &str, plain: &str) -> Objection {
    let place =
        stream.pieces(0).into_iter().find(|(_, piece)| piece.contains(REPLACEMENT)).map(|(chunk, piece)| {
            format!("{}: {}", stream.place(chunk.event), excerpt(piece.as_bytes(), TEXT_CHARACTERS))
        });
    let place = place.unwrap_or_default();
    if fits(streamed, plain) {
        let whole = excerpt(plain.as_bytes(), TEXT_CHARACTERS);
        return stream.broken(format!("{place}, where the plain answer has whole characters: {whole}"));
    }
    stream.inconclusive(format!("{place}; the plain answer does not tell whether the model made it"))
}

/// Characters that are missing may be another answer: both forms must say the same again.
async fn repeated(trial: &Trial, stream: &ChatStream, streamed: &str, told: &str) -> Outcome {
    let again = ChatStream::read(&trial.ask_anew(samples::many_bytes(trial)).await)?.unbroken()?;
    let plain_again = content(&trial.ask_anew(plain(trial)).await.json()?);
    let seen = format!(
        "the stream says {}, the plain answer {}",
        excerpt(streamed.as_bytes(), TEXT_CHARACTERS),
        excerpt(told.as_bytes(), TEXT_CHARACTERS)
    );
    if whole_text(&again) == streamed && plain_again == told {
        return Err(stream.broken(seen));
    }
    Err(stream.inconclusive(format!("{seen}; but the same request brings different answers")))
}

/// Whether the two texts are the same but for replacement characters, in whose place the second has others of several
/// bytes.
fn fits(streamed: &str, plain: &str) -> bool {
    let mut segments = streamed.split(REPLACEMENT);
    let Some(mut rest) = segments.next().and_then(|first| plain.strip_prefix(first)) else { return false };
    for segment in segments.filter(|segment| !segment.is_empty()) {
        let gap_end = rest
            .char_indices()
            .skip(1)
            .map(|(at, _)| at)
            .find(|at| rest.get(*at..).is_some_and(|rest| rest.starts_with(segment)));
        let Some(end) = gap_end.filter(|end| rest.get(..*end).is_some_and(is_of_several_bytes)) else {
            return false;
        };
        rest = rest.get(end + segment.len()..).unwrap_or_default();
    }
    // What remains belongs to replacement characters at the end, or follows an end that was cut.
    !streamed.ends_with(REPLACEMENT) || is_of_several_bytes(rest)
}

fn is_of_several_bytes(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| !character.is_ascii() && character != REPLACEMENT)
}

/// Whether the first text is the second without some of its characters of several bytes. At its end it may lack them:
/// a limit may have cut them.
fn lost(streamed: &str, plain: &str) -> bool {
    let mut left = streamed.chars().peekable();
    let mut missing = false;
    for character in plain.trim_end_matches(|character: char| !character.is_ascii()).chars() {
        if left.peek() == Some(&character) {
            left.next();
        } else if character.is_ascii() || character == REPLACEMENT {
            return false;
        } else {
            missing = true;
        }
    }
    missing && left.all(|character| !character.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_another_answer() {
        for (streamed, plain, expected) in [
            ("a ��� b", "a 🌳 b", true),
            ("��", "🌳", true),
            ("� and �.", "木 and 本.", true),
            ("a �", "a 木", true),
            ("a � b", "a b", false),
            ("a � b", "a tree b", false),
            ("a � b", "a � b", false),
            ("a � b", "c 木 b", false),
            ("a �", "a 木 b", false),
        ] {
            assert_eq!(fits(streamed, plain), expected, "{streamed} {plain}");
        }
    }

    #[test]
    fn lost_characters_are_told_from_another_answer() {
        for (streamed, plain, expected) in [
            ("a  b", "a 🌳 b", true),
            (" and 本.", "木 and 本.", true),
            ("a 🌳 b", "a 🌳 b", false),
            ("a b", "a 🌳 b", false),
            ("a ", "a 木", false),
            ("a  b", "a � b", false),
            ("a  c", "a 🌳 b", false),
        ] {
            assert_eq!(lost(streamed, plain), expected, "{streamed} {plain}");
        }
    }
}
