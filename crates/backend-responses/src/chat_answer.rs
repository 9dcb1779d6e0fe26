//! Reads the answer of a chat, whole or in chunks, whoever gave it.
//!
//! Owns what of a chat answer is understood. It is tolerant: what it does not know is passed over, and an answer that
//! came in another form than it was asked for is read all the same. It refuses to know what becomes of it.

use bytes::Bytes;
use futures::StreamExt;
use interference_backend::{EventStream, FrameStream, ReplyBody};
use interference_sse::{Decoder, Event};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// How much of an answer is collected at most, where it comes whole or is kept as a whole: 64 MiB.
pub(crate) const LONGEST_WHOLE: usize = 64 * 1024 * 1024;

/// The data of the last event of a stream.
pub(crate) const DONE: &str = "[DONE]";

/// A chunk of a chat answer, or all of it: a message reads like a chunk that has everything.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatChunk {
    #[serde(deserialize_with = "or_default")]
    pub(crate) model: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) choices: Vec<ChatChoice>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) usage: Option<ChatUsage>,
    pub(crate) error: Option<Value>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatChoice {
    #[serde(deserialize_with = "or_default")]
    pub(crate) index: u64,
    #[serde(alias = "message", deserialize_with = "or_default")]
    pub(crate) delta: ChatDelta,
    #[serde(deserialize_with = "or_default")]
    pub(crate) logprobs: Option<ChatLogprobs>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) finish_reason: Option<String>,
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatDelta {
    #[serde(deserialize_with = "or_default")]
    pub(crate) content: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) refusal: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) reasoning_content: Option<String>,
    /// What some servers call `reasoning_content`, or say beside it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) reasoning: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tool_calls: Vec<ChatCall>,
}

/// A part of a call. Calls of whole answers have no index: they stand in their order.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatCall {
    #[serde(deserialize_with = "or_default")]
    pub(crate) index: Option<usize>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) function: ChatFunction,
}

/// A part of a function's call.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatFunction {
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) arguments: Option<String>,
}

/// Log probabilities.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatLogprobs {
    #[serde(deserialize_with = "or_default")]
    pub(crate) content: Vec<Value>,
}

/// What the answer cost.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChatUsage {
    #[serde(deserialize_with = "or_default")]
    pub(crate) prompt_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    pub(crate) completion_tokens: u64,
    pub(crate) prompt_tokens_details: Value,
    pub(crate) completion_tokens_details: Value,
}

/// What is absent where it is null.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Why an answer cannot be told to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) message: String,
    pub(crate) code: String,
}

impl Broken {
    pub(crate) fn new(message: impl Into<String>, code: &str) -> Broken {
        Broken { message: message.into(), code: code.to_owned() }
    }

    fn unreadable(what: impl std::fmt::Display) -> Broken {
        Broken::new(format!("The chat's answer cannot be read: {what}."), "chat_answer_broken")
    }

    /// What an answer says of its own failure: an envelope's inside, or a text.
    fn told(error: &Value) -> Broken {
        let member = |name| error.get(name).and_then(Value::as_str);
        let message = member("message").or(error.as_str()).unwrap_or("The chat's answer broke off.");
        Broken::new(message, member("code").or(member("type")).unwrap_or("server_error"))
    }
}

/// The chunks of one answer.
pub(crate) struct ChatAnswer(Source);

enum Source {
    Whole(Bytes),
    Events(EventStream),
    Frames(Frames),
    Ended,
}

/// Bytes that are a stream of events, or one JSON text.
struct Frames {
    frames: FrameStream,
    /// None until it is known to be a stream of events.
    decoder: Option<Decoder>,
    unread: Bytes,
}

impl ChatAnswer {
    /// The chunks of this body.
    pub(crate) fn new(body: ReplyBody) -> ChatAnswer {
        ChatAnswer(match body {
            ReplyBody::Whole(bytes) => Source::Whole(bytes),
            ReplyBody::Events(events) => Source::Events(events),
            ReplyBody::Frames(frames) => {
                Source::Frames(Frames { frames, decoder: None, unread: Bytes::new() })
            }
        })
    }

    /// The next chunk; none after the last.
    ///
    /// # Errors
    /// The answer says that it failed, or cannot be read. Nothing follows.
    ///
    /// # Cancellation
    /// Nothing is lost that was not returned, but for an answer that is collected as a whole.
    pub(crate) async fn next(&mut self) -> Option<Result<ChatChunk, Broken>> {
        let chunk = match &mut self.0 {
            Source::Ended => return None,
            Source::Whole(bytes) => {
                let chunk = read(bytes);
                self.0 = Source::Ended;
                return Some(chunk);
            }
            Source::Events(events) => match next_data(events).await {
                None => Ok(None),
                Some(data) => read_data(&data),
            },
            Source::Frames(frames) => frames.next().await,
        };
        if !matches!(chunk, Ok(Some(_))) {
            self.0 = Source::Ended;
        }
        chunk.transpose()
    }
}

async fn next_data(events: &mut EventStream) -> Option<String> {
    loop {
        if let Event::Data { data, .. } = events.next().await? {
            return Some(data);
        }
    }
}

fn read_data(data: &str) -> Result<Option<ChatChunk>, Broken> {
    if data.trim() == DONE { Ok(None) } else { read(data.as_bytes()).map(Some) }
}

fn read(json: &[u8]) -> Result<ChatChunk, Broken> {
    let mut chunk: ChatChunk = serde_json::from_slice(json).map_err(Broken::unreadable)?;
    if let Some(error) = chunk.error.take().filter(|error| !error.is_null()) {
        return Err(Broken::told(&error));
    }
    Ok(chunk)
}

impl Frames {
    async fn next(&mut self) -> Result<Option<ChatChunk>, Broken> {
        loop {
            if let Some(decoder) = &mut self.decoder {
                let mut unread = self.unread.as_ref();
                let decoded = decoder.decode(&mut unread).map_err(Broken::unreadable)?;
                self.unread = self.unread.slice_ref(unread);
                if let Some(event) = decoded {
                    return read_data(&event.data);
                }
            }
            let Some(frame) = self.frames.next().await else { return Ok(None) };
            self.unread = frame.map_err(Broken::unreadable)?;
            match (&self.decoder, self.unread.trim_ascii_start()) {
                (Some(_), _) | (None, []) => {}
                // No stream of events begins so.
                (None, [b'{', ..]) => return self.whole().await.map(Some),
                (None, _) => self.decoder = Some(Decoder::default()),
            }
        }
    }

    async fn whole(&mut self) -> Result<ChatChunk, Broken> {
        let mut whole = self.unread.to_vec();
        while let Some(frame) = self.frames.next().await {
            let frame = frame.map_err(Broken::unreadable)?;
            if whole.len() + frame.len() > LONGEST_WHOLE {
                return Err(Broken::unreadable(format_args!("it has more than {LONGEST_WHOLE} bytes")));
            }
            whole.extend_from_slice(&frame);
        }
        self.unread = Bytes::new();
        read(&whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    async fn all(body: ReplyBody) -> Vec<Result<ChatChunk, Broken>> {
        let mut answer = ChatAnswer::new(body);
        let mut chunks = Vec::new();
        while let Some(chunk) = answer.next().await {
            chunks.push(chunk);
        }
        chunks
    }

    fn content(text: &str) -> ChatChunk {
        let delta = ChatDelta { content: Some(text.to_owned()), ..ChatDelta::default() };
        ChatChunk { choices: vec![ChatChoice { delta, ..ChatChoice::default() }], ..ChatChunk::default() }
    }

    const CHUNK: &str = r#"{"zeal":1,"usage":null,"choices":[{"delta":{"content":"a","tool_calls":null}}]}"#;

    #[tokio::test]
    async fn an_answer_is_read_in_whichever_form_it_comes() {
        let events =
            [Event::Comment("waiting".into()), Event::data(CHUNK), Event::data("[DONE]"), Event::data("{")];
        assert_eq!(all(ReplyBody::Events(Box::pin(stream::iter(events)))).await, [Ok(content("a"))]);

        let bytes = format!(": ping\n\ndata: {CHUNK}\n\ndata: {CHUNK}\n\ndata: [DONE]\n\n");
        for size in 1..bytes.len() {
            let frames: Vec<_> =
                bytes.as_bytes().chunks(size).map(|frame| Ok(Bytes::copy_from_slice(frame))).collect();
            let chunks = all(ReplyBody::Frames(Box::pin(stream::iter(frames)))).await;
            assert_eq!(chunks, [Ok(content("a")), Ok(content("a"))], "cut every {size} bytes");
        }

        let whole = CHUNK.replace("delta", "message");
        assert_eq!(all(ReplyBody::Whole(Bytes::from(whole.clone()))).await, [Ok(content("a"))]);
        let frames: Vec<_> =
            whole.as_bytes().chunks(7).map(|frame| Ok(Bytes::copy_from_slice(frame))).collect();
        assert_eq!(all(ReplyBody::Frames(Box::pin(stream::iter(frames)))).await, [Ok(content("a"))]);
    }

    #[tokio::test]
    async fn what_breaks_an_answer_is_told_once() {
        let table = [
            (r#"{"error":{"message":"m","type":"t","code":"c"}}"#, "m", "c"),
            (r#"{"error":{"message":"m","type":"t","code":null}}"#, "m", "t"),
            (r#"{"error":"m"}"#, "m", "server_error"),
            (r#"{"error":7}"#, "The chat's answer broke off.", "server_error"),
            (
                "nonsense",
                "The chat's answer cannot be read: expected ident at line 1 column 2.",
                "chat_answer_broken",
            ),
        ];
        for (data, message, code) in table {
            let events = [Event::data(CHUNK), Event::data(data), Event::data(CHUNK)];
            let chunks = all(ReplyBody::Events(Box::pin(stream::iter(events)))).await;
            assert_eq!(chunks, [Ok(content("a")), Err(Broken::new(message, code))], "{data}");
        }
    }
}
