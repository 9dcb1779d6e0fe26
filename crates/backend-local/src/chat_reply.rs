//! Tells an answer in the words of the chat API: whole, or in chunks with exactly one end.

use bytes::Bytes;
use futures::{StreamExt, stream};
use interference_api_types::openai::chat_reply::{
    AssistantMessage, ChatChunks, Choice, Choices, Letterhead, Usage, UsageChunk,
};
use interference_api_types::openai::error::ErrorEnvelope;
use interference_backend::{EventStream, Refusal};
use interference_engine::EngineFailure;
use interference_sse::Event;
use serde::Serialize;

use crate::answer::{Answer, End, Step};

/// What all chunks of an answer have in common, and what its usage needs.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHead {
    pub(crate) letterhead: Letterhead,
    pub(crate) prompt_tokens: u64,
}

/// Waits for the end of an answer.
///
/// # Errors
/// The engine broke off.
pub(crate) async fn whole(mut answer: Answer, head: AnswerHead) -> Result<Bytes, Refusal> {
    let mut content = String::new();
    let finish_reason = loop {
        match answer.next().await {
            Step::Text(text) => content.push_str(&text),
            Step::End(End::Finished(reason)) => break reason,
            Step::End(End::Failed(failure)) => return Err(refusal(&failure)),
        }
    };
    let message = AssistantMessage {
        role: "assistant",
        content: Some(content),
        refusal: None,
        reasoning_content: None,
        tool_calls: Vec::new(),
    };
    let choice = Choice { index: 0, message, logprobs: None, finish_reason };
    let usage = Usage::new(head.prompt_tokens, answer.completion_tokens());
    Ok(Bytes::from(head.letterhead.completion(&Choices::new(&[choice]), usage)))
}

/// Tells an answer as it comes: who speaks, at once; a chunk for each token that adds text; why it ended; the usage, if
/// included; `[DONE]`. If the engine breaks off, an error takes the place of what is missing before `[DONE]`.
pub(crate) fn streamed(answer: Answer, head: &AnswerHead, usage: UsageChunk) -> EventStream {
    let chunks = ChatChunks::new(&head.letterhead, usage);
    let prompt_tokens = head.prompt_tokens;
    let first = Event::data(chunks.speaker(0));
    let rest = stream::unfold(Some((answer, chunks)), move |state| async move {
        let (mut answer, chunks) = state?;
        Some(match answer.next().await {
            Step::Text(text) => (vec![Event::data(chunks.content(0, &text, None))], Some((answer, chunks))),
            Step::End(end) => {
                let usage = Usage::new(prompt_tokens, answer.completion_tokens());
                (last_events(&chunks, &end, usage), None)
            }
        })
    });
    Box::pin(stream::once(async move { first }).chain(rest.flat_map(stream::iter)))
}

fn last_events(chunks: &ChatChunks, end: &End, usage: Usage) -> Vec<Event> {
    let mut events = Vec::with_capacity(3);
    match end {
        End::Finished(reason) => {
            events.push(Event::data(chunks.finish(0, *reason)));
            events.extend(chunks.usage(usage).map(Event::data));
        }
        End::Failed(failure) => {
            let envelope = ErrorEnvelope::server_error(broke_off(failure), Some(failure_code(failure)));
            events.push(Event::data(json(&envelope)));
        }
    }
    events.push(Event::data("[DONE]"));
    events
}

fn broke_off(failure: &EngineFailure) -> String {
    format!("The answer broke off: {failure}.")
}

fn failure_code(failure: &EngineFailure) -> &'static str {
    match failure {
        EngineFailure::NotFinite { .. } => "value_not_finite",
        EngineFailure::NoDirection => "no_direction",
        EngineFailure::Constraint(_) => "constraint_failed",
        EngineFailure::Stopped => "engine_stopped",
    }
}

fn refusal(failure: &EngineFailure) -> Refusal {
    match failure {
        EngineFailure::NotFinite { .. } | EngineFailure::NoDirection | EngineFailure::Constraint(_) => {
            Refusal::Internal { message: broke_off(failure) }
        }
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

    fn head() -> AnswerHead {
        let letterhead = Letterhead {
            id: "chatcmpl-1".into(),
            created: 7,
            model: "m".into(),
            system_fingerprint: "fp".into(),
        };
        AnswerHead { letterhead, prompt_tokens: 3 }
    }

    /// The data of all events, without the members that all chunks have in common.
    async fn data(progress: Vec<Progress>, usage: UsageChunk) -> Vec<String> {
        let events: Vec<Event> = streamed(answer(progress, &[]), &head(), usage).collect().await;
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
        let body = whole(answer(progress, &[]), head()).await.unwrap();
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
