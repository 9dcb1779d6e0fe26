//! Chats, completions and embeddings: their chunks, and their whole answers.
//!
//! Members that are not measured are not looked at. `null` is as good as absent.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Brings, Ends, Heard, Usage, json};
use crate::failure::Failure;

#[derive(Deserialize)]
struct Chunk<'a, C> {
    choices: Option<Vec<C>>,
    usage: Option<ToldUsage>,
    error: Option<IgnoredAny>,
    /// An error that is not in an envelope says so itself.
    #[serde(borrow)]
    object: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ToldUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ChatChoice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

/// What a delta or a message says.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning_content: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning: Option<Cow<'a, str>>,
    tool_calls: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct WholeChatChoice<'a> {
    #[serde(borrow)]
    message: Said<'a>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct TextChoice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Vectors {
    data: Vec<IgnoredAny>,
    usage: Option<ToldUsage>,
}

impl Said<'_> {
    fn brings(&self) -> Brings {
        let says = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| !text.is_empty());
        let calls = self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        Brings {
            content: says(&self.content) || says(&self.refusal) || calls,
            reasoning: says(&self.reasoning_content) || says(&self.reasoning),
        }
    }
}

/// One event of a chat.
pub(super) fn take_chat(data: &str, ends: &mut Ends, heard: &mut Heard) -> Result<Brings, Failure> {
    let chunk: Chunk<'_, ChatChoice<'_>> = json(data.as_bytes(), Failure::MalformedEvent)?;
    let mut brings = Brings::default();
    for choice in open(chunk, heard)? {
        let index = choice.index.unwrap_or(0);
        ends.begin(index);
        if let Some(delta) = &choice.delta {
            let more = delta.brings();
            brings.content |= more.content;
            brings.reasoning |= more.reasoning;
            if let (0, Some(text)) = (index, &delta.content) {
                heard.add_text(text);
            }
        }
        finish(index, choice.finish_reason.as_deref(), ends, heard);
    }
    Ok(brings)
}

/// One event of a completion.
pub(super) fn take_completion(data: &str, ends: &mut Ends, heard: &mut Heard) -> Result<Brings, Failure> {
    let chunk: Chunk<'_, TextChoice<'_>> = json(data.as_bytes(), Failure::MalformedEvent)?;
    let mut brings = Brings::default();
    for choice in open(chunk, heard)? {
        let index = choice.index.unwrap_or(0);
        ends.begin(index);
        let text = choice.text.as_deref().unwrap_or_default();
        brings.content |= !text.is_empty();
        if index == 0 {
            heard.add_text(text);
        }
        finish(index, choice.finish_reason.as_deref(), ends, heard);
    }
    Ok(brings)
}

/// A whole chat.
pub(super) fn whole_chat(body: &[u8], heard: &mut Heard) -> Result<Brings, Failure> {
    let whole: Chunk<'_, WholeChatChoice<'_>> = json(body, Failure::MalformedBody)?;
    let mut brings = Brings::default();
    let choices = whole_choices(whole, heard)?;
    for (position, choice) in choices.iter().enumerate() {
        let more = choice.message.brings();
        brings.content |= more.content;
        brings.reasoning |= more.reasoning;
        if let (0, Some(text)) = (position, &choice.message.content) {
            heard.add_text(text);
        }
        finish_whole(choice.finish_reason.as_deref(), heard)?;
    }
    Ok(brings)
}

/// A whole completion.
pub(super) fn whole_completion(body: &[u8], heard: &mut Heard) -> Result<Brings, Failure> {
    let whole: Chunk<'_, TextChoice<'_>> = json(body, Failure::MalformedBody)?;
    let mut brings = Brings::default();
    for choice in whole_choices(whole, heard)? {
        let text = choice.text.as_deref().unwrap_or_default();
        brings.content |= !text.is_empty();
        if matches!(choice.index, None | Some(0)) {
            heard.add_text(text);
        }
        finish_whole(choice.finish_reason.as_deref(), heard)?;
    }
    Ok(brings)
}

/// Embeddings: vectors are the content.
pub(super) fn whole_embeddings(body: &[u8], heard: &mut Heard) -> Result<Brings, Failure> {
    let Vectors { data, usage } = json(body, Failure::MalformedBody)?;
    // Nothing is written, and most servers do not say so.
    let of_vectors =
        |usage: ToldUsage| ToldUsage { completion_tokens: usage.completion_tokens.or(Some(0)), ..usage };
    take_usage(usage.map(of_vectors), heard);
    Ok(Brings { content: !data.is_empty(), reasoning: false })
}

/// The choices of a chunk that is no error.
fn open<C>(chunk: Chunk<'_, C>, heard: &mut Heard) -> Result<Vec<C>, Failure> {
    if chunk.error.is_some() || chunk.object.as_deref() == Some("error") {
        return Err(Failure::ErrorEvent);
    }
    take_usage(chunk.usage, heard);
    chunk.choices.ok_or(Failure::MalformedEvent)
}

/// The choices of a whole answer, of which there is at least one.
fn whole_choices<C>(whole: Chunk<'_, C>, heard: &mut Heard) -> Result<Vec<C>, Failure> {
    take_usage(whole.usage, heard);
    let choices = whole.choices.filter(|choices| whole.error.is_none() && !choices.is_empty());
    choices.ok_or(Failure::MalformedBody)
}

fn take_usage(usage: Option<ToldUsage>, heard: &mut Heard) {
    // A usage without its numbers is as good as none.
    if let Some(ToldUsage {
        prompt_tokens: Some(prompt_tokens),
        completion_tokens: Some(completion_tokens),
    }) = usage
    {
        heard.usage = Some(Usage { prompt_tokens, completion_tokens });
    }
}

fn finish(index: u32, reason: Option<&str>, ends: &mut Ends, heard: &mut Heard) {
    if let Some(reason) = reason {
        ends.finish(index);
        heard.ended_by_length |= reason == "length";
    }
}

fn finish_whole(reason: Option<&str>, heard: &mut Heard) -> Result<(), Failure> {
    heard.ended_by_length |= reason == Some("length");
    reason.map(drop).ok_or(Failure::NoFinishReason)
}
