//! What was found out about a server before it is judged.
//!
//! Owns what cases may take for granted: which model to ask, which parameters it takes, how fast it is. Found out by
//! [`preflight`](crate::preflight); here are only the facts, and how they are told.

use std::time::Duration;

use interference_report::Finding;

/// A server as the preflight has found it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Knowledge {
    /// The model that is asked for.
    pub(crate) model: String,
    /// The model that makes embeddings.
    pub(crate) embedding_model: String,
    /// Where the model's name comes from, for people.
    pub(crate) model_origin: &'static str,
    /// The names that the server lists; empty where it lists none.
    pub(crate) listed_models: Vec<String>,
    /// What limits the length of an answer.
    pub(crate) limit: LimitParameter,
    /// Whether `temperature` may be sent.
    pub(crate) takes_temperature: bool,
    /// Whether `seed` may be sent.
    pub(crate) takes_seed: bool,
    /// Limits are multiplied by this: a model that thinks before it answers needs room.
    pub(crate) limit_factor: u32,
    /// Whether a plain chat was answered, and if not, what came instead.
    pub(crate) plain: Result<(), String>,
    /// Whether a streamed chat was answered with a stream, and if not, what came instead.
    pub(crate) streamed: Result<(), String>,
    /// From the request to the first piece of content in a stream.
    pub(crate) first_content: Option<Duration>,
    /// Pieces of content a second, after the first.
    pub(crate) pieces_per_second: Option<f64>,
    /// Whether the server breaks its own answers when the header `x-interference` asks for it.
    pub(crate) offers_faults: bool,
    /// What the header `server` says.
    pub(crate) server: Option<String>,
    /// The other endpoints: whether each answered, and if not, what came instead.
    pub(crate) endpoints: Vec<(Endpoint, Result<(), String>)>,
}

/// An endpoint that is looked for beside chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `/embeddings`
    Embeddings,
    /// `/completions`
    Completions,
    /// `/responses`
    Responses,
}

impl Endpoint {
    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Endpoint::Embeddings => "embeddings",
            Endpoint::Completions => "completions",
            Endpoint::Responses => "responses",
        }
    }
}

/// Which parameter limits the length of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitParameter {
    /// `max_tokens`, which is deprecated and understood nearly everywhere.
    MaxTokens,
    /// `max_completion_tokens`, where the server refuses the other.
    MaxCompletionTokens,
    /// None: the server refuses both.
    None,
}

impl LimitParameter {
    /// Its name in a request.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            LimitParameter::MaxTokens => Some("max_tokens"),
            LimitParameter::MaxCompletionTokens => Some("max_completion_tokens"),
            LimitParameter::None => None,
        }
    }
}

impl Knowledge {
    /// The endpoints beside chats that answered.
    pub(crate) fn answering(&self) -> impl Iterator<Item = Endpoint> {
        self.endpoints.iter().filter(|(_, told)| told.is_ok()).map(|(endpoint, _)| *endpoint)
    }

    /// What came instead of a chat, if none was answered.
    pub(crate) fn no_chat(&self) -> Option<&str> {
        match (&self.plain, &self.streamed) {
            (Err(plain), Err(_)) => Some(plain),
            _ => None,
        }
    }

    /// As reports tell it.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![("model", format!("{} ({})", self.model, self.model_origin))];
        let answered = |outcome: &Result<(), String>| match outcome {
            Ok(()) => "answered".to_owned(),
            Err(reason) => reason.clone(),
        };
        findings.push(("chat", answered(&self.plain)));
        findings.push(("streamed chat", answered(&self.streamed)));
        if let Some(time) = self.first_content {
            findings.push(("time to first content", format!("{} ms", time.as_millis())));
        }
        if let Some(pieces) = self.pieces_per_second {
            findings.push(("speed", format!("{pieces:.0} pieces of content a second")));
        }
        findings.push(("length limit", self.limit.name().unwrap_or("none is taken").to_owned()));
        if !self.takes_temperature {
            findings.push(("temperature", "refused, left out".to_owned()));
        }
        if !self.takes_seed {
            findings.push(("seed", "refused, left out".to_owned()));
        }
        if self.limit_factor > 1 {
            findings.push(("reasoning", format!("length limits are multiplied by {}", self.limit_factor)));
        }
        findings.extend(self.endpoints.iter().map(|(endpoint, told)| (endpoint.name(), answered(told))));
        if self.offers_faults {
            findings.push(("faults", "offered by the header x-interference".to_owned()));
        }
        if let Some(server) = &self.server {
            findings.push(("server", server.clone()));
        }
        let finding = |(name, value): (&str, String)| Finding { name: name.to_owned(), value };
        findings.into_iter().map(finding).collect()
    }
}
