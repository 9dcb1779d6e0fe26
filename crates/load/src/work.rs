//! What is asked: requests to the byte, without their head.
//!
//! A [`Work`] has a [`Conversation`] for every arrival of the schedule, which depends on the number of the arrival and
//! the seed alone, so that the same work can be done by one machine or by many.

use std::time::Duration;

/// What all the requests of a run ask.
pub trait Work: Send + Sync {
    /// The requests of one arrival.
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation>;

    /// What is asked, in words: `synthetic prompts of 512 tokens, answers of at most 128`.
    fn describe(&self) -> String;

    /// The endpoints that are asked, each once.
    fn endpoints(&self) -> Vec<Endpoint>;

    /// When the arrivals come, ascending from the start, for work that was recorded; none for work that is made up.
    fn times(&self) -> Option<&[Duration]> {
        None
    }
}

/// The requests of one arrival, one after another.
pub trait Conversation: Send {
    /// The next request; `answer` is the text of the last answer, empty before the first. None after the last.
    fn next(&mut self, answer: &str) -> Option<Ask>;
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// How long to wait before it, from the end of the answer before; zero for the first.
    pub pause: Duration,
    /// JSON.
    pub body: Vec<u8>,
    /// Whether the body asks for a stream.
    pub streamed: bool,
    /// Whether the text of the answer is wanted for the next request.
    pub wants_text: bool,
}

/// An endpoint that load can be put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /chat/completions`
    Chat,
    /// `POST /completions`
    Completions,
    /// `POST /responses`
    Responses,
    /// `POST /embeddings`
    Embeddings,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Endpoint; 4] =
        [Endpoint::Chat, Endpoint::Completions, Endpoint::Responses, Endpoint::Embeddings];

    /// As `--endpoint` and documents spell it.
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::Chat => "chat",
            Endpoint::Completions => "completions",
            Endpoint::Responses => "responses",
            Endpoint::Embeddings => "embeddings",
        }
    }

    /// What follows the base URL.
    pub fn path(self) -> &'static str {
        match self {
            Endpoint::Chat => "/chat/completions",
            Endpoint::Completions => "/completions",
            Endpoint::Responses => "/responses",
            Endpoint::Embeddings => "/embeddings",
        }
    }
}
