//! What the events of streamed responses tell.

use serde_json::{Value, json};

use super::order;
use crate::case::{Objection, Outcome, held};
use crate::exchange::excerpt;
use crate::response_request::{LEAST_LIMIT, ResponseRequest};
use crate::response_samples::{short, streams};
use crate::response_stream::{ResponseStream, TOLD_CHARACTERS, Told};
use crate::response_texts::{Items, TextKind, texts};
use crate::trial::Trial;

pub(super) async fn event_equals_type(trial: &Trial) -> Outcome {
    each(trial, |stream| {
        for told in stream.told.iter().filter(|told| !told.is_envelope()) {
            let kind = told.value.get("type");
            let place = stream.place(told);
            match (kind.and_then(Value::as_str), told.name.as_deref()) {
                (None, _) => {
                    let seen = kind.map_or("no type".to_owned(), |kind| format!("the type {kind}"));
                    return Err(stream.broken(format!("{place} has {seen} in its data")));
                }
                (Some(kind), None) => {
                    return Err(stream
                        .broken(format!("{place} has no name, and a client that waits for {kind} misses it"))
                        .expected(format!("event: {kind}")));
                }
                (Some(kind), Some(name)) if name != kind => {
                    return Err(stream.broken(format!("{place} has the name {name:?}")));
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(stream.told.len())
    })
    .await
}

pub(super) async fn sequence_rises(trial: &Trial) -> Outcome {
    each(trial, |stream| {
        let mut last: Option<i64> = None;
        for told in &stream.told {
            let place = stream.place(told);
            let number = match told.value.get("sequence_number") {
                // Whatever keeps a connection alive is none of the API's events.
                None if !told.kind.starts_with("response.") => continue,
                None => return Err(stream.broken(format!("{place} has no sequence_number"))),
                Some(number) => number,
            };
            let Some(value) = number.as_i64() else {
                return Err(stream.broken(format!("{place} has the sequence_number {number}, no integer")));
            };
            if let Some(last) = last.filter(|last| *last >= value) {
                return Err(stream.broken(format!("{place} has the sequence_number {value}, after {last}")));
            }
            last = Some(value);
        }
        Ok(stream.told.len())
    })
    .await
}

pub(super) async fn order(trial: &Trial) -> Outcome {
    each(trial, |stream| order::judge(stream.unbroken()?)).await
}

pub(super) async fn deltas_join(trial: &Trial) -> Outcome {
    each(trial, |stream| {
        stream.unbroken()?;
        let items = Items::of(stream);
        let texts = texts(stream, &items);
        for ((_, kind, _), text) in &texts {
            for (told, whole) in &text.wholes {
                // A text that is not for reading may be told whole alone, and so may arguments.
                let may_be_whole = *kind != TextKind::OutputText && *kind != TextKind::Refusal;
                if text.joined == *whole || (text.deltas.is_empty() && may_be_whole) {
                    continue;
                }
                let whole = excerpt(whole.as_bytes(), TOLD_CHARACTERS);
                let joined = excerpt(text.joined.as_bytes(), TOLD_CHARACTERS);
                return Err(stream.broken(format!(
                    "the {} deltas of {} join to {joined}, and {} says {whole}",
                    text.deltas.len(),
                    kind.event(),
                    stream.place(told)
                )));
            }
        }
        all_in_output(stream, &items)?;
        Ok(texts.values().map(|text| text.deltas.len()).sum())
    })
    .await
}

/// A whole response has what was told of it in pieces.
fn all_in_output(stream: &ResponseStream, items: &Items<'_>) -> Result<(), Objection> {
    let Some(told) = stream.terminal().filter(|told| told.kind == "response.completed") else {
        return Ok(());
    };
    let output = told.value.pointer("/response/output");
    let Some(output) = output.and_then(Value::as_array) else {
        let seen = output.map_or("no output".to_owned(), |output| format!("the output {output}"));
        return Err(stream.broken(format!("{} has {seen}", stream.place(told))));
    };
    let spoken = items.0.iter().filter(|item| {
        let kind = item.value.get("type").and_then(Value::as_str);
        matches!(kind, Some("message" | "function_call"))
    });
    let count = spoken.count();
    if output.len() < count {
        let seen = format!("{} has {} items, and {count} were added", stream.place(told), output.len());
        return Err(stream.broken(seen));
    }
    Ok(())
}

pub(super) async fn indexes(trial: &Trial) -> Outcome {
    each(trial, |stream| {
        let items = Items::of(stream);
        for told in &stream.told {
            typed(stream, told)?;
            agrees(stream, &items, told)?;
            has_its_part(stream, &items, told)?;
        }
        let mut indexes: Vec<u64> =
            items.0.iter().filter_map(|item| item.added.index("output_index")).collect();
        indexes.sort_unstable();
        if !indexes.iter().copied().eq(0..indexes.len() as u64) {
            return Err(stream.broken(format!(
                "the {} items that were added have the output_index {}",
                indexes.len(),
                indexes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        Ok(stream.told.len())
    })
    .await
}

/// The members that say what an event is about are there, and of their type.
fn typed(stream: &ResponseStream, told: &Told) -> Result<(), Objection> {
    let about_text = TextKind::of_event(&told.kind);
    let about_part =
        matches!(told.kind.as_str(), "response.content_part.added" | "response.content_part.done");
    let about_item = matches!(told.kind.as_str(), "response.output_item.added" | "response.output_item.done");
    if about_text.is_none() && !about_part && !about_item {
        return Ok(());
    }
    let part_index = if about_part { Some("content_index") } else { about_text.and_then(TextKind::index) };
    for name in ["output_index"].into_iter().chain(part_index) {
        if told.index(name).is_none() {
            return Err(stream
                .broken(format!("{} has {}", stream.place(told), shown(told, name)))
                .expected(format!("{name}: an integer from 0")));
        }
    }
    let named = if about_item {
        let item = told.value.get("item").filter(|item| item.is_object());
        let Some(item) = item else {
            return Err(stream.broken(format!("{} has {}", stream.place(told), shown(told, "item"))));
        };
        // Of a call, the name is optional.
        let is_message = item.get("type").is_some_and(|kind| kind == "message");
        item.get("id").map_or(!is_message, Value::is_string)
    } else {
        told.text("item_id").is_some()
    };
    if !named {
        let seen = if about_item { "an item without an id".to_owned() } else { shown(told, "item_id") };
        return Err(stream.broken(format!("{} has {seen}", stream.place(told))));
    }
    Ok(())
}

/// `no item_id`, or `the item_id 3`.
fn shown(told: &Told, name: &str) -> String {
    told.value.get(name).map_or(format!("no {name}"), |value| format!("the {name} {value}"))
}

/// What an event says of its item is what was said when it was added.
fn agrees(stream: &ResponseStream, items: &Items<'_>, told: &Told) -> Result<(), Objection> {
    if told.kind == "response.output_item.added" {
        let same = items.0.iter().find(|item| {
            item.added.event < told.event
                && (item.added.index("output_index") == told.index("output_index")
                    || item.id().is_some()
                        && item.id() == told.value.pointer("/item/id").and_then(Value::as_str))
        });
        return same.map_or(Ok(()), |item| {
            let seen = format!("{} adds what {} has added", stream.place(told), stream.place(item.added));
            Err(stream.broken(seen))
        });
    }
    let id = told.text("item_id").or_else(|| told.value.pointer("/item/id")?.as_str());
    let Some(index) = told.index("output_index").filter(|_| !told.is_terminal()) else {
        return in_its_place(stream, items, told);
    };
    let Some(item) = items.about(told).and_then(|place| items.0.get(place)) else {
        // What was never added is told too early, which is another case's matter.
        return Ok(());
    };
    let place = stream.place(told);
    if let Some(added) = item.added.index("output_index").filter(|added| *added != index) {
        return Err(
            stream.broken(format!("{place} has the output_index {index} of an item added at {added}"))
        );
    }
    match (id, item.id()) {
        (Some(id), Some(added)) if id != added => {
            Err(stream
                .broken(format!("{place} has the item_id {id:?}, and the item at {index} is {added:?}")))
        }
        _ => Ok(()),
    }
}

/// What an event says of a part, it says of one that was added, where parts of its item were.
fn has_its_part(stream: &ResponseStream, items: &Items<'_>, told: &Told) -> Result<(), Objection> {
    let Some(index) = told.index("content_index") else { return Ok(()) };
    let item = items.about(told);
    let added: Vec<u64> = stream
        .told
        .iter()
        .filter(|other| other.kind == "response.content_part.added" && items.about(other) == item)
        .filter_map(|part| part.index("content_index"))
        .collect();
    if added.is_empty() || added.contains(&index) {
        return Ok(());
    }
    let added = added.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let place = stream.place(told);
    Err(stream
        .broken(format!("{place} has the content_index {index}, and the parts of its item have {added}")))
}

/// Where a whole response has as many items as were added, each is in its place.
fn in_its_place(stream: &ResponseStream, items: &Items<'_>, told: &Told) -> Result<(), Objection> {
    let output = told.value.pointer("/response/output").and_then(Value::as_array);
    let Some(output) = output.filter(|output| told.is_terminal() && output.len() == items.0.len()) else {
        return Ok(());
    };
    for item in &items.0 {
        let index = item.added.index("output_index").unwrap_or_default();
        let there = usize::try_from(index).ok().and_then(|index| output.get(index));
        let id = there.and_then(|there| there.get("id")?.as_str());
        if let (Some(id), Some(added)) = (id, item.id())
            && id != added
        {
            let seen =
                format!("{} has the item {id:?} at {index}, where {added:?} was added", stream.place(told));
            return Err(stream.broken(seen));
        }
    }
    Ok(())
}

pub(super) async fn one_terminal(trial: &Trial) -> Outcome {
    let exchange = trial.ask(short(trial).streamed()).await;
    exchange.accepted()?;
    if exchange.media_type() == "application/json" {
        return Err(Objection::broken("a response as JSON, though a stream was asked for").about(&exchange));
    }
    each(trial, |stream| {
        let Some(end) = stream.told.iter().position(Told::is_terminal) else {
            return Err(no_end(stream));
        };
        let told = &stream.told[end];
        let later = stream.told[end + 1..].iter().find(|told| told.kind.starts_with("response."));
        if let Some(later) = later {
            return Err(stream.broken(format!("{} follows {}", stream.place(later), told.kind)));
        }
        let status = told.value.pointer("/response/status").filter(|status| !status.is_null());
        let fits = status.is_none_or(|status| match told.kind.as_str() {
            // How a limit is told is another case's matter.
            "response.completed" | "response.incomplete" => status == "completed" || status == "incomplete",
            _ => status == "failed",
        });
        if let Some(status) = status.filter(|_| !fits) {
            return Err(stream.broken(format!("{} has the status {status}", stream.place(told))));
        }
        Ok(1)
    })
    .await
}

fn no_end(stream: &ResponseStream) -> Objection {
    if let Err(objection) = stream.unbroken().and_then(|stream| stream.read_to_its_end()) {
        return objection;
    }
    let open = stream.stream.events.last().is_some_and(|event| !event.closed);
    let last = stream.told.last().map(|told| stream.place(told)).unwrap_or_default();
    let cut = if open { ", and behind it one that no blank line closes" } else { "" };
    stream.broken(format!("the last event is {last}{cut}"))
}

/// Requests that cannot be answered. A server that finds that out after the status must say so in the stream.
fn unanswerable(trial: &Trial) -> [ResponseRequest; 3] {
    let ask = |title: &str, input: Value| ResponseRequest::new(trial, title, input, LEAST_LIMIT).streamed();
    let image = json!([{
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is in this image?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
        ]
    }]);
    let schema = json!({"format": {
        "type": "json_schema", "name": "tree", "strict": true,
        "schema": {"$ref": "#/$defs/nowhere"}
    }});
    [
        ask("a streamed response of an unknown model", json!("Say hello to a tree."))
            .with("model", json!("no-such-model-1f9d")),
        ask("a streamed response to a broken image", image),
        ask("a streamed response in a schema that refers to nothing", json!("Describe a tree."))
            .with("text", schema),
    ]
}

pub(super) async fn failure_event(trial: &Trial) -> Outcome {
    let mut failed = Vec::new();
    for request in unanswerable(trial) {
        let exchange = trial.ask(request).await;
        let Ok(stream) = ResponseStream::read(&exchange) else { continue };
        stream.read_to_its_end()?;
        match stream.failure() {
            Some(failure) => failed.push(well_told(&stream, failure)?),
            // One that has said something, and has no end, is another case's matter.
            None if stream.terminal().is_none() && !says_anything(&stream) => {
                let last = stream.told.last().map(|told| stream.place(told)).unwrap_or_default();
                return Err(stream.broken(format!("no failure is told, and the last event is {last}")));
            }
            None => {}
        }
    }
    for stream in streams(trial).await? {
        if let Some(failure) = stream.failure() {
            failed.push(well_told(&stream, failure)?);
        }
    }
    match failed.first() {
        Some(told) => held(told.clone()),
        None => Err(Objection::not_applicable("no response failed after its stream had begun")),
    }
}

fn says_anything(stream: &ResponseStream) -> bool {
    stream.told.iter().any(|told| told.value.get("item").is_some() || told.value.get("delta").is_some())
}

/// A failure has a type that clients know, and a message.
fn well_told(stream: &ResponseStream, failure: &Told) -> Result<String, Objection> {
    let place = stream.place(failure);
    let whole = || excerpt(failure.value.to_string().as_bytes(), TOLD_CHARACTERS);
    let expected = "response.failed with response.error, or {\"type\":\"error\",\"message\":…}";
    if failure.is_envelope() {
        return Err(stream.broken(format!("{place}: {}", whole())).expected(expected));
    }
    // In an event of type `error`, the API's own servers put the message into an object as well.
    let places: &[&str] =
        if failure.kind == "error" { &["/message", "/error/message"] } else { &["/response/error/message"] };
    let message = places.iter().find_map(|place| failure.value.pointer(place)?.as_str());
    match message.filter(|message| !message.is_empty()) {
        Some(message) => Ok(format!("{place}: {}", excerpt(message.as_bytes(), TOLD_CHARACTERS))),
        None => Err(stream.broken(format!("{place} has no message: {}", whole())).expected(expected)),
    }
}

/// Asks of every sample; what was counted is told together.
async fn each(trial: &Trial, judge: impl Fn(&ResponseStream) -> Result<usize, Objection>) -> Outcome {
    let streams = streams(trial).await?;
    let mut counted = 0;
    for stream in &streams {
        counted += judge(stream)?;
    }
    held(format!("holds in {} streams ({counted} looked at)", streams.len()))
}
