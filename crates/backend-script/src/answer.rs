//! Answers as a script has them, read and checked.
//!
//! Owns their form: what is said in which pieces, with what around it. Whatever is the same for all requests is made
//! ready here once, at load. It refuses to know requests, and how an answer is told.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use interference_api_types::openai::chat_reply::{Choices, FinishReason};
use interference_faults::{Latency, StandingPlan};

use crate::pieces::Cut;

/// An answer of a script.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: AnswerBody,
    pub(crate) latency: Option<Latency>,
    pub(crate) faults: Option<StandingPlan>,
    pub(crate) next_state: Option<String>,
}

/// What kind of answer it is.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// To a chat.
    Chat(ChatAnswer),
    /// To a request for embeddings.
    Embedding(Embedding),
    /// To anything.
    Error(ErrorAnswer),
}

/// An answer to a chat.
#[derive(Debug)]
pub(crate) struct ChatAnswer {
    pub(crate) saying: Saying,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish_reason: Option<FinishReason>,
    pub(crate) usage: GivenUsage,
    /// Of each piece of the text; one alone stands for all.
    pub(crate) logprobs: Logprobs,
    /// Of each piece of the text.
    pub(crate) top_logprobs: Vec<Vec<(String, f64)>>,
    pub(crate) system_fingerprint: Option<String>,
    /// Its choices when no request has a part in them, written when they are first told.
    pub(crate) constant_choices: OnceLock<Choices>,
}

/// What is said, in which steps.
#[derive(Debug)]
pub(crate) enum Saying {
    /// The same in every answer.
    Constant(Steps),
    /// Made for each request.
    Template {
        /// The template's name in the script's environment.
        name: String,
        /// How its output is cut.
        cut: Cut,
        /// What comes before the text.
        before: Vec<Step>,
        /// What comes behind it.
        behind: Vec<Step>,
    },
}

/// The steps of an answer in their order, counted once. Clones are of the same steps.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    all: Arc<[Step]>,
    counts: StepCounts,
    /// Whether one of them tells the time.
    pub(crate) is_timed: bool,
}

/// What some steps come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepCounts {
    pub(crate) tokens: u64,
    /// How many of the tokens are reasoning.
    pub(crate) reasoning: u64,
}

impl Steps {
    /// What the steps before this position come to.
    pub(crate) fn counts_until(&self, end: usize) -> StepCounts {
        match self.all.get(..end) {
            Some(steps) if end < self.all.len() => StepCounts::of(steps),
            _ => self.counts,
        }
    }
}

impl FromIterator<Step> for Steps {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Steps {
        let all: Arc<[Step]> = steps.into_iter().collect();
        let is_timed = all.iter().any(|step| step.part == Part::Timestamp);
        Steps { counts: StepCounts::of(&all), is_timed, all }
    }
}

impl Deref for Steps {
    type Target = [Step];

    fn deref(&self) -> &[Step] {
        &self.all
    }
}

impl StepCounts {
    fn of(steps: &[Step]) -> StepCounts {
        let count =
            |is_counted: fn(&Step) -> bool| steps.iter().filter(|step| is_counted(step)).count() as u64;
        StepCounts { tokens: count(Step::is_token), reasoning: count(|step| step.part == Part::Reasoning) }
    }
}

/// One step of an answer: what one chunk of a stream adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) part: Part,
    pub(crate) text: String,
    /// The text as JSON, in quotes.
    pub(crate) escaped: String,
}

impl Step {
    /// A step that adds this text to that part.
    pub(crate) fn new(part: Part, text: impl Into<String>) -> Step {
        let text = text.into();
        let escaped = serde_json::Value::from(text.as_str()).to_string();
        Step { part, text, escaped }
    }

    /// Whether it counts as a token: all but the opening of a call do.
    pub(crate) fn is_token(&self) -> bool {
        !matches!(self.part, Part::CallOpening(_))
    }
}

/// The part of an answer that a step adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the model thinks before.
    Reasoning,
    /// The text.
    Content,
    /// The text, too: the time at which the step is told. The step itself has no text.
    Timestamp,
    /// What it says instead of an answer.
    Refusal,
    /// The beginning of a call; its position. The step's text is the function's name.
    CallOpening(usize),
    /// The arguments of a call; its position.
    CallArguments(usize),
}

/// A call of a function, whose arguments are in the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Without one, each answer makes its own.
    pub(crate) id: Option<String>,
}

/// What an answer cost, where the script says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GivenUsage {
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) completion_tokens: Option<u64>,
}

/// The log probabilities of pieces of text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Logprobs {
    /// The same for all.
    Each(f64),
    /// One by one; further ones are 0.
    List(Vec<f64>),
}

impl Logprobs {
    /// That of the piece at this position.
    pub(crate) fn at(&self, position: usize) -> f64 {
        match self {
            Logprobs::Each(logprob) => *logprob,
            Logprobs::List(list) => list.get(position).copied().unwrap_or(0.0),
        }
    }
}

/// The vector of an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Embedding {
    /// The same for every input.
    Constant(Vec<f32>),
    /// A vector of length 1 and so many dimensions that depends on the input alone.
    OfText {
        /// How many.
        dimensions: usize,
    },
}

/// An error as an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorAnswer {
    pub(crate) status: http::StatusCode,
    /// The envelope, as JSON.
    pub(crate) body: bytes::Bytes,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
}
