//! Answers that many cases look at.
//!
//! Owns the standard questions: each is asked once in a run, and whatever holds of every stream is looked for in all of
//! them, since a flaw may show in one kind of answer only. Knows no requirement.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::ChatStream;
use crate::plain_chat::PlainChat;
use crate::trial::Trial;

/// What the ordinary chats ask for.
pub(crate) const POEM: &str = "Write a poem about a tree.";
/// How long an ordinary answer may get, in tokens: long enough for its pieces to lie apart in time.
pub(crate) const POEM_TOKENS: u32 = 48;
/// How long the long answer may get, in tokens: some flaws show late.
const LONG_TOKENS: u32 = 160;

/// What [`plain_chats`] costs a case, at most.
pub(crate) const PLAIN_COST: crate::case::Cost = crate::case::Cost::new(5, 6 * POEM_TOKENS);

/// How cases that look at [`streams`] tell of them.
pub(crate) const STREAMS: &str = "Streamed chats of several kinds: ordinary, with usage, of one token, of emoji, with a tool call, with n = 2, long.";
/// What [`streams`] costs a case, at most.
pub(crate) const STREAMS_COST: crate::case::Cost =
    crate::case::Cost::new(7, 6 * POEM_TOKENS + 1 + LONG_TOKENS);

/// The ordinary chat, whole.
pub(crate) fn plain(trial: &Trial) -> Chat<'_> {
    trial.chat(POEM, POEM_TOKENS)
}

/// The ordinary chat, streamed.
pub(crate) fn streamed(trial: &Trial) -> Chat<'_> {
    plain(trial).streamed()
}

/// The ordinary chat, streamed, with its usage at the end.
pub(crate) fn streamed_with_usage(trial: &Trial) -> Chat<'_> {
    streamed(trial)
        .titled("a streamed chat with include_usage")
        .with("stream_options", json!({"include_usage": true}))
}

/// The ordinary streamed chat, ended at its first token.
pub(crate) fn cut_short(trial: &Trial) -> Chat<'_> {
    shortened(streamed(trial))
}

/// A streamed chat, ended at its first token.
pub(crate) fn shortened(chat: Chat<'_>) -> Chat<'_> {
    chat.titled("a streamed chat of one token").limit(1)
}

/// A streamed chat with two choices.
pub(crate) fn two_choices(trial: &Trial) -> Chat<'_> {
    streamed(trial).titled("a streamed chat with n = 2").with("n", json!(2))
}

/// A streamed chat that goes on for longer than the others.
fn long(trial: &Trial) -> Chat<'_> {
    let prompt = "Count from 1 up to 9999, one number on each line, and leave none out.";
    trial.chat(prompt, LONG_TOKENS).streamed().titled("a long streamed chat")
}

/// A streamed chat that asks for emoji and for characters of several bytes.
pub(crate) fn many_bytes(trial: &Trial) -> Chat<'_> {
    let prompt = "Repeat exactly, and say nothing else: 木が一本 🌳🌲🍃 Bäume, дерево";
    trial.chat(prompt, POEM_TOKENS).streamed().titled("a streamed chat of emoji and CJK")
}

/// Plain chats of several kinds, the ordinary one first: of one token, of characters of several bytes, with a tool call,
/// with two choices.
pub(crate) fn plain_kinds(trial: &Trial) -> [Chat<'_>; 5] {
    [
        plain(trial),
        plain(trial).titled("a plain chat of one token").limit(1),
        many_bytes(trial).without("stream").titled("a plain chat of emoji and CJK"),
        forced_call(trial),
        plain(trial).titled("a plain chat with n = 2").with("n", json!(2)),
    ]
}

/// Those of [`plain_kinds`] that the server takes, and answers with JSON.
///
/// # Errors
/// That of the ordinary one, where there is none.
pub(crate) async fn plain_chats(trial: &Trial) -> Result<Vec<PlainChat>, Objection> {
    let exchanges = join_all(plain_kinds(trial).map(|question| trial.ask(question))).await;
    let (mut chats, mut first_objection) = (Vec::new(), None);
    for exchange in &exchanges {
        match PlainChat::read(exchange) {
            Ok(chat) => chats.push(chat),
            Err(objection) => _ = first_objection.get_or_insert(objection),
        }
    }
    match first_objection {
        Some(objection) if chats.is_empty() => Err(objection),
        _ => Ok(chats),
    }
}

/// The tool that cases offer.
pub(crate) fn weather_tool() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "The city's name."}},
                "required": ["city"],
                "additionalProperties": false
            }
        }
    })
}

/// A chat that must call the weather tool; plain, until it is streamed.
pub(crate) fn forced_call(trial: &Trial) -> Chat<'_> {
    trial
        .chat("What is the weather in Paris?", POEM_TOKENS)
        .titled("a chat that must call a tool")
        .with("tools", json!([weather_tool()]))
        .with("tool_choice", json!("required"))
}

/// Streamed chats of every kind, the ordinary one first: with usage, cut short, of characters of several bytes, with a
/// tool call, with two choices, and a long one.
pub(crate) fn stream_kinds(trial: &Trial) -> [Chat<'_>; 7] {
    [
        streamed(trial),
        streamed_with_usage(trial),
        cut_short(trial),
        many_bytes(trial),
        forced_call(trial).streamed(),
        two_choices(trial),
        long(trial),
    ]
}

/// Those of [`stream_kinds`] that the server takes, and answers with events.
///
/// # Errors
/// That of the ordinary one, where not one of them is a stream.
pub(crate) async fn streams(trial: &Trial) -> Result<Vec<ChatStream>, Objection> {
    let questions = stream_kinds(trial);
    let mut answers = join_all(questions.map(|question| trial.stream(question))).await.into_iter();
    let mut streams = Vec::new();
    let first_objection =
        answers.next().and_then(|ordinary| ordinary.map(|stream| streams.push(stream)).err());
    streams.extend(answers.filter_map(Result::ok));
    match first_objection {
        Some(objection) if streams.is_empty() => Err(objection),
        _ => Ok(streams),
    }
}

/// Asks the same of every stream of [`streams`]; what was counted is told together.
///
/// # Errors
/// The first objection of `judge`, and those of [`streams`].
pub(crate) async fn each(trial: &Trial, judge: impl Fn(&ChatStream) -> Result<usize, Objection>) -> Outcome {
    let streams = streams(trial).await?;
    let mut counted = 0;
    for stream in &streams {
        counted += judge(stream)?;
    }
    held(format!("holds in {} streams ({counted} looked at)", streams.len()))
}
