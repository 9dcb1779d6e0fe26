//! `POST /responses`: from the request, by way of a chat, to the response.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use interference_api_types::openai::responses::{
    CreateResponseRequest, Input, Item, ItemContent, ItemPart, TextFormat,
};
use interference_api_types::openai::responses_reply::{ResponseObject, ResponseStatus, ResponseText};
use interference_api_types::{Parsed, parse};
use interference_backend::{Refusal, Reply, ReplyBody, Request, StreamEnd};
use serde_json::json;

use crate::chat_answer::{Broken, ChatAnswer};
use crate::conversation::{Conversation, Place};
use crate::items::{Turn, quote, resolve, settled};
use crate::names::Origins;
use crate::parameters::{given_hints, refuse_unavailable};
use crate::refusals::{broken, invalid, missing, not_saved, state_failed};
use crate::response_ids::ResponseIds;
use crate::responses_backend::{CHATS, ResponsesBackend};
use crate::state::{NewRecord, State, StateError};
use crate::{chat_request, streaming, telling::Telling};

/// How many items a conversation has at most, and how long they are together, in bytes of JSON.
const MOST_ITEMS: usize = 4_096;
const LONGEST_CONVERSATION: usize = 16 * 1024 * 1024;

/// Keeps one response, if it is to be kept.
pub(crate) struct Keeper {
    state: Arc<State>,
    /// None if it is not to be kept.
    input: Option<String>,
    id: String,
    previous: Option<String>,
}

impl Keeper {
    /// Keeps the response.
    ///
    /// # Errors
    /// It should be kept and cannot be.
    pub(crate) async fn keep(&self, response: &str) -> Result<(), StateError> {
        let Some(input) = &self.input else { return Ok(()) };
        let previous = self.previous.as_deref();
        self.state.save(NewRecord { id: &self.id, previous, input, response }).await
    }
}

impl ResponsesBackend {
    /// Answers a request for a response.
    ///
    /// # Errors
    /// It is wrong, cannot be had, or the chat behind it is refused.
    pub(crate) async fn create(&self, request: Request) -> Result<Reply, Refusal> {
        let Parsed { request: asked, unknown } =
            parse::<CreateResponseRequest>(&request.body).map_err(broken)?;
        refuse_unavailable(&asked)?;
        let previous = self.previous_items(asked.previous_response_id.as_deref()).await?;
        let input = match asked.input.clone().ok_or_else(|| missing("input"))? {
            Input::Items(items) => Input::Items(resolve(items, &self.state).await?),
            text @ Input::Text(_) => text,
        };
        let conversation = conversation(&asked, &previous, &input)?;
        let mut ignored = given_hints(&asked);
        ignored.extend(unknown);
        ignored.extend(conversation.ignored);
        request.strictness.check(&ignored)?;

        let ids = ResponseIds::of(self.identity, &request.body);
        let keeper = self.keeper(&asked, &input, &ids)?;
        let response = self.response(&asked, ids.response());
        let chat = chat_request::body(&asked, conversation.messages)?;
        let origins = conversation.origins;
        let reply = self.inner.answer(chat_of(request, chat)).await;
        let mut reply = reply.map_err(|refusal| in_own_words(refusal, &origins))?;
        ignored.extend(reply.ignored.iter().map(|name| origins.name(name).into_owned()));
        reply.ignored = ignored;
        if !reply.status.is_success() {
            return Ok(reply);
        }
        let wants_events = asked.stream == Some(true);
        self.tell(reply, Telling::new(response, ids), keeper, wants_events).await
    }

    /// What the responses before have said, and were asked.
    async fn previous_items(&self, id: Option<&str>) -> Result<Vec<Item>, Refusal> {
        let Some(id) = id else { return Ok(Vec::new()) };
        let wrong = |message, code| invalid("previous_response_id", message, code);
        let records = match self.state.conversation(id).await {
            Ok(records) => records,
            Err(error @ StateError::ConversationTooLong { .. }) => {
                return Err(wrong(format!("Too long: {error}."), "conversation_too_long"));
            }
            Err(error) => return Err(state_failed(error)),
        };
        let Some(records) = records else {
            let message = format!(
                "Previous response with id '{}' not found. Responses are kept unless 'store' is false, and the oldest \
                 are forgotten first.",
                quote(id)
            );
            return Err(wrong(message, "previous_response_not_found"));
        };
        let too_long = |what: String| {
            let message = format!(
                "The conversation is too long: it has {what}. Begin a new one with what is still needed of it."
            );
            wrong(message, "conversation_too_long")
        };
        // What is followed kept to this itself, when it followed: at most one response is read beyond it.
        let bytes: usize = records.iter().map(|record| record.input.len() + record.response.len()).sum();
        if bytes > LONGEST_CONVERSATION {
            return Err(too_long(format!("{bytes} bytes, and may have {LONGEST_CONVERSATION}")));
        }
        let turns = records.iter().map(Turn::of).collect::<Result<Vec<Turn>, Refusal>>()?;
        if turns.last().is_some_and(Turn::has_failed) {
            let message = "The previous response failed; follow the one before it.".to_owned();
            return Err(wrong(message, "previous_response_failed"));
        }
        let items: Vec<Item> = turns.into_iter().flat_map(|turn| turn.items).collect();
        if items.len() > MOST_ITEMS {
            return Err(too_long(format!("{} items, and may have {MOST_ITEMS}", items.len())));
        }
        Ok(items)
    }

    fn keeper(
        &self,
        asked: &CreateResponseRequest,
        input: &Input,
        ids: &ResponseIds,
    ) -> Result<Keeper, Refusal> {
        let items = match input {
            Input::Items(items) => settled(items, ids),
            Input::Text(text) => {
                let content = vec![ItemPart::text("input_text", text.as_str())];
                let content = Some(ItemContent::Parts(content));
                settled(&[Item { role: Some("user".to_owned()), content, ..Item::default() }], ids)
            }
        };
        let json = serde_json::to_string(&items)
            .map_err(|error| Refusal::Internal { message: format!("The input cannot be kept: {error}.") })?;
        Ok(Keeper {
            state: Arc::clone(&self.state),
            input: (asked.store != Some(false)).then_some(json),
            id: ids.response(),
            previous: asked.previous_response_id.clone(),
        })
    }

    /// The response before anything was said.
    fn response(&self, asked: &CreateResponseRequest, id: String) -> ResponseObject {
        let plain = || TextFormat {
            kind: "text".to_owned(),
            name: None,
            description: None,
            schema: None,
            strict: None,
        };
        let text = asked.text.as_ref();
        ResponseObject {
            id,
            object: "response",
            created_at: self.identity.created(),
            status: ResponseStatus::InProgress,
            background: false,
            completed_at: None,
            error: None,
            incomplete_details: None,
            instructions: asked.instructions.clone(),
            max_output_tokens: asked.max_output_tokens,
            max_tool_calls: asked.max_tool_calls,
            model: asked.model.clone().unwrap_or_default(),
            output: Vec::new(),
            parallel_tool_calls: asked.parallel_tool_calls.unwrap_or(true),
            previous_response_id: asked.previous_response_id.clone(),
            prompt_cache_key: asked.prompt_cache_key.clone(),
            prompt_cache_retention: asked.prompt_cache_retention,
            reasoning: asked.reasoning.clone().unwrap_or_default(),
            safety_identifier: asked.safety_identifier.clone(),
            service_tier: "default",
            store: asked.store != Some(false),
            temperature: asked.temperature,
            text: ResponseText {
                format: text.and_then(|text| text.format.clone()).unwrap_or_else(plain),
                verbosity: text.and_then(|text| text.verbosity),
            },
            tool_choice: asked.tool_choice.clone().unwrap_or_else(|| json!("auto")),
            tools: asked.tools.clone().unwrap_or_default(),
            top_logprobs: asked.top_logprobs.unwrap_or(0),
            top_p: asked.top_p,
            truncation: asked.truncation.clone().unwrap_or_else(|| "disabled".to_owned()),
            usage: None,
            user: asked.user.clone(),
            metadata: asked.metadata.clone().unwrap_or_default(),
        }
    }

    /// The chat's answer, told as the client wants it.
    async fn tell(
        &self,
        mut reply: Reply,
        mut telling: Telling,
        keeper: Keeper,
        wants_events: bool,
    ) -> Result<Reply, Refusal> {
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            reply.headers.remove(name);
        }
        let mut chat = ChatAnswer::new(std::mem::replace(&mut reply.body, ReplyBody::Whole(Bytes::new())));
        if wants_events {
            let (events, last_words) = streaming::events(telling, chat, keeper, self.identity);
            return Ok(Reply { body: ReplyBody::Events(events), end: StreamEnd::Own(last_words), ..reply });
        }
        let told = async {
            while let Some(chunk) = chat.next().await {
                telling.take(chunk?)?;
                drop(telling.take_events());
            }
            telling.close(self.identity.created())
        };
        told.await.map_err(|Broken { message, .. }| Refusal::Internal { message })?;
        let response = telling.response().json();
        keeper.keep(&response).await.map_err(|error| not_saved(&error))?;
        Ok(Reply {
            status: StatusCode::OK,
            body: ReplyBody::Whole(Bytes::from(response)),
            end: StreamEnd::Done,
            ..reply
        })
    }
}

fn conversation(
    asked: &CreateResponseRequest,
    previous: &[Item],
    input: &Input,
) -> Result<Conversation, Refusal> {
    let mut conversation = Conversation::default();
    if let Some(instructions) = &asked.instructions {
        conversation.instruct(instructions);
    }
    conversation.extend(previous, Place::Previous)?;
    match input {
        Input::Text(text) => conversation.say(text),
        Input::Items(items) if items.is_empty() && previous.is_empty() => {
            let message = "'input' must have at least one item.";
            return Err(invalid("input", message, "invalid_value"));
        }
        Input::Items(items) => conversation.extend(items, Place::Input)?,
    }
    Ok(conversation)
}

fn chat_of(mut request: Request, body: Bytes) -> Request {
    request.headers.remove(CONTENT_LENGTH);
    Request { method: Method::POST, path: CHATS.to_owned(), query: None, body, ..request }
}

/// What the chat is refused for, in the names of the request.
fn in_own_words(refusal: Refusal, origins: &Origins) -> Refusal {
    match refusal {
        Refusal::InvalidRequest { message, param, code } => Refusal::InvalidRequest {
            message: origins.message(&message),
            param: param.map(|name| origins.name(&name).into_owned()),
            code,
        },
        too_long @ Refusal::ContextLengthExceeded { .. } => {
            invalid("input", origins.message(&too_long.to_string()), "context_length_exceeded")
        }
        other => other,
    }
}
