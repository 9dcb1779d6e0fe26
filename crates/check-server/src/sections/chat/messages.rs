//! What messages a plain chat takes, and whether all of them reaches the model.
//!
//! Prompts are told apart by how many tokens the server counts in them: that takes no skill of the model.

use serde_json::{Value, json};

use crate::case::{Objection, Outcome, held};
use crate::ending::told_ending;
use crate::plain_chat::PlainChat;
use crate::refusal::{chats_are_answered, dropped};
use crate::samples;
use crate::trial::Trial;

/// The limit of answers that nobody reads.
pub(super) const TOKENS: u32 = 8;

/// The same text counts so many tokens more or less at most, whichever way it comes.
const SAME_TEXT: u64 = 10;
/// As many as a control counts, where nothing but a template's white space may differ.
const AS_CONTROL: u64 = 3;
/// As many as parts that were printed, in whatever notation.
const AS_PRINTED: u64 = 14;

const FIRST_PART: &str = "A letter came from the old forester: last night the storm broke nineteen pines beside the frozen lake, and nobody in the village heard a sound.";
const SECOND_PART: &str = "Answer him in one short sentence that names the month of spring you like best, the bird you heard first this year, and your favourite tree.";

/// A server may take the first part alone, or the last, or none, or print the array into the prompt.
pub(super) async fn multipart_text(trial: &Trial) -> Outcome {
    let parts =
        json!([{"type": "text", "text": FIRST_PART}, {"type": "text", "text": format!(" {SECOND_PART}")}]);
    let whole = counted(trial, "a chat of one text", json!(format!("{FIRST_PART} {SECOND_PART}"))).await?;
    let question = of_content(trial, "a chat of two parts of text", parts.clone());
    let exchange = trial.ask(question).await;
    exchange.must_accept()?;
    // The same text in one piece had an answer.
    let chat =
        PlainChat::read(&exchange).map_err(|objection| Objection::broken(objection.seen).about(&exchange))?;
    let (Some(count), Some(whole)) = (chat.prompt_tokens(), whole) else {
        return held("taken; no count of tokens tells how much of it reaches the model");
    };
    let told = format!("{count} prompt tokens; the same text in one piece has {whole}");
    if count.abs_diff(whole) <= SAME_TEXT {
        return held(told);
    }
    let controls = [
        ("the first part alone", FIRST_PART.to_owned(), AS_CONTROL),
        ("the last part alone", SECOND_PART.to_owned(), AS_CONTROL),
        ("none of the text", ".".to_owned(), AS_CONTROL),
        ("the array printed into the prompt", parts.to_string(), AS_PRINTED),
    ];
    for (what, text, tolerance) in controls {
        let control = counted(trial, format!("a control: {what}"), json!(text)).await?;
        let Some(control) = control.filter(|control| control.abs_diff(whole) > SAME_TEXT) else { continue };
        if count.abs_diff(control) <= tolerance {
            return Err(chat.broken(format!("{told}, and {what} {control}")));
        }
    }
    Err(chat.inconclusive(told))
}

/// The prompt tokens of a chat of this content, where the server tells them.
async fn counted(trial: &Trial, title: impl Into<String>, content: Value) -> Result<Option<u64>, Objection> {
    let exchange = trial.ask(of_content(trial, title, content)).await;
    Ok(PlainChat::read(&exchange)?.prompt_tokens())
}

fn of_content(trial: &Trial, title: impl Into<String>, content: Value) -> crate::chat::Chat<'_> {
    trial.chat("", TOKENS).titled(title).messages(json!([{"role": "user", "content": content}]))
}

/// A long message and a short one: either may stand in the place of a system message that the model has by default, so
/// that the same chat without any would tell nothing. Where they count alike, two messages of a user tell whether this
/// server counts at all: some say the same number of every prompt.
pub(super) async fn developer_role(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let mut counts = Vec::new();
    let chats =
        [("a long message of a developer", FIRST_PART), ("a short message of a developer", "Be brief.")];
    for (title, developer) in chats {
        let messages = json!([
            {"role": "developer", "content": developer},
            {"role": "user", "content": "Name a tree."}
        ]);
        let exchange = trial.ask(trial.chat("", TOKENS).titled(title).messages(messages)).await;
        exchange.must_accept()?;
        let chat = PlainChat::read(&exchange)?;
        counts.push((chat.prompt_tokens(), chat));
    }
    let [(Some(long), chat), (Some(short), _)] = &counts[..] else {
        return held("taken; no count of tokens tells whether it reaches the model");
    };
    let told = format!("{long} prompt tokens with a developer's message of 27 words, {short} with one of 2");
    if long.abs_diff(*short) > AS_CONTROL {
        return held(told);
    }
    let long = counted(trial, "a control: a long message of a user", json!(FIRST_PART)).await?;
    let short = counted(trial, "a control: a short message of a user", json!("Be brief.")).await?;
    match (long, short) {
        (Some(long), Some(short)) if long.abs_diff(short) > AS_CONTROL => Err(chat.broken(told)),
        _ => {
            held(format!("taken; {told}, as with a user's, so that it does not tell what reaches the model"))
        }
    }
}

/// Whether the server takes tool turns at all is asked only where it refuses these.
pub(super) async fn null_content_tool_turn(trial: &Trial) -> Outcome {
    let conversation = |title: &str, content: Option<Value>| {
        let mut assistant = json!({"role": "assistant", "tool_calls": [{
            "id": "call_1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}
        }]});
        if let (Some(content), Some(turn)) = (content, assistant.as_object_mut()) {
            turn.insert("content".to_owned(), content);
        }
        let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "18 degrees, sunny"});
        let user = json!({"role": "user", "content": "What is the weather in Paris?"});
        trial
            .chat("", TOKENS)
            .titled(title)
            .messages(json!([user, assistant, result]))
            .with("tools", json!([samples::weather_tool()]))
    };
    let turns = [
        conversation("a turn with a call and the content null", Some(Value::Null)),
        conversation("a turn with a call and no content", None),
    ];
    let mut taken = Vec::new();
    for turn in turns {
        let exchange = trial.ask(turn).await;
        let title = &exchange.question.title;
        if PlainChat::read(&exchange).is_ok() {
            taken.push(title.clone());
            continue;
        }
        let control = conversation("a turn with a call and a text", Some(json!("Let me see.")));
        PlainChat::read(&trial.ask(control).await)?;
        if dropped(&exchange) {
            let ending = exchange.ending().map(told_ending).unwrap_or_default();
            return Err(Objection::broken(format!("{title}: no answer: {ending}")).about(&exchange));
        }
        exchange.must_accept().map_err(|objection| objection.of(title))?;
        let told = exchange.told_refusal(exchange.status()?);
        return Err(Objection::broken(told).of(title).expected("an answer").about(&exchange));
    }
    held(format!("taken: {}", taken.join(", ")))
}
