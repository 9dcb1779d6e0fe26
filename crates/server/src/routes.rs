//! The paths of the API, and what every request passes before it reaches one.

mod answers;
mod health;
mod journal;
mod metrics;
mod models;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt;
use http::{Method, Uri};
use interference_backend::{Backend, Strictness};

use crate::auth::ApiKeys;
use crate::closing::Closing;
use crate::error_response::Rejection;
use crate::fault_plan::FaultPlans;
use crate::host_check::HostCheck;
use crate::journal::{Journal, JournaledBody};
use crate::limits::Limits;

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

/// All routes, with and without [`PREFIX`].
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(endpoints())
        .nest(PREFIX, endpoints())
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&shared), check))
        .layer(from_fn_with_state(Arc::clone(&shared), write_down))
        .layer(from_fn(catch_panic))
        .with_state(shared)
}

fn endpoints() -> Router<Arc<Shared>> {
    let answers = answers::PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, post(answers::create)));
    answers
        .route("/models", get(models::list))
        // Ids may contain slashes.
        .route("/models/{*id}", get(models::retrieve))
        .route(health::PATH, get(health::health))
        .route(metrics::PATH, get(metrics::metrics))
        .route(journal::PATH, get(journal::read).delete(journal::clear))
}

async fn unknown_path(uri: Uri) -> Rejection {
    Rejection::UnknownPath { path: uri.path().to_owned() }
}

async fn method_not_allowed(method: Method, uri: Uri) -> Rejection {
    Rejection::MethodNotAllowed { method, path: uri.path().to_owned() }
}

/// Who may ask at all: the right host, and the right key. Only whether the server can answer is told without one.
async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Rejection> {
    shared.hosts.check(request.version(), request.uri(), request.headers())?;
    let path = request.uri().path();
    if path.strip_prefix(PREFIX).unwrap_or(path) != health::PATH {
        shared.keys.check(request.headers())?;
    }
    Ok(next.run(request).await)
}

/// Keeps the exchange in the journal. What watches over the server itself is no exchange of a client's.
async fn write_down(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if [health::PATH, metrics::PATH, journal::PATH].contains(&path.strip_prefix(PREFIX).unwrap_or(path)) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let record = shared.journal.begin(&head);
    let mut request = Request::from_parts(head, body);
    request.extensions_mut().insert(record.clone());
    let waiting = record.until_answered();
    let response = next.run(request).await;
    waiting.answered();
    let (head, body) = response.into_parts();
    record.head(head.status, &head.headers);
    Response::from_parts(head, JournaledBody::new(body, record).into())
}

/// A bug ends one request, not the connection.
async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // The panic itself was told by the panic hook.
        Err(_panic) => Rejection::Panicked.into_response(),
    }
}
