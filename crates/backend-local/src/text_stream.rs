//! Bytes of tokens become text: a token may end in the middle of a character, a piece of text never does.

/// Assembles UTF-8 from pieces cut anywhere. What can never become a character is replaced by U+FFFD, one for each
/// ill-formed run, as [`String::from_utf8_lossy`] does.
#[derive(Debug, Default)]
pub(crate) struct TextStream {
    /// The beginning of a character whose end has not come: at most three bytes between calls.
    held: Vec<u8>,
}

impl TextStream {
    /// Takes bytes, and gives all the text that is certain by now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.held.len());
        let mut unfinished = Vec::new();
        let mut chunks = self.held.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            // Only the last run can still be completed; one with something behind it is broken for good.
            if chunks.peek().is_none() && may_be_completed(chunk.invalid()) {
                unfinished = chunk.invalid().to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.held = unfinished;
        text
    }

    /// Whether the last bytes are the beginning of a character.
    pub(crate) fn is_open(&self) -> bool {
        !self.held.is_empty()
    }

    /// What is left when no more bytes come: nothing, or one replacement character.
    pub(crate) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held).into_owned()
    }
}

fn may_be_completed(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"a\xf0\x9f"), "a");
        assert_eq!(stream.push(b"\x8c"), "");
        assert!(stream.is_open());
        assert_eq!(stream.push(b"\xb3b"), "🌳b");
        assert!(!stream.is_open());
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn an_unfinished_character_is_replaced_at_the_end() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(b"a\xf0\x9f\x8c"), "a");
        assert_eq!(stream.finish(), "\u{fffd}");
    }

    /// Bytes in which the interesting ones are frequent.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("a".as_bytes().to_vec()),
            Just("é".as_bytes().to_vec()),
            Just("€".as_bytes().to_vec()),
            Just("🌳".as_bytes().to_vec()),
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(vec![0xf0, 0x9f, 0xe2, 0x82, 0x80, 0xed, 0xa0]).prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cut_reads_as_the_whole(bytes in bytes(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut stream = TextStream::default();
            let mut text: String = cuts.windows(2).map(|cut| stream.push(&bytes[cut[0]..cut[1]])).collect();
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
