//! One choice of an answer while it is generated: tokens in, pieces of text out, up to its end.
//!
//! Owns what is said when: no split character, no part of a stop string, and with each piece the log probabilities of
//! its tokens. It refuses to know the engine's queue and the other choices.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::{FinishReason, TokenLogprob};
use interference_engine::{FinishReason as EngineFinish, TokenId, TokenLogprobs};

use crate::answer::Vocabulary;
use crate::stop_strings::{StopStrings, Watched};
use crate::text_stream::TextStream;
use crate::token_log::{Ending, TokenLog, describe};

/// A choice that is being generated.
pub(crate) struct ChoiceText {
    vocabulary: Arc<dyn Vocabulary>,
    text: TextStream,
    stops: StopStrings,
    /// None where no log probabilities are told.
    tokens: Option<TokenLog>,
}

/// What a choice says next.
#[derive(Debug, PartialEq)]
pub(crate) struct Piece {
    /// More text, perhaps none.
    pub(crate) text: String,
    /// The tokens that end with it, if log probabilities are told.
    pub(crate) logprobs: Option<Vec<TokenLogprob>>,
    /// Why nothing follows, if nothing does.
    pub(crate) end: Option<FinishReason>,
}

impl Piece {
    /// Whether there is nothing in it to be told, but perhaps an end.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.logprobs.as_ref().is_none_or(Vec::is_empty)
    }
}

impl ChoiceText {
    /// A choice that ends at these strings; with log probabilities, if there is a log of tokens.
    pub(crate) fn new(
        vocabulary: Arc<dyn Vocabulary>,
        stops: Vec<String>,
        tokens: Option<TokenLog>,
    ) -> ChoiceText {
        ChoiceText { vocabulary, text: TextStream::default(), stops: StopStrings::new(stops), tokens }
    }

    /// Whether pieces come with the log probabilities of their tokens.
    pub(crate) fn has_logprobs(&self) -> bool {
        self.tokens.is_some()
    }

    /// Takes the next token.
    pub(crate) fn push(&mut self, id: TokenId, logprobs: Option<&TokenLogprobs>) -> Piece {
        let text = self.text.push(self.vocabulary.token_bytes(id));
        if let Some((tokens, logprobs)) = self.tokens.as_mut().zip(logprobs) {
            let ending = if self.text.is_open() { Ending::Open } else { Ending::Whole };
            tokens.push(describe(self.vocabulary.as_ref(), id, logprobs), text.len(), ending);
        }
        let (text, end) = self.watch(&text);
        // Tokens without text wait for the next text.
        let logprobs = self.tokens.as_mut().map(|tokens| match text.len() {
            0 => Vec::new(),
            bytes => tokens.tell(bytes),
        });
        Piece { text, logprobs, end }
    }

    /// Takes the engine's end: what was held back is told, unless a stop string is complete with it.
    pub(crate) fn finish(&mut self, reason: EngineFinish) -> Piece {
        let rest = self.text.finish();
        let (mut text, stopped) = self.watch(&rest);
        if stopped.is_some() {
            let logprobs = self.tokens.as_mut().map(|tokens| tokens.tell(text.len()));
            return Piece { text, logprobs, end: stopped };
        }
        text.push_str(&self.stops.finish());
        let logprobs = self.tokens.as_mut().map(TokenLog::rest);
        let end = match reason {
            EngineFinish::EndOfTurn => FinishReason::Stop,
            EngineFinish::Length => FinishReason::Length,
        };
        Piece { text, logprobs, end: Some(end) }
    }

    /// Passes text by the stop strings, the first of which ends the choice.
    fn watch(&mut self, text: &str) -> (String, Option<FinishReason>) {
        match self.stops.push(text) {
            Watched::Passed(text) => (text, None),
            Watched::Stopped(text) => (text, Some(FinishReason::Stop)),
        }
    }
}
