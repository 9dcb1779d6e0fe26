//! A model of this machine before somebody else.

use std::sync::Arc;

use http::Method;
use interference_api_types::openai::model_name::ModelName;
use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request, Scope};

use super::models;

/// The endpoints whose requests name a model, and have this machine's where they name none.
const ASKED_OF_MODELS: [&str; 4] = ["/chat/completions", "/completions", "/embeddings", "/responses"];

/// Requests that name a model of this machine by its own name reach it, and all others go elsewhere: what is meant for
/// a model of that name there is not answered by an alias of one here.
pub(super) struct LocalFirst {
    local: Arc<dyn Backend>,
    elsewhere: Arc<dyn Backend>,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Local,
    /// What was kept here, if it was; else elsewhere.
    LocalIfKept,
    Elsewhere,
}

impl LocalFirst {
    /// This backend before that one.
    pub(super) fn before(local: Arc<dyn Backend>, elsewhere: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(LocalFirst { local, elsewhere })
    }
}

/// Where a request goes when these are the names of the models here.
fn way(request: &Request, here: &[ModelCard]) -> Way {
    let path = request.path.as_str();
    let is_here = |name: &str| here.iter().any(|card| card.id == name);
    if request.method == Method::POST && ASKED_OF_MODELS.contains(&path) {
        // What is no JSON names none; whoever answers says so.
        return match ModelName::find(&request.body) {
            Some(found) if !is_here(&found.name) => Way::Elsewhere,
            _ => Way::Local,
        };
    }
    if let Some(name) = models::named(request) {
        return if is_here(&name) { Way::Local } else { Way::Elsewhere };
    }
    let is_kept = ["/chat/completions", "/responses"]
        .iter()
        .any(|above| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')));
    if is_kept { Way::LocalIfKept } else { Way::Elsewhere }
}

#[async_trait::async_trait]
impl Backend for LocalFirst {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let here = self.local.models();
        if models::is_list(&request) {
            return models::listed_before(here, self.elsewhere.as_ref(), request).await;
        }
        if let Some(reply) = models::one_of(&here, &request)? {
            return Ok(reply);
        }
        match way(&request, &here) {
            Way::Local => self.local.answer(request).await,
            Way::Elsewhere => self.elsewhere.answer(request).await,
            Way::LocalIfKept => match self.local.answer(request.clone()).await {
                Err(Refusal::NothingFits { .. }) => self.elsewhere.answer(request).await,
                answered => answered,
            },
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        let mut models = self.local.models();
        models.extend(self.elsewhere.models());
        models
    }

    fn readiness(&self) -> Readiness {
        self.local.readiness()
    }

    fn scope(&self) -> Scope {
        self.elsewhere.scope()
    }

    fn measurements(&self) -> Vec<Measurement> {
        let mut measurements = self.local.measurements();
        measurements.extend(self.elsewhere.measurements());
        measurements
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use interference_backend::Strictness;

    use super::*;

    #[test]
    fn a_model_has_its_own_name_here_and_everything_else_is_elsewhere() {
        let here = [ModelCard {
            id: "small".to_owned(),
            created: 0,
            owned_by: "nobody".to_owned(),
            aliases: vec!["gpt-*".to_owned()],
            context_length: None,
        }];
        let table = [
            (Method::POST, "/chat/completions", r#"{"model":"small"}"#, Way::Local),
            (Method::POST, "/chat/completions", r#"{"model":"gpt-4o"}"#, Way::Elsewhere),
            (Method::POST, "/responses", r#"{"input":"x"}"#, Way::Local),
            (Method::POST, "/embeddings", "no JSON", Way::Local),
            (Method::GET, "/responses/resp_1", "", Way::LocalIfKept),
            (Method::DELETE, "/chat/completions/chatcmpl-1", "", Way::LocalIfKept),
            (Method::GET, "/models/small", "", Way::Local),
            (Method::GET, "/models/sm%61ll", "", Way::Local),
            (Method::GET, "/models/large", "", Way::Elsewhere),
            (Method::POST, "/rerank", r#"{"model":"small"}"#, Way::Elsewhere),
            (Method::GET, "/files", "", Way::Elsewhere),
        ];
        for (method, path, body, expected) in table {
            let request = Request {
                method,
                path: path.to_owned(),
                query: None,
                headers: HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
                strictness: Strictness::NameIgnored,
            };
            assert_eq!(way(&request, &here), expected, "{request:?}");
        }
    }
}
