//! What is asked: requests to the byte, without their head.
//!
//! A [`Work`] has a [`Conversation`] for every arrival of the schedule, which depends on the number of the arrival and
//! the seed alone, so that the same work can be done by one machine or by many.
//!
//! Work is made up to measure ([`Synthetic`]), comes from a file of requests ([`RequestFile`]), or from a folder of
//! cassettes ([`Cassettes`]). Refuses to know when anything is sent, and what becomes of it.

mod body;
mod cassettes;
mod error;
mod form;
mod jsonl;
mod length;
mod problems;
mod recorded;
mod synthetic;
mod token_scale;
mod words;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use body::MOST_MEMBERS;
pub use cassettes::Cassettes;
pub use error::WorkError;
pub use form::{Delivery, Ending, Extra, Form, LimitMember};
pub use jsonl::{LARGEST_FILE, LONGEST_LINE, MOST_REQUESTS, RequestFile, Requests};
pub use length::Length;
pub use problems::{MOST_PROBLEMS, Problems};
pub use synthetic::{Prompts, SharedBeginning, Synthetic, probe};
pub use token_scale::TokenScale;

/// Tokens of a made-up prompt.
pub const LONGEST_PROMPT: u32 = 4_000_000;
/// Requests of a conversation.
pub const MOST_TURNS: u32 = 1_000;
/// How long a user thinks between two turns: an hour.
pub const LONGEST_THINKING: Duration = Duration::from_secs(60 * 60);
/// Different beginnings that prompts share.
pub const MOST_SHARED_TEXTS: u32 = 1_000_000;
/// Bytes of the extra members of a body: 64 KiB.
pub const LONGEST_EXTRA: usize = 64 * 1024;
/// The latest time of a trace: 365 days from its start.
pub const LONGEST_TRACE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What all the requests of a run ask.
pub trait Work: Send + Sync {
    /// The requests of one arrival.
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation>;

    /// Those of one arrival in a run of a series, counted from 0: what is made up is another in each, since a server may
    /// remember what it was asked before.
    fn conversation_of(&self, run: u32, arrival: u64) -> Box<dyn Conversation> {
        let _ = run;
        self.conversation(arrival)
    }

    /// What is asked, in words: `synthetic prompts of 512 tokens, answers of at most 128`.
    fn describe(&self) -> String;

    /// The endpoints that are asked, each once.
    fn endpoints(&self) -> Vec<Endpoint>;

    /// How long a user waits before the next conversation; within one, each request says it.
    fn think_time(&self) -> Duration {
        Duration::ZERO
    }

    /// When the arrivals come, ascending from the start, for work that was recorded; none for work that is made up.
    fn times(&self) -> Option<&[Duration]> {
        None
    }
}

/// The work of a series in one of its runs.
pub struct OfRun {
    /// What all runs ask.
    pub work: Arc<dyn Work>,
    /// Counted from 0.
    pub run: u32,
}

impl Work for OfRun {
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation> {
        self.work.conversation_of(self.run, arrival)
    }

    fn describe(&self) -> String {
        self.work.describe()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.work.endpoints()
    }

    fn think_time(&self) -> Duration {
        self.work.think_time()
    }

    fn times(&self) -> Option<&[Duration]> {
        self.work.times()
    }
}

/// The requests of one arrival, one after another.
pub trait Conversation: Send {
    /// The next request; `answer` is the text of the last answer, empty before the first. None after the last.
    ///
    /// A conversation keeps its answers, so that whoever reads them has to bound them.
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

    /// The endpoint at a path, with or without a leading `/v1`.
    pub(crate) fn of_path(path: &str) -> Option<Endpoint> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

impl FromStr for Endpoint {
    type Err = WorkError;

    fn from_str(text: &str) -> Result<Endpoint, WorkError> {
        let named = Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == text);
        named.ok_or_else(|| WorkError::UnknownEndpoint { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_known_by_name_and_by_path() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse::<Endpoint>().unwrap(), endpoint);
            assert_eq!(Endpoint::of_path(endpoint.path()), Some(endpoint));
            assert_eq!(Endpoint::of_path(&format!("/v1{}", endpoint.path())), Some(endpoint));
        }
        assert_eq!(Endpoint::of_path("/v1/models"), None);
        assert_eq!(
            "chats".parse::<Endpoint>().unwrap_err().to_string(),
            "`chats` is none of the endpoints chat, completions, responses and embeddings"
        );
    }
}
