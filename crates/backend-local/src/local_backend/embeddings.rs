//! Embeddings: from the request to its vectors.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::embeddings::{EmbeddingList, EncodingFormat, Vector};
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use interference_engine::{Engine, TokenId};

use super::{Service, not_admitted};
use crate::chat::out_of_bounds;
use crate::embeddings::{self, NoVectors, check_dimensions, check_sum};
use crate::failure;
use crate::inputs::Parameter;

/// A request whose texts were found to be in order. None of them is in the engine's queue yet.
pub(super) struct AdmittedEmbeddings {
    engine: Arc<Engine>,
    /// As the answer names it.
    model: String,
    texts: Vec<Vec<TokenId>>,
    format: EncodingFormat,
    ignored: Vec<String>,
}

impl Service {
    /// Reads a request, finds its model, and counts its tokens.
    pub(super) fn admit_embeddings(
        &self,
        engine: &Arc<Engine>,
        request: &Request,
    ) -> Result<AdmittedEmbeddings, Refusal> {
        let (asked, ignored) = embeddings::read(&request.body, request.strictness)?;
        self.check_model(asked.model.as_deref().unwrap_or_default())?;
        let dimensions = asked.checked_dimensions().map_err(out_of_bounds)?;
        check_dimensions(dimensions, engine.model().embedding_length).map_err(out_of_bounds)?;
        let inputs = asked.checked_inputs().map_err(out_of_bounds)?;
        let longest = engine.model().context_length;
        let parameter = Parameter { name: "input", given: asked.input.as_ref(), longest };
        let texts = parameter.tokens(engine, &inputs)?;
        check_sum(texts.iter().map(Vec::len).sum())?;
        let format = asked.encoding_format.unwrap_or_default();
        Ok(AdmittedEmbeddings {
            engine: Arc::clone(engine),
            model: self.name.clone(),
            texts,
            format,
            ignored,
        })
    }
}

impl AdmittedEmbeddings {
    /// The vectors, once all are there. Dropping the future cancels what is computed.
    ///
    /// # Errors
    /// The engine has no place, or broke off.
    pub(super) async fn reply(self) -> Result<Reply, Refusal> {
        let AdmittedEmbeddings { engine, model, texts, format, ignored } = self;
        let vectors = embeddings::vectors(&texts, |text, sink| engine.submit_embedding(text, sink)).await;
        let vectors = vectors.map_err(|error| match error {
            NoVectors::NotAdmitted(error) => not_admitted(error),
            NoVectors::Failed(broken) => failure::refusal(&broken),
        })?;
        let tokens = texts.iter().map(|text| text.len() as u64).sum();
        let vectors = vectors.into_iter().map(|vector| Vector::new(vector, format)).collect();
        let list = EmbeddingList::new(model, vectors, tokens).json();
        let reply = Reply::new(StatusCode::OK, ReplyBody::Whole(Bytes::from(list)));
        Ok(Reply { ignored, ..reply })
    }
}
