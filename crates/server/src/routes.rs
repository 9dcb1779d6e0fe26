//! The paths of the API, and what every request passes before it reaches one.

mod answers;
mod health;
mod journal;
mod metrics;
mod models;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use interference_backend::{Backend, Strictness};

use crate::answer_body::Response;
use crate::auth::ApiKeys;
use crate::closing::Closing;
use crate::error_response::Rejection;
use crate::fault_plan::FaultPlans;
use crate::host_check::HostCheck;
use crate::journal::{Ended, Journal, Record};
use crate::limits::Limits;
use crate::takeover::Takeover;
use answers::Endpoint;

/// Under which every path is found a second time.
const PREFIX: &str = "/v1";

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) strictness: Strictness,
    pub(crate) keys: ApiKeys,
    pub(crate) hosts: HostCheck,
    pub(crate) limits: Limits,
    pub(crate) faults: FaultPlans,
    pub(crate) journal: Arc<Journal>,
    pub(crate) ping: Duration,
    pub(crate) closing: Closing,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'path> {
    /// The backend answers, at this path without [`PREFIX`].
    Answers(Endpoint, &'path str),
    Models,
    /// With the model's name as the path spells it.
    Model(&'path str),
    Health,
    Metrics,
    Journal,
    Unknown,
}

impl<'path> Route<'path> {
    fn of(path: &'path str) -> Route<'path> {
        let path = path.strip_prefix(PREFIX).unwrap_or(path);
        if let Some(endpoint) = Endpoint::at(path) {
            return Route::Answers(endpoint, path);
        }
        match path {
            models::PATH => Route::Models,
            health::PATH => Route::Health,
            metrics::PATH => Route::Metrics,
            journal::PATH => Route::Journal,
            // Names may contain slashes.
            _ => match path.strip_prefix(models::PATH).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) if !name.is_empty() => Route::Model(name),
                _ => Route::Unknown,
            },
        }
    }

    /// Whether it serves those who look after the server: their requests are no exchange of a client's.
    fn is_for_keepers(self) -> bool {
        matches!(self, Route::Health | Route::Metrics | Route::Journal)
    }

    /// The methods that it takes, as the header `Allow` has them.
    fn methods(self) -> &'static str {
        match self {
            Route::Answers(endpoint, _) => endpoint.methods,
            Route::Models | Route::Model(_) | Route::Health | Route::Metrics => "GET,HEAD",
            Route::Journal => "GET,HEAD,DELETE",
            Route::Unknown => "",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self == Route::Unknown || self.methods().split(',').any(|taken| taken == method.as_str())
    }
}

/// Answers a request, whatever it is. A bug ends one request, not the connection.
pub(crate) async fn answer(shared: Arc<Shared>, takeover: Takeover, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    if Route::of(head.uri.path()).is_for_keepers() {
        return without_panic(dispatch(&shared, head, body, None)).await;
    }
    let is_head = head.method == Method::HEAD;
    let record = shared.journal.begin(&head);
    let waiting = record.until_answered();
    let exchange = Exchange { takeover, record: record.clone() };
    let response = without_panic(dispatch(&shared, head, body, Some(exchange))).await;
    waiting.answered();
    record.head(response.status(), response.headers());
    if is_head {
        // Its body is never asked for.
        record.end(Ended::Complete);
    }
    response.map(|body| body.written_down(record))
}

/// What comes with a request of a client's beside its head and its body.
struct Exchange {
    takeover: Takeover,
    record: Record,
}

async fn without_panic(answer: impl Future<Output = Result<Response, Rejection>>) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    // The panic itself was told by the panic hook.
    let answered = answered.unwrap_or(Err(Rejection::Panicked));
    answered.unwrap_or_else(|rejection| rejection.into_response())
}

async fn dispatch(
    shared: &Shared,
    head: Parts,
    body: Incoming,
    exchange: Option<Exchange>,
) -> Result<Response, Rejection> {
    let path = head.uri.path();
    let route = Route::of(path);
    check(shared, &head, route)?;
    if !route.takes(&head.method) {
        let mut response = Rejection::MethodNotAllowed { method: head.method.clone(), path: path.to_owned() }
            .into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
        return Ok(response);
    }
    match (route, exchange) {
        (Route::Answers(endpoint, path), Some(exchange)) => {
            answers::create(shared, (endpoint, path.to_owned()), head, body, exchange).await
        }
        (Route::Models, _) => Ok(models::list(shared)),
        (Route::Model(name), _) => models::retrieve(shared, name),
        (Route::Health, _) => health::health(shared),
        (Route::Metrics, _) => metrics::metrics(shared),
        (Route::Journal, _) if head.method == Method::DELETE => Ok(journal::clear(shared)),
        (Route::Journal, _) => journal::read(shared, head.uri.query()).await,
        (Route::Unknown | Route::Answers(..), _) => Err(Rejection::UnknownPath { path: path.to_owned() }),
    }
}

/// Who may ask at all: the right host, and the right key. Only whether the server can answer is told without one.
fn check(shared: &Shared, head: &Parts, route: Route<'_>) -> Result<(), Rejection> {
    shared.hosts.check(head.version, &head.uri, &head.headers)?;
    match route {
        Route::Health => Ok(()),
        _ => shared.keys.check(&head.headers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_found_with_and_without_the_prefix() {
        let table = [
            ("/models", Route::Models),
            ("/models/maker/small", Route::Model("maker/small")),
            ("/health", Route::Health),
            ("/metrics", Route::Metrics),
            ("/_interference/requests", Route::Journal),
            ("/models/", Route::Unknown),
            ("/modelsx", Route::Unknown),
            ("/chat/completions/x", Route::Unknown),
            ("/responses/", Route::Unknown),
            ("/responses//cancel", Route::Unknown),
            ("/responses/resp_1/other", Route::Unknown),
            ("/", Route::Unknown),
            ("", Route::Unknown),
        ];
        for (path, route) in table {
            assert_eq!(Route::of(path), route, "{path}");
            assert_eq!(Route::of(&format!("/v1{path}")), route, "/v1{path}");
        }
        assert_eq!(Route::of("/v1/v1/models"), Route::Unknown);
    }

    #[test]
    fn what_a_backend_answers_has_its_methods() {
        let table = [
            ("/chat/completions", "POST"),
            ("/embeddings", "POST"),
            ("/responses", "POST"),
            ("/responses/resp_1", "GET,HEAD,DELETE"),
            ("/responses/resp_1/cancel", "POST"),
            ("/responses/resp_1/input_items", "GET,HEAD"),
        ];
        for (path, methods) in table {
            for full in [path.to_owned(), format!("/v1{path}")] {
                let route = Route::of(&full);
                assert!(
                    matches!(route, Route::Answers(_, stripped) if stripped == path),
                    "{full}: {route:?}"
                );
                assert_eq!(route.methods(), methods, "{full}");
            }
        }
    }
}
