//! Tells an answer in the words of the older API: the prompt's echo, each step of the text, why it ended.

use interference_api_types::openai::chat_reply::{FinishReason, Usage};
use interference_api_types::openai::completion_reply::{CompletionChoice, CompletionChunks, TokenOffsets};

use crate::answer::Part;
use crate::answer_stream::Teller;
use crate::telling::{Telling, timestamp};

/// The chunks of a completion, in which each choice follows its own tokens.
pub(crate) struct CompletionTeller {
    chunks: CompletionChunks,
    echoes: Vec<String>,
    offsets: Vec<TokenOffsets>,
}

impl CompletionTeller {
    /// For an answer with a choice behind each of these echoes, which may be empty.
    pub(crate) fn new(chunks: CompletionChunks, echoes: Vec<String>) -> CompletionTeller {
        let offsets = vec![TokenOffsets::default(); echoes.len()];
        CompletionTeller { chunks, echoes, offsets }
    }
}

impl Teller for CompletionTeller {
    fn opening(&self, _telling: &Telling, index: u32) -> Option<String> {
        let echo = self.echoes.get(index as usize).filter(|echo| !echo.is_empty())?;
        Some(self.chunks.text(index, echo, None))
    }

    fn step(&mut self, telling: &Telling, position: usize, index: u32) -> Option<String> {
        let step = telling.step(position)?;
        let token = telling.token_logprob(position);
        let offsets = self.offsets.get_mut(index as usize);
        let logprobs = token.zip(offsets).map(|(token, offsets)| offsets.tell(&[token]));
        let text = match step.part {
            Part::Timestamp => timestamp(),
            _ => step.text.clone(),
        };
        Some(self.chunks.text(index, &text, logprobs))
    }

    fn finish(&self, index: u32, reason: FinishReason) -> String {
        self.chunks.finish(index, reason)
    }

    fn usage(&self, usage: Usage) -> Option<String> {
        self.chunks.usage(usage)
    }
}

/// The choices of a whole answer: one behind each of these echoes.
pub(crate) fn choices(telling: &Telling, echoes: Vec<String>) -> Vec<CompletionChoice> {
    let tokens = telling.token_logprobs();
    let numbered = (0..).zip(echoes);
    let choices = numbered.map(|(index, echo)| CompletionChoice {
        text: echo + &telling.content(),
        index,
        logprobs: tokens.as_ref().map(|tokens| TokenOffsets::default().tell(tokens)),
        finish_reason: Some(telling.finish),
    });
    choices.collect()
}
