//! A chat that says what a test wants, and the Responses API in front of it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use interference_backend::{
    Backend, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request, StreamEnd, Strictness,
};
use interference_backend_responses::{ResponsesBackend, ResponsesOptions, State, StateLimits};
use interference_sse::Event;
use serde_json::{Value, json};

/// What the chat answers to the next request.
pub(crate) enum Saying {
    /// The data of events.
    Events(Vec<String>),
    /// Bytes that are passed on.
    Frames(Vec<&'static [u8]>),
    Whole(Value),
    Error(StatusCode, Value),
    Refusal(Refusal),
}

/// A chat that says what it was told to, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct Chat {
    sayings: Mutex<Vec<Saying>>,
    asked: Mutex<Vec<Value>>,
}

#[async_trait::async_trait]
impl Backend for Chat {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        if request.path == "/embeddings" {
            return Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(request.body)));
        }
        assert_eq!((&request.method, request.path.as_str()), (&Method::POST, "/chat/completions"));
        self.asked.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        let body = |value: Value| ReplyBody::Whole(Bytes::from(value.to_string()));
        let (status, body) = match self.sayings.lock().unwrap().remove(0) {
            Saying::Refusal(refusal) => return Err(refusal),
            Saying::Events(data) => {
                let events = data.into_iter().map(Event::data);
                (StatusCode::OK, ReplyBody::Events(Box::pin(stream::iter(events.collect::<Vec<_>>()))))
            }
            Saying::Frames(frames) => {
                let frames = frames.into_iter().map(|frame| Ok(Bytes::from_static(frame)));
                (StatusCode::OK, ReplyBody::Frames(Box::pin(stream::iter(frames.collect::<Vec<_>>()))))
            }
            Saying::Whole(value) => (StatusCode::OK, body(value)),
            Saying::Error(status, value) => (status, body(value)),
        };
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-interference-seed"),
            HeaderValue::from_static("7"),
        )]);
        let ignored = vec!["messages[].name".to_owned(), "reasoning_effort".to_owned()];
        Ok(Reply { headers, ignored, ..Reply::new(status, body) })
    }

    fn models(&self) -> Vec<ModelCard> {
        Vec::new()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// The Responses API in front of a chat.
pub(crate) struct Bench {
    chat: Arc<Chat>,
    backend: ResponsesBackend,
}

impl Bench {
    pub(crate) async fn new() -> Bench {
        Bench::with(StateLimits::IN_MEMORY, ResponsesOptions { fixed_ids: true }).await
    }

    pub(crate) async fn with(limits: StateLimits, options: ResponsesOptions) -> Bench {
        let chat = Arc::new(Chat::default());
        let state = State::in_memory(limits).await.unwrap();
        Bench { backend: ResponsesBackend::new(Arc::clone(&chat) as Arc<dyn Backend>, state, options), chat }
    }

    /// What the chat says next, after what it was told to say before.
    pub(crate) fn say(&self, saying: Saying) {
        self.chat.sayings.lock().unwrap().push(saying);
    }

    /// What the chat was asked last.
    pub(crate) fn asked(&self) -> Value {
        self.chat.asked.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &str) -> Result<Reply, Refusal> {
        self.send_with(method, path, body, Strictness::NameIgnored).await
    }

    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: &str,
        strictness: Strictness,
    ) -> Result<Reply, Refusal> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let request = Request {
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            strictness,
        };
        self.backend.answer(request).await
    }

    /// Asks for a response to which the chat says this text, and gives its JSON.
    pub(crate) async fn respond(&self, text: &str, request: Value) -> Value {
        self.say(Saying::Whole(completion(json!({"content": text}), "stop")));
        self.created(request).await
    }

    pub(crate) async fn created(&self, request: Value) -> Value {
        json_of(self.send(Method::POST, "/responses", &request.to_string()).await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.send(Method::GET, path, "").await.map(json_of)
    }

    /// Asks for a stream to which the chat says these chunks, and gives its events.
    pub(crate) async fn events(&self, chunks: Vec<Value>, request: Value) -> Vec<(String, Value)> {
        let data = chunks.into_iter().map(|chunk| match chunk {
            Value::String(data) => data,
            chunk => chunk.to_string(),
        });
        self.say(Saying::Events(data.collect()));
        let reply = self.send(Method::POST, "/responses", &request.to_string()).await.unwrap();
        events_of(reply).await
    }
}

/// The parameter, the code and the message of a refusal.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (String, &'static str, String) {
    match result {
        Err(Refusal::InvalidRequest { message, param, code }) => {
            (param.unwrap_or_default(), code.unwrap_or_default(), message)
        }
        Err(Refusal::NothingFits { message, code }) => (String::new(), code, message),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn json_of(reply: Reply) -> Value {
    let ReplyBody::Whole(bytes) = reply.body else { panic!("{reply:?}") };
    serde_json::from_slice(&bytes).unwrap()
}

/// The names and data of a stream's events, which its end must be the last of.
pub(crate) async fn events_of(reply: Reply) -> Vec<(String, Value)> {
    let (ReplyBody::Events(events), StreamEnd::Own(end)) = (reply.body, reply.end) else {
        panic!("no stream")
    };
    let events: Vec<Event> = events.collect().await;
    let ends: Vec<usize> = (0..events.len()).filter(|place| end.is_end(&events[*place])).collect();
    assert_eq!(ends, [events.len() - 1], "there is one end, and nothing follows it: {events:#?}");
    events.into_iter().map(named).collect()
}

pub(crate) fn named(event: Event) -> (String, Value) {
    match event {
        Event::Data { name: Some(name), data } => (name, serde_json::from_str(&data).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// A whole answer of a chat.
pub(crate) fn completion(message: Value, finish_reason: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
                  "prompt_tokens_details": {"cached_tokens": 1}},
    })
}

/// A chunk of a chat's answer.
pub(crate) fn chunk(delta: Value) -> Value {
    json!({"model": "small", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null})
}

/// The last chunks of a chat's answer.
pub(crate) fn finish(reason: &str) -> [Value; 3] {
    [
        json!({"model": "small", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": null}),
        json!({"model": "small", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        json!("[DONE]"),
    ]
}
