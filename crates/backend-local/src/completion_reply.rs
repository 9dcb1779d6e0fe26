//! Tells an answer in the words of the older API: whole, or in chunks with exactly one end.
//!
//! Owns what tells a step of an answer, and what becomes of choices and echoes. It refuses to know tokens, and failures.

use bytes::Bytes;
use interference_api_types::openai::chat_reply::{FinishReason, TokenLogprob, Usage, UsageChunk};
use interference_api_types::openai::completion_reply::{
    CompletionChoice, CompletionChunks, CompletionLogprobs, TokenOffsets, completion,
};
use interference_backend::{EventStream, Refusal};

use crate::answer::{Answer, PromptTokens, Step};
use crate::answer_events::{Teller, events};
use crate::chat_reply::AnswerHead;
use crate::told_choice::{ToldChoice, told_choices};

/// Waits for the end of an answer, of whose choices each follows its echo.
///
/// # Errors
/// The engine broke off one of its choices.
pub(crate) async fn whole(
    mut answer: Answer,
    echoes: Vec<String>,
    head: AnswerHead,
) -> Result<Bytes, Refusal> {
    let told = told_choices(&mut answer, echoes).await?;
    // A prompt offers no tools, so that there are no calls.
    let choice = |(index, ToldChoice { text, prompt, logprobs, calls: _, end })| CompletionChoice {
        text,
        index,
        logprobs: logprobs.map(|tokens| told_logprobs(prompt, &tokens)),
        finish_reason: Some(end.unwrap_or(FinishReason::Stop)),
    };
    let choices: Vec<CompletionChoice> = (0..).zip(told).map(choice).collect();
    let usage = Usage::new(head.prompt_tokens, answer.completion_tokens());
    Ok(Bytes::from(completion(&head.letterhead, &choices, usage)))
}

/// Those of an answer, behind those of its prompt if they are told.
fn told_logprobs(prompt: Option<PromptTokens>, tokens: &[TokenLogprob]) -> CompletionLogprobs {
    let mut offsets = TokenOffsets::default();
    match prompt {
        None => offsets.tell(tokens),
        Some(PromptTokens { first, rest }) => {
            let mut told = offsets.tell_prompt(&first, &rest);
            told.extend(offsets.tell(tokens));
            told
        }
    }
}

/// Tells an answer as it comes: the echo of each choice that has one, at once, or when the probabilities of its tokens are
/// known, if they are told; a chunk for each token that adds text, of
/// whatever choice; why each choice ended, at its end; and the end of all.
pub(crate) fn streamed(
    answer: Answer,
    echoes: Vec<String>,
    head: &AnswerHead,
    usage: UsageChunk,
) -> EventStream {
    let chunks = CompletionChunks::new(&head.letterhead, usage);
    let offsets = vec![TokenOffsets::default(); echoes.len()];
    let (first, later) = if answer.has_logprobs() { (Vec::new(), echoes) } else { (echoes, Vec::new()) };
    let first = (0..)
        .zip(first)
        .filter(|(_, echo)| !echo.is_empty())
        .map(|(index, echo)| chunks.text(index, echo, None))
        .collect();
    events(answer, first, CompletionTeller { chunks, echoes: later, offsets }, head.prompt_tokens)
}

struct CompletionTeller {
    chunks: CompletionChunks,
    /// Of each choice, where they come with the probabilities of their tokens.
    echoes: Vec<String>,
    /// Of each choice.
    offsets: Vec<TokenOffsets>,
}

impl Teller for CompletionTeller {
    fn step(&mut self, index: u32, step: Step) -> Option<String> {
        Some(match step {
            Step::Prompt(PromptTokens { first, rest }) => {
                let echo = self.echoes.get_mut(index as usize).map(std::mem::take).unwrap_or_default();
                let offsets = self.offsets.get_mut(index as usize);
                let logprobs = offsets.map(|offsets| offsets.tell_prompt(&first, &rest));
                self.chunks.text(index, echo, logprobs)
            }
            Step::Text { text, logprobs } => {
                let offsets = self.offsets.get_mut(index as usize);
                let logprobs = logprobs.zip(offsets).map(|(tokens, offsets)| offsets.tell(&tokens));
                self.chunks.text(index, text, logprobs)
            }
            Step::Finished(reason) => self.chunks.finish(index, reason),
            Step::Call { .. } | Step::Arguments { .. } => return None,
        })
    }

    fn usage(&self, usage: Usage) -> Option<String> {
        self.chunks.usage(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{choices, likely, token, with_logprobs};
    use futures::StreamExt;
    use interference_api_types::openai::chat_reply::Letterhead;
    use interference_engine::{EngineFailure, FinishReason as EngineFinish, Progress};
    use interference_sse::Event;

    fn head() -> AnswerHead {
        let letterhead = Letterhead {
            id: "cmpl-1".into(),
            created: 7,
            model: "m".into(),
            system_fingerprint: "fp".into(),
        };
        AnswerHead { letterhead, prompt_tokens: 3 }
    }

    fn echoes(echoes: &[&str]) -> Vec<String> {
        echoes.iter().map(|echo| (*echo).to_owned()).collect()
    }

    /// The data of all events, from the choices on.
    async fn data(answer: Answer, echoed: &[&str], usage: UsageChunk) -> Vec<String> {
        let events: Vec<Event> = streamed(answer, echoes(echoed), &head(), usage).collect().await;
        let head =
            r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"m","system_fingerprint":"fp","#;
        let data = events.into_iter().map(|event| match event {
            Event::Data { name: None, data } => data.replace(head, "{"),
            other => panic!("{other:?}"),
        });
        data.collect()
    }

    fn two_choices() -> Answer {
        let end = |reason| Progress::Finished(reason);
        let progress = vec![
            (1, token(0)),
            (0, token(1)),
            (1, end(EngineFinish::Length)),
            (0, token(4)),
            (0, end(EngineFinish::EndOfTurn)),
        ];
        choices(progress, 2)
    }

    #[tokio::test]
    async fn a_whole_answer() {
        let body = whole(two_choices(), echoes(&["an ", ""]), head()).await.unwrap();
        assert_eq!(
            body,
            r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"m","system_fingerprint":"fp","choices":[{"text":"an tree","index":0,"logprobs":null,"finish_reason":"stop"},{"text":"a ","index":1,"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}}"#
        );
    }

    #[tokio::test]
    async fn a_streamed_answer() {
        assert_eq!(
            data(two_choices(), &["an ", ""], UsageChunk::Absent).await,
            [
                r#"{"choices":[{"text":"an ","index":0,"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"text":"a ","index":1,"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"text":"tree","index":0,"logprobs":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}]}"#,
                r#"{"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}"#,
                "[DONE]",
            ]
        );
        let with_usage = data(two_choices(), &["", ""], UsageChunk::Included).await;
        assert!(with_usage[0].ends_with(r#""finish_reason":null}],"usage":null}"#), "{}", with_usage[0]);
        assert_eq!(
            with_usage[4..],
            [
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}}"#,
                "[DONE]"
            ]
        );
    }

    #[tokio::test]
    async fn log_probabilities_follow_the_text() {
        let progress =
            vec![likely(0), likely(2), likely(3), likely(1), Progress::Finished(EngineFinish::EndOfTurn)];
        let body = whole(with_logprobs(progress.clone(), &[]), echoes(&[""]), head()).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let logprobs = &body["choices"][0]["logprobs"];
        assert_eq!(
            logprobs["tokens"],
            serde_json::json!(["a ", r"bytes:\xf0\x9f\x8c", r"bytes:\xb3", "tree"])
        );
        assert_eq!(logprobs["text_offset"], serde_json::json!([0, 2, 2, 3]));
        assert_eq!(logprobs["token_logprobs"], serde_json::json!([-0.5, -0.5, -0.5, -0.5]));
        assert_eq!(logprobs["top_logprobs"][3], serde_json::json!({"a ": -1.0, "tree": -0.5}));

        let chunks = data(with_logprobs(progress, &[]), &[""], UsageChunk::Absent).await;
        let offsets: Vec<serde_json::Value> = chunks[..3]
            .iter()
            .map(|chunk| serde_json::from_str::<serde_json::Value>(chunk).unwrap())
            .map(|chunk| chunk["choices"][0]["logprobs"]["text_offset"].clone())
            .collect();
        assert_eq!(offsets, [serde_json::json!([0]), serde_json::json!([2, 2]), serde_json::json!([3])]);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_has_one_end() {
        let failure = Progress::Failed(EngineFailure::NotFinite { position: 9 });
        let chunks = data(
            choices(vec![(0, token(0)), (1, failure), (0, token(1))], 2),
            &["", ""],
            UsageChunk::Included,
        )
        .await;
        let [_, error, done] = chunks.as_slice() else { panic!("{chunks:?}") };
        assert!(error.starts_with(r#"{"error":{"message":"The answer broke off: "#), "{error}");
        assert!(error.ends_with(r#""code":"value_not_finite"}}"#), "{error}");
        assert_eq!(done, "[DONE]");
    }
}
