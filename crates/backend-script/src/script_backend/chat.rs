//! Chats: from the request to the whole answer, or to its stream.

use bytes::Bytes;
use http::StatusCode;
use interference_api_types::openai::chat_completions::RequestMessage;
use interference_api_types::openai::chat_reply::{ChatChunks, Choices, Delivery, Letterhead, Usage};
use interference_api_types::openai::tools::{CallChoice, ToolOffer};
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use tokio::time::Instant;

use super::{Chosen, Noting, ScriptBackend, error_reply, reply};
use crate::answer::{AnswerBody, ChatAnswer, Part, Saying, Step, Steps};
use crate::answer_stream::AnswerStream;
use crate::chat_request::{self, ChatOrder};
use crate::chat_teller::ChatTeller;
use crate::condition::Condition;
use crate::facts::Facts;
use crate::script::Script;
use crate::telling::Telling;
use crate::template::{Captures, TemplateValues};
use crate::usage::prompt_tokens;

impl ScriptBackend {
    pub(super) async fn chat(
        &self,
        script: &Script,
        request: &Request,
        start: Instant,
    ) -> Result<Reply, Refusal> {
        let ChatOrder { request: asked, wishes, tools, delivery, ignored } =
            chat_request::read(&request.body, request.strictness)?;
        let model = asked.model.as_deref().unwrap_or_default();
        let messages = asked.messages.as_deref().unwrap_or_default();
        let facts = Facts::of_chat(&asked, model, messages, &request.headers);
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
        check_calls(script, &chosen, chat, &facts.tools, &tools)?;
        let steps = self.steps(script, &chosen, chat, &facts, &request.body).await?;
        let letterhead = self.letterhead(self.identity.id(), script, chat, model);
        let own = letterhead.id.strip_prefix("chatcmpl-").unwrap_or(&letterhead.id);
        let call_id = |position: usize| format!("call_{own}_{}", position + 1);
        let telling = Telling::new(&chosen.answer, chat, steps, &wishes, call_id);
        let usage = usage(chat, messages, &telling, wishes.choices);
        let body = match delivery {
            Delivery::Whole => {
                telling.check_whole(wishes.choices)?;
                if let Some(pace) = pace {
                    pace.all(telling.len()).await;
                }
                let choices = || {
                    let choices: Vec<_> = (0..wishes.choices).map(|index| telling.choice(index)).collect();
                    Choices::new(&choices)
                };
                let completion = if telling.is_constant() && wishes.choices == 1 {
                    letterhead.completion(chat.constant_choices.get_or_init(choices), usage)
                } else {
                    letterhead.completion(&choices(), usage)
                };
                ReplyBody::Whole(Bytes::from(completion))
            }
            Delivery::Streamed { usage: chunk } => {
                let teller = ChatTeller::new(ChatChunks::new(&letterhead, chunk), wishes.choices);
                ReplyBody::Events(Box::pin(AnswerStream::new(teller, telling, wishes.choices, usage, pace)))
            }
        };
        Ok(reply(&chosen, StatusCode::OK, body, ignored))
    }

    pub(super) fn letterhead(
        &self,
        id: String,
        script: &Script,
        chat: &ChatAnswer,
        model: &str,
    ) -> Letterhead {
        Letterhead {
            id,
            created: self.identity.created(),
            // As it was asked for: the script stands for any model.
            model: model.to_owned(),
            system_fingerprint: chat.system_fingerprint.as_ref().unwrap_or(&script.fingerprint).clone(),
        }
    }

    /// The steps of an answer, made from its template where it has one.
    pub(super) async fn steps(
        &self,
        script: &Script,
        chosen: &Chosen<'_>,
        chat: &ChatAnswer,
        facts: &Facts<'_>,
        body: &Bytes,
    ) -> Result<Steps, Refusal> {
        let (name, cut, before, behind) = match &chat.saying {
            Saying::Constant(steps) => return Ok(steps.clone()),
            Saying::Template { name, cut, before, behind } => (name, cut, before, behind),
        };
        let text = facts.text.as_deref().unwrap_or_default();
        let regex = chosen.rule.conditions.iter().find_map(|condition| match condition {
            Condition::Regex(regex) => Some(regex),
            _ => None,
        });
        let values = TemplateValues {
            request: body.clone(),
            text: text.to_owned(),
            turn: facts.turn,
            model: facts.model.to_owned(),
            captures: regex.map(|regex| Captures::of(regex, text)).unwrap_or_default(),
            state: chosen.state.clone().into_owned(),
            headers: facts.headers.clone(),
        };
        let rendered = Box::pin(script.templates.render(&self.templates, name, values)).await;
        let rendered =
            rendered.map_err(|reason| broken(script, chosen, &format!("its template {reason}")))?;
        let content = cut.pieces(&rendered).into_iter().map(|piece| Step::new(Part::Content, piece));
        Ok(before.iter().cloned().chain(content).chain(behind.iter().cloned()).collect())
    }
}

/// What it cost: what the script says, else an estimate of what was read, and the pieces that are told.
fn usage(chat: &ChatAnswer, messages: &[RequestMessage], telling: &Telling, choices: u32) -> Usage {
    let read = chat.usage.prompt_tokens.unwrap_or_else(|| prompt_tokens(messages));
    let written = chat.usage.completion_tokens.unwrap_or(telling.tokens * u64::from(choices));
    Usage::new(read, written).with_reasoning(telling.reasoning_tokens * u64::from(choices))
}

/// Calls that the request rules out are the script's mistake: no model could have made them.
fn check_calls(
    script: &Script,
    chosen: &Chosen<'_>,
    chat: &ChatAnswer,
    offered: &[&str],
    tools: &ToolOffer,
) -> Result<(), Refusal> {
    let mut calls = chat.calls.iter().map(|call| call.name.as_str());
    let ruled_out = calls.find_map(|name| Some((name, ruling_out(name, offered, tools)?)));
    let what = match ruled_out {
        Some((name, reason)) => format!("a call of `{name}`, which the request {reason}"),
        None if !tools.parallel && chat.calls.len() > 1 => {
            let count = chat.calls.len();
            format!("{count} calls, and `parallel_tool_calls` of the request allows one")
        }
        None => return Ok(()),
    };
    Err(broken(script, chosen, &format!("the script answers with {what}")))
}

/// What the request does against a call of this function, if it does.
fn ruling_out(name: &str, offered: &[&str], tools: &ToolOffer) -> Option<String> {
    let is_left = || tools.functions.iter().any(|offered| offered.function.name == name);
    match &tools.choice {
        _ if !offered.contains(&name) => Some("does not offer".to_owned()),
        _ if !is_left() => Some("does not offer in `allowed_tools`".to_owned()),
        CallChoice::Never => Some("forbids".to_owned()),
        CallChoice::Function(chosen) if chosen != name => {
            Some(format!("forbids: its `tool_choice` is `{chosen}`"))
        }
        CallChoice::Function(_) | CallChoice::Auto | CallChoice::Required => None,
    }
}

/// A failure of the script that shows with this request only.
pub(super) fn broken(script: &Script, chosen: &Chosen<'_>, what: &str) -> Refusal {
    let message = format!("Rule `{}` of {}: {what}.", chosen.rule.name, script.file_name);
    tracing::warn!(rule = chosen.rule.name, "{message}");
    Refusal::Internal { message }
}

/// Rules whose answers do not fit an endpoint never match there.
pub(super) fn wrong_kind(script: &Script, chosen: &Chosen<'_>) -> Refusal {
    broken(script, chosen, "its answer is of another kind")
}
