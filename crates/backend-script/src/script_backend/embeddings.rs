//! Embeddings: from the request to its vectors.

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::embeddings::{EmbeddingList, EmbeddingsRequest, Vector};
use interference_api_types::{Parsed, parse};
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::chat::wrong_kind;
use super::{Noting, ScriptBackend, error_reply, reply};
use crate::answer::{AnswerBody, Embedding};
use crate::chat_request::{broken, out_of_bounds};
use crate::facts::Facts;
use crate::inputs::{joined, texts, tokens};
use crate::script::Script;

impl ScriptBackend {
    pub(super) async fn embeddings(
        &self,
        script: &Script,
        request: &Request,
        start: Instant,
    ) -> Result<Reply, Refusal> {
        let Parsed { request: asked, unknown: ignored } =
            parse::<EmbeddingsRequest>(&request.body).map_err(broken)?;
        let model = asked.checked_model().map_err(out_of_bounds)?;
        let inputs = asked.checked_inputs().map_err(out_of_bounds)?;
        request.strictness.check(&ignored)?;
        let dimensions = asked.checked_dimensions().map_err(out_of_bounds)?;
        let texts = texts(&inputs);
        let facts = Facts::of_embeddings(model, joined(&texts), &request.headers);
        let chosen = self.choose(script, &facts, Noting::Given)?;
        if let Some(pace) = self.pace(&chosen.answer, start, None) {
            pace.all(1).await;
        }
        let embedding = match &chosen.answer.body {
            AnswerBody::Embedding(embedding) => embedding,
            AnswerBody::Error(error) => return Ok(error_reply(&chosen, error, ignored)),
            AnswerBody::Chat(_) => return Err(wrong_kind(script, &chosen)),
        };
        check_dimensions(dimensions, embedding)?;
        let format = asked.encoding_format.unwrap_or_default();
        let vectors = texts.iter().map(|text| Vector::new(vector(embedding, text), format)).collect();
        let list = EmbeddingList::new(model.to_owned(), vectors, tokens(&inputs));
        Ok(reply(&chosen, StatusCode::OK, ReplyBody::Whole(Bytes::from(list.json())), ignored))
    }
}

fn check_dimensions(asked: Option<u64>, embedding: &Embedding) -> Result<(), Refusal> {
    let scripted = match embedding {
        Embedding::Constant(vector) => vector.len(),
        Embedding::OfText { dimensions } => *dimensions,
    };
    match asked {
        Some(asked) if asked != scripted as u64 => Err(Refusal::InvalidRequest {
            message: format!("'dimensions' is {asked}; the scripted vector has {scripted}."),
            param: Some("dimensions".to_owned()),
            code: Some("invalid_value"),
        }),
        _ => Ok(()),
    }
}

fn vector(embedding: &Embedding, text: &str) -> Vec<f32> {
    match embedding {
        Embedding::Constant(vector) => vector.clone(),
        Embedding::OfText { dimensions } => unit_vector(text, *dimensions),
    }
}

/// A vector of length 1 that depends on the text alone: digests of the text and a counter, as numbers from -1 to 1.
fn unit_vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(dimensions);
    let mut counter = 0_u64;
    while numbers.len() < dimensions {
        let digest = Sha256::new().chain_update(counter.to_le_bytes()).chain_update(text).finalize();
        let words = digest
            .chunks_exact(4)
            .map(|word| word.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)));
        numbers.extend(words.map(|word| f64::from(word) / f64::from(1_u32 << 31) - 1.0));
        counter += 1;
    }
    numbers.truncate(dimensions);
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    numbers.iter().map(|number| if length > 0.0 { (number / length) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_depend_on_the_text() {
        for dimensions in [1, 7, 8, 9, 1_536] {
            let vector = unit_vector("a tree", dimensions);
            assert_eq!(vector.len(), dimensions);
            let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
            assert_eq!(vector, unit_vector("a tree", dimensions));
        }
        assert_ne!(unit_vector("a tree", 8), unit_vector("a bush", 8));
    }
}
