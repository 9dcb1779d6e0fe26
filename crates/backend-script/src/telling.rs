//! What of a scripted answer is told to a request: where the request itself cuts it, and why it ends.
//!
//! Owns `max_tokens`, stop strings and log probabilities. It refuses to know chunks, time, and how an answer was chosen.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::{
    AssistantMessage, Choice, ChoiceLogprobs, FinishReason, FunctionCall, TokenLogprob, ToolCall, TopLogprob,
};
use interference_backend::Refusal;
use interference_wire::monotonic_nanos;

use crate::answer::{Answer, ChatAnswer, Part, Saying, Step, Steps};
use crate::chat_request::Wishes;

/// The texts of an answer that is told whole have so many bytes at most, those of all its choices together.
const MOST_WHOLE_BYTES: usize = 64 << 20;

/// An answer as one request gets it.
pub(crate) struct Telling {
    steps: Steps,
    /// How many of the steps are told as they are.
    whole_steps: usize,
    /// What is told of the next, if a stop string begins inside it.
    last: Option<Step>,
    pub(crate) finish: FinishReason,
    /// How many steps are tokens.
    pub(crate) tokens: u64,
    /// How many of them are reasoning.
    pub(crate) reasoning_tokens: u64,
    /// The position of the text's first step.
    first_content: usize,
    /// The alternatives to each token that are told, if log probabilities are.
    logprobs: Option<usize>,
    calls: Vec<(String, String)>,
    /// Where log probabilities come from; a chat's answer.
    answer: Arc<Answer>,
}

impl Telling {
    /// Cuts an answer as the request wants it. `call_id` makes the ids of calls that have none, by their position.
    pub(crate) fn new(
        answer: &Arc<Answer>,
        chat: &ChatAnswer,
        steps: Steps,
        wishes: &Wishes,
        call_id: impl Fn(usize) -> String,
    ) -> Telling {
        let (mut whole_steps, mut finish) = match within(&steps, wishes.max_tokens) {
            Some(end) => (end, FinishReason::Length),
            None if chat.calls.is_empty() => (steps.len(), chat.finish_reason.unwrap_or(FinishReason::Stop)),
            None => (steps.len(), chat.finish_reason.unwrap_or(FinishReason::ToolCalls)),
        };
        let mut last = None;
        if let Some((step, len)) = first_stop(&steps[..whole_steps], &wishes.stops) {
            whole_steps = step;
            finish = FinishReason::Stop;
            last = (len > 0).then(|| Step::new(Part::Content, &steps[step].text[..len]));
        }
        let counts = steps.counts_until(whole_steps);
        let calls = chat.calls.iter().enumerate().map(|(position, call)| {
            (call.id.clone().unwrap_or_else(|| call_id(position)), call.name.clone())
        });
        Telling {
            whole_steps,
            finish,
            tokens: counts.tokens + u64::from(last.is_some()),
            reasoning_tokens: counts.reasoning,
            last,
            first_content: steps.iter().position(|step| step.part == Part::Content).unwrap_or(0),
            logprobs: wishes.logprobs,
            calls: calls.collect(),
            answer: Arc::clone(answer),
            steps,
        }
    }

    /// Whether all of the answer is told, and nothing in it comes from the request.
    pub(crate) fn is_constant(&self) -> bool {
        let crate::answer::AnswerBody::Chat(chat) = &self.answer.body else { return false };
        let is_whole = self.whole_steps == self.steps.len() && self.last.is_none();
        let is_saying = matches!(&chat.saying, Saying::Constant(_)) && !self.steps.is_timed;
        let finish = chat.finish_reason.unwrap_or(FinishReason::Stop);
        is_saying && is_whole && self.calls.is_empty() && self.logprobs.is_none() && self.finish == finish
    }

    /// Refuses to be told whole in so many choices where that would be too long: a stream has no such bound.
    ///
    /// # Errors
    /// All choices together have more than 64 MiB of text.
    pub(crate) fn check_whole(&self, choices: u32) -> Result<(), Refusal> {
        if choices <= 1 {
            return Ok(());
        }
        let bytes: usize = self.told_steps().map(|step| step.text.len()).sum();
        if bytes.saturating_mul(choices as usize) <= MOST_WHOLE_BYTES {
            return Ok(());
        }
        Err(Refusal::InvalidRequest {
            message: format!(
                "The answer of the script's rule has {bytes} bytes, and {choices} choices of it have more than \
                 {MOST_WHOLE_BYTES}, the most that is told whole. Ask for fewer, or for a stream."
            ),
            param: Some("n".to_owned()),
            code: Some("unsupported_value"),
        })
    }

    /// How many steps are told.
    pub(crate) fn len(&self) -> usize {
        self.whole_steps + usize::from(self.last.is_some())
    }

    /// The step at a position; none at the end.
    pub(crate) fn step(&self, position: usize) -> Option<&Step> {
        if position < self.whole_steps {
            self.steps.get(position)
        } else {
            self.last.as_ref().filter(|_| position == self.whole_steps)
        }
    }

    /// Whether the step at a position is the time of its telling.
    pub(crate) fn is_timed(&self, position: usize) -> bool {
        self.step(position).is_some_and(|step| step.part == Part::Timestamp)
    }

    /// The id of the call at a position.
    pub(crate) fn call_id(&self, call: usize) -> &str {
        self.calls.get(call).map_or("", |(id, _)| id)
    }

    /// The log probability of the step at a position, if it is to be told: of pieces of text only.
    pub(crate) fn logprobs(&self, position: usize) -> Option<ChoiceLogprobs> {
        let token = self.token_logprob(position)?;
        Some(ChoiceLogprobs { content: vec![token], refusal: None })
    }

    /// The same, alone.
    pub(crate) fn token_logprob(&self, position: usize) -> Option<TokenLogprob> {
        let alternatives = self.logprobs?;
        let step = self.step(position).filter(|step| step.part == Part::Content)?;
        let crate::answer::AnswerBody::Chat(chat) = &self.answer.body else { return None };
        let piece = position - self.first_content;
        let logprob = chat.logprobs.at(piece);
        let top_logprobs = match chat.top_logprobs.get(piece) {
            Some(given) => {
                given.iter().take(alternatives).map(|(token, logprob)| top(token, *logprob)).collect()
            }
            // Where the script names none, the piece itself is the only one that there is.
            None => std::iter::once(top(&step.text, logprob)).take(alternatives).collect(),
        };
        let bytes = Some(step.text.as_bytes().to_vec());
        Some(TokenLogprob { token: step.text.clone(), logprob, bytes, top_logprobs })
    }

    /// The log probabilities of all pieces of the text, if they are to be told.
    pub(crate) fn token_logprobs(&self) -> Option<Vec<TokenLogprob>> {
        self.logprobs?;
        Some((0..self.len()).filter_map(|position| self.token_logprob(position)).collect())
    }

    /// The text, whole; it may be empty.
    pub(crate) fn content(&self) -> String {
        self.text_of(Part::Content).unwrap_or_default()
    }

    fn told_steps(&self) -> impl Iterator<Item = &Step> {
        (0..self.len()).filter_map(|position| self.step(position))
    }

    /// What is told of a part; none if it has no step.
    fn text_of(&self, part: Part) -> Option<String> {
        let text = |step: &Step| match step.part {
            Part::Timestamp => timestamp(),
            _ => step.text.clone(),
        };
        let is_of_part = |step: &&Step| match step.part {
            Part::Timestamp => part == Part::Content,
            own => own == part,
        };
        self.told_steps().filter(is_of_part).map(text).reduce(|text, piece| text + &piece)
    }

    /// Whether it has a content, which may be empty: an answer of calls or of a refusal alone has none.
    pub(crate) fn has_content(&self) -> bool {
        let has = |is_of: fn(Part) -> bool| self.told_steps().any(|step| is_of(step.part));
        has(|part| matches!(part, Part::Content | Part::Timestamp))
            || !has(|part| matches!(part, Part::CallOpening(_) | Part::Refusal))
    }

    /// All of it, as the choice of this index.
    pub(crate) fn choice(&self, index: u32) -> Choice {
        let opened = self.told_steps().filter(|step| !step.is_token()).count();
        let tool_calls: Vec<ToolCall> = self
            .calls
            .iter()
            .take(opened)
            .enumerate()
            .map(|(position, (id, name))| {
                let arguments = self.text_of(Part::CallArguments(position)).unwrap_or_default();
                let function = FunctionCall { name: name.clone(), arguments };
                ToolCall { id: id.clone(), kind: "function", function }
            })
            .collect();
        let refusal = self.text_of(Part::Refusal);
        let content = self.has_content().then(|| self.content());
        let logprobs = self.token_logprobs().map(|content| ChoiceLogprobs { content, refusal: None });
        let message = AssistantMessage {
            role: "assistant",
            content,
            refusal,
            reasoning_content: self.text_of(Part::Reasoning),
            tool_calls,
        };
        Choice { index, message, logprobs, finish_reason: self.finish }
    }
}

/// What a step says that tells its time: nanoseconds of the machine's monotonic clock, and a space.
pub(crate) fn timestamp() -> String {
    format!("{} ", monotonic_nanos())
}

fn top(token: &str, logprob: f64) -> TopLogprob {
    TopLogprob { token: token.to_owned(), logprob, bytes: Some(token.as_bytes().to_vec()) }
}

/// Where the limit cuts: the first step that is not told. None if all are.
fn within(steps: &[Step], max_tokens: Option<usize>) -> Option<usize> {
    let limit = max_tokens?;
    let mut tokens = 0;
    for (position, step) in steps.iter().enumerate() {
        if tokens == limit {
            return Some(position);
        }
        tokens += usize::from(step.is_token());
    }
    None
}

/// Where the text is cut by a stop string: the step in which it begins, and how much of that step comes before it.
///
/// Of several the one that is complete first ends the text, whichever began first.
fn first_stop(steps: &[Step], stops: &[String]) -> Option<(usize, usize)> {
    if stops.is_empty() {
        return None;
    }
    let pieces = || steps.iter().enumerate().filter(|(_, step)| step.part == Part::Content);
    let text: String = pieces().map(|(_, step)| step.text.as_str()).collect();
    let found =
        stops.iter().filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start)));
    let (_end, start) = found.min()?;
    let mut before = 0;
    for (position, step) in pieces() {
        if start < before + step.text.len() {
            return Some((position, start - before));
        }
        before += step.text.len();
    }
    None
}
