//! One answer while it is generated: the engine's tokens in, what each choice says out.
//!
//! Owns the generations of all choices, which end together: well, each at its end, or with the first that breaks off.
//! It refuses to know how an answer is told to a client.

use std::collections::VecDeque;
use std::sync::Arc;

use interference_api_types::openai::chat_reply::{FinishReason, TokenLogprob};
use interference_engine::{
    CancelHandle, Engine, EngineFailure, GenerationRequest, Progress, Sink, SubmitError, TokenId,
};
use tokio::sync::mpsc;

use crate::choice::ChoiceText;
use crate::token_log::TokenLog;
use crate::tool_calls::parser::CallParser;

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

/// An answer that was admitted, in one choice or several. Dropping it cancels all of them.
pub(crate) struct Answer {
    progress: mpsc::UnboundedReceiver<(u32, Progress)>,
    /// By index.
    choices: Vec<Generated>,
    completion_tokens: u64,
    /// What was said already and is still to be told: what one token, or the end, brought.
    said: VecDeque<(u32, Step)>,
}

/// A choice and what generates it.
struct Generated {
    text: ChoiceText,
    /// None once the rest is not wanted.
    generation: Option<CancelHandle>,
    has_ended: bool,
}

/// What comes next of a choice.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// How likely the prompt was, if that was asked for; before everything else of the choice.
    Prompt(PromptTokens),
    /// More text: what one token added, or what had been held back at the end.
    Text {
        /// At least one character, but for the last tokens of a choice, which may have none.
        text: String,
        /// The tokens that end with it, if log probabilities were asked for.
        logprobs: Option<Vec<TokenLogprob>>,
    },
    /// The beginning of a call.
    Call {
        /// Which call of the choice, from 0.
        index: u32,
        /// Its own name.
        id: String,
        /// The function's name.
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        /// Of which call of the choice.
        index: u32,
        /// To be appended.
        fragment: String,
    },
    /// The choice is complete.
    Finished(FinishReason),
}

/// The tokens of a prompt.
#[derive(Debug, PartialEq)]
pub(crate) struct PromptTokens {
    /// The bytes of the first one, which has no probability.
    pub(crate) first: Vec<u8>,
    /// Those behind it.
    pub(crate) rest: Vec<TokenLogprob>,
}

impl Answer {
    /// Asks the engine for a choice by each request; each takes a place in its queue. `calls` makes the parser of a
    /// choice's calls, if it can have any. Blocks for no longer than it takes to find the places, or not.
    ///
    /// # Errors
    /// The engine does not admit all of them; then none runs on.
    pub(crate) fn submit(
        engine: &Arc<Engine>,
        requests: Vec<GenerationRequest>,
        stops: &[String],
        calls: impl Fn(u32) -> Option<CallParser>,
    ) -> Result<Answer, SubmitError> {
        // Without a bound of its own, since sinks must not wait; the engine bounds it: for each choice at most one item
        // for each position of the context, one for the prompt, and one for the end.
        let (sender, progress) = mpsc::unbounded_channel();
        let (mut texts, mut submissions) = (Vec::new(), Vec::new());
        for (index, request) in (0..).zip(requests) {
            let tokens = request.logprobs.map(|_| TokenLog::default());
            let vocabulary = Arc::clone(engine) as Arc<dyn Vocabulary>;
            texts.push(ChoiceText::new(vocabulary, calls(index), stops.to_vec(), tokens));
            let sender = sender.clone();
            // A failed send means that the answer was dropped, which has cancelled the generation already.
            let sink: Sink = Box::new(move |item| drop(sender.send((index, item))));
            submissions.push((request, sink));
        }
        let generations = engine.submit_choices(submissions)?;
        let generated = texts.into_iter().zip(generations).map(|(text, generation)| Generated {
            text,
            generation: Some(generation),
            has_ended: false,
        });
        let choices = generated.collect();
        Ok(Answer { progress, choices, completion_tokens: 0, said: VecDeque::new() })
    }

    /// How many choices it has.
    pub(crate) fn choices(&self) -> u32 {
        self.choices.len() as u32
    }

    /// Whether texts come with the log probabilities of their tokens.
    pub(crate) fn has_logprobs(&self) -> bool {
        self.choices.iter().any(|choice| choice.text.has_logprobs())
    }

    /// Whether no choice will have any text.
    pub(crate) fn tells_calls_alone(&self) -> bool {
        self.choices.iter().all(|choice| choice.text.tells_calls_alone())
    }

    /// How many tokens were generated so far, in all choices. The token that ends the model's turn is not counted;
    /// those whose text was cut off by a stop string are.
    pub(crate) fn completion_tokens(&self) -> u64 {
        self.completion_tokens
    }

    /// Waits for what is said next, and tells of which choice. None when all choices have finished.
    ///
    /// # Errors
    /// One choice broke off. The others are cancelled, and nothing follows.
    ///
    /// # Cancellation
    /// Safe: nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<(u32, Step)>, EngineFailure> {
        loop {
            if let Some(said) = self.said.pop_front() {
                return Ok(Some(said));
            }
            if self.choices.iter().all(|choice| choice.has_ended) {
                return Ok(None);
            }
            match self.progress.recv().await {
                Some((index, item)) => self.take(index, item)?,
                // A channel that closes before all ends means that the engine's thread is gone.
                None => return Err(self.break_off(EngineFailure::Stopped)),
            }
        }
    }

    /// Takes one item of the engine's.
    fn take(&mut self, index: u32, item: Progress) -> Result<(), EngineFailure> {
        let Some(choice) = self.choices.get_mut(index as usize).filter(|choice| !choice.has_ended) else {
            // Said before the engine heard that the rest is not wanted.
            return Ok(());
        };
        let steps = match item {
            Progress::Prompt(prompt) => vec![Step::Prompt(choice.text.describe_prompt(&prompt))],
            Progress::Token { id, logprobs } => {
                self.completion_tokens += 1;
                choice.text.push(id, logprobs.as_ref())
            }
            Progress::Finished(reason) => choice.text.finish(reason),
            Progress::Failed(failure) => return Err(self.break_off(failure)),
        };
        if let Some(Step::Finished(_)) = steps.last() {
            // A stop string, or the last call, ends the choice before the engine does: its place there is free at once.
            choice.generation = None;
            choice.has_ended = true;
        }
        self.said.extend(steps.into_iter().map(|step| (index, step)));
        Ok(())
    }

    fn break_off(&mut self, failure: EngineFailure) -> EngineFailure {
        for choice in &mut self.choices {
            choice.generation = None;
            choice.has_ended = true;
        }
        failure
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tool_calls::format::Format;
    use interference_engine::{FinishReason as EngineFinish, TokenLogprobs};

    /// A vocabulary of a few tokens, one of which ends inside a character.
    struct Words;

    const WORDS: [&[u8]; 9] = [
        b"a ",
        b"tree",
        b"\xf0\x9f\x8c",
        b"\xb3",
        b"",
        b" <tool_call>{\"name\": \"grow\", ",
        b"\"arguments\": {\"a\": ",
        b"\"tree\"}}",
        b"</tool_call>\n",
    ];

    impl Vocabulary for Words {
        fn token_bytes(&self, id: TokenId) -> &[u8] {
            WORDS[id as usize]
        }
    }

    pub(crate) fn token(id: TokenId) -> Progress {
        Progress::Token { id, logprobs: None }
    }

    /// A token of log probability -0.5, beside which "a " has -1.
    pub(crate) fn likely(id: TokenId) -> Progress {
        Progress::Token { id, logprobs: Some(TokenLogprobs { logprob: -0.5, top: vec![(0, -1.0)] }) }
    }

    /// What an answer is asked for beside its tokens.
    #[derive(Default)]
    struct Wishes<'w> {
        stops: &'w [&'w str],
        logprobs: bool,
        /// Calls of `grow` are read, up to so many.
        most_calls: Option<u32>,
    }

    /// An answer to which the engine said these things, and then nothing more.
    fn answer_of(progress: Vec<(u32, Progress)>, choices: u32, wishes: &Wishes<'_>) -> Answer {
        let (sender, receiver) = mpsc::unbounded_channel();
        for item in progress {
            sender.send(item).unwrap();
        }
        let stops: Vec<String> = wishes.stops.iter().map(|stop| (*stop).to_owned()).collect();
        let generated = |_| {
            let tokens = wishes.logprobs.then(TokenLog::default);
            let names = vec!["grow".to_owned()];
            let calls = wishes
                .most_calls
                .map(|most| CallParser::new(Format::Hermes, names, most, |call| format!("call_{call}")));
            let text = ChoiceText::new(Arc::new(Words), calls, stops.clone(), tokens);
            Generated { text, generation: None, has_ended: false }
        };
        let choices = (0..choices).map(generated).collect();
        Answer { progress: receiver, choices, completion_tokens: 0, said: VecDeque::new() }
    }

    fn in_one_choice(progress: Vec<Progress>, wishes: &Wishes<'_>) -> Answer {
        answer_of(progress.into_iter().map(|item| (0, item)).collect(), 1, wishes)
    }

    /// An answer in one choice.
    pub(crate) fn answer(progress: Vec<Progress>, stops: &[&str]) -> Answer {
        in_one_choice(progress, &Wishes { stops, ..Wishes::default() })
    }

    /// An answer in several choices, with the choice that each item is of.
    pub(crate) fn choices(progress: Vec<(u32, Progress)>, choices: u32) -> Answer {
        answer_of(progress, choices, &Wishes::default())
    }

    /// An answer in one choice whose tokens are told.
    pub(crate) fn with_logprobs(progress: Vec<Progress>, stops: &[&str]) -> Answer {
        in_one_choice(progress, &Wishes { stops, logprobs: true, ..Wishes::default() })
    }

    /// An answer in one choice that says these things.
    pub(crate) fn saying(steps: Vec<Step>) -> Answer {
        let mut answer = answer(vec![], &[]);
        answer.choices[0].has_ended = true;
        answer.said = steps.into_iter().map(|step| (0, step)).collect();
        answer
    }

    /// All that an answer says, and the failure that it ends with.
    async fn said(answer: &mut Answer) -> (Vec<(u32, Step)>, Option<EngineFailure>) {
        let mut said = Vec::new();
        loop {
            match answer.next().await {
                Ok(Some(step)) => said.push(step),
                Ok(None) => return (said, None),
                Err(failure) => return (said, Some(failure)),
            }
        }
    }

    /// Texts, the end, and the number of tokens of an answer in one choice.
    async fn told(mut answer: Answer) -> (Vec<String>, Result<FinishReason, EngineFailure>, u64) {
        let (said, failure) = said(&mut answer).await;
        let (mut texts, mut end) = (Vec::new(), failure.map_or(Ok(FinishReason::ContentFilter), Err));
        for (_, step) in said {
            match step {
                Step::Text { text, .. } => texts.push(text),
                Step::Finished(reason) => end = Ok(reason),
                step => panic!("{step:?}"),
            }
        }
        (texts, end, answer.completion_tokens())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_character_over_two_tokens_is_one_piece() {
        let progress =
            vec![token(0), token(2), token(3), token(4), Progress::Finished(EngineFinish::EndOfTurn)];
        let expected = (texts(&["a ", "🌳"]), Ok(FinishReason::Stop), 4);
        assert_eq!(told(answer(progress, &[])).await, expected);
    }

    #[tokio::test]
    async fn the_limit_releases_what_was_held_back() {
        let progress = vec![token(0), token(1), token(2), Progress::Finished(EngineFinish::Length)];
        let expected = (texts(&["a ", "t", "ree"]), Ok(FinishReason::Length), 3);
        assert_eq!(told(answer(progress, &["reed"])).await, expected);
    }

    #[tokio::test]
    async fn a_stop_string_ends_it_and_the_rest_is_not_heard() {
        let progress = vec![token(0), token(1), token(1), Progress::Failed(EngineFailure::Stopped)];
        let expected = (texts(&["a"]), Ok(FinishReason::Stop), 2);
        assert_eq!(told(answer(progress, &[" t"])).await, expected);
    }

    #[tokio::test]
    async fn a_channel_that_closes_is_a_failure() {
        let expected = (texts(&["a "]), Err(EngineFailure::Stopped), 1);
        assert_eq!(told(answer(vec![token(0)], &[])).await, expected);
    }

    #[tokio::test]
    async fn choices_are_told_as_they_come_and_end_one_by_one() {
        let finished = Progress::Finished(EngineFinish::EndOfTurn);
        let progress =
            vec![(1, token(0)), (0, token(1)), (1, finished.clone()), (0, token(0)), (0, finished)];
        let mut answer = choices(progress, 2);
        let (said, failure) = said(&mut answer).await;
        let text = |text: &str| Step::Text { text: text.to_owned(), logprobs: None };
        let end = || Step::Finished(FinishReason::Stop);
        let expected = [(1, text("a ")), (0, text("tree")), (1, end()), (0, text("a ")), (0, end())];
        assert_eq!((said.as_slice(), failure), (expected.as_slice(), None));
        assert_eq!(answer.completion_tokens(), 3);
    }

    #[tokio::test]
    async fn one_failure_ends_all_choices() {
        let failure = EngineFailure::NotFinite { position: 9 };
        let progress = vec![(0, token(0)), (1, Progress::Failed(failure.clone())), (0, token(1))];
        let mut answer = choices(progress, 2);
        assert_eq!(said(&mut answer).await.1, Some(failure));
        assert_eq!(answer.next().await, Ok(None));
    }

    #[tokio::test]
    async fn tokens_come_with_the_text_that_they_end_in() {
        let progress = vec![
            likely(4),
            likely(0),
            likely(2),
            likely(3),
            likely(4),
            Progress::Finished(EngineFinish::EndOfTurn),
        ];
        let (said, _) = said(&mut with_logprobs(progress, &[])).await;
        let said: Vec<(String, Vec<Vec<u8>>)> = said
            .into_iter()
            .filter_map(|(_, step)| match step {
                Step::Text { text, logprobs } => Some((text, logprobs.unwrap())),
                _ => None,
            })
            .map(|(text, tokens)| (text, tokens.into_iter().map(|token| token.bytes.unwrap()).collect()))
            .collect();
        let bytes = |ids: &[usize]| ids.iter().map(|id| WORDS[*id].to_vec()).collect();
        assert_eq!(
            said,
            [
                ("a ".to_owned(), bytes(&[4, 0])),
                ("🌳".to_owned(), bytes(&[2, 3])),
                (String::new(), bytes(&[4]))
            ]
        );
    }

    /// The tokens of a text, a call, and a text.
    const TEXT_AND_CALL: [TokenId; 7] = [0, 1, 5, 6, 7, 8, 1];

    fn text_and_call() -> Vec<Progress> {
        let tokens = TEXT_AND_CALL.map(likely);
        tokens.into_iter().chain([Progress::Finished(EngineFinish::EndOfTurn)]).collect()
    }

    fn call() -> Vec<Step> {
        let arguments = |fragment: &str| Step::Arguments { index: 0, fragment: fragment.to_owned() };
        vec![
            Step::Call { index: 0, id: "call_0".to_owned(), name: "grow".to_owned() },
            arguments("{\"a\": "),
            arguments("\"tree\"}"),
        ]
    }

    async fn steps(mut answer: Answer) -> Vec<Step> {
        said(&mut answer).await.0.into_iter().map(|(_, step)| step).collect()
    }

    /// The stop strings are in the arguments, and across the call.
    #[tokio::test]
    async fn calls_are_parted_from_text_in_which_alone_stop_strings_are() {
        let text = |text: &str| Step::Text { text: text.to_owned(), logprobs: None };
        let end = || Step::Finished(FinishReason::Stop);
        let wishes = |stops| Wishes { stops, most_calls: Some(9), ..Wishes::default() };
        let told = steps(in_one_choice(text_and_call(), &wishes(&["\"tree", "tree tree"]))).await;
        let before = [text("a "), text("tree ")];
        let expected: Vec<Step> =
            before.into_iter().chain(call()).chain([text("\n"), text("tree"), end()]).collect();
        assert_eq!(told, expected);
        let told = steps(in_one_choice(text_and_call(), &wishes(&["ree"]))).await;
        assert_eq!(told, [text("a "), text("t"), end()]);
    }

    #[tokio::test]
    async fn the_last_call_that_is_allowed_ends_it() {
        let wishes = Wishes { most_calls: Some(1), ..Wishes::default() };
        let told = steps(in_one_choice(text_and_call(), &wishes)).await;
        assert_eq!(told[told.len() - 4..told.len() - 1], call());
        assert_eq!(told.last(), Some(&Step::Finished(FinishReason::Stop)));
    }

    /// A call is not told before its arguments begin; what is cut off before that stays text.
    #[tokio::test]
    async fn the_limit_cuts_a_call_where_it_is() {
        let cut = |tokens: usize| {
            let progress = TEXT_AND_CALL[2..tokens].iter().map(|id| token(*id));
            let progress = progress.chain([Progress::Finished(EngineFinish::Length)]).collect();
            steps(in_one_choice(progress, &Wishes { most_calls: Some(9), ..Wishes::default() }))
        };
        let end = || Step::Finished(FinishReason::Length);
        let text = String::from_utf8(WORDS[5].to_vec()).unwrap();
        assert_eq!(cut(3).await, [Step::Text { text, logprobs: None }, end()]);
        let expected: Vec<Step> = call().into_iter().take(2).chain([end()]).collect();
        assert_eq!(cut(4).await, expected);
    }

    #[tokio::test]
    async fn tokens_are_told_up_to_the_first_call() {
        let wishes = Wishes { logprobs: true, most_calls: Some(9), ..Wishes::default() };
        let told = steps(in_one_choice(text_and_call(), &wishes)).await;
        let tokens: Vec<(String, usize)> = told
            .into_iter()
            .filter_map(|step| match step {
                Step::Text { text, logprobs } => Some((text, logprobs.unwrap().len())),
                _ => None,
            })
            .collect();
        let expected = [("a ", 1), ("tree", 1), (" ", 0), ("\ntree", 0)];
        assert_eq!(tokens, expected.map(|(text, tokens)| (text.to_owned(), tokens)));
    }
}
