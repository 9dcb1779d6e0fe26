//! What a server asks, and what a backend answers.
//!
//! Owns the trait, its request and reply types, and what those who pass an answer on must know of its head. It knows no
//! JSON of any API, no sockets, and no model: a reply is a status, headers and a body, and the body is whole, a stream of
//! *events* that the server encodes, or a stream of *frames* that it passes on untouched.
//!
//! Cancellation is dropping: whoever drops the future of [`Backend::answer`], or the stream of a reply, tells the
//! backend that nobody wants the rest.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
pub use head::{content_length, is_event_stream, remove_hop_by_hop};
use http::{HeaderMap, Method, StatusCode};
pub use interference_cassette::{is_secret, query_without_secrets, value_without_secrets};
use interference_faults::Drawn;
use interference_sse::Event;
pub use upstream::{UPSTREAM_HEADER, UpstreamCode};

mod head;
mod upstream;

/// A request as it came in, unparsed.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path, without a leading `/v1`, for example `/chat/completions`.
    pub path: String,
    /// What stands behind the path's `?`, undecoded.
    pub query: Option<String>,
    /// All headers, with secrets.
    pub headers: HeaderMap,
    /// The whole body; its size was bounded by the server.
    pub body: Bytes,
    /// Whether parameters that cannot be honoured are an error instead of being named in a header.
    pub strictness: Strictness,
}

/// What becomes of parameters that a backend does not honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// They are named in the response header `x-interference-ignored`.
    #[default]
    NameIgnored,
    /// They are an error.
    RefuseIgnored,
}

impl Strictness {
    /// Refuses the request that has parameters which would be ignored, if it is to be.
    ///
    /// # Errors
    /// Names all of them.
    pub fn check(self, ignored: &[String]) -> Result<(), Refusal> {
        if self == Strictness::NameIgnored || ignored.is_empty() {
            return Ok(());
        }
        Err(Refusal::InvalidRequest {
            message: format!(
                "This server is strict, and these parameters would be ignored: {}.",
                ignored.join(", ")
            ),
            param: ignored.first().cloned(),
            code: Some("unknown_parameter"),
        })
    }
}

/// A sequence of events; the server encodes them as they come. It ends as its [`StreamEnd`] says.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// A sequence of raw bytes, passed on as they come. An error means that the source broke off; its kind tells how:
/// `ConnectionReset`, `TimedOut`, `UnexpectedEof` where it ended before its end, or another. Nothing follows one.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// How a stream of events ends, in the dialect of its API.
#[derive(Debug, Clone, Default)]
pub enum StreamEnd {
    /// With `[DONE]`; before it, an envelope of the error says why a stream broke off.
    #[default]
    Done,
    /// With an event of its own, which the backend knows.
    Own(Arc<dyn LastWords>),
}

/// Knows the end of one stream, for the server, which sees to it that there is exactly one.
pub trait LastWords: std::fmt::Debug + Send + Sync {
    /// Whether this event is the end. Nothing of the stream follows it.
    fn is_end(&self, event: &Event) -> bool;

    /// What ends the stream in the place of what is still to come; the last of it is the end. `code` is a stable word
    /// for programs.
    fn break_off(&self, message: &str, code: &str) -> Vec<Event>;
}

/// An answer to a request that was admitted.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// Headers beside those that the server sets itself (content type of events, length, cache control).
    pub headers: HeaderMap,
    /// The parameters of the request that were passed over; the server names them to the client.
    pub ignored: Vec<String>,
    /// What is to go wrong with the answer, where the backend wants that; the server sees to it.
    pub faults: Option<Drawn>,
    /// How the body ends, if it is a stream of events.
    pub end: StreamEnd,
    /// What becomes of the body, if it is of frames and breaks off.
    pub when_broken: WhenBroken,
    /// What follows the headers.
    pub body: ReplyBody,
}

impl Reply {
    /// A sound reply without headers of its own, which honours all of the request.
    pub fn new(status: StatusCode, body: ReplyBody) -> Reply {
        Reply {
            status,
            headers: HeaderMap::new(),
            ignored: Vec::new(),
            faults: None,
            end: StreamEnd::Done,
            when_broken: WhenBroken::Mend,
            body,
        }
    }
}

/// What a client sees of frames that break off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenBroken {
    /// A stream of events gets its open event closed and an error behind it, and ends well; anything else breaks off.
    #[default]
    Mend,
    /// The same as the source did: the connection is reset, closed before the end, or falls silent.
    Repeat,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// Everything at once.
    Whole(Bytes),
    /// Events to be encoded as `text/event-stream`.
    Events(EventStream),
    /// Bytes to be passed on.
    Frames(FrameStream),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplyBody::Whole(bytes) => write!(formatter, "Whole({} bytes)", bytes.len()),
            ReplyBody::Events(_) => formatter.write_str("Events"),
            ReplyBody::Frames(_) => formatter.write_str("Frames"),
        }
    }
}

/// Why a request was not admitted. It knows nothing of HTTP: the server maps each kind to a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is not what the API describes.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong, for a person.
        message: String,
        /// The parameter it is about, as a path (`messages[0].role`).
        param: Option<String>,
        /// A stable word for programs, if there is one.
        code: Option<&'static str>,
    },
    /// No model of that name.
    #[error("The model `{model}` does not exist. Models here: {}.", known.join(", "))]
    UnknownModel {
        /// The name that was asked for.
        model: String,
        /// The names that would have worked.
        known: Vec<String>,
    },
    /// Nothing here answers such a request.
    #[error("{message}")]
    NothingFits {
        /// What was looked for, and what came nearest, for a person.
        message: String,
        /// A stable word for programs.
        code: &'static str,
    },
    /// The prompt and the answer do not fit the model's context.
    #[error(
        "This model's maximum context length is {context_length} tokens. However, your messages resulted in \
         {prompt_tokens} tokens, which leaves no room for an answer. Please reduce the length of the messages."
    )]
    ContextLengthExceeded {
        /// The context of the model, in tokens.
        context_length: usize,
        /// The length of the prompt, in tokens.
        prompt_tokens: usize,
    },
    /// The queue is full.
    #[error(
        "The server has {waiting} requests waiting, and no place for this one. Try again in {retry_after_seconds} s."
    )]
    Overloaded {
        /// How many requests wait.
        waiting: usize,
        /// When another try may succeed, in seconds.
        retry_after_seconds: u64,
    },
    /// Somebody else was to answer, and did not.
    #[error("{message}")]
    Upstream {
        /// Who, and what became of it, for a person.
        message: String,
        /// A stable word for programs: one of [`UpstreamCode`].
        code: &'static str,
        /// Of what kind it is.
        failure: UpstreamFailure,
    },
    /// The model is not loaded yet, or the server is going down.
    #[error("{message}")]
    Unavailable {
        /// What is being waited for.
        message: String,
    },
    /// The answer is there, and what later requests would need of it could not be kept.
    #[error("{message}")]
    StateNotSaved {
        /// What failed, and what to do about it.
        message: String,
    },
    /// The answer broke off before any of it was told.
    #[error("{message}")]
    BrokenOff {
        /// What failed.
        message: String,
        /// A stable word for programs.
        code: &'static str,
    },
    /// A bug of ours, or a failure of the machine.
    #[error("{message}")]
    Internal {
        /// What happened, without secrets.
        message: String,
    },
}

/// Why somebody else did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// It cannot be reached, broke off before its answer began, or answered what is no HTTP.
    Broken,
    /// It took too long.
    TooSlow,
    /// Nobody is asked for now, since too much has failed.
    NobodyLeft {
        /// When another try may succeed, in seconds.
        retry_after_seconds: u64,
    },
}

/// A model as `GET /models` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    /// The name that requests use.
    pub id: String,
    /// Seconds since the epoch.
    pub created: u64,
    /// Whose model it is.
    pub owned_by: String,
    /// Other names that reach the same model; `*` at the end stands for anything.
    pub aliases: Vec<String>,
    /// The context length in tokens, where it is known.
    pub context_length: Option<usize>,
}

impl ModelCard {
    /// Whether a request with that name reaches this model through one of its aliases.
    pub fn has_alias(&self, name: &str) -> bool {
        self.aliases.iter().any(|alias| alias_covers(alias, name))
    }
}

/// Whether an alias, at whose end `*` stands for anything, covers a name.
pub fn alias_covers(alias: &str, name: &str) -> bool {
    match alias.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => alias == name,
    }
}

/// Whether a backend can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Still loading.
    Loading,
    /// Answers.
    Ready,
    /// Loading failed, for good.
    Failed,
}

/// What a backend counts, holds or measures, for whoever watches over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// What it is, in lower case with underscores, its unit last.
    pub name: &'static str,
    /// The same in words, without a full stop.
    pub help: &'static str,
    /// The number, or the numbers, and how they move.
    pub value: MeasuredValue,
}

/// What a [`Measurement`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum MeasuredValue {
    /// A number that only grows, from zero at the start.
    Counter(u64),
    /// A number that goes up and down, or stands still.
    Gauge(u64),
    /// How values were spread since the start.
    Histogram(Distribution),
}

/// How values were spread since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// For each bucket, the largest value that belongs to it, and how many values fell into it and into none before.
    /// Bounds rise, and the last is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all values.
    pub sum: f64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// Which requests a backend is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Those of the endpoints that the server describes, with bodies that are JSON. It refuses all others by itself.
    #[default]
    Described,
    /// All but those that are about the server itself (its health, its journal and the like), whatever their path,
    /// their method and the form of their body: also the models, which are else told of [`Backend::models`].
    Everything,
}

/// Something that answers requests of the API.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Answers one request. A streamed reply resolves when the request is admitted (validated, its tokens counted,
    /// a place in the queue found), a plain one when it is whole.
    ///
    /// # Errors
    /// A [`Refusal`] says why the request is not admitted; nothing of it runs on.
    ///
    /// # Cancellation
    /// Dropping the future, or the stream of the reply, frees what the request holds.
    async fn answer(&self, request: Request) -> Result<Reply, Refusal>;

    /// The models that it answers for, first the one to take when none is named.
    fn models(&self) -> Vec<ModelCard>;

    /// Whether it can answer now.
    fn readiness(&self) -> Readiness;

    /// Which requests it is asked. A server wants to know once, when it begins to serve.
    fn scope(&self) -> Scope {
        Scope::Described
    }

    /// What it counts of itself; nothing while it loads.
    fn measurements(&self) -> Vec<Measurement> {
        Vec::new()
    }
}
