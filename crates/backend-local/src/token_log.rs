//! Which tokens belong to which piece of text, for their log probabilities.
//!
//! Owns the rule: a token is told with the piece that brings the last byte of its text, so that the tokens of all pieces
//! are those of the answer, each once and in order, and what a stop string or a call cuts off, in whole or in part, is
//! never told. It refuses to know how bytes become text, and what is held back.

use std::collections::VecDeque;

use interference_api_types::openai::chat_reply::{TokenLogprob, TopLogprob};
use interference_engine::{TokenId, TokenLogprobs};

use crate::answer::Vocabulary;

/// The tokens of an answer whose text was not told yet.
#[derive(Debug, Default)]
pub(crate) struct TokenLog {
    /// Bytes of text that the tokens came to so far, told or held back.
    text: usize,
    /// Bytes of text that were told.
    told: usize,
    /// Each token, and how many bytes of text must be told before it is.
    waiting: VecDeque<(usize, TokenLogprob)>,
    /// Whether tokens are told no more.
    is_closed: bool,
}

/// What is left of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing: its last character is whole.
    Whole,
    /// Its last character is still to be completed by tokens after it.
    Open,
}

impl TokenLog {
    /// Takes the next token, after which so many more bytes of text are certain.
    pub(crate) fn push(&mut self, token: TokenLogprob, text: usize, ending: Ending) {
        if self.is_closed {
            return;
        }
        self.text += text;
        // The character that is open begins where the text ends: with any byte behind that, all of it is told.
        let end = match ending {
            Ending::Whole => self.text,
            Ending::Open => self.text + 1,
        };
        self.waiting.push_back((end, token));
    }

    /// The tokens that end within these next bytes of text that are told.
    pub(crate) fn tell(&mut self, text: usize) -> Vec<TokenLogprob> {
        self.told += text;
        let ended = self.waiting.iter().take_while(|(end, _)| *end <= self.told).count();
        self.waiting.drain(..ended).map(|(_, token)| token).collect()
    }

    /// Forgets the tokens that were not told yet, and all that are still to come.
    pub(crate) fn close(&mut self) {
        self.waiting.clear();
        self.is_closed = true;
    }

    /// Forgets the tokens of a character that nothing will complete any more.
    pub(crate) fn forget_open(&mut self) {
        self.waiting.retain(|(end, _)| *end <= self.text);
    }

    /// The tokens that are left when the last of the text is told.
    pub(crate) fn rest(&mut self) -> Vec<TokenLogprob> {
        self.waiting.drain(..).map(|(_, token)| token).collect()
    }
}

/// A token and its log probabilities in the words of the API.
pub(crate) fn describe(vocabulary: &dyn Vocabulary, id: TokenId, logprobs: &TokenLogprobs) -> TokenLogprob {
    let top = logprobs.top.iter().map(|(id, logprob)| {
        let bytes = vocabulary.token_bytes(*id);
        TopLogprob { token: text_of(bytes), logprob: f64::from(*logprob), bytes: Some(bytes.to_vec()) }
    });
    let bytes = vocabulary.token_bytes(id);
    TokenLogprob {
        token: text_of(bytes),
        logprob: f64::from(logprobs.logprob),
        bytes: Some(bytes.to_vec()),
        top_logprobs: top.collect(),
    }
}

/// A token's text; one that ends or begins inside a character has replacement characters there.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop_strings::{StopStrings, Watched};
    use crate::text_stream::TextStream;
    use proptest::prelude::*;

    fn token(bytes: &[u8]) -> TokenLogprob {
        TokenLogprob {
            token: text_of(bytes),
            logprob: -1.0,
            bytes: Some(bytes.to_vec()),
            top_logprobs: Vec::new(),
        }
    }

    fn texts(tokens: Vec<TokenLogprob>) -> Vec<String> {
        tokens.into_iter().map(|token| token.token).collect()
    }

    #[test]
    fn a_token_is_told_with_its_last_byte() {
        let mut log = TokenLog::default();
        log.push(token(b"tree"), 4, Ending::Whole);
        assert_eq!(texts(log.tell(1)), Vec::<String>::new());
        assert_eq!(texts(log.tell(3)), ["tree"]);
        log.push(token(b"a\xf0\x9f"), 1, Ending::Open);
        assert_eq!(texts(log.tell(1)), Vec::<String>::new());
        log.push(token(b"\x8c\xb3"), 4, Ending::Whole);
        assert_eq!(texts(log.tell(4)), ["a\u{fffd}", "\u{fffd}\u{fffd}"]);
        assert_eq!(texts(log.rest()), Vec::<String>::new());
    }

    #[test]
    fn tokens_of_a_character_that_is_cut_off_are_forgotten() {
        let mut log = TokenLog::default();
        log.push(token(b"tree"), 4, Ending::Whole);
        log.push(token(b"\xf0\x9f"), 0, Ending::Open);
        log.push(token(b"\x8c"), 0, Ending::Open);
        log.forget_open();
        assert_eq!(texts(log.tell(4)), ["tree"]);
        assert_eq!(texts(log.rest()), Vec::<String>::new());
    }

    proptest! {
        // Characters of two bytes, cut anywhere, and stop strings whose beginnings are everywhere.
        #[test]
        fn tokens_are_told_once_in_order_and_never_past_the_text(
            text in "[abé]{0,24}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            stop in prop::option::of("[abé]{1,3}"),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let tokens: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            let (mut stream, mut log) = (TextStream::default(), TokenLog::default());
            let mut stops = StopStrings::new(stop.into_iter().collect());
            let (mut content, mut told, mut stopped) = (String::new(), Vec::new(), false);
            for bytes in &tokens {
                let text = stream.push(bytes);
                let ending = if stream.is_open() { Ending::Open } else { Ending::Whole };
                log.push(token(bytes), text.len(), ending);
                let text = match stops.push(&text) {
                    Watched::Passed(text) => text,
                    Watched::Stopped(text) => {
                        stopped = true;
                        text
                    }
                };
                content.push_str(&text);
                told.extend(log.tell(text.len()));
                if stopped {
                    break;
                }
            }
            if !stopped {
                content.push_str(&stops.finish());
                told.extend(log.rest());
            }
            let told: Vec<Vec<u8>> = told.into_iter().filter_map(|token| token.bytes).collect();
            prop_assert!(tokens.iter().zip(&told).all(|(token, told)| *token == told.as_slice()));
            let joined = told.concat();
            prop_assert!(content.as_bytes().starts_with(&joined));
            if !stopped {
                prop_assert_eq!(joined, content.into_bytes());
                prop_assert_eq!(told.len(), tokens.len());
            }
        }
    }
}
