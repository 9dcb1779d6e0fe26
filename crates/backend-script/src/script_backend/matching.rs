//! Whether a request is the script's at all, whatever else is wrong with it.

use http::Method;
use interference_api_types::openai::chat_completions::ChatCompletionRequest;
use interference_api_types::openai::completions::CompletionRequest;
use interference_api_types::openai::embeddings::EmbeddingsRequest;
use interference_api_types::parse;
use interference_backend::{Refusal, Request};

use super::{Noting, ScriptBackend};
use crate::facts::Facts;
use crate::inputs::{joined, texts};
use crate::script::Script;

impl ScriptBackend {
    /// Whether a rule matches a request whose parameters may be out of bounds. What cannot be read matches none.
    pub fn matches(&self, request: &Request) -> bool {
        let script = self.script();
        let headers = &request.headers;
        match (&request.method, request.path.as_str()) {
            (&Method::POST, "/chat/completions") => parse::<Box<ChatCompletionRequest>>(&request.body)
                .is_ok_and(|parsed| {
                    let asked = parsed.request;
                    let messages = asked.messages.as_deref().unwrap_or_default();
                    let model = asked.model.as_deref().unwrap_or_default();
                    self.has_rule(&script, &Facts::of_chat(&asked, model, messages, headers))
                }),
            (&Method::POST, "/completions") => {
                parse::<CompletionRequest>(&request.body).is_ok_and(|parsed| {
                    let asked = parsed.request;
                    let model = asked.model.as_deref().unwrap_or_default();
                    let stream = asked.stream == Some(true);
                    asked.checked_prompts().is_ok_and(|prompts| {
                        let prompt = joined(&texts(&prompts));
                        self.has_rule(&script, &Facts::of_completion(model, prompt, stream, headers))
                    })
                })
            }
            (&Method::POST, "/embeddings") => parse::<EmbeddingsRequest>(&request.body).is_ok_and(|parsed| {
                let asked = parsed.request;
                let model = asked.model.as_deref().unwrap_or_default();
                asked.checked_inputs().is_ok_and(|inputs| {
                    let input = joined(&texts(&inputs));
                    self.has_rule(&script, &Facts::of_embeddings(model, input, headers))
                })
            }),
            _ => false,
        }
    }

    fn has_rule(&self, script: &Script, facts: &Facts<'_>) -> bool {
        let chosen = self.choose(script, facts, Noting::OnlyLooking);
        !matches!(chosen, Err(Refusal::NothingFits { .. } | Refusal::UnknownModel { .. }))
    }
}
