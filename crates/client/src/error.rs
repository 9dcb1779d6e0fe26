//! Everything that can go wrong, in sentences for people, with a hint about what to do.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use interference_sse::DecodeError;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is not one.
    #[error("The base URL `{given}` cannot be used: {problem}.")]
    BaseUrl {
        /// The URL, without user name and password.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The API key does not fit a header.
    #[error("The API key holds characters that an HTTP header cannot carry, such as a line end.")]
    ApiKey,
    /// The request cannot be put into bytes; with a valid target and request that does not happen.
    #[error("The request cannot be made: {problem}.")]
    Request {
        /// What stands in the way.
        problem: String,
    },
    /// There is nothing to verify a server's certificate with.
    #[error("No trusted certificate authorities were found on this machine: {problem}.")]
    NoRoots {
        /// What was tried.
        problem: String,
    },
    /// The host's name did not resolve.
    #[error("The name `{host}` could not be resolved: {source}.")]
    UnknownHost {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host took the connection; see [`ClientError::nothing_listens`].
    #[error("Could not connect to {address}: {source}.")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection could not be encrypted, or the certificate could not be trusted.
    #[error("No secure connection to {address} could be made: {source}.")]
    Tls {
        /// Host and port.
        address: String,
        /// What the handshake ended with.
        source: io::Error,
    },
    /// Something listens, but it is no HTTP/1.1 server.
    #[error("What listens at {address} does not speak HTTP/1.1: {source}.")]
    NotHttp {
        /// Host and port.
        address: String,
        /// What could not be read.
        source: hyper::Error,
    },
    /// The server sent nothing for too long.
    #[error("The server sent nothing for {after:?}.")]
    IdleTimeout {
        /// How long was waited.
        after: Duration,
    },
    /// The answer ended before its end.
    #[error("The answer broke off: {cut}{}.", because(source.as_ref()))]
    BrokeOff {
        /// How it ended.
        cut: Cut,
        /// What the connection ended with, if that was an error.
        source: Option<hyper::Error>,
    },
    /// The server answered with an error of the API, as a status or within the answer.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// The server answered with an error status, and not in the API's form.
    #[error(
        "The server answered with status {status} and no error of the API, but {}.",
        unreadable.as_ref().map_or_else(|| quoted(body), |why| format!("a body that cannot be read: {why}"))
    )]
    Status {
        /// The status.
        status: StatusCode,
        /// Where it redirects to, if it does.
        location: Option<String>,
        /// The start of the body.
        body: String,
        /// Why the body cannot be read, where its encoding is the reason.
        unreadable: Option<String>,
    },
    /// The server answered with success, but not with what the API describes.
    #[error("The server's answer is not the API's{}, but {}.", of_type(content_type.as_deref()), quoted(body))]
    UnexpectedAnswer {
        /// The type that the answer says it has.
        content_type: Option<String>,
        /// The start of the body.
        body: String,
    },
    /// An event of the stream is not the JSON of the API.
    #[error("An event of the stream is not valid: {problem}, in {}.", quoted(event))]
    MalformedEvent {
        /// What is wrong with it.
        problem: String,
        /// The start of the event's data.
        event: String,
    },
    /// The stream of events itself cannot be read.
    #[error("The stream of events cannot be read: {0}.")]
    Stream(#[from] DecodeError),
    /// The body is encoded in a way that is not known, or is damaged.
    #[error("The body's content encoding cannot be read: {problem}.")]
    ContentEncoding {
        /// What is wrong with it.
        problem: String,
    },
    /// A whole answer, or what it calls functions with, is longer than this client takes.
    #[error("The answer is longer than {bytes_max} bytes.")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// The answer calls more functions than this client takes.
    #[error("The answer calls more than {calls_max} functions.")]
    TooManyCalls {
        /// The limit.
        calls_max: usize,
    },
}

/// How an answer ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection ended before a status came.
    #[error("the connection ended before the server answered")]
    BeforeAnswer,
    /// The connection ended inside the body.
    #[error("the connection ended inside the body")]
    InsideBody,
    /// The body ended in order, but without a finish reason and without `[DONE]`.
    #[error("the stream ended without a finish reason")]
    WithoutFinish,
    /// Like [`Cut::WithoutFinish`], and the last event was not complete.
    #[error("the stream ended inside an event, without a finish reason")]
    InsideEvent,
    /// `[DONE]` came, but nothing before it.
    #[error("the stream was done before anything was answered")]
    WithoutChunk,
}

/// An error as the API describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status of the response; 200 when the error came within the answer.
    pub status: StatusCode,
    /// What the server says.
    pub message: String,
    /// The field `type`.
    pub kind: Option<String>,
    /// The parameter that the error is about.
    pub param: Option<String>,
    /// The field `code`; a number is written out.
    pub code: Option<String>,
    /// The header that says when to try again, as it came: `retry-after: 20`.
    pub retry_after: Option<String>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("The server answered with an error")?;
        if !self.status.is_success() {
            write!(formatter, ", status {}", self.status.as_u16())?;
        }
        match self.message.as_str() {
            "" => formatter.write_str(", without a message"),
            message => write!(formatter, ": {message}"),
        }
    }
}

impl ClientError {
    /// Whether the host is there and refuses the connection, so that a server could be started on that port.
    pub fn nothing_listens(&self) -> bool {
        matches!(self, ClientError::Unreachable { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// What to do about it, in one sentence, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ClientError::Request { .. } => return None,
            ClientError::BaseUrl { .. } => "A base URL looks like `http://localhost:1337/v1`.",
            ClientError::ApiKey => {
                "Check the key for a line end or a blank that came along when it was copied."
            }
            ClientError::NoRoots { .. } => {
                "Install the system's certificates (`ca-certificates`), or name a file of them in SSL_CERT_FILE."
            }
            ClientError::UnknownHost { .. } => "Check the host in the base URL.",
            ClientError::Unreachable { .. } if self.nothing_listens() => {
                "Nothing listens there: start the server, or check the port in the base URL."
            }
            ClientError::Unreachable { .. } => "Check the base URL and the network.",
            ClientError::Tls { .. } => {
                "For a server with a certificate of its own, name its authority's file in SSL_CERT_FILE; a server \
                 without encryption wants a base URL that begins with `http://`."
            }
            ClientError::NotHttp { .. } => {
                "Check the port in the base URL, and whether the server wants `https://` there."
            }
            ClientError::IdleTimeout { .. } => "The server may be overloaded: try again, or wait longer.",
            ClientError::Api(error) => return error.hint(),
            ClientError::Status { location: Some(location), .. } => {
                return Some(format!(
                    "The server redirects to `{location}`: name that place in the base URL."
                ));
            }
            ClientError::Status { status, .. } => return hint_for_status(*status).map(str::to_owned),
            ClientError::UnexpectedAnswer { .. } => {
                "Check that the base URL is the API's; as a rule it ends in `/v1`."
            }
            ClientError::BrokeOff { .. }
            | ClientError::MalformedEvent { .. }
            | ClientError::Stream(_)
            | ClientError::ContentEncoding { .. }
            | ClientError::TooLong { .. }
            | ClientError::TooManyCalls { .. } => {
                "The fault is the server's, or a proxy's before it; its log may say more."
            }
        };
        Some(hint.to_owned())
    }
}

impl ApiError {
    fn hint(&self) -> Option<String> {
        match &self.retry_after {
            Some(retry_after) => Some(format!("The server says when to try again: `{retry_after}`.")),
            // A server that found the endpoint, and not the model, says so; what else it names is nothing of ours.
            None if self.status == StatusCode::NOT_FOUND
                && self.code.as_ref().is_some_and(|code| !code.contains("model")) =>
            {
                Some("The server's message says what it did not find.".to_owned())
            }
            None => hint_for_status(self.status).map(str::to_owned),
        }
    }
}

fn hint_for_status(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some("Check the API key."),
        StatusCode::NOT_FOUND => {
            Some("Check the model's name, and the base URL: as a rule it ends in `/v1`.")
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            Some("Change what the server objects to, and ask again.")
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some("Try again later."),
        // An error within an answer that had begun well is the server's, too.
        status if status.is_success() || status.is_server_error() => {
            Some("The fault is the server's: ask again, or look into its log.")
        }
        _ => None,
    }
}

/// The cause at the bottom of an error: hyper's own sentence is "connection error" for many different ends.
fn because(error: Option<&hyper::Error>) -> String {
    let Some(error) = error else { return String::new() };
    let mut bottom: &dyn Error = error;
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    format!(" ({bottom})")
}

fn of_type(content_type: Option<&str>) -> String {
    content_type.map(|content_type| format!(" (its type is `{content_type}`)")).unwrap_or_default()
}

fn quoted(start: &str) -> String {
    if start.is_empty() { "an empty body".to_owned() } else { format!("`{start}`") }
}
