//! The paths of the API, and what every request passes before it reaches one.

mod answers;
mod health;
mod journal;
mod metrics;
mod models;
mod openapi;
mod reply;
mod unserved;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method};
use hyper::body::Incoming;
use interference_backend::{Backend, Refusal, Scope, Strictness};
use interference_faults::Dialect;
use tokio::time::sleep_until;

use crate::answer_body::Response;
use crate::auth::ApiKeys;
use crate::body::discard_refused;
use crate::closing::{Closing, Phase};
use crate::cross_origin::CrossOrigin;
use crate::error_response::Rejection;
use crate::fault_plan::FaultPlans;
use crate::host_check::HostCheck;
use crate::journal::{Ended, Journal};
use crate::limits::{Deadline, HEAD_BYTES, Limits};
use crate::meters::{ErrorCode, Meters};
use crate::observation::{Audience, Observation};
use crate::socket::SocketWatch;
use crate::stamp::Stamp;
use crate::takeover::Takeover;
use answers::Endpoint;

/// Under which every path is found a second time.
const PREFIX: &str = "/v1";

/// What the metrics call a path at which nothing is.
const UNKNOWN: &str = "unknown";

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    /// The backend's, which stays what it was at the start.
    pub(crate) scope: Scope,
    pub(crate) strictness: Strictness,
    pub(crate) keys: ApiKeys,
    pub(crate) hosts: HostCheck,
    pub(crate) cross_origin: CrossOrigin,
    pub(crate) limits: Limits,
    pub(crate) faults: FaultPlans,
    pub(crate) journal: Arc<Journal>,
    pub(crate) meters: Meters,
    pub(crate) ping: Duration,
    pub(crate) closing: Closing,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'path> {
    /// The backend answers what the API describes, at this path without [`PREFIX`].
    Answers(Endpoint, &'path str),
    /// The backend answers, whatever it is: a backend of [`Scope::Everything`].
    PassedOn(PassedOn<'path>),
    Models,
    /// With the model's name as the path spells it.
    Model(&'path str),
    Health,
    Metrics,
    OpenApi,
    Journal,
    /// A part of the API that is not served here.
    Unserved(&'static str),
    Unknown,
}

/// A path of which only the backend knows what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PassedOn<'path> {
    /// Without [`PREFIX`].
    path: &'path str,
    /// What the API describes at such a path.
    pattern: &'static str,
    dialect: Dialect,
}

impl<'path> Route<'path> {
    fn of(path: &'path str, scope: Scope) -> Route<'path> {
        // What only begins like the prefix is another word.
        let rest = path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = rest.unwrap_or(path);
        match path {
            health::PATH => Route::Health,
            metrics::PATH => Route::Metrics,
            openapi::PATH => Route::OpenApi,
            journal::PATH => Route::Journal,
            _ if scope == Scope::Everything => Route::passed_on(path),
            _ => Route::described(path),
        }
    }

    fn described(path: &'path str) -> Route<'path> {
        if let Some(part) = unserved::among_served(path) {
            return Route::Unserved(part);
        }
        if let Some(endpoint) = Endpoint::at(path) {
            return Route::Answers(endpoint, path);
        }
        if path == models::PATH {
            return Route::Models;
        }
        // Names may contain slashes.
        match path.strip_prefix(models::PATH).and_then(|rest| rest.strip_prefix('/')) {
            Some(name) if !name.is_empty() => Route::Model(name),
            _ => unserved::part_of(path).map_or(Route::Unknown, Route::Unserved),
        }
    }

    fn passed_on(path: &'path str) -> Route<'path> {
        // RFC 9112, section 3.2.4: `OPTIONS *` asks the server itself, and there is no such path.
        if path == "*" {
            return Route::Unknown;
        }
        let is_of_responses = path.split('/').nth(1) == Some("responses");
        let dialect = if is_of_responses { Dialect::Responses } else { Dialect::Chat };
        Route::PassedOn(PassedOn { path, pattern: Route::described(path).pattern(), dialect })
    }

    /// The paths that lead to it, as `/openapi.json` and the metrics name them.
    fn pattern(self) -> &'static str {
        match self {
            Route::Answers(endpoint, _) => endpoint.pattern,
            Route::PassedOn(passed_on) => passed_on.pattern,
            Route::Models => models::PATH,
            Route::Model(_) => models::ONE,
            Route::Health => health::PATH,
            Route::Metrics => metrics::PATH,
            Route::OpenApi => openapi::PATH,
            Route::Journal => journal::PATH,
            Route::Unserved(_) | Route::Unknown => UNKNOWN,
        }
    }

    /// Whether it serves those who look after the server: their requests are no exchange of a client's.
    fn is_for_keepers(self) -> bool {
        matches!(self, Route::Health | Route::Metrics | Route::OpenApi | Route::Journal)
    }

    /// The methods that it takes, as the header `Allow` has them.
    fn methods(self) -> &'static str {
        match self {
            Route::Answers(endpoint, _) => endpoint.methods,
            Route::Models | Route::Model(_) | Route::Health | Route::Metrics | Route::OpenApi => "GET,HEAD",
            Route::Journal => "GET,HEAD,DELETE",
            // A page in a browser, too, should be told that nothing is there.
            Route::PassedOn(_) | Route::Unserved(_) | Route::Unknown => "GET,HEAD,POST,PUT,PATCH,DELETE",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Route::Unserved(_) | Route::Unknown => true,
            // A tunnel is no answer that could be passed on.
            Route::PassedOn(_) => method != Method::CONNECT,
            _ => {
                let mut taken = self.methods().as_bytes().split(|byte| *byte == b',');
                taken.any(|name| name == method.as_str().as_bytes())
            }
        }
    }
}

/// What a request reaches of its connection.
#[derive(Clone)]
pub(crate) struct Handles {
    pub(crate) takeover: Takeover,
    pub(crate) socket: SocketWatch,
}

/// Answers a request, whatever it is. A bug ends one request, not the connection.
///
/// The head is boxed: it is handed on from one `async fn` to the next, each of which has room for it twice.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    connection: Handles,
    head: Box<Parts>,
    body: Incoming,
) -> Response {
    let deadline = Deadline::from_now(shared.limits.request_time);
    let Handles { takeover, socket } = connection;
    socket.answer_by(deadline.last_words());
    let is_head = head.method == Method::HEAD;
    let uri = head.uri.clone();
    let route = Route::of(uri.path(), shared.scope);
    let audience = if route.is_for_keepers() { Audience::Keeper } else { Audience::Client(&shared.journal) };
    let stamp = Stamp::new(shared.cross_origin.grant(&head.headers));
    let observation = Observation::begin(&head, route.pattern(), stamp, audience, &shared.meters, socket);
    let waiting = observation.until_answered();
    let exchange = Exchange { takeover, observation: observation.clone(), deadline };
    let mut closing = shared.closing.clone();
    let in_time = async {
        tokio::select! {
            biased;
            answered = dispatch(&shared, route, head, body, exchange) => answered,
            () = sleep_until(deadline.at) => Err(Rejection::TimeOver { limit: deadline.limit }),
            () = closing.reached(Phase::Cut) => {
                Err(Refusal::Unavailable { message: "The server is going down.".to_owned() }.into())
            }
        }
    };
    let mut response = without_panic(in_time).await;
    waiting.answered();
    observation.stamp().put_on(response.headers_mut());
    let code = response.extensions().get::<ErrorCode>().copied();
    observation.head(response.status(), response.headers(), code);
    if is_head {
        // Its body is never asked for.
        observation.end(Ended::Complete);
    }
    response.map(|body| body.observed(observation))
}

/// What comes with a request beside its head and its body.
struct Exchange {
    takeover: Takeover,
    observation: Observation,
    deadline: Deadline,
}

/// No `async fn`, which would hold the answer's large future twice: as what it was given, and as what it waits for.
fn without_panic(
    answer: impl Future<Output = Result<Response, Rejection>>,
) -> impl Future<Output = Response> {
    AssertUnwindSafe(answer).catch_unwind().map(|answered| {
        // The panic itself was told by the panic hook.
        let answered = answered.unwrap_or(Err(Rejection::Panicked));
        answered.unwrap_or_else(|rejection| rejection.into_response())
    })
}

async fn dispatch(
    shared: &Shared,
    route: Route<'_>,
    head: Box<Parts>,
    body: Incoming,
    exchange: Exchange,
) -> Result<Response, Rejection> {
    if let Some(answer) = answer_before_body(shared, route, &head) {
        return once_read(shared, &head, body, answer).await;
    }
    let path = || path_of(&head).to_owned();
    match route {
        Route::Answers(endpoint, path) => {
            let path = path.to_owned();
            answers::answer_described(shared, (endpoint, path), head, body, exchange).await
        }
        Route::PassedOn(PassedOn { path, dialect, .. }) => {
            let path = path.to_owned();
            answers::answer_anything(shared, (dialect, path), head, body, exchange).await
        }
        Route::Models => Ok(models::list(shared)),
        Route::Model(name) => models::retrieve(shared, name),
        Route::Health => health::health(shared),
        Route::Metrics => metrics::metrics(shared),
        Route::OpenApi => Ok(openapi::document()),
        Route::Journal if head.method == Method::DELETE => Ok(journal::clear(shared)),
        Route::Journal => journal::read(shared, head.uri.query()).await,
        Route::Unserved(part) => {
            let rejection = Rejection::UnservedPath { path: path(), part };
            once_read(shared, &head, body, Err(rejection)).await
        }
        Route::Unknown => {
            let rejection = Rejection::UnknownPath { path: path() };
            once_read(shared, &head, body, Err(rejection)).await
        }
    }
}

/// The answer, once the body is out of its way.
async fn once_read(
    shared: &Shared,
    head: &Parts,
    body: Incoming,
    answer: Result<Response, Rejection>,
) -> Result<Response, Rejection> {
    discard_refused(&head.headers, body, &shared.limits).await;
    answer
}

/// What is answered whatever the body is and whatever the route gives: a refusal, as a rule.
fn answer_before_body(
    shared: &Shared,
    route: Route<'_>,
    head: &Parts,
) -> Option<Result<Response, Rejection>> {
    let checked = check_size(head)
        .and_then(|()| shared.hosts.check(head.version, &head.uri, &head.headers, &shared.cross_origin));
    if let Err(rejection) = checked {
        return Some(Err(rejection));
    }
    // A browser that asks before it sends has no key to show.
    if let Some(response) = shared.cross_origin.before_sending(head, route.methods()) {
        return Some(Ok(response));
    }
    if let Err(rejection) = check_key(shared, head, route) {
        return Some(Err(rejection));
    }
    if route.takes(&head.method) {
        return None;
    }
    let refused = Rejection::MethodNotAllowed { method: head.method.clone(), path: path_of(head).to_owned() };
    let mut response = refused.into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
    Some(Ok(response))
}

/// What a request is for. A target without a path, as CONNECT has it, is a host.
fn path_of(head: &Parts) -> &str {
    match head.uri.path() {
        "" => head.uri.authority().map_or("", |authority| authority.as_str()),
        path => path,
    }
}

/// The HTTP library bounds what it waits for, and passes a larger head that comes in few pieces.
fn check_size(head: &Parts) -> Result<(), Rejection> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if target + headers.sum::<usize>() > HEAD_BYTES { Err(Rejection::HeadTooLarge) } else { Ok(()) }
}

/// The right key is needed; only whether the server can answer, and what it can be asked, is told without one.
fn check_key(shared: &Shared, head: &Parts, route: Route<'_>) -> Result<(), Rejection> {
    match route {
        Route::Health | Route::OpenApi => Ok(()),
        _ => shared.keys.check(&head.headers),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_has_every_path_and_method_and_no_other() {
        let description: serde_json::Value = serde_json::from_str(crate::openapi::text()).unwrap();
        let described: BTreeSet<(String, String)> = description["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let answered = answers::ENDPOINTS.map(|endpoint| Route::Answers(endpoint, ""));
        let others = [
            Route::Models,
            Route::Model("any"),
            Route::Health,
            Route::Metrics,
            Route::OpenApi,
            Route::Journal,
        ];
        let routes = answered.into_iter().chain(others);
        let served: BTreeSet<(String, String)> = routes
            .flat_map(|route| route.methods().split(',').map(move |method| (route.pattern(), method)))
            // RFC 9110, section 9.3.2: HEAD is GET without the body, and is not described apart.
            .filter(|(_, method)| *method != "HEAD")
            .map(|(path, method)| (path.to_owned(), method.to_lowercase()))
            .collect();
        assert_eq!(described, served);
    }

    #[test]
    fn every_path_is_found_with_and_without_the_prefix() {
        let table = [
            ("/audio/speech", Route::Unserved("speech and transcription")),
            ("/responses/compact", Route::Unserved("the compaction of conversations")),
            ("/responses/input_tokens", Route::Unserved("the counting of an input's tokens")),
            ("/responses/compact/other", Route::Unknown),
            ("/models", Route::Models),
            ("/models/maker/small", Route::Model("maker/small")),
            ("/health", Route::Health),
            ("/metrics", Route::Metrics),
            ("/openapi.json", Route::OpenApi),
            ("/_interference/requests", Route::Journal),
            ("/models/", Route::Unknown),
            ("/modelsx", Route::Unknown),
            ("/chat/completions/", Route::Unknown),
            ("/chat/completions/x/other", Route::Unknown),
            ("/responses/", Route::Unknown),
            ("/responses//cancel", Route::Unknown),
            ("/responses/resp_1/other", Route::Unknown),
            ("/", Route::Unknown),
            ("", Route::Unknown),
        ];
        for (path, route) in table {
            assert_eq!(Route::of(path, Scope::Described), route, "{path}");
            assert_eq!(Route::of(&format!("/v1{path}"), Scope::Described), route, "/v1{path}");
        }
        for path in ["/v1/v1/models", "/v1models", "/v1beta/models"] {
            assert_eq!(Route::of(path, Scope::Described), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn what_a_backend_answers_has_its_methods() {
        let table = [
            ("/chat/completions", "GET,HEAD,POST"),
            ("/chat/completions/chatcmpl-1", "GET,HEAD,POST,DELETE"),
            ("/chat/completions/chatcmpl-1/messages", "GET,HEAD"),
            ("/completions", "POST"),
            ("/embeddings", "POST"),
            ("/responses", "POST"),
            ("/responses/resp_1", "GET,HEAD,DELETE"),
            ("/responses/resp_1/cancel", "POST"),
            ("/responses/resp_1/input_items", "GET,HEAD"),
        ];
        for (path, methods) in table {
            for full in [path.to_owned(), format!("/v1{path}")] {
                let route = Route::of(&full, Scope::Described);
                assert!(
                    matches!(route, Route::Answers(_, stripped) if stripped == path),
                    "{full}: {route:?}"
                );
                assert_eq!(route.methods(), methods, "{full}");
            }
        }
    }
    #[test]
    fn who_answers_everything_is_asked_everything_but_about_the_server() {
        let table = [
            ("/chat/completions", "/chat/completions", Dialect::Chat),
            ("/responses", "/responses", Dialect::Responses),
            ("/responses/compact", UNKNOWN, Dialect::Responses),
            ("/responsesx", UNKNOWN, Dialect::Chat),
            ("/models", "/models", Dialect::Chat),
            ("/models/maker/small", "/models/{model}", Dialect::Chat),
            ("/audio/speech", UNKNOWN, Dialect::Chat),
            ("/any/thing", UNKNOWN, Dialect::Chat),
            ("/", UNKNOWN, Dialect::Chat),
            ("", UNKNOWN, Dialect::Chat),
        ];
        for (path, pattern, dialect) in table {
            for full in [path.to_owned(), format!("/v1{path}")] {
                let route = Route::of(&full, Scope::Everything);
                assert_eq!(route, Route::PassedOn(PassedOn { path, pattern, dialect }), "{full}");
                assert!(route.takes(&Method::OPTIONS) && !route.takes(&Method::CONNECT), "{full}");
            }
        }
        let beside = Route::of("/v1beta/models", Scope::Everything);
        assert!(matches!(beside, Route::PassedOn(PassedOn { path: "/v1beta/models", .. })), "{beside:?}");
        for path in ["/health", "/metrics", "/openapi.json", "/_interference/requests"] {
            for full in [path.to_owned(), format!("/v1{path}")] {
                let route = Route::of(&full, Scope::Everything);
                assert_eq!(route, Route::of(path, Scope::Described), "{full}");
                assert!(route.is_for_keepers(), "{full}");
            }
        }
        assert_eq!(Route::of("*", Scope::Everything), Route::Unknown);
    }
}
