//! Several stop strings at once, in whole answers and in streams.
//!
//! Owns which words of an answer make stop strings, and how a stopped answer is held against the one that was not. A
//! model that takes another way has shown nothing.

use serde_json::json;

use super::parameters::TEXT_CHARACTERS;
use crate::case::{Objection, Outcome};
use crate::chat::Chat;
use crate::chat_answer::{ChatAnswer, in_both_forms};
use crate::exchange::excerpt;
use crate::samples;
use crate::trial::Trial;

/// Words of an answer that are tried as stop strings.
const STOPS_TRIED: usize = 3;
/// A word that stands further in front leaves too little to see.
const LEAST_BEFORE_STOP: usize = 8;
/// The shortest word that makes a stop string, in characters.
const SHORTEST_STOP: usize = 3;
/// What is seen where nothing is.
const NOT_SHOWN: &str = "no answer came to a word that is in the ordinary one";
/// The requests of the case in one form: the ordinary one, each word, and one stop string alone.
pub(super) const REQUESTS_OF_A_FORM: u32 = STOPS_TRIED as u32 + 2;

pub(super) async fn stop_array(trial: &Trial) -> Outcome {
    let whole = stopped_by_the_last(trial, samples::plain(trial)).await;
    in_both_forms(whole, stopped_by_the_last(trial, samples::streamed(trial)).await)
}

/// A stop string that the answer is known to contain, last of four: a server that looks at the first alone misses it.
async fn stopped_by_the_last(trial: &Trial, chat: Chat<'_>) -> Result<String, Objection> {
    let ordinary = ChatAnswer::read(&trial.ask(chat.clone()).await)?;
    let text = text(&ordinary);
    let words = stop_words(text);
    if words.is_empty() {
        let told = excerpt(text.as_bytes(), TEXT_CHARACTERS);
        return Err(ordinary.inconclusive(format!("no word to stop at in the ordinary answer, {told}")));
    }
    let mut not_shown = ordinary.inconclusive(NOT_SHOWN);
    for word in words {
        let stops = json!(["#@#1", "#@#2", "#@#3", word]);
        let exchange = trial.ask(chat.clone().titled("a chat with 4 stop strings").with("stop", stops)).await;
        if let Err(objection) = exchange.accepted() {
            // Whether the server takes stop strings at all.
            let single = chat.clone().titled("a chat with one stop string").with("stop", json!(word));
            trial.ask(single).await.accepted()?;
            exchange.must_accept()?;
            return Err(objection);
        }
        let stopped = ChatAnswer::read(&exchange)?;
        match told_stop(&stopped, text, &word)? {
            Some(seen) => return Ok(seen),
            None => not_shown = stopped.inconclusive(NOT_SHOWN),
        }
    }
    Err(not_shown)
}

/// What the first choice says.
fn text(answer: &ChatAnswer) -> &str {
    answer.choices.first().map(|choice| choice.content.as_str()).unwrap_or_default()
}

/// How an answer was ended at a word; nothing if it went another way.
///
/// # Errors
/// Broken where the word is in it, or where it ends there for another reason.
fn told_stop(answer: &ChatAnswer, ordinary: &str, word: &str) -> Result<Option<String>, Objection> {
    let text = text(answer);
    let told = excerpt(text.as_bytes(), TEXT_CHARACTERS);
    if text.contains(word) {
        return Err(answer.broken(format!("the stop string {word:?} is in the answer, {told}")));
    }
    if text.trim_end() != ordinary.split(word).next().unwrap_or_default().trim_end() {
        return Ok(None);
    }
    match answer.choices.first().map(|choice| &choice.finish_reason) {
        Some(reason) if reason != "stop" => {
            let seen = format!("the answer ends before {word:?}, {told}, and finish_reason is {reason}");
            Err(answer.broken(seen).expected("finish_reason stop"))
        }
        _ => Ok(Some(format!("{told} ends before {word:?}, finish_reason stop"))),
    }
}

/// Words of a text that another answer is likely to have as well, the most frequent first. Those that stand in a longer
/// word before are left out: to stop inside a word is more than is asked here.
fn stop_words(text: &str) -> Vec<String> {
    let is_letter = |character: &char| character.is_alphabetic();
    let stands_alone = |word: &str| {
        let Some((before, behind)) = text.split_once(word) else { return false };
        before.len() >= LEAST_BEFORE_STOP
            && !before.chars().next_back().is_some_and(|character| is_letter(&character))
            && !behind.chars().next().is_some_and(|character| is_letter(&character))
    };
    let mut words: Vec<&str> = text
        .split(|character: char| !character.is_alphabetic())
        .filter(|word| word.chars().count() >= SHORTEST_STOP && stands_alone(word))
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(text.matches(word).count()));
    let mut distinct: Vec<String> = Vec::new();
    for word in words {
        if distinct.len() < STOPS_TRIED && distinct.iter().all(|other| other != word) {
            distinct.push(word.to_owned());
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_strings_are_frequent_words_that_stand_behind_others() {
        let text = "In a land of light, the oak and the elm stand; and light falls.";
        assert_eq!(stop_words(text), ["light", "the", "oak"]);
        assert_eq!(stop_words("A tree."), Vec::<String>::new());
    }
}
