//! Tells an answer in the words of the chat API: whole, or in chunks with exactly one end.

use bytes::Bytes;
use futures::{StreamExt, stream};
use interference_api_types::openai::chat_completions::{
    AssistantMessage, ChatCompletion, ChatCompletionChunk, Choice, ChunkChoice, Delta, FinishReason, Usage,
};
use interference_api_types::openai::error::ErrorEnvelope;
use interference_backend::{EventStream, Refusal};
use interference_engine::EngineFailure;
use interference_sse::Event;
use serde::Serialize;

use crate::answer::{Answer, End, Step};
use crate::chat::UsageChunk;

/// What all chunks of an answer have in common, and what its usage needs.
#[derive(Debug, Clone)]
pub(crate) struct Letterhead {
    pub(crate) id: String,
    pub(crate) created: u64,
    /// The model that answers, under its own name.
    pub(crate) model: String,
    pub(crate) system_fingerprint: String,
    pub(crate) prompt_tokens: u64,
}

/// Waits for the end of an answer.
///
/// # Errors
/// The engine broke off.
pub(crate) async fn whole(mut answer: Answer, letterhead: Letterhead) -> Result<Bytes, Refusal> {
    let mut content = String::new();
    let finish_reason = loop {
        match answer.next().await {
            Step::Text(text) => content.push_str(&text),
            Step::End(End::Finished(reason)) => break reason,
            Step::End(End::Failed(failure)) => return Err(refusal(&failure)),
        }
    };
    let completion = ChatCompletion {
        id: letterhead.id,
        object: "chat.completion",
        created: letterhead.created,
        model: letterhead.model,
        choices: vec![Choice {
            index: 0,
            message: AssistantMessage { role: "assistant", content: Some(content), refusal: None },
            logprobs: None,
            finish_reason,
        }],
        usage: Usage::new(letterhead.prompt_tokens, answer.completion_tokens()),
        system_fingerprint: letterhead.system_fingerprint,
    };
    Ok(Bytes::from(json(&completion)))
}

/// Tells an answer as it comes: who speaks, at once; a chunk for each token that adds text; why it ended; the usage, if
/// included; `[DONE]`. If the engine breaks off, an error takes the place of what is missing before `[DONE]`.
pub(crate) fn streamed(answer: Answer, letterhead: Letterhead, usage: UsageChunk) -> EventStream {
    let chunks = Chunks { letterhead, usage };
    let speaker = Delta { role: Some("assistant"), content: Some(String::new()) };
    let first = chunks.of_delta(speaker, None);
    let rest = stream::unfold(Some((answer, chunks)), |state| async move {
        let (mut answer, chunks) = state?;
        Some(match answer.next().await {
            Step::Text(text) => {
                let chunk = chunks.of_delta(Delta { role: None, content: Some(text) }, None);
                (vec![chunk], Some((answer, chunks)))
            }
            Step::End(end) => (chunks.of_end(&end, answer.completion_tokens()), None),
        })
    });
    Box::pin(stream::once(async move { first }).chain(rest.flat_map(stream::iter)))
}

struct Chunks {
    letterhead: Letterhead,
    usage: UsageChunk,
}

impl Chunks {
    fn of_delta(&self, delta: Delta, finish_reason: Option<FinishReason>) -> Event {
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason };
        let usage = match self.usage {
            UsageChunk::Included => Some(None),
            UsageChunk::Absent => None,
        };
        self.chunk(vec![choice], usage)
    }

    fn of_end(&self, end: &End, completion_tokens: u64) -> Vec<Event> {
        let mut events = Vec::with_capacity(3);
        match end {
            End::Finished(reason) => {
                events.push(self.of_delta(Delta::default(), Some(*reason)));
                if self.usage == UsageChunk::Included {
                    let usage = Usage::new(self.letterhead.prompt_tokens, completion_tokens);
                    events.push(self.chunk(Vec::new(), Some(Some(usage))));
                }
            }
            End::Failed(failure) => {
                let envelope = ErrorEnvelope::server_error(broke_off(failure), Some(failure_code(failure)));
                events.push(Event::data(json(&envelope)));
            }
        }
        events.push(Event::data("[DONE]"));
        events
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Option<Usage>>) -> Event {
        Event::data(json(&ChatCompletionChunk {
            id: self.letterhead.id.clone(),
            object: "chat.completion.chunk",
            created: self.letterhead.created,
            model: self.letterhead.model.clone(),
            system_fingerprint: self.letterhead.system_fingerprint.clone(),
            choices,
            usage,
        }))
    }
}

fn broke_off(failure: &EngineFailure) -> String {
    format!("The answer broke off: {failure}.")
}

fn failure_code(failure: &EngineFailure) -> &'static str {
    match failure {
        EngineFailure::NotFinite { .. } => "value_not_finite",
        EngineFailure::Stopped => "engine_stopped",
    }
}

fn refusal(failure: &EngineFailure) -> Refusal {
    match failure {
        EngineFailure::NotFinite { .. } => Refusal::Internal { message: broke_off(failure) },
        EngineFailure::Stopped => Refusal::Unavailable { message: broke_off(failure) },
    }
}

/// The text of a value of ours. None of them has what JSON cannot say (maps with keys that are not strings), so the
/// envelope of the error is there for the sake of the type only.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| {
        r#"{"error":{"message":"The answer cannot be written.","type":"server_error","param":null,"code":null}}"#
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{answer, token};
    use interference_engine::{FinishReason as EngineFinish, Progress};

    fn letterhead() -> Letterhead {
        Letterhead {
            id: "chatcmpl-1".into(),
            created: 7,
            model: "m".into(),
            system_fingerprint: "fp".into(),
            prompt_tokens: 3,
        }
    }

    /// The data of all events, without the members that all chunks have in common.
    async fn data(progress: Vec<Progress>, usage: UsageChunk) -> Vec<String> {
        let events: Vec<Event> = streamed(answer(progress, &[]), letterhead(), usage).collect().await;
        let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"fp","#;
        let data = events.into_iter().map(|event| match event {
            Event::Data { name: None, data } => data.replace(head, "{"),
            other => panic!("{other:?}"),
        });
        data.collect()
    }

    #[tokio::test]
    async fn a_whole_answer() {
        let progress = vec![token(0), token(1), Progress::Finished(EngineFinish::EndOfTurn)];
        let body = whole(answer(progress, &[]), letterhead()).await.unwrap();
        assert_eq!(
            body,
            r#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a tree","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"system_fingerprint":"fp"}"#
        );
    }

    #[tokio::test]
    async fn a_streamed_answer() {
        let progress = vec![token(0), token(4), token(1), Progress::Finished(EngineFinish::Length)];
        assert_eq!(
            data(progress, UsageChunk::Absent).await,
            [
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"a "},"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"tree"},"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}"#,
                "[DONE]",
            ]
        );
    }

    #[tokio::test]
    async fn a_streamed_answer_with_its_usage() {
        let progress = vec![token(0), Progress::Finished(EngineFinish::EndOfTurn)];
        assert_eq!(
            data(progress, UsageChunk::Included).await,
            [
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"a "},"logprobs":null,"finish_reason":null}],"usage":null}"#,
                r#"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
                "[DONE]",
            ]
        );
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_has_one_end() {
        for (last, code) in [
            (vec![Progress::Failed(EngineFailure::NotFinite { position: 9 })], "value_not_finite"),
            (vec![], "engine_stopped"),
        ] {
            let progress = [vec![token(0)], last].concat();
            let data = data(progress, UsageChunk::Included).await;
            let [_, _, error, done] = data.as_slice() else { panic!("{data:?}") };
            assert!(error.starts_with(r#"{"error":{"message":"The answer broke off: "#), "{error}");
            assert!(
                error.ends_with(&format!(r#""type":"server_error","param":null,"code":"{code}"}}}}"#)),
                "{error}"
            );
            assert_eq!(done, "[DONE]");
        }
    }
}
