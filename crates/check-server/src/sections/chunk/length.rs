//! What a limit of one token leaves of an answer.
//!
//! Owns the one case; that limits are kept at all is what the usage tells.

use crate::case::{Objection, Outcome, held};
use crate::exchange::excerpt;
use crate::knowledge::LimitParameter;
use crate::samples;
use crate::trial::Trial;

use super::{TEXT_CHARACTERS, track};

/// No token of any vocabulary has so many words.
const WORDS_OF_NO_TOKEN: usize = 8;

/// A model that ends its answer before the first word has not reached its limit.
pub(super) async fn length_at_max_tokens(trial: &Trial) -> Outcome {
    if trial.knowledge().limit == LimitParameter::None {
        return Err(Objection::unsupported("the server takes no limit of length"));
    }
    let stream = trial.stream(samples::cut_short(trial)).await?.unbroken()?;
    let text = stream.text(0);
    let told_text = excerpt(text.as_bytes(), TEXT_CHARACTERS);
    let words = text.split_whitespace().count();
    match track::first_finish_reason(&stream) {
        Some("length") if words < WORDS_OF_NO_TOKEN => {
            held(format!("finish_reason length, after {told_text}"))
        }
        Some("length") => Err(stream.broken(format!("{words} words in place of one token: {told_text}"))),
        None => Err(stream.inconclusive("no finish_reason in the stream")),
        Some(reason) if text.trim().is_empty() || reason == "content_filter" => {
            Err(stream.inconclusive(format!("finish_reason {reason}, after {told_text}")))
        }
        Some(reason) => Err(stream
            .broken(format!("finish_reason {reason}, after {words} words: {told_text}"))
            .expected("finish_reason length, after one token")),
    }
}
