//! Requests to a script, and what came back.

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use interference_backend::{Backend, Refusal, Reply, ReplyBody, Request, Strictness};
use interference_backend_script::{Script, ScriptBackend, ScriptOptions};
use interference_sse::Event;

/// What all chunks of an answer with fixed ids begin with, after `fp` comes the fingerprint.
pub(crate) const CHUNK_HEAD: &str = r#"{"id":"chatcmpl-interference","object":"chat.completion.chunk","created":1735689600,"model":"m","system_fingerprint":"fp","choices":["#;

pub(crate) fn script(text: &str) -> Script {
    match Script::parse(text, "test.toml") {
        Ok(script) => script,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn backend(text: &str) -> ScriptBackend {
    ScriptBackend::new(script(text), ScriptOptions { fixed_ids: true })
}

pub(crate) fn request(path: &str, body: &str, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    Request {
        method: Method::POST,
        path: path.to_owned(),
        query: None,
        headers: HeaderMap::from_iter(headers),
        body: Bytes::from(body.to_owned()),
        strictness: Strictness::NameIgnored,
    }
}

pub(crate) async fn chat(
    backend: &ScriptBackend,
    body: &str,
    headers: &[(&str, &str)],
) -> Result<Reply, Refusal> {
    backend.answer(request("/chat/completions", body, headers)).await
}

/// A request of one user message, with more members.
pub(crate) fn saying(text: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    let text = serde_json::Value::from(text);
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":{text}}}]{comma}{members}}}"#)
}

pub(crate) fn whole(reply: Reply) -> String {
    match reply.body {
        ReplyBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The data of all events.
pub(crate) async fn streamed(reply: Reply) -> Vec<String> {
    let ReplyBody::Events(events) = reply.body else { panic!("{:?}", reply.body) };
    events
        .map(|event| match event {
            Event::Data { name: None, data } => data,
            other => panic!("{other:?}"),
        })
        .collect()
        .await
}

/// The same, without what all chunks have in common.
pub(crate) async fn chunks(reply: Reply) -> Vec<String> {
    let data = streamed(reply).await;
    data.into_iter().map(|data| data.replace(CHUNK_HEAD, "")).collect()
}

/// The text of a whole answer to a message; of a refusal its message.
pub(crate) async fn said(backend: &ScriptBackend, text: &str, headers: &[(&str, &str)]) -> String {
    said_to(backend, &saying(text, ""), headers).await
}

pub(crate) async fn said_to(backend: &ScriptBackend, body: &str, headers: &[(&str, &str)]) -> String {
    match chat(backend, body, headers).await {
        Ok(reply) => {
            let json: serde_json::Value = serde_json::from_str(&whole(reply)).unwrap();
            match json["choices"][0]["message"]["content"].as_str() {
                Some(text) => text.to_owned(),
                None => json.to_string(),
            }
        }
        Err(refusal) => refusal.to_string(),
    }
}
