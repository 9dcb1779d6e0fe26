//! The three numbers of a usage.
//!
//! Owns what can be said of them without knowing the vocabulary: they are whole numbers, they add up, and a text of many
//! words is not made of a few tokens.

use std::fmt;

use serde_json::Value;

use crate::knowledge::LimitParameter;
use crate::trial::Trial;
use crate::value::told;

/// No vocabulary has tokens of so many words on average.
const WORDS_A_TOKEN: u64 = 4;
/// Shorter texts tell nothing about that.
const FEWEST_WORDS: u64 = 8;

/// The numbers of a usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Tokens of the prompt.
    pub(super) prompt: u64,
    /// Tokens of all answers together.
    pub(super) completion: u64,
    /// What the server says is the sum.
    pub(super) total: u64,
    /// Of the answers' tokens, those of thoughts.
    pub(super) reasoning: u64,
}

impl Counts {
    /// Reads a usage.
    ///
    /// # Errors
    /// The number that is none, for people.
    pub(super) fn read(usage: &Value) -> Result<Counts, String> {
        if !usage.is_object() {
            return Err(format!("usage is {}", told(Some(usage))));
        }
        let count = |name: &str| {
            let value = usage.get(name);
            value.and_then(Value::as_u64).ok_or_else(|| format!("{name} is {}", told(value)))
        };
        Ok(Counts {
            prompt: count("prompt_tokens")?,
            completion: count("completion_tokens")?,
            total: count("total_tokens")?,
            reasoning: usage
                .pointer("/completion_tokens_details/reasoning_tokens")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        })
    }

    /// The numbers themselves, if they can be true of a request that has an answer of this text and of so many words in
    /// all.
    ///
    /// # Errors
    /// What cannot be true, for people.
    pub(super) fn check(self, text: &str, words: u64) -> Result<Counts, String> {
        if self.prompt == 0 {
            return Err(format!("{self}, though there was a prompt"));
        }
        if self.completion == 0 && !text.is_empty() {
            return Err(format!("{self}, though there was an answer"));
        }
        if words >= FEWEST_WORDS && self.completion.saturating_mul(WORDS_A_TOKEN) < words {
            return Err(format!("{self}, for an answer of {words} words"));
        }
        Ok(self)
    }

    /// Whether the total is the sum.
    ///
    /// # Errors
    /// That it is not, for people.
    pub(super) fn check_total(self) -> Result<(), String> {
        match self.prompt.checked_add(self.completion) {
            Some(sum) if sum == self.total => Ok(()),
            _ => Err(format!("{self}, total_tokens is {}", self.total)),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} tokens of the prompt and {} of the answer", self.prompt, self.completion)
    }
}

/// What was seen of an answer that a limit bounds; none where there is no usage. Thoughts do not count against
/// `max_tokens` everywhere.
///
/// # Errors
/// By what it exceeds its limit, for people.
pub(super) fn within(
    trial: &Trial,
    usage: Option<&Value>,
    words: u64,
    limit: u32,
) -> Result<Option<String>, String> {
    if words > FEWEST_WORDS.max(u64::from(limit) * WORDS_A_TOKEN) {
        return Err(format!("{words} words, with a limit of {limit} tokens"));
    }
    let Some(Ok(counts)) = usage.map(Counts::read) else { return Ok(None) };
    let counted = match trial.knowledge().limit {
        LimitParameter::MaxTokens => counts.completion.saturating_sub(counts.reasoning),
        _ => counts.completion,
    };
    match counted > u64::from(limit) {
        true => Err(format!("{counted} tokens, with a limit of {limit}")),
        false => Ok(Some(format!("{counted} of {limit} tokens"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counts(prompt: u64, completion: u64, total: u64) -> Counts {
        Counts { prompt, completion, total, reasoning: 0 }
    }

    #[test]
    fn numbers_of_another_kind_are_told() {
        let read = |value: Value| {
            Counts::read(&json!({"prompt_tokens": value, "completion_tokens": 2, "total_tokens": 3}))
        };
        assert_eq!(read(json!(1)), Ok(counts(1, 2, 3)));
        assert_eq!(read(json!("1")), Err(r#"prompt_tokens is "1", a string"#.to_owned()));
        assert_eq!(read(json!(1.0)), Err("prompt_tokens is 1.0, a float".to_owned()));
        assert_eq!(read(json!(-1)), Err("prompt_tokens is -1".to_owned()));
        assert_eq!(Counts::read(&json!({})), Err("prompt_tokens is absent".to_owned()));
        assert_eq!(Counts::read(&json!("3")), Err(r#"usage is "3", a string"#.to_owned()));
    }

    #[test]
    fn numbers_that_cannot_be_true_are_told() {
        assert!(counts(12, 9, 21).check("a tree", 2).is_ok());
        assert!(counts(12, 0, 12).check("", 0).is_ok());
        assert!(counts(0, 9, 9).check("a tree", 2).is_err());
        assert!(counts(12, 0, 12).check("a tree", 2).is_err());
        assert!(counts(12, 1, 13).check("a tree", 7).is_ok());
        assert!(counts(12, 1, 13).check("a tree", 8).is_err());
        assert_eq!(counts(12, 9, 21).check_total(), Ok(()));
        assert_eq!(
            counts(12, 9, 20).check_total(),
            Err("12 tokens of the prompt and 9 of the answer, total_tokens is 20".to_owned())
        );
        assert!(counts(u64::MAX, 1, 0).check_total().is_err());
    }
}
