//! One choice of an answer while it is generated: tokens in, what is said out, up to its end.
//!
//! Owns what is said when: no split character, no part of a stop string, no call as text, and with each text the log
//! probabilities of its tokens. Stop strings are looked for in text alone: arguments of a call may spell them, and a call
//! parts the text before it from that behind it. It refuses to know the engine's queue and the other choices.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::{FinishReason, TokenLogprob};
use interference_engine::{FinishReason as EngineFinish, PromptLogprobs, TokenId, TokenLogprobs};

use crate::answer::{PromptTokens, Step, Vocabulary};
use crate::stop_strings::{StopStrings, Watched};
use crate::text_stream::TextStream;
use crate::token_log::{Ending, TokenLog, describe};
use crate::tool_calls::parser::{CallParser, Said};

/// A choice that is being generated.
pub(crate) struct ChoiceText {
    vocabulary: Arc<dyn Vocabulary>,
    text: TextStream,
    /// None where nothing can be called: all is text.
    calls: Option<CallParser>,
    stops: StopStrings,
    /// None where no log probabilities are told.
    tokens: Option<TokenLog>,
}

impl ChoiceText {
    /// A choice that ends at these strings; with calls, if there is a parser of them; with log probabilities, if there
    /// is a log of tokens.
    pub(crate) fn new(
        vocabulary: Arc<dyn Vocabulary>,
        calls: Option<CallParser>,
        stops: Vec<String>,
        mut tokens: Option<TokenLog>,
    ) -> ChoiceText {
        if calls.as_ref().is_some_and(CallParser::tells_calls_alone) {
            tokens.iter_mut().for_each(TokenLog::close);
        }
        ChoiceText { vocabulary, text: TextStream::default(), calls, stops: StopStrings::new(stops), tokens }
    }

    /// Whether texts come with the log probabilities of their tokens.
    pub(crate) fn has_logprobs(&self) -> bool {
        self.tokens.is_some()
    }

    /// Whether there will be no text.
    pub(crate) fn tells_calls_alone(&self) -> bool {
        self.calls.as_ref().is_some_and(CallParser::tells_calls_alone)
    }

    /// The tokens of the prompt.
    pub(crate) fn describe_prompt(&self, prompt: &PromptLogprobs) -> PromptTokens {
        let vocabulary = self.vocabulary.as_ref();
        let rest = prompt.rest.iter().map(|(id, logprobs)| describe(vocabulary, *id, logprobs));
        PromptTokens { first: vocabulary.token_bytes(prompt.first).to_vec(), rest: rest.collect() }
    }

    /// Takes the next token. A stop string ends the choice, and so does the last call that is allowed: the last step
    /// then is its end.
    pub(crate) fn push(&mut self, id: TokenId, logprobs: Option<&TokenLogprobs>) -> Vec<Step> {
        let text = self.text.push(self.vocabulary.token_bytes(id));
        if let Some((tokens, logprobs)) = self.tokens.as_mut().zip(logprobs) {
            let ending = if self.text.is_open() { Ending::Open } else { Ending::Whole };
            tokens.push(describe(self.vocabulary.as_ref(), id, logprobs), text.len(), ending);
        }
        let said = self.read(text);
        self.tell(said)
    }

    /// Takes the engine's end: what was held back is told, unless a stop string is complete with it. A character that
    /// the limit of tokens cuts off is not.
    pub(crate) fn finish(&mut self, reason: EngineFinish) -> Vec<Step> {
        let rest = match reason {
            EngineFinish::EndOfTurn => self.text.finish(),
            // The rest of the character would have come.
            EngineFinish::Length => {
                self.text = TextStream::default();
                self.tokens.iter_mut().for_each(TokenLog::forget_open);
                String::new()
            }
        };
        let mut said = self.read(rest);
        said.extend(self.calls.iter_mut().flat_map(CallParser::finish));
        let mut steps = self.tell(said);
        if let Some(Step::Finished(_)) = steps.last() {
            return steps;
        }
        let held = self.stops.finish();
        let logprobs = self.tokens.as_mut().map(TokenLog::rest);
        add_text(&mut steps, held, logprobs);
        steps.push(Step::Finished(match reason {
            EngineFinish::EndOfTurn => FinishReason::Stop,
            EngineFinish::Length => FinishReason::Length,
        }));
        steps
    }

    /// Parts calls from text.
    fn read(&mut self, text: String) -> Vec<Said> {
        match &mut self.calls {
            Some(calls) => calls.push(&text),
            None => vec![Said::Text(text)],
        }
    }

    fn tell(&mut self, said: Vec<Said>) -> Vec<Step> {
        let mut steps = Vec::new();
        for said in said {
            match said {
                Said::Text(text) => {
                    let (text, end) = match self.stops.push(&text) {
                        Watched::Passed(text) => (text, None),
                        Watched::Stopped(text) => (text, Some(FinishReason::Stop)),
                    };
                    self.tell_text(&mut steps, text);
                    if let Some(end) = end {
                        steps.push(Step::Finished(end));
                        return steps;
                    }
                }
                Said::Call { index, id, name } => {
                    let held = self.stops.finish();
                    self.tell_text(&mut steps, held);
                    // Text behind a call is not all that its tokens come to: which are whole is not known any more.
                    self.tokens.iter_mut().for_each(TokenLog::close);
                    steps.push(Step::Call { index, id, name });
                }
                Said::Arguments { index, fragment } => steps.push(Step::Arguments { index, fragment }),
            }
        }
        if self.calls.as_ref().is_some_and(CallParser::is_full) {
            steps.push(Step::Finished(FinishReason::Stop));
        }
        steps
    }

    fn tell_text(&mut self, steps: &mut Vec<Step>, text: String) {
        // Tokens without text wait for the next text.
        if !text.is_empty() {
            let logprobs = self.tokens.as_mut().map(|tokens| tokens.tell(text.len()));
            add_text(steps, text, logprobs);
        }
    }
}

/// Adds a text to the one before it, or as a step of its own, if there is anything in it.
fn add_text(steps: &mut Vec<Step>, more: String, tokens: Option<Vec<TokenLogprob>>) {
    match steps.last_mut() {
        _ if more.is_empty() && tokens.as_ref().is_none_or(Vec::is_empty) => {}
        Some(Step::Text { text, logprobs }) => {
            text.push_str(&more);
            logprobs.iter_mut().for_each(|told| told.extend(tokens.iter().flatten().cloned()));
        }
        _ => steps.push(Step::Text { text: more, logprobs: tokens }),
    }
}
