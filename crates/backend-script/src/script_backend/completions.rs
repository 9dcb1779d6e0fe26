//! Completions: from the request to the whole answer, or to its stream, by the rules of chats.

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::chat_reply::{Delivery, FinishReason, Usage};
use interference_api_types::openai::completion_reply::{self, CompletionChunks};
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use tokio::time::Instant;

use super::chat::{broken, wrong_kind};
use super::{Chosen, Noting, ScriptBackend, error_reply, reply};
use crate::answer::{AnswerBody, ChatAnswer, Part, Step};
use crate::answer_stream::AnswerStream;
use crate::chat_request::out_of_bounds;
use crate::completion_request::{self, CompletionOrder};
use crate::completion_teller::{self, CompletionTeller};
use crate::facts::Facts;
use crate::inputs::{joined, texts, tokens};
use crate::script::Script;
use crate::telling::Telling;

impl ScriptBackend {
    pub(super) async fn completions(
        &self,
        script: &Script,
        request: &Request,
        start: Instant,
    ) -> Result<Reply, Refusal> {
        let CompletionOrder { request: asked, wishes, delivery, echoes, ignored } =
            completion_request::read(&request.body, request.strictness)?;
        let model = asked.model.as_deref().unwrap_or_default();
        let prompts = asked.checked_prompts().map_err(out_of_bounds)?;
        let stream = asked.stream == Some(true);
        let facts = Facts::of_completion(model, joined(&texts(&prompts)), stream, &request.headers);
        let chosen = self.choose(script, &facts, Noting::Given)?;
        let pace = self.pace(&chosen.answer, start, asked.seed);
        let chat = match &chosen.answer.body {
            AnswerBody::Chat(chat) => chat,
            AnswerBody::Error(error) => {
                if let Some(pace) = pace {
                    pace.all(1).await;
                }
                return Ok(error_reply(&chosen, error, ignored));
            }
            AnswerBody::Embedding(_) => return Err(wrong_kind(script, &chosen)),
        };
        let steps = self.steps(script, &chosen, chat, &facts, &request.body).await?;
        check_kind(script, &chosen, chat, &steps)?;
        let letterhead = self.letterhead(self.identity.completion_id(), script, chat, model);
        let telling = Telling::new(&chosen.answer, chat, steps, &wishes, |_| String::new());
        let read = chat.usage.prompt_tokens.unwrap_or_else(|| tokens(&prompts));
        let told = telling.tokens * u64::from(wishes.choices);
        let usage = Usage::new(read, chat.usage.completion_tokens.unwrap_or(told));
        let body = match delivery {
            Delivery::Whole => {
                telling.check_whole(wishes.choices)?;
                if let Some(pace) = pace {
                    pace.all(telling.len()).await;
                }
                let choices = completion_teller::choices(&telling, echoes);
                let completion = completion_reply::completion(&letterhead, &choices, usage);
                ReplyBody::Whole(Bytes::from(completion))
            }
            Delivery::Streamed { usage: chunk } => {
                let teller = CompletionTeller::new(CompletionChunks::new(&letterhead, chunk), echoes);
                ReplyBody::Events(Box::pin(AnswerStream::new(teller, telling, wishes.choices, usage, pace)))
            }
        };
        Ok(reply(&chosen, StatusCode::OK, body, ignored))
    }
}

/// A completion is text and nothing else. An answer with more is the script's mistake: no model could have given it.
fn check_kind(
    script: &Script,
    chosen: &Chosen<'_>,
    chat: &ChatAnswer,
    steps: &[Step],
) -> Result<(), Refusal> {
    let has = |part: Part| steps.iter().any(|step| step.part == part);
    let kind = match chat.finish_reason {
        _ if !chat.calls.is_empty() => "calls of tools",
        _ if has(Part::Refusal) => "a refusal",
        _ if has(Part::Reasoning) => "reasoning",
        Some(FinishReason::ToolCalls) => "the finish reason `tool_calls`",
        Some(FinishReason::FunctionCall) => "the finish reason `function_call`",
        _ => return Ok(()),
    };
    let what = format!("the script answers with {kind}, which a completion cannot tell");
    Err(broken(script, chosen, &what))
}
