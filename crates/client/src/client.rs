//! The requests: one connection each, sent once.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::time::timeout;
use tokio_rustls::rustls::RootCertStore;

use crate::connection::Connector;
use crate::exchange::{Response, exchange, header_text};
use crate::target::Target;
use crate::{ApiError, ChatAnswer, ChatRequest, ClientError, json};

/// How much of an error's body is read.
const ERROR_BYTES_MAX: usize = 1024 * 1024;

/// How long a list of models may be.
const MODELS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For the connection: name resolution, TCP and TLS together. Default: 10 s.
    pub connect: Duration,
    /// For the head of the answer, and then for each next byte of it. Default: 120 s, since an answer that is not
    /// streamed comes only when all of it is made.
    pub idle: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> ClientTimeouts {
        ClientTimeouts { connect: Duration::from_secs(10), idle: Duration::from_secs(120) }
    }
}

/// A client of one server. It keeps no connection and never repeats a request.
#[derive(Clone)]
pub struct Client {
    target: Target,
    timeouts: ClientTimeouts,
    authorization: Option<HeaderValue>,
    connector: Connector,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that trusts the machine's certificate authorities.
    ///
    /// # Errors
    /// [`ClientError::ApiKey`]; [`ClientError::NoRoots`] for an `https` target.
    pub fn new(target: Target, timeouts: ClientTimeouts) -> Result<Client, ClientError> {
        let connector = Connector::for_targets([&target])?;
        Client::with_connector(target, timeouts, connector)
    }

    /// A client that trusts these certificate authorities, and no others.
    ///
    /// # Errors
    /// [`ClientError::ApiKey`].
    pub fn with_roots(
        target: Target,
        timeouts: ClientTimeouts,
        roots: RootCertStore,
    ) -> Result<Client, ClientError> {
        Client::with_connector(target, timeouts, Connector::with_roots(roots)?)
    }

    fn with_connector(
        target: Target,
        timeouts: ClientTimeouts,
        connector: Connector,
    ) -> Result<Client, ClientError> {
        let authorization = target.authorization()?;
        Ok(Client { target, timeouts, authorization, connector })
    }

    /// The names of the server's models, in its order.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn models(&self) -> Result<Vec<String>, ClientError> {
        let request = self.request(Method::GET, "/models", "application/json");
        let mut response = self.send(request, Bytes::new()).await?;
        let whole = response.body.read_whole(MODELS_BYTES_MAX).await?;
        let list: Option<Value> = serde_json::from_slice(&whole).ok();
        if let Some(error) = list.as_ref().and_then(|list| json::declared_error(list, response.status)) {
            return Err(ClientError::Api(Box::new(error)));
        }
        list.as_ref().and_then(json::model_names).ok_or_else(|| ClientError::UnexpectedAnswer {
            content_type: header_text(&response.headers, header::CONTENT_TYPE.as_str()),
            body: response.body.opening(),
        })
    }

    /// Asks for a chat completion, and resolves when the server has accepted: what follows comes from
    /// [`ChatAnswer::next`].
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Api`] when the server refuses.
    ///
    /// # Cancellation
    /// Dropping the future, or the answer, closes the connection.
    pub async fn chat(&self, request: &ChatRequest) -> Result<ChatAnswer, ClientError> {
        let body = request.to_json().map_err(unmakeable)?;
        let accept = if request.stream { "text/event-stream" } else { "application/json" };
        let head = self
            .request(Method::POST, "/chat/completions", accept)
            .header(header::CONTENT_TYPE, "application/json");
        Ok(ChatAnswer::new(self.send(head, body.into()).await?))
    }

    fn request(&self, method: Method, endpoint: &str, accept: &'static str) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(self.target.path_of(endpoint))
            .header(header::HOST, &self.target.authority)
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("interference/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request
    }

    /// Sends a request and reads the head of the response; a status that is no success becomes an error.
    async fn send(&self, head: http::request::Builder, body: Bytes) -> Result<Response, ClientError> {
        let request = head.body(Full::new(body)).map_err(unmakeable)?;
        let socket = self.connector.connect(&self.target, self.timeouts.connect).await?;
        let response = exchange(socket, request, &self.target.authority, self.timeouts.idle).await?;
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(refusal(response, self.timeouts.idle).await)
        }
    }
}

/// What a response says whose status is no success.
async fn refusal(mut response: Response, patience: Duration) -> ClientError {
    let status = response.status;
    // The status alone is the news: a body that does not end, or cannot be read, does not hide it.
    let whole = timeout(patience, response.body.read_whole(ERROR_BYTES_MAX)).await;
    let (whole, unreadable) = match whole {
        Ok(Ok(whole)) => (Some(whole), None),
        Ok(Err(ClientError::ContentEncoding { problem })) => (None, Some(problem)),
        Ok(Err(_)) | Err(_) => (None, None),
    };
    let document: Option<Value> = whole.and_then(|whole| serde_json::from_slice(&whole).ok());
    match document.as_ref().and_then(|document| json::known_error(document, status)) {
        Some(error) => {
            let retry_after = ["retry-after-ms", "retry-after"].into_iter().find_map(|name| {
                header_text(&response.headers, name).map(|value| format!("{name}: {value}"))
            });
            ClientError::Api(Box::new(ApiError { retry_after, ..error }))
        }
        None => ClientError::Status {
            status,
            location: header_text(&response.headers, header::LOCATION.as_str()),
            unreadable: unreadable.filter(|_| response.body.opening().is_empty()),
            body: response.body.opening(),
        },
    }
}

fn unmakeable(error: impl std::fmt::Display) -> ClientError {
    ClientError::Request { problem: error.to_string() }
}
