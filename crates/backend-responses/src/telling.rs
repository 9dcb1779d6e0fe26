//! Tells a chat's answer as a response: chunks in, events out, and the response as it grows.
//!
//! Owns the order of events and what they repeat of the response. Items follow one another: one ends where the next
//! begins. It refuses to know where chunks come from, when an event is sent, and what is kept.

use std::collections::VecDeque;

use interference_api_types::openai::responses_reply::{
    EventNumbers, IncompleteDetails, IncompleteReason, InputTokensDetails, ItemTold, LAST_EVENTS, OutputItem,
    OutputPart, OutputTokensDetails, PartTold, ResponseFailure, ResponseObject, ResponseStatus,
    ResponseUsage, TextTold, WholeTold,
};
use interference_sse::Event;
use serde_json::Value;

use crate::chat_answer::{Broken, ChatCall, ChatChunk, ChatDelta, ChatUsage};
use crate::response_ids::ResponseIds;

/// How long the texts of an answer are together at most, in bytes: 16 MiB, as a request.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// An answer that is being told.
#[derive(Debug)]
pub(crate) struct Telling {
    response: ResponseObject,
    ids: ResponseIds,
    numbers: EventNumbers,
    stage: Stage,
    /// What the last item is open for; none where the next piece begins an item.
    open: Option<Piece>,
    finish: Option<Finish>,
    bytes: usize,
    /// Told, and not yet passed on.
    due: VecDeque<Event>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Begun,
    Ended,
}

/// What a piece of an answer adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Text,
    Refusal,
    Reasoning,
    /// The call in this place of the chat's answer.
    Call(usize),
}

/// Why the chat's answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Complete,
    CutOff(IncompleteReason),
}

impl Telling {
    /// Of a response to which nothing was said yet.
    pub(crate) fn new(response: ResponseObject, ids: ResponseIds) -> Telling {
        Telling {
            response,
            ids,
            numbers: EventNumbers::default(),
            stage: Stage::Fresh,
            open: None,
            finish: None,
            bytes: 0,
            due: VecDeque::new(),
        }
    }

    /// The response as it is now.
    pub(crate) fn response(&self) -> &ResponseObject {
        &self.response
    }

    /// Whether the end was told.
    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Whether it is a failure.
    pub(crate) fn has_failed(&self) -> bool {
        self.response.status == ResponseStatus::Failed
    }

    /// The next event that is due.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.due.pop_front()
    }

    /// All events that are due.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.due.drain(..).collect()
    }

    /// Takes a chunk of the answer.
    ///
    /// # Errors
    /// It does not fit what was there before.
    pub(crate) fn take(&mut self, chunk: ChatChunk) -> Result<(), Broken> {
        if let Some(model) = chunk.model.filter(|model| self.stage == Stage::Fresh && !model.is_empty()) {
            self.response.model = model;
        }
        self.begin();
        self.response.usage = chunk.usage.map(|usage| usage_of(&usage)).or(self.response.usage);
        // One answer was asked for.
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            let logprobs = choice.logprobs.map(|logprobs| logprobs.content).unwrap_or_default();
            self.take_delta(choice.delta, logprobs)?;
            self.finish = match choice.finish_reason.as_deref() {
                None | Some("") => self.finish,
                Some("length") => Some(Finish::CutOff(IncompleteReason::MaxOutputTokens)),
                Some("content_filter") => Some(Finish::CutOff(IncompleteReason::ContentFilter)),
                Some(_) => Some(Finish::Complete),
            };
        }
        Ok(())
    }

    /// The chat's answer is over: ends what is open. The end itself is told when the response is kept.
    ///
    /// # Errors
    /// The answer broke off.
    pub(crate) fn close(&mut self, now: u64) -> Result<(), Broken> {
        let Some(finish) = self.finish else {
            return Err(Broken::new("The answer broke off.", "stream_ended_early"));
        };
        self.begin();
        if self.response.output.is_empty() {
            // An answer of nothing is an empty text: clients look for a message.
            self.add(Piece::Text, "", &[])?;
        }
        match finish {
            Finish::Complete => {
                self.end_item(ResponseStatus::Completed);
                self.response.status = ResponseStatus::Completed;
                self.response.completed_at = Some(now);
            }
            Finish::CutOff(reason) => {
                self.end_item(ResponseStatus::Incomplete);
                self.response.status = ResponseStatus::Incomplete;
                self.response.incomplete_details = Some(IncompleteDetails { reason });
            }
        }
        Ok(())
    }

    /// The response is a failure from now on, whatever it was.
    pub(crate) fn fail(&mut self, broken: Broken) {
        self.begin();
        if self.open.take().is_some()
            && let Some(item) = self.response.output.last_mut()
        {
            item.set_status(ResponseStatus::Incomplete);
        }
        self.response.status = ResponseStatus::Failed;
        self.response.completed_at = None;
        self.response.incomplete_details = None;
        self.response.error = Some(ResponseFailure { code: broken.code, message: broken.message });
    }

    /// Tells the end, after [`Telling::close`] or [`Telling::fail`].
    pub(crate) fn end(&mut self) {
        let kind = match self.response.status {
            ResponseStatus::Completed => LAST_EVENTS[0],
            ResponseStatus::Incomplete => LAST_EVENTS[1],
            ResponseStatus::Failed | ResponseStatus::InProgress => LAST_EVENTS[2],
        };
        self.stage = Stage::Ended;
        let event = named(kind, self.numbers.event(kind, &WholeTold { response: &self.response }));
        self.due.push_back(event);
    }

    fn begin(&mut self) {
        if self.stage != Stage::Fresh {
            return;
        }
        self.stage = Stage::Begun;
        for kind in ["response.created", "response.in_progress"] {
            let event = named(kind, self.numbers.event(kind, &WholeTold { response: &self.response }));
            self.due.push_back(event);
        }
    }

    fn take_delta(&mut self, delta: ChatDelta, logprobs: Vec<Value>) -> Result<(), Broken> {
        let reasoning = delta.reasoning_content.or(delta.reasoning);
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            self.add(Piece::Reasoning, &text, &[])?;
        }
        if let Some(text) = delta.content.filter(|text| !text.is_empty() || !logprobs.is_empty()) {
            self.add(Piece::Text, &text, &logprobs)?;
        }
        if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
            self.add(Piece::Refusal, &text, &[])?;
        }
        for (position, call) in delta.tool_calls.into_iter().enumerate() {
            self.take_call(position, call)?;
        }
        Ok(())
    }

    fn take_call(&mut self, position: usize, call: ChatCall) -> Result<(), Broken> {
        let index = call.index.unwrap_or(position);
        if self.open != Some(Piece::Call(index)) {
            let is_new = |item: &&OutputItem| matches!(item, OutputItem::FunctionCall { .. });
            let calls = self.response.output.iter().filter(is_new).count();
            let name = call.function.name.filter(|_| index == calls);
            let Some(name) = name else {
                return Err(Broken::new(
                    "The chat's answer has calls out of their order.",
                    "chat_answer_broken",
                ));
            };
            let call_id =
                call.id.unwrap_or_else(|| format!("call_{}", self.ids.output("function_call", index)));
            self.begin_item(OutputItem::FunctionCall {
                id: self.ids.output("function_call", self.response.output.len()),
                status: ResponseStatus::InProgress,
                call_id,
                name,
                arguments: String::new(),
            });
            self.open = Some(Piece::Call(index));
        }
        match call.function.arguments.filter(|arguments| !arguments.is_empty()) {
            Some(arguments) => self.add(Piece::Call(index), &arguments, &[]),
            None => Ok(()),
        }
    }

    /// Adds to the open part, or opens one.
    fn add(&mut self, piece: Piece, text: &str, logprobs: &[Value]) -> Result<(), Broken> {
        self.bytes += text.len();
        if self.bytes > LONGEST_ANSWER {
            let message = format!("The answer has more than {LONGEST_ANSWER} bytes.");
            return Err(Broken::new(message, "answer_too_long"));
        }
        if self.open != Some(piece) {
            self.begin_part(piece);
        }
        let output_index = self.response.output.len().saturating_sub(1);
        let Some(item) = self.response.output.last_mut() else { return Ok(()) };
        let content_index = add_to_item(item, text, logprobs);
        if text.is_empty() && logprobs.is_empty() {
            return Ok(());
        }
        let told = TextTold {
            item_id: item.id(),
            output_index,
            content_index,
            delta: Some(text),
            logprobs: (piece == Piece::Text).then_some(logprobs),
            ..TextTold::default()
        };
        let kind = match piece {
            Piece::Text => "response.output_text.delta",
            Piece::Refusal => "response.refusal.delta",
            Piece::Reasoning => "response.reasoning_text.delta",
            Piece::Call(_) => "response.function_call_arguments.delta",
        };
        self.due.push_back(named(kind, self.numbers.event(kind, &told)));
        Ok(())
    }

    /// Opens a part, in an item of its own unless the open one takes it: a message takes texts and refusals.
    fn begin_part(&mut self, piece: Piece) {
        match (self.open, piece) {
            (Some(Piece::Text), Piece::Refusal) | (Some(Piece::Refusal), Piece::Text) => self.end_part(),
            _ => self.begin_item(self.new_item(piece)),
        }
        let part = match piece {
            Piece::Text => {
                OutputPart::OutputText { text: String::new(), annotations: [], logprobs: Vec::new() }
            }
            Piece::Refusal => OutputPart::Refusal { refusal: String::new() },
            Piece::Reasoning => OutputPart::ReasoningText { text: String::new() },
            Piece::Call(_) => return,
        };
        self.open = Some(piece);
        let output_index = self.response.output.len().saturating_sub(1);
        let Some(item) = self.response.output.last_mut() else { return };
        let item_id = item.id().to_owned();
        let Some(parts) = item.parts_mut() else { return };
        let told = PartTold { item_id: &item_id, output_index, content_index: parts.len(), part: &part };
        let kind = "response.content_part.added";
        self.due.push_back(named(kind, self.numbers.event(kind, &told)));
        parts.push(part);
    }

    fn new_item(&self, piece: Piece) -> OutputItem {
        let index = self.response.output.len();
        let status = ResponseStatus::InProgress;
        match piece {
            Piece::Reasoning => OutputItem::Reasoning {
                id: self.ids.output("reasoning", index),
                status,
                summary: [],
                content: Vec::new(),
            },
            _ => OutputItem::Message {
                id: self.ids.output("message", index),
                status,
                role: "assistant",
                content: Vec::new(),
            },
        }
    }

    fn begin_item(&mut self, item: OutputItem) {
        self.end_item(ResponseStatus::Completed);
        let kind = "response.output_item.added";
        let told = ItemTold { output_index: self.response.output.len(), item: &item };
        self.due.push_back(named(kind, self.numbers.event(kind, &told)));
        self.response.output.push(item);
    }

    /// Ends the open item, if there is one.
    fn end_item(&mut self, status: ResponseStatus) {
        if self.open.is_none() {
            return;
        }
        self.end_part();
        self.open = None;
        let output_index = self.response.output.len().saturating_sub(1);
        let Some(item) = self.response.output.last_mut() else { return };
        item.set_status(status);
        let kind = "response.output_item.done";
        self.due.push_back(named(kind, self.numbers.event(kind, &ItemTold { output_index, item })));
    }

    /// Ends the open part, or the arguments of the open call.
    fn end_part(&mut self) {
        let output_index = self.response.output.len().saturating_sub(1);
        let Some(item) = self.response.output.last_mut() else { return };
        let item_id = item.id().to_owned();
        let told = TextTold { item_id: &item_id, output_index, ..TextTold::default() };
        let mut tell = |kind: &str, event: String| self.due.push_back(named(kind, event));
        let part = match item {
            OutputItem::FunctionCall { name, arguments, .. } => {
                let kind = "response.function_call_arguments.done";
                let told = TextTold { name: Some(name), arguments: Some(arguments), ..told };
                return tell(kind, self.numbers.event(kind, &told));
            }
            OutputItem::Message { content, .. } | OutputItem::Reasoning { content, .. } => content,
        };
        let Some(content_index) = part.len().checked_sub(1) else { return };
        let part = &part[content_index];
        let told = TextTold { content_index: Some(content_index), ..told };
        let (kind, told) = match part {
            OutputPart::OutputText { text, logprobs, .. } => {
                ("response.output_text.done", TextTold { text: Some(text), logprobs: Some(logprobs), ..told })
            }
            OutputPart::Refusal { refusal } => {
                ("response.refusal.done", TextTold { refusal: Some(refusal), ..told })
            }
            OutputPart::ReasoningText { text } => {
                ("response.reasoning_text.done", TextTold { text: Some(text), ..told })
            }
        };
        tell(kind, self.numbers.event(kind, &told));
        let kind = "response.content_part.done";
        let told = PartTold { item_id: &item_id, output_index, content_index, part };
        tell(kind, self.numbers.event(kind, &told));
    }
}

/// Adds text to the last part of an item, or to a call's arguments, and tells which part that was.
fn add_to_item(item: &mut OutputItem, text: &str, logprobs: &[Value]) -> Option<usize> {
    if let OutputItem::FunctionCall { arguments, .. } = item {
        arguments.push_str(text);
        return None;
    }
    let parts = item.parts_mut()?;
    let place = parts.len().checked_sub(1)?;
    match parts.last_mut()? {
        OutputPart::OutputText { text: whole, logprobs: all, .. } => {
            whole.push_str(text);
            all.extend_from_slice(logprobs);
        }
        OutputPart::Refusal { refusal: whole } | OutputPart::ReasoningText { text: whole } => {
            whole.push_str(text)
        }
    }
    Some(place)
}

/// The event with this JSON; its name is its type.
fn named(kind: &str, data: String) -> Event {
    Event::Data { name: Some(kind.to_owned()), data }
}

fn usage_of(usage: &ChatUsage) -> ResponseUsage {
    let detail = |details: &Value, name| details.get(name).and_then(Value::as_u64).unwrap_or(0);
    ResponseUsage {
        input_tokens: usage.prompt_tokens,
        input_tokens_details: InputTokensDetails {
            cached_tokens: detail(&usage.prompt_tokens_details, "cached_tokens"),
        },
        output_tokens: usage.completion_tokens,
        output_tokens_details: OutputTokensDetails {
            reasoning_tokens: detail(&usage.completion_tokens_details, "reasoning_tokens"),
        },
        total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
    }
}
