//! What a target says, made harmless for whoever shows it.
//!
//! A hostile server may answer with escape sequences of a terminal, with characters that turn the direction of text,
//! or with ones that XML forbids. Owns the one rule by which every form but JSON shows them. Refuses to know markup:
//! `<` and `|` are the business of the forms in which they mean something.

use std::borrow::Cow;

/// The text with everything that could act, or could not be seen, as an escape: `\u{1b}`. Line feeds stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    replace(text, |character| character != '\n' && acts(character))
}

/// The same in one line: its line feeds, and the white space around them, are spaces.
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    visible(&lines.collect::<Vec<_>>().join(" ")).into_owned()
}

/// The first `most` characters, and a `…` in the place of others.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

fn replace(text: &str, is_replaced: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_replaced(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Control characters, invisible ones, those that order text (as of Unicode's bidirectional algorithm), and those that
/// XML 1.0 leaves out (section 2.2).
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_not_carried_out() {
        assert_eq!(visible("a\x1b[2J\r\n\tb\u{202e}c\u{9b}"), "a\\u{1b}[2J\\r\n\\tb\\u{202e}c\\u{9b}");
        assert_eq!(visible("Grüße, 世界 🌳"), "Grüße, 世界 🌳");
        assert_eq!(one_line("a\n\n  b\x00\r\nc"), "a b\\u{0} c");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("größer", 3), "grö…");
        assert_eq!(shortened("groß", 4), "groß");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(|character| character != '\n' && acts(character)));
            prop_assert!(!one_line(&text).chars().any(acts));
        }
    }
}
