//! The backend itself: what it answers, and what it leaves to the one behind it.

use std::sync::Arc;

use http::Method;
use interference_api_types::openai::identity::Identity;
use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request};

use crate::state::State;

/// How responses are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponsesOptions {
    /// Whether equal requests get responses of the same name and time, so that whole answers can be compared.
    pub fixed_ids: bool,
}

/// Answers the Responses API by means of another backend's chats, and leaves everything else to it.
pub struct ResponsesBackend {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) state: Arc<State>,
    pub(crate) identity: Identity,
}

impl ResponsesBackend {
    /// In front of this backend, keeping responses there.
    pub fn new(inner: Arc<dyn Backend>, state: State, options: ResponsesOptions) -> ResponsesBackend {
        let identity = if options.fixed_ids { Identity::Fixed } else { Identity::Individual };
        ResponsesBackend { inner, state: Arc::new(state), identity }
    }
}

#[async_trait::async_trait]
impl Backend for ResponsesBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let path = request.path.clone();
        let Some(rest) =
            path.strip_prefix("/responses").filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return self.inner.answer(request).await;
        };
        // What stands behind a GET's answer is the HTTP library's business.
        let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", []) => self.create(request).await,
            ("GET", [id]) => self.retrieve(id, &request).await,
            ("DELETE", [id]) => self.delete(id).await,
            ("POST", [id, "cancel"]) => self.cancel(id).await,
            ("GET", [id, "input_items"]) => self.input_items(id, &request).await,
            _ => Err(Refusal::NothingFits {
                message: format!(
                    "This part of the Responses API is not served here: {method} {}.",
                    request.path
                ),
                code: "unknown_url",
            }),
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        self.inner.models()
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    fn measurements(&self) -> Vec<Measurement> {
        self.inner.measurements()
    }
}
