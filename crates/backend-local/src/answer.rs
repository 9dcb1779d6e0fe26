//! One answer while it is generated: the engine's tokens in, pieces of text and one end out.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::FinishReason;
use interference_engine::{
    CancelHandle, Engine, EngineFailure, FinishReason as EngineFinish, GenerationRequest, Progress,
    SubmitError, TokenId,
};
use tokio::sync::mpsc;

use crate::stop_strings::{StopStrings, Watched};
use crate::text_stream::TextStream;

/// What tokens stand for.
pub(crate) trait Vocabulary: Send + Sync {
    /// The token's bytes; none for a control token.
    fn token_bytes(&self, id: TokenId) -> &[u8];
}

impl Vocabulary for Engine {
    fn token_bytes(&self, id: TokenId) -> &[u8] {
        Engine::token_bytes(self, id)
    }
}

/// An answer that was admitted. Dropping it cancels the generation.
pub(crate) struct Answer {
    progress: mpsc::UnboundedReceiver<Progress>,
    /// None once the rest is not wanted.
    generation: Option<CancelHandle>,
    vocabulary: Arc<dyn Vocabulary>,
    text: TextStream,
    stops: StopStrings,
    completion_tokens: u64,
    /// The end, when it is known but text is still to be told before it.
    end: Option<End>,
}

/// What comes next of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More text, at least one character: what one token added, or what had been held back at the end.
    Text(String),
    /// There is no more.
    End(End),
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Well.
    Finished(FinishReason),
    /// It broke off.
    Failed(EngineFailure),
}

impl Answer {
    /// Asks the engine. Blocks for no longer than it takes to find a place in the queue, or none.
    ///
    /// # Errors
    /// The engine does not admit it.
    pub(crate) fn submit(
        engine: &Arc<Engine>,
        request: GenerationRequest,
        stops: Vec<String>,
    ) -> Result<Answer, SubmitError> {
        // Without a bound of its own, since the sink must not wait; the engine bounds it: at most one item for each
        // position of the context, and one for the end.
        let (sender, progress) = mpsc::unbounded_channel();
        // A failed send means that the answer was dropped, which has cancelled the generation already.
        let sink = Box::new(move |item| drop(sender.send(item)));
        let generation = engine.submit(request, sink)?;
        Ok(Answer {
            progress,
            generation: Some(generation),
            vocabulary: Arc::clone(engine) as Arc<dyn Vocabulary>,
            text: TextStream::default(),
            stops: StopStrings::new(stops),
            completion_tokens: 0,
            end: None,
        })
    }

    /// How many tokens were generated so far. The token that ends the model's turn is not counted; those whose text
    /// was cut off by a stop string are.
    pub(crate) fn completion_tokens(&self) -> u64 {
        self.completion_tokens
    }

    /// Waits for the next step. After an end, gives the same end again.
    ///
    /// # Cancellation
    /// Safe: nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            if let Some(end) = &self.end {
                return Step::End(end.clone());
            }
            // A channel that closes without an end means that the engine's thread is gone.
            let item = self.progress.recv().await.unwrap_or(Progress::Failed(EngineFailure::Stopped));
            let text = self.take(item);
            if !text.is_empty() {
                return Step::Text(text);
            }
        }
    }

    /// Takes one item of the engine's: the text that is certain now, and perhaps the end behind it.
    fn take(&mut self, item: Progress) -> String {
        match item {
            Progress::Token { id, .. } => {
                self.completion_tokens += 1;
                let text = self.text.push(self.vocabulary.token_bytes(id));
                self.watch(&text)
            }
            Progress::Finished(reason) => {
                let rest = self.text.finish();
                let mut text = self.watch(&rest);
                if self.end.is_none() {
                    text.push_str(&self.stops.finish());
                    self.end = Some(End::Finished(match reason {
                        EngineFinish::EndOfTurn => FinishReason::Stop,
                        EngineFinish::Length => FinishReason::Length,
                    }));
                }
                text
            }
            Progress::Failed(failure) => {
                self.end = Some(End::Failed(failure));
                String::new()
            }
        }
    }

    /// Passes text by the stop strings. The first of them ends the answer and frees its place in the engine.
    fn watch(&mut self, text: &str) -> String {
        match self.stops.push(text) {
            Watched::Passed(text) => text,
            Watched::Stopped(text) => {
                self.generation = None;
                self.end = Some(End::Finished(FinishReason::Stop));
                text
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A vocabulary of a few tokens, one of which ends inside a character.
    struct Words;

    const WORDS: [&[u8]; 5] = [b"a ", b"tree", b"\xf0\x9f\x8c", b"\xb3", b""];

    impl Vocabulary for Words {
        fn token_bytes(&self, id: TokenId) -> &[u8] {
            WORDS[id as usize]
        }
    }

    pub(crate) fn token(id: TokenId) -> Progress {
        Progress::Token { id, logprobs: None }
    }

    /// An answer to which the engine said these things, and then nothing more.
    pub(crate) fn answer(progress: Vec<Progress>, stops: &[&str]) -> Answer {
        let (sender, receiver) = mpsc::unbounded_channel();
        for item in progress {
            sender.send(item).unwrap();
        }
        Answer {
            progress: receiver,
            generation: None,
            vocabulary: Arc::new(Words),
            text: TextStream::default(),
            stops: StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()).collect()),
            completion_tokens: 0,
            end: None,
        }
    }

    /// All texts, the end, and the number of tokens.
    async fn told(mut answer: Answer) -> (Vec<String>, End, u64) {
        let mut texts = Vec::new();
        loop {
            match answer.next().await {
                Step::Text(text) => texts.push(text),
                Step::End(end) => return (texts, end, answer.completion_tokens()),
            }
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_character_over_two_tokens_is_one_piece() {
        let progress =
            vec![token(0), token(2), token(3), token(4), Progress::Finished(EngineFinish::EndOfTurn)];
        let expected = (texts(&["a ", "🌳"]), End::Finished(FinishReason::Stop), 4);
        assert_eq!(told(answer(progress, &[])).await, expected);
    }

    #[tokio::test]
    async fn the_limit_releases_what_was_held_back() {
        let progress = vec![token(0), token(1), token(2), Progress::Finished(EngineFinish::Length)];
        let expected = (texts(&["a ", "t", "ree\u{fffd}"]), End::Finished(FinishReason::Length), 3);
        assert_eq!(told(answer(progress, &["reed"])).await, expected);
    }

    #[tokio::test]
    async fn a_stop_string_ends_it_and_the_rest_is_not_heard() {
        let progress = vec![token(0), token(1), token(1), Progress::Failed(EngineFailure::Stopped)];
        let expected = (texts(&["a"]), End::Finished(FinishReason::Stop), 2);
        assert_eq!(told(answer(progress, &[" t"])).await, expected);
    }

    #[tokio::test]
    async fn a_channel_that_closes_is_a_failure() {
        let expected = (texts(&["a "]), End::Failed(EngineFailure::Stopped), 1);
        assert_eq!(told(answer(vec![token(0)], &[])).await, expected);
    }
}
