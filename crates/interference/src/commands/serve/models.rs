//! `GET /models` and `GET /models/{id}` where some are here and some elsewhere.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interference_api_types::openai::models::Model;
use interference_backend::{Backend, ModelCard, Refusal, Reply, ReplyBody, Request};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A list of models from elsewhere, at most, in bytes: several that a relay has joined, each of up to 16 MiB.
const LONGEST_LIST: usize = 64 << 20;

/// Whether a request asks for the list of models.
pub(super) fn is_list(request: &Request) -> bool {
    request.method == Method::GET && request.path == "/models"
}

/// The name of the one model that a request's path names, if it names one.
pub(super) fn named(request: &Request) -> Option<Cow<'_, str>> {
    percent_decode_str(request.path.strip_prefix("/models/")?).decode_utf8().ok()
}

/// One of these models, if that is what a request asks for.
///
/// # Errors
/// None of its own.
pub(super) fn one_of(cards: &[ModelCard], request: &Request) -> Result<Option<Reply>, Refusal> {
    let name = named(request).filter(|_| matches!(request.method, Method::GET | Method::HEAD));
    let Some(card) = name.and_then(|name| cards.iter().find(|card| card.id == name)) else { return Ok(None) };
    let body = object(card).map_err(|error| Refusal::Internal { message: error.to_string() })?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = ReplyBody::Whole(Bytes::from(String::from(Box::<str>::from(body))));
    Ok(Some(Reply { headers, ..Reply::new(StatusCode::OK, body) }))
}

/// The list of what is elsewhere, its objects as they are, with these before them. Where there is no such list, these
/// alone: a client that looks for a model of this machine should find it all the same.
///
/// # Errors
/// None of its own.
pub(super) async fn listed_before(
    cards: Vec<ModelCard>,
    elsewhere: &dyn Backend,
    mut request: Request,
) -> Result<Reply, Refusal> {
    // What is compressed could not be read.
    request.headers.remove(ACCEPT_ENCODING);
    let (theirs, mut headers) = match elsewhere.answer(request).await {
        Ok(reply) if reply.status.is_success() && !reply.headers.contains_key(CONTENT_ENCODING) => {
            let body = whole(reply.body).await.unwrap_or_else(|| left_out("they break off, or are too many"));
            (body, reply.headers)
        }
        Ok(reply) => (left_out(&format!("the status is {}", reply.status)), HeaderMap::new()),
        Err(refusal) => (left_out(&refusal.to_string()), HeaderMap::new()),
    };
    let body = joined(cards, &theirs).map_err(|error| Refusal::Internal { message: error.to_string() })?;
    // What else is said of the list stays true, such as whose models are missing.
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Reply { headers, ..Reply::new(StatusCode::OK, ReplyBody::Whole(body)) })
}

/// No list, and the reason in the log.
fn left_out(reason: &str) -> Bytes {
    tracing::warn!(reason, "the models of upstreams are not listed");
    Bytes::new()
}

/// A body that is read to its end, unless it is too long or breaks off.
async fn whole(body: ReplyBody) -> Option<Bytes> {
    match body {
        ReplyBody::Whole(bytes) => Some(bytes),
        ReplyBody::Events(_) => None,
        ReplyBody::Frames(mut frames) => {
            let mut bytes = BytesMut::new();
            while let Some(frame) = frames.next().await {
                let frame = frame.ok()?;
                if bytes.len() + frame.len() > LONGEST_LIST {
                    return None;
                }
                bytes.extend_from_slice(&frame);
            }
            Some(bytes.freeze())
        }
    }
}

#[derive(Deserialize)]
struct Theirs<'body> {
    #[serde(borrow)]
    data: Vec<&'body RawValue>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Serialize)]
struct Joined<'body> {
    object: &'static str,
    data: Vec<&'body RawValue>,
}

fn joined(cards: Vec<ModelCard>, theirs: &[u8]) -> Result<Bytes, serde_json::Error> {
    let ours: Vec<Box<RawValue>> = cards.iter().map(object).collect::<Result<_, _>>()?;
    let theirs = match serde_json::from_slice::<Theirs<'_>>(theirs) {
        Ok(list) => list.data,
        // Why there is none was told where it was asked for.
        Err(_) if theirs.is_empty() => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, "the models of upstreams are not listed: theirs is no such list");
            Vec::new()
        }
    };
    let is_here = |object: &RawValue| {
        let named: Result<Named, _> = serde_json::from_str(object.get());
        named.is_ok_and(|named| cards.iter().any(|card| card.id == named.id))
    };
    let data = ours.iter().map(AsRef::as_ref).chain(theirs.into_iter().filter(|object| !is_here(object)));
    serde_json::to_vec(&Joined { object: "list", data: data.collect() }).map(Bytes::from)
}

/// Without its aliases, which reach the model only where nobody else is asked.
fn object(card: &ModelCard) -> Result<Box<RawValue>, serde_json::Error> {
    let mut model = Model::new(card.id.clone(), card.created, card.owned_by.clone());
    model.context_length = card.context_length;
    serde_json::value::to_raw_value(&model)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: &str) -> ModelCard {
        ModelCard {
            id: id.to_owned(),
            created: 7,
            owned_by: "nobody".to_owned(),
            aliases: vec!["gpt-*".to_owned()],
            context_length: None,
        }
    }

    #[test]
    fn objects_from_elsewhere_stay_as_they_are_and_names_are_told_once() {
        let theirs = br#"{"object":"list","data":[{"id":"here"},{"z":1.50,"id": "there"},3]}"#;
        let told = joined(vec![card("here")], theirs).unwrap();
        assert_eq!(
            told,
            r#"{"object":"list","data":[{"id":"here","object":"model","created":7,"owned_by":"nobody"},{"z":1.50,"id": "there"},3]}"#
        );
    }

    #[test]
    fn without_a_list_from_elsewhere_there_is_this_one() {
        for theirs in ["", "<html>", "{}", r#"{"data":3}"#] {
            let told = joined(vec![card("here")], theirs.as_bytes()).unwrap();
            assert_eq!(
                told,
                r#"{"object":"list","data":[{"id":"here","object":"model","created":7,"owned_by":"nobody"}]}"#
            );
        }
    }
}
