//! The backend itself: an engine that may still be loading, and the way of a request through it.

mod chats;
mod completions;
mod embeddings;

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use interference_api_types::openai::identity::Identity;
use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request};
use interference_engine::{Adjustments, Engine, SubmitError};
use tokio::sync::Semaphore;

use crate::aliases::{HABITUAL_NAMES, is_habitual_name};
use crate::chat::{invalid, unsupported};
use crate::measurements;
use crate::tool_calls::format::Format;

/// Tells the seed that the answer was drawn with.
const SEED: HeaderName = HeaderName::from_static("x-interference-seed");

/// Requests that are read and tokenised at once; more wait. It takes memory in proportion to the request.
const ADMISSIONS_AT_ONCE: usize = 2;

/// When another try may succeed after the queue was full, in seconds.
const RETRY_AFTER_SECONDS: u64 = 1;

/// How the local model is served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalOptions {
    /// The seed of requests that have none. Without it each draws its own.
    pub seed: Option<u64>,
    /// Whether all answers have the same id and time, so that whole answers can be compared.
    pub fixed_ids: bool,
    /// Whether any model name at all reaches the model.
    pub any_model: bool,
}

/// One local model as a backend. It can be asked before its engine is there: until [`LocalBackend::ready`] or
/// [`LocalBackend::failed`] is called, requests are refused as unavailable.
pub struct LocalBackend {
    service: Arc<Service>,
    /// A place for each request that is being admitted.
    admissions: Arc<Semaphore>,
    /// The engine, or why there is none.
    engine: OnceLock<Result<Loaded, String>>,
}

/// An engine, and what is known of its model for all requests.
#[derive(Clone)]
struct Loaded {
    engine: Arc<Engine>,
    /// The form in which the model calls functions.
    calls: Format,
}

/// What is known of the model before its engine is there.
struct Service {
    /// The name under which the model is served.
    name: String,
    options: LocalOptions,
    identity: Identity,
    created: u64,
}

impl LocalBackend {
    /// A backend for the model of this name, whose engine is still to come.
    pub fn loading(name: impl Into<String>, options: LocalOptions) -> LocalBackend {
        let identity = if options.fixed_ids { Identity::Fixed } else { Identity::Individual };
        let service = Service { name: name.into(), options, identity, created: identity.created() };
        LocalBackend {
            service: Arc::new(service),
            admissions: Arc::new(Semaphore::new(ADMISSIONS_AT_ONCE)),
            engine: OnceLock::new(),
        }
    }

    /// Gives it its engine. Only the first call of this or of [`LocalBackend::failed`] counts.
    pub fn ready(&self, engine: Engine) {
        let calls = Format::of_model(&engine);
        self.settle(Ok(Loaded { engine: Arc::new(engine), calls }));
    }

    /// Tells it that there will be no engine; clients are told the reason.
    pub fn failed(&self, reason: impl Into<String>) {
        self.settle(Err(reason.into()));
    }

    fn settle(&self, outcome: Result<Loaded, String>) {
        if self.engine.set(outcome).is_err() {
            tracing::warn!(model = self.service.name, "loading ended twice; the first outcome stays");
        }
    }

    /// Reads and admits a request. That takes longer than a task may keep others waiting: tokenising does. If this future
    /// is dropped meanwhile, so is what the closure returns, which cancels what was submitted.
    async fn admitted<T: Send + 'static>(
        &self,
        admit: impl FnOnce(&Service, &Loaded) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let loaded = self.loaded()?.clone();
        let service = Arc::clone(&self.service);
        let place = Arc::clone(&self.admissions).acquire_owned().await;
        let admission = tokio::task::spawn_blocking(move || {
            // Given back when the request is admitted or refused, also where nobody waits for that any more.
            let _place = place;
            admit(&service, &loaded)
        });
        admission.await.map_err(|error| {
            tracing::error!(%error, "admitting a request failed");
            Refusal::Internal { message: "The server failed while it read the request.".to_owned() }
        })?
    }

    fn loaded(&self) -> Result<&Loaded, Refusal> {
        match self.engine.get() {
            Some(Ok(loaded)) if loaded.engine.is_stopped() => {
                Err(Refusal::Unavailable { message: "The model has stopped.".to_owned() })
            }
            Some(Ok(loaded)) => Ok(loaded),
            Some(Err(reason)) => {
                Err(Refusal::Unavailable { message: format!("The model could not be loaded: {reason}") })
            }
            None => Err(Refusal::Unavailable { message: "The model is still loading.".to_owned() }),
        }
    }
}

#[async_trait::async_trait]
impl Backend for LocalBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        match (&request.method, request.path.as_str()) {
            (&Method::POST, "/chat/completions") => {
                let admit = move |service: &Service, loaded: &_| service.admit_chat(loaded, &request);
                self.admitted(admit).await?.reply().await
            }
            (&Method::POST, "/completions") => {
                let admit = move |service: &Service, loaded: &Loaded| {
                    service.admit_completion(&loaded.engine, &request)
                };
                self.admitted(admit).await?.reply().await
            }
            (&Method::POST, "/embeddings") => {
                let admit = move |service: &Service, loaded: &Loaded| {
                    service.admit_embeddings(&loaded.engine, &request)
                };
                self.admitted(admit).await?.reply().await
            }
            _ => {
                let message = format!(
                    "The local model does not answer {}, only POST /chat/completions, /completions and /embeddings.",
                    request.path
                );
                Err(Refusal::NothingFits { message, code: "unknown_url" })
            }
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        let loaded = self.engine.get().and_then(|outcome| outcome.as_ref().ok());
        vec![ModelCard {
            id: self.service.name.clone(),
            created: self.service.created,
            owned_by: "interference".to_owned(),
            aliases: HABITUAL_NAMES.map(str::to_owned).to_vec(),
            context_length: loaded.map(|loaded| loaded.engine.model().context_length),
        }]
    }

    fn measurements(&self) -> Vec<Measurement> {
        let loaded = self.engine.get().and_then(|outcome| outcome.as_ref().ok());
        loaded.map_or_else(Vec::new, |loaded| measurements::of(&loaded.engine.statistics()))
    }

    fn readiness(&self) -> Readiness {
        match self.engine.get() {
            None => Readiness::Loading,
            Some(Ok(loaded)) if !loaded.engine.is_stopped() => Readiness::Ready,
            Some(_) => Readiness::Failed,
        }
    }
}

/// A reply that tells the seed it was drawn with.
fn reply_with_seed(body: ReplyBody, seed: u64, ignored: Vec<String>) -> Reply {
    let headers = HeaderMap::from_iter([(SEED, HeaderValue::from(seed))]);
    Reply { headers, ignored, ..Reply::new(StatusCode::OK, body) }
}

impl Service {
    fn check_model(&self, asked: &str) -> Result<(), Refusal> {
        if asked == self.name || self.options.any_model || is_habitual_name(asked) {
            return Ok(());
        }
        let mut known = vec![self.name.clone()];
        known.extend(HABITUAL_NAMES.map(str::to_owned));
        Err(Refusal::UnknownModel { model: asked.to_owned(), known })
    }
}

/// Refuses biases of tokens that the model does not have.
fn check_biases(engine: &Engine, adjustments: &Adjustments) -> Result<(), Refusal> {
    let vocabulary_size = engine.model().vocabulary_size;
    match adjustments.bias.iter().find(|(token, _)| *token as usize >= vocabulary_size) {
        None => Ok(()),
        Some((token, _)) => Err(invalid(
            "logit_bias",
            format!("'logit_bias' has token {token}; the model's tokens are 0 to {}.", vocabulary_size - 1),
        )),
    }
}

/// Refuses more choices than can ever find places, which no waiting would help. `cause` says how many the parameter
/// asks for.
fn check_places(engine: &Engine, choices: usize, param: &str, cause: &str) -> Result<(), Refusal> {
    let places = engine.most_at_once();
    if choices <= places {
        return Ok(());
    }
    let message = format!(
        "{cause}, and each answer takes a place of its own, of which this server has {places}. Ask for fewer, \
         or start the server with more (--queue, --streams)."
    );
    Err(unsupported(param, message))
}

fn not_admitted(error: SubmitError) -> Refusal {
    match error {
        SubmitError::PromptTooLong { prompt_tokens, context_length } => {
            Refusal::ContextLengthExceeded { context_length, prompt_tokens }
        }
        SubmitError::EmptyPrompt => invalid("messages", "The messages come to no tokens at all."),
        SubmitError::QueueFull { waiting } => {
            Refusal::Overloaded { waiting, retry_after_seconds: RETRY_AFTER_SECONDS }
        }
        // Prompts come from the engine's own tokenizer, or were looked through; constraints from the engine itself.
        error @ (SubmitError::UnknownToken { .. } | SubmitError::ForeignConstraint) => {
            Refusal::Internal { message: error.to_string() }
        }
        SubmitError::Stopped => Refusal::Unavailable { message: "The model has stopped.".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use interference_backend::Strictness;

    fn backend(options: LocalOptions) -> LocalBackend {
        LocalBackend::loading("small", options)
    }

    fn request() -> Request {
        Request {
            method: Method::POST,
            path: "/chat/completions".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::from_static(br#"{"model":"small","messages":[{"role":"user","content":"a"}]}"#),
            strictness: Strictness::NameIgnored,
        }
    }

    #[tokio::test]
    async fn without_an_engine_it_is_unavailable() {
        let backend = backend(LocalOptions::default());
        assert_eq!(backend.readiness(), Readiness::Loading);
        let refusal = backend.answer(request()).await.unwrap_err();
        assert_eq!(refusal, Refusal::Unavailable { message: "The model is still loading.".to_owned() });

        backend.failed("no such file");
        assert_eq!(backend.readiness(), Readiness::Failed);
        let refusal = backend.answer(request()).await.unwrap_err();
        let message = "The model could not be loaded: no such file".to_owned();
        assert_eq!(refusal, Refusal::Unavailable { message });
    }

    #[test]
    fn names_reach_the_model_by_the_rules() {
        let usual = backend(LocalOptions::default());
        assert_eq!(usual.service.check_model("small"), Ok(()));
        assert_eq!(usual.service.check_model("gpt-4o-mini"), Ok(()));
        let refusal = usual.service.check_model("large").unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("The model `large` does not exist. Models here: small, gpt-3.5-turbo")
        );

        let any = backend(LocalOptions { any_model: true, ..LocalOptions::default() });
        assert_eq!(any.service.check_model("large"), Ok(()));
    }
}
