//! How text is cut into pieces before bytes are merged: one hand-written splitter per known name.
//!
//! A splitter does what the regular expression of the model's authors does, in one pass and without backtracking, so
//! that no input is slow and none fails. Tests hold it against the reference tokenizer.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// A known way to cut text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    /// GPT-2: contractions, letters, numbers and other signs each with a space before them, white space.
    Gpt2,
    /// SmolLM: every numeric character by itself; what is between them as GPT-2.
    SmolLm,
}

/// `tokenizer.ggml.pre`, and what it means.
const NAMES: [(&str, PreTokenizer); 2] = [("gpt-2", PreTokenizer::Gpt2), ("smollm", PreTokenizer::SmolLm)];

impl PreTokenizer {
    /// The one of that name.
    pub(super) fn by_name(name: &str) -> Option<PreTokenizer> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, pre_tokenizer)| *pre_tokenizer)
    }

    /// All names.
    pub(super) fn names() -> Vec<&'static str> {
        NAMES.iter().map(|(name, _)| *name).collect()
    }

    /// The pieces of a text; together they are the text.
    pub(super) fn split(self, text: &str) -> impl Iterator<Item = &str> {
        let (mut rest, mut section) = (text, 0);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if section == 0 {
                section = self.section(rest);
            }
            let (piece, after) = rest.split_at(gpt2_piece(&rest[..section]));
            section -= piece.len();
            rest = after;
            Some(piece)
        })
    }

    /// The length of the first part of the text that is cut without a look at the rest.
    fn section(self, text: &str) -> usize {
        let is_number = |character| class(character) == Class::Number;
        match self {
            PreTokenizer::Gpt2 => text.len(),
            PreTokenizer::SmolLm => match text.find(is_number) {
                Some(0) => text.chars().next().map_or(0, char::len_utf8),
                Some(number) => number,
                None => text.len(),
            },
        }
    }
}

/// What a character is to a splitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

fn class(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Number,
        _ if character.is_whitespace() => Class::Space,
        _ => match character.general_category_group() {
            GeneralCategoryGroup::Letter => Class::Letter,
            GeneralCategoryGroup::Number => Class::Number,
            _ => Class::Other,
        },
    }
}

/// The length of the leading run of characters of a class.
fn run(text: &str, wanted: Class) -> usize {
    text.find(|character| class(character) != wanted).unwrap_or(text.len())
}

/// The length of the first piece of a text that is not empty:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn gpt2_piece(text: &str) -> usize {
    if let Some(after) = text.strip_prefix('\'') {
        let endings = ["s", "t", "re", "ve", "m", "ll", "d"];
        if let Some(ending) = endings.iter().find(|ending| after.starts_with(**ending)) {
            return 1 + ending.len();
        }
    }
    let space = usize::from(text.starts_with(' '));
    match text[space..].chars().next().map(class) {
        None | Some(Class::Space) => white_space_piece(text),
        Some(kind) => space + run(&text[space..], kind),
    }
}

/// A run of white space at the start of the text: all of it at the end of the text; before a word all but the last
/// character, which may belong to the word.
fn white_space_piece(text: &str) -> usize {
    let length = run(text, Class::Space);
    let last = text[..length].chars().next_back().map_or(0, char::len_utf8);
    if length == text.len() || length == last { length } else { length - last }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(pre_tokenizer: PreTokenizer, text: &str) -> Vec<&str> {
        pre_tokenizer.split(text).collect()
    }

    #[test]
    fn text_is_cut_as_the_expression_says() {
        let cut = |text| pieces(PreTokenizer::Gpt2, text);
        assert_eq!(cut("Hello world's  end"), ["Hello", " world", "'s", " ", " end"]);
        assert_eq!(cut("it'll 'x' I'd"), ["it", "'ll", " '", "x", "'", " I", "'d"]);
        assert_eq!(cut("a\n\n  b \n"), ["a", "\n\n ", " b", " \n"]);
        assert_eq!(cut("x1234 56,7!"), ["x", "1234", " 56", ",", "7", "!"]);
        assert_eq!(cut("a\tb"), ["a", "\t", "b"]);
        let cut = |text| pieces(PreTokenizer::SmolLm, text);
        assert_eq!(cut("x12  3 a"), ["x", "1", "2", "  ", "3", " a"]);
        assert_eq!(cut("½²Ⅷ٣"), ["½", "²", "Ⅷ", "٣"]);
    }

    /// Long runs cost a regular expression its stack, or quadratic time.
    #[test]
    fn long_runs_are_one_piece_and_quick() {
        for text in [" ".repeat(1 << 20), "a".repeat(1 << 20), "!".repeat(1 << 20)] {
            assert_eq!(pieces(PreTokenizer::SmolLm, &text).len(), 1);
        }
        let words = "a ".repeat(1 << 18);
        assert_eq!(pieces(PreTokenizer::SmolLm, &words).len(), (1 << 18) + 1);
    }

    proptest! {
        #[test]
        fn pieces_are_never_empty_and_make_up_the_text(text in "\\PC*|[a-c '\\n\\t0-9é\u{a0}]*") {
            for pre_tokenizer in [PreTokenizer::Gpt2, PreTokenizer::SmolLm] {
                let pieces = pieces(pre_tokenizer, &text);
                prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
                prop_assert_eq!(pieces.concat(), text.as_str());
            }
        }
    }
}
