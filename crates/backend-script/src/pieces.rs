//! How a text is cut into the pieces that are told one by one.
//!
//! Whatever the cut, the pieces together are the text, none is empty, and no character is split.

/// Where a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cut {
    /// A word with the white space before it; white space at the end is a piece of its own.
    #[default]
    Words,
    /// So many characters each.
    Characters(usize),
    /// Not at all.
    Whole,
}

impl Cut {
    /// The pieces of a text; none for an empty one.
    pub(crate) fn pieces(self, text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.first_len(rest));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    /// How many bytes the first piece of a text has that is not empty.
    fn first_len(self, text: &str) -> usize {
        match self {
            Cut::Whole => text.len(),
            Cut::Characters(count) => {
                text.char_indices().nth(count.max(1)).map_or(text.len(), |(end, _)| end)
            }
            Cut::Words => {
                let word = text.len() - text.trim_start().len();
                text[word..].find(char::is_whitespace).map_or(text.len(), |len| (word + len).max(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_fall_where_they_should() {
        assert_eq!(Cut::Words.pieces("It is  sunny.\n"), ["It", " is", "  sunny.", "\n"]);
        assert_eq!(Cut::Words.pieces(" a"), [" a"]);
        assert_eq!(Cut::Characters(2).pieces("añ🌳b"), ["añ", "🌳b"]);
        assert_eq!(Cut::Characters(1).pieces("añ"), ["a", "ñ"]);
        assert_eq!(Cut::Whole.pieces("a b"), ["a b"]);
        assert!(Cut::Words.pieces("").is_empty());
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(text in "[ a\\n🌳\\u{3000}é]{0,20}", count in 1_usize..5) {
            for cut in [Cut::Words, Cut::Characters(count), Cut::Whole] {
                let pieces = cut.pieces(&text);
                prop_assert_eq!(pieces.concat(), text.as_str());
                prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            }
        }
    }
}
