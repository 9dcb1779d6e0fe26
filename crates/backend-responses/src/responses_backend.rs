//! The backend itself: what it answers, and what it leaves to the one behind it.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use interference_api_types::openai::identity::Identity;
use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request};
use percent_encoding::percent_decode_str;

use crate::state::State;

/// Where chats are, those that are asked for and those that are kept.
pub(crate) const CHATS: &str = "/chat/completions";

/// How responses are made. Chats have the names that whoever answers gives them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponsesOptions {
    /// Whether equal requests get responses of the same name and time, so that whole answers can be compared.
    pub fixed_ids: bool,
}

/// Answers the Responses API by means of another backend's chats, keeps the chats that are to be stored, and leaves
/// everything else to that backend.
pub struct ResponsesBackend {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) state: Arc<State>,
    pub(crate) identity: Identity,
}

impl ResponsesBackend {
    /// In front of this backend, keeping responses and chats there.
    pub fn new(inner: Arc<dyn Backend>, state: State, options: ResponsesOptions) -> ResponsesBackend {
        let identity = if options.fixed_ids { Identity::Fixed } else { Identity::Individual };
        ResponsesBackend { inner, state: Arc::new(state), identity }
    }
}

#[async_trait::async_trait]
impl Backend for ResponsesBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        // The others are boxed, so that what they need takes no room in the future of every chat.
        if request.method == Method::POST && request.path == CHATS {
            return self.create_chat(request).await;
        }
        let path = request.path.clone();
        if let Some(parts) = parts_below(&path, "/responses") {
            let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
            return Box::pin(self.answer_response(&parts, request)).await;
        }
        if let Some(parts) = parts_below(&path, CHATS) {
            let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
            return Box::pin(self.answer_kept_chat(&parts, request)).await;
        }
        self.inner.answer(request).await
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

impl ResponsesBackend {
    async fn answer_response(&self, parts: &[&str], request: Request) -> Result<Reply, Refusal> {
        match (method(&request).as_str(), parts) {
            ("POST", []) => self.create(request).await,
            ("GET", [id]) => self.retrieve(id, &request).await,
            ("DELETE", [id]) => self.delete(id).await,
            ("POST", [id, "cancel"]) => self.cancel(id).await,
            ("GET", [id, "input_items"]) => self.input_items(id, &request).await,
            _ => Err(unserved("Responses", &request)),
        }
    }

    async fn answer_kept_chat(&self, parts: &[&str], request: Request) -> Result<Reply, Refusal> {
        match (method(&request).as_str(), parts) {
            ("GET", []) => self.list_chats(&request).await,
            ("GET", [id]) => self.retrieve_chat(id, &request).await,
            ("POST", [id]) => self.update_chat(id, &request).await,
            ("DELETE", [id]) => self.delete_chat(id).await,
            ("GET", [id, "messages"]) => self.list_messages(id, &request).await,
            _ => Err(unserved("Chat Completions", &request)),
        }
    }
}

/// The parts of a path behind another, without percent signs (RFC 3986, section 2.4); none if it does not begin with it.
fn parts_below<'path>(path: &'path str, above: &str) -> Option<Vec<Cow<'path, str>>> {
    let rest = path.strip_prefix(above).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(rest.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8_lossy()).collect())
}

/// What stands behind a GET's answer is the HTTP library's business.
fn method(request: &Request) -> Method {
    if request.method == Method::HEAD { Method::GET } else { request.method.clone() }
}

fn unserved(api: &str, request: &Request) -> Refusal {
    Refusal::NothingFits {
        message: format!(
            "This part of the {api} API is not served here: {} {}.",
            request.method, request.path
        ),
        code: "unknown_url",
    }
}
