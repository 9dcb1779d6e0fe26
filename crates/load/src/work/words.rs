//! Words that prompts are made of.
//!
//! Owns a list of common English words, most of which are one token in the vocabulary of most models, and texts drawn
//! from it. Refuses to know how many tokens anything has.

use std::sync::LazyLock;

use crate::draws::Draws;

/// In alphabetical order, with white space between.
const LIST: &str = include_str!("words.txt");

static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| LIST.split_ascii_whitespace().collect());

/// Adds so many drawn words to a text, with a space between any two.
pub(super) fn add_words(text: &mut String, draws: &mut Draws, count: u64) {
    // The words have five letters and a half in the mean; more room is made where need be.
    text.reserve(usize::try_from(count.saturating_mul(7)).unwrap_or(0));
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS[draws.below(WORDS.len() as u64) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Purpose;

    #[test]
    fn the_list_has_plain_words_each_once() {
        assert!((500..=2_000).contains(&WORDS.len()), "{}", WORDS.len());
        assert!(WORDS.is_sorted_by(|one, other| one < other));
        assert!(LIST.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ' || byte == b'\n'));
        assert!(WORDS.iter().all(|word| (2..=11).contains(&word.len())));
    }

    #[test]
    fn texts_are_repeatable_and_have_as_many_words_as_asked_for() {
        let text = |number, count| {
            let mut text = String::new();
            add_words(&mut text, &mut Draws::of(42, Purpose::Prompt, number), count);
            text
        };
        assert_eq!(text(0, 6), "might gate editor plain motion wheat");
        assert_eq!(text(0, 0), "");
        assert_eq!(text(0, 1_000).split(' ').count(), 1_000);
        assert_ne!(text(0, 6), text(1, 6));

        let mut text = "one".to_owned();
        add_words(&mut text, &mut Draws::of(42, Purpose::Prompt, 0), 1);
        assert_eq!(text.split(' ').count(), 2);
    }
}
