//! Tells an answer in the words of the chat API: whole, or in chunks with exactly one end.
//!
//! Owns what tells a step of an answer, and what becomes of choices and calls. It refuses to know tokens, and failures.

use std::collections::BTreeSet;

use bytes::Bytes;
use interference_api_types::openai::chat_reply::{
    AssistantMessage, ChatChunks, Choice, ChoiceLogprobs, Choices, Content, FinishReason, Letterhead,
    TokenLogprob, Usage, UsageChunk,
};
use interference_backend::{EventStream, Refusal};

use crate::answer::{Answer, Step};
use crate::answer_events::{Teller, events};
use crate::told_choice::{ToldChoice, told_choices};

/// What all chunks of an answer have in common, and what its usage needs.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHead {
    pub(crate) letterhead: Letterhead,
    pub(crate) prompt_tokens: u64,
}

/// Waits for the end of an answer.
///
/// # Errors
/// The engine broke off one of its choices.
pub(crate) async fn whole(mut answer: Answer, head: AnswerHead) -> Result<Bytes, Refusal> {
    let beginnings = vec![String::new(); answer.choices() as usize];
    let told = told_choices(&mut answer, beginnings).await?;
    let choices: Vec<Choice> = (0..).zip(told).map(|(index, told)| choice(index, told)).collect();
    let usage = Usage::new(head.prompt_tokens, answer.completion_tokens());
    Ok(Bytes::from(head.letterhead.completion(&Choices::new(&choices), usage)))
}

fn choice(index: u32, told: ToldChoice) -> Choice {
    let ToldChoice { text, prompt: _, logprobs, calls, end } = told;
    let finish_reason = finish_reason(end.unwrap_or(FinishReason::Stop), !calls.is_empty());
    let message = AssistantMessage {
        role: "assistant",
        content: (calls.is_empty() || !text.is_empty()).then_some(text),
        refusal: None,
        reasoning_content: None,
        tool_calls: calls,
    };
    let logprobs = logprobs.map(choice_logprobs);
    Choice { index, message, logprobs, finish_reason }
}

/// A choice that calls ends for that, unless its calls may be cut off.
fn finish_reason(reason: FinishReason, has_calls: bool) -> FinishReason {
    if has_calls && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason }
}

fn choice_logprobs(content: Vec<TokenLogprob>) -> ChoiceLogprobs {
    ChoiceLogprobs { content, refusal: None }
}

/// Tells an answer as it comes: who speaks in each choice, at once; a chunk for each token that adds text, of whatever
/// choice; why each choice ended, at its end; and the end of all.
pub(crate) fn streamed(answer: Answer, head: &AnswerHead, usage: UsageChunk) -> EventStream {
    let chunks = ChatChunks::new(&head.letterhead, usage);
    let content = if answer.tells_calls_alone() { Content::Null } else { Content::Text };
    let speakers = (0..answer.choices()).map(|index| chunks.speaker(index, content)).collect();
    let teller = ChatTeller { chunks, calling: BTreeSet::new() };
    events(answer, speakers, teller, head.prompt_tokens)
}

struct ChatTeller {
    chunks: ChatChunks,
    /// The choices that have called.
    calling: BTreeSet<u32>,
}

impl Teller for ChatTeller {
    fn step(&mut self, index: u32, step: Step) -> Option<String> {
        Some(match step {
            // Nobody asks for it: a chat's prompt is the template's.
            Step::Prompt(_) => return None,
            Step::Text { text, logprobs } => {
                self.chunks.content(index, &text, logprobs.map(choice_logprobs).as_ref())
            }
            Step::Call { index: call, id, name } => {
                self.calling.insert(index);
                self.chunks.call(index, call, &id, &name)
            }
            Step::Arguments { index: call, fragment } => self.chunks.arguments(index, call, &fragment),
            Step::Finished(reason) => {
                self.chunks.finish(index, finish_reason(reason, self.calling.contains(&index)))
            }
        })
    }

    fn usage(&self, usage: Usage) -> Option<String> {
        self.chunks.usage(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{answer, choices, likely, saying, token, with_logprobs};
    use futures::StreamExt;
    use interference_engine::{EngineFailure, FinishReason as EngineFinish, Progress};
    use interference_sse::Event;

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
    async fn data(answer: Answer, usage: UsageChunk) -> Vec<String> {
        let events: Vec<Event> = streamed(answer, &head(), usage).collect().await;
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
            data(answer(progress, &[]), UsageChunk::Absent).await,
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
            data(answer(progress, &[]), UsageChunk::Included).await,
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
            let data = data(answer(progress, &[]), UsageChunk::Included).await;
            let [_, _, error, done] = data.as_slice() else { panic!("{data:?}") };
            assert!(error.starts_with(r#"{"error":{"message":"The answer broke off: "#), "{error}");
            assert!(
                error.ends_with(&format!(r#""type":"server_error","param":null,"code":"{code}"}}}}"#)),
                "{error}"
            );
            assert_eq!(done, "[DONE]");
        }
    }

    /// A chunk of a choice.
    fn chunk(index: u32, delta: &str, finish_reason: &str) -> String {
        format!(
            r#"{{"choices":[{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]}}"#
        )
    }

    const SPEAKER: &str = r#"{"role":"assistant","content":""}"#;

    #[tokio::test]
    async fn choices_alternate_and_end_one_by_one() {
        let finished = |reason| Progress::Finished(reason);
        let progress = || {
            vec![
                (0, token(0)),
                (1, token(1)),
                (1, finished(EngineFinish::Length)),
                (0, token(1)),
                (0, finished(EngineFinish::EndOfTurn)),
            ]
        };
        let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}"#;
        let expected: Vec<String> = [
            chunk(0, SPEAKER, "null"),
            chunk(1, SPEAKER, "null"),
            chunk(0, r#"{"content":"a "}"#, "null"),
            chunk(1, r#"{"content":"tree"}"#, "null"),
            chunk(1, "{}", r#""length""#),
            chunk(0, r#"{"content":"tree"}"#, "null"),
            chunk(0, "{}", r#""stop""#),
        ]
        .into_iter()
        .map(|chunk| chunk.replace("]}", r#"],"usage":null}"#))
        .chain([format!(r#"{{"choices":[],{usage}}}"#), "[DONE]".to_owned()])
        .collect();
        assert_eq!(data(choices(progress(), 2), UsageChunk::Included).await, expected);

        let body = whole(choices(progress(), 2), head()).await.unwrap();
        let choice = |index, content, reason| {
            format!(
                r#"{{"index":{index},"message":{{"role":"assistant","content":"{content}","refusal":null}},"logprobs":null,"finish_reason":"{reason}"}}"#
            )
        };
        let expected =
            format!(r#""choices":[{},{}],{usage}"#, choice(0, "a tree", "stop"), choice(1, "tree", "length"));
        assert!(std::str::from_utf8(&body).unwrap().contains(&expected), "{body:?}");
    }

    #[tokio::test]
    async fn a_choice_that_breaks_off_ends_all() {
        let failure = Progress::Failed(EngineFailure::NotFinite { position: 9 });
        let progress = || vec![(1, token(0)), (1, failure.clone()), (0, token(0))];
        let data = data(choices(progress(), 2), UsageChunk::Included).await;
        let [_, _, _, error, done] = data.as_slice() else { panic!("{data:?}") };
        assert!(error.contains("value_not_finite"), "{error}");
        assert_eq!(done, "[DONE]");
        let refusal = whole(choices(progress(), 2), head()).await.unwrap_err();
        assert!(matches!(refusal, Refusal::BrokenOff { code: "value_not_finite", .. }), "{refusal:?}");
    }

    #[tokio::test]
    async fn tokens_are_told_once_whole_or_streamed() {
        let progress =
            || vec![likely(0), likely(2), likely(3), likely(1), Progress::Finished(EngineFinish::EndOfTurn)];
        let token = |token: &str, bytes: &str| {
            format!(
                r#"{{"token":"{token}","logprob":-0.5,"bytes":[{bytes}],"top_logprobs":[{{"token":"a ","logprob":-1.0,"bytes":[97,32]}}]}}"#
            )
        };
        let logprobs =
            |tokens: &[&str]| format!(r#""logprobs":{{"content":[{}],"refusal":null}}"#, tokens.join(","));
        let (a, tree) = (token("a ", "97,32"), token("tree", "116,114,101,101"));
        let (first, second) = (token("\u{fffd}", "240,159,140"), token("\u{fffd}", "179"));
        // "ree" might be the beginning of a stop string: the token waits for its end.
        let told = data(with_logprobs(progress(), &["reed"]), UsageChunk::Absent).await;
        let told: Vec<&str> =
            told[1..].iter().filter_map(|chunk| Some(chunk.split_once(r#","logprobs""#)?.1)).collect();
        let expected = [
            logprobs(&[&a]),
            logprobs(&[&first, &second]),
            logprobs(&[]),
            logprobs(&[&tree]),
            r#""logprobs":null"#.to_owned(),
        ];
        let expected: Vec<&str> = expected.iter().map(|text| &text[r#""logprobs""#.len()..]).collect();
        assert_eq!(told.len(), expected.len());
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }

        let body = whole(with_logprobs(progress(), &["reed"]), head()).await.unwrap();
        let expected = logprobs(&[&a, &first, &second, &tree]);
        assert!(std::str::from_utf8(&body).unwrap().contains(&expected), "{body:?}");
        let nothing = with_logprobs(vec![Progress::Finished(EngineFinish::EndOfTurn)], &[]);
        let body = whole(nothing, head()).await.unwrap();
        assert!(std::str::from_utf8(&body).unwrap().contains(&logprobs(&[])), "{body:?}");
        // What a stop string cuts off in part is not told.
        let body = whole(with_logprobs(progress(), &["re"]), head()).await.unwrap();
        let expected = logprobs(&[&a, &first, &second]);
        assert!(std::str::from_utf8(&body).unwrap().contains(&expected), "{body:?}");
    }

    #[tokio::test]
    async fn calls_are_told_once_and_end_for_that() {
        let steps = |end| {
            let call =
                |index, name: &str| Step::Call { index, id: format!("call_{index}"), name: name.to_owned() };
            let arguments = |index, fragment: &str| Step::Arguments { index, fragment: fragment.to_owned() };
            vec![
                call(0, "grow"),
                arguments(0, "{"),
                arguments(0, "}"),
                call(1, "fell"),
                arguments(1, "[]"),
                Step::Finished(end),
            ]
        };
        let opening = |index, name: &str| {
            format!(
                r#"{{"tool_calls":[{{"index":{index},"id":"call_{index}","type":"function","function":{{"name":"{name}","arguments":""}}}}]}}"#
            )
        };
        let arguments = |index, fragment: &str| {
            format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":"{fragment}"}}}}]}}"#)
        };
        for (end, reason) in [(FinishReason::Stop, "tool_calls"), (FinishReason::Length, "length")] {
            assert_eq!(
                data(saying(steps(end)), UsageChunk::Absent).await,
                [
                    chunk(0, SPEAKER, "null"),
                    chunk(0, &opening(0, "grow"), "null"),
                    chunk(0, &arguments(0, "{"), "null"),
                    chunk(0, &arguments(0, "}"), "null"),
                    chunk(0, &opening(1, "fell"), "null"),
                    chunk(0, &arguments(1, "[]"), "null"),
                    chunk(0, "{}", &format!("{reason:?}")),
                    "[DONE]".to_owned(),
                ]
            );
            let body = whole(saying(steps(end)), head()).await.unwrap();
            let expected = format!(
                r#"{{"role":"assistant","content":null,"refusal":null,"tool_calls":[{{"id":"call_0","type":"function","function":{{"name":"grow","arguments":"{{}}"}}}},{{"id":"call_1","type":"function","function":{{"name":"fell","arguments":"[]"}}}}]}},"logprobs":null,"finish_reason":"{reason}""#
            );
            assert!(std::str::from_utf8(&body).unwrap().contains(&expected), "{body:?}");
        }
    }
}
