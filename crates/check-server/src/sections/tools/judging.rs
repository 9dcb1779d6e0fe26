//! What the cases about tools look for in answers.
//!
//! Owns a function for each case. A call that a limit has cut, a choice that was filtered, and a model that refuses say
//! nothing about the server; nor do arguments that a weak model got wrong, unless the server has promised otherwise.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::questions;
use crate::case::{Objection, Outcome, held};
use crate::chat::Chat;
use crate::chat_answer::{Answers, Call, ChatAnswer, Choice, Form, in_both_forms, is_text, told_forms};
use crate::chat_stream::ChatStream;
use crate::exchange::excerpt;
use crate::refusal::{held_by, refused};
use crate::samples;
use crate::trial::Trial;

/// What of a delta is told, in characters.
const DELTA_CHARACTERS: usize = 120;

/// The answers with calls, in one form.
async fn answers(trial: &Trial, form: Form) -> Result<Answers, Objection> {
    Answers::ask(trial, questions::calling(trial).map(|chat| in_form(chat, form)).into()).await
}

fn in_form(chat: Chat<'_>, form: Form) -> Chat<'_> {
    match form {
        Form::Whole => chat,
        Form::Streamed => chat.streamed(),
    }
}

/// The same in both forms.
async fn all_answers(trial: &Trial) -> Result<Answers, Objection> {
    let mut chats = Vec::from(questions::calling(trial));
    chats.extend(questions::calling(trial).map(Chat::streamed));
    Answers::ask(trial, chats).await
}

/// The streams of these answers, for cases that look at deltas.
fn streams(answers: &Answers) -> Vec<ChatStream> {
    answers.iter().filter_map(|answer| ChatStream::read(&answer.exchange).ok()).collect()
}

/// Where none of the answers has a call, nothing can be said of calls.
fn some_call(answers: &Answers) -> Result<usize, Objection> {
    match (answers.iter().map(|answer| answer.calls().count()).sum(), answers.first()) {
        (0, Some(answer)) => Err(answer.inconclusive(questions::no_call_seen(answer))),
        (0, None) => Err(Objection::inconclusive("no answer")),
        (calls, _) => Ok(calls),
    }
}

pub(super) async fn arguments_string(trial: &Trial) -> Outcome {
    let answers = answers(trial, Form::Whole).await?;
    let calls = some_call(&answers)?;
    for answer in answers.iter() {
        for call in answer.calls() {
            let flaw = if call.kind != json!("function") {
                format!("type is {}", call.kind)
            } else if !is_text(&call.name) {
                format!("function.name is {}", call.name)
            } else {
                continue;
            };
            return Err(answer.broken(format!("{}: {flaw}", call.place)));
        }
    }
    arguments(trial, &answers, Form::Whole).await?;
    answers.held(format!("{calls} calls in {} answers", answers.len()))
}

pub(super) async fn fragments_join(trial: &Trial) -> Outcome {
    let answers = answers(trial, Form::Streamed).await?;
    let calls = some_call(&answers)?;
    arguments(trial, &answers, Form::Streamed).await?;
    answers.held(format!("{calls} calls in {} streams", answers.len()))
}

/// Arguments are strings; where they are no JSON object, the server is asked again for a call that must be exact.
async fn arguments(trial: &Trial, answers: &Answers, form: Form) -> Result<(), Objection> {
    let mut doubtful = None;
    for answer in answers.iter() {
        for (choice, call) in
            answer.choices.iter().flat_map(|choice| choice.calls.iter().map(move |call| (choice, call)))
        {
            not_a_string(answer, choice, call)?;
            doubtful = doubtful.or_else(|| Some((answer, call, flaw(choice, call)?)));
        }
    }
    let Some((answer, call, seen)) = doubtful else { return Ok(()) };
    let told = format!("{}: arguments {seen}", call.place);
    let chat = questions::strict_call(trial);
    let question = in_form(chat, form);
    let Ok(strict) = ChatAnswer::read(&trial.ask(question).await) else {
        return Err(answer.inconclusive(format!("{told}; the model may have got them wrong")));
    };
    for (choice, call) in
        strict.choices.iter().flat_map(|choice| choice.calls.iter().map(move |call| (choice, call)))
    {
        not_a_string(&strict, choice, call)?;
        if let Some(seen) = flaw(choice, call) {
            return Err(
                strict.broken(format!("{}: arguments {seen}, of a function that is strict", call.place))
            );
        }
    }
    Err(answer.inconclusive(format!("{told}; where the function is strict, they are right")))
}

fn not_a_string(answer: &ChatAnswer, choice: &Choice, call: &Call) -> Result<(), Objection> {
    // A call that is cut before its arguments has none.
    if call.arguments.is_string() || (call.arguments.is_null() && choice.unfinished().is_some()) {
        return Ok(());
    }
    let told = excerpt(call.arguments.to_string().as_bytes(), DELTA_CHARACTERS);
    Err(answer.broken(format!("{}: function.arguments is no string: {told}", call.place)))
}

/// What is wrong with arguments that no limit has cut.
fn flaw(choice: &Choice, call: &Call) -> Option<String> {
    let seen = call.object().err()?;
    (choice.unfinished().is_none() || !call.is_cut()).then_some(seen)
}

pub(super) async fn id_unique(trial: &Trial) -> Outcome {
    let answers = all_answers(trial).await?;
    let calls = some_call(&answers)?;
    for answer in answers.iter() {
        for choice in &answer.choices {
            ids_of(answer, choice, &[])?;
        }
    }
    let mut told = format!("{calls} calls in {} answers", answers.len());
    let first = answers.iter().find_map(|answer| questions::message_with_calls(answer).ok());
    if let Some((message, ids)) = first {
        let exchange = trial.ask(questions::called_again(trial, message, &ids)).await;
        if let Ok(again) = ChatAnswer::read(&exchange) {
            for choice in &again.choices {
                ids_of(&again, choice, &ids)?;
            }
            told.push_str(&format!(", {} in a second turn", again.calls().count()));
        }
    }
    answers.held(told)
}

/// The ids of a choice are strings, and neither among themselves nor among earlier ones twice.
fn ids_of(answer: &ChatAnswer, choice: &Choice, earlier: &[Value]) -> Result<(), Objection> {
    for (index, call) in choice.calls.iter().enumerate() {
        if !is_text(&call.id) {
            return Err(answer.broken(format!("{}: the id is {}", call.place, call.id)));
        }
        if let Some(other) = choice.calls.iter().take(index).find(|other| other.id == call.id) {
            return Err(
                answer.broken(format!("{}: the id {} is that of {}", call.place, call.id, other.place))
            );
        }
        if earlier.contains(&call.id) {
            return Err(answer
                .broken(format!("{}: the id {} is that of a call of an earlier turn", call.place, call.id)));
        }
    }
    Ok(())
}

pub(super) async fn finish_tool_calls(trial: &Trial) -> Outcome {
    let answers = all_answers(trial).await?;
    let mut judged = Vec::new();
    let mut unfinished = None;
    for answer in answers.iter() {
        for choice in &answer.choices {
            let reason = choice.finish_reason.as_str();
            match choice.calls.as_slice() {
                [] if reason == Some("tool_calls") => {
                    return Err(answer.broken("finish_reason is \"tool_calls\", and there is no call"));
                }
                [] => {}
                // What is missing altogether is a matter of all streams.
                _ if choice.unfinished().is_some() => unfinished = choice.unfinished(),
                [call, ..] if reason != Some("tool_calls") => {
                    let seen =
                        format!("finish_reason is {}, and {} is a call", choice.finish_reason, call.place);
                    return Err(answer.broken(seen).expected("the finish_reason `tool_calls`"));
                }
                _ => judged.push(answer.clone()),
            }
        }
    }
    some_call(&answers)?;
    if judged.is_empty() {
        let seen = unfinished.unwrap_or_else(|| "no answer with a call came to its end".to_owned());
        return Err(Objection::inconclusive(format!("each answer with a call: {seen}")));
    }
    answers.held(format!("{} answers, {}", judged.len(), told_forms(&judged)))
}

pub(super) async fn stream_index(trial: &Trial) -> Outcome {
    let answers = answers(trial, Form::Streamed).await?;
    let streams = streams(&answers);
    let mut deltas = 0;
    for stream in &streams {
        for choice in stream.indexes() {
            let mut next = 0;
            for (chunk, delta) in stream.tool_call_deltas(choice) {
                let place = stream.place(chunk.event);
                let told = match delta.get("index") {
                    None => "there is no index".to_owned(),
                    Some(index) => match index.as_u64() {
                        Some(index) if index <= next => {
                            next = next.max(index + 1);
                            deltas += 1;
                            continue;
                        }
                        Some(index) => format!("the index is {index}, where the next one is {next}"),
                        None => format!("the index is {index}, no whole number from 0"),
                    },
                };
                let shown = excerpt(delta.to_string().as_bytes(), DELTA_CHARACTERS);
                return Err(stream.broken(format!("{place}: {told}: {shown}")));
            }
        }
    }
    some_delta(&streams, deltas)?;
    answers.held(format!("{deltas} deltas in {} streams", streams.len()))
}

fn some_delta(streams: &[ChatStream], deltas: usize) -> Result<(), Objection> {
    match streams.first() {
        Some(stream) if deltas == 0 => {
            let told = excerpt(stream.text(0).as_bytes(), DELTA_CHARACTERS);
            let reason = stream.finish_reason(0).unwrap_or("missing");
            Err(stream.inconclusive(format!("no call in the stream: {told}, finish_reason {reason}")))
        }
        _ => Ok(()),
    }
}

pub(super) async fn id_name_once(trial: &Trial) -> Outcome {
    let answers = answers(trial, Form::Streamed).await?;
    let streams = streams(&answers);
    let mut deltas = 0;
    for stream in &streams {
        for choice in stream.indexes() {
            // Without indexes nobody can tell what a delta begins; that is the case of indexes.
            let mut begun: BTreeSet<u64> = BTreeSet::new();
            for (chunk, delta) in stream.tool_call_deltas(choice) {
                let Some(index) = delta.get("index").and_then(Value::as_u64) else { continue };
                deltas += 1;
                let first = begun.insert(index);
                if let Some(flaw) = identity_flaw(delta, first) {
                    let shown = excerpt(delta.to_string().as_bytes(), DELTA_CHARACTERS);
                    let place = stream.place(chunk.event);
                    return Err(stream.broken(format!("{place}: {flaw}: {shown}")));
                }
            }
        }
    }
    some_delta(&streams, deltas)?;
    answers.held(format!("{deltas} deltas in {} streams", streams.len()))
}

/// An empty string where there was one before changes nothing in any client.
fn identity_flaw(delta: &Value, first: bool) -> Option<String> {
    [("id", delta.get("id")), ("name", delta.pointer("/function/name"))].into_iter().find_map(
        |(what, value)| match value {
            Some(value) if first => {
                (!is_text(value)).then(|| format!("the {what} of the first delta is {value}"))
            }
            None if first => Some(format!("the first delta has no {what}")),
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::Null) | None => None,
            Some(value) => Some(format!("a further delta has the {what} {value}")),
        },
    )
}

pub(super) async fn two_calls_two_indexes(trial: &Trial) -> Outcome {
    let mut last = None;
    for chat in questions::two_cities_streamed(trial) {
        let answer = match ChatAnswer::read(&trial.ask(chat).await) {
            Ok(answer) => answer,
            Err(objection) => {
                last = last.or(Some(objection));
                continue;
            }
        };
        let calls = answer.choices.first().map(|choice| choice.calls.as_slice()).unwrap_or_default();
        for (number, call) in calls.iter().enumerate() {
            if let Some(other) = calls.iter().take(number).find(|other| other.index == call.index) {
                return Err(answer.broken(format!(
                    "the calls {} and {} have the same index, {}",
                    other.id, call.id, call.index
                )));
            }
        }
        if calls.len() > 1 {
            let indexes: Vec<String> = calls.iter().map(|call| call.index.to_string()).collect();
            return held(format!("{} calls with the indexes {}", calls.len(), indexes.join(", ")));
        }
        last = Some(match calls {
            [] => answer.inconclusive(questions::no_call_seen(&answer)),
            _ => answer.inconclusive("the model makes one call where it is asked for two"),
        });
    }
    Err(last.unwrap_or_else(|| Objection::inconclusive("no answer")))
}

pub(super) async fn length_beats(trial: &Trial) -> Outcome {
    if trial.knowledge().limit.name().is_none() {
        return Err(Objection::not_applicable("the server takes no limit of length"));
    }
    let (whole, streamed) = (cut(trial, Form::Whole).await, cut(trial, Form::Streamed).await);
    in_both_forms(whole, streamed)
}

/// A call in one form, with one limit after the other until the call has begun and is cut.
async fn cut(trial: &Trial, form: Form) -> Result<String, Objection> {
    let mut outcome = Err(Objection::inconclusive("no answer"));
    for limit in questions::CUT_LIMITS {
        let chat = questions::cut_call(trial, limit);
        let question = if form == Form::Streamed {
            chat.streamed().with("stream_options", json!({"include_usage": true}))
        } else {
            chat
        };
        let answer = ChatAnswer::read(&trial.ask(question).await)?;
        let Some(choice) = answer.choices.first() else { continue };
        let reason = choice.finish_reason.as_str();
        if reason == Some("length") {
            outcome = Ok(format!("length at {limit} tokens, with {} calls begun", choice.calls.len()));
            if !choice.calls.is_empty() {
                return outcome;
            }
            continue;
        }
        let limit = u64::from(limit.saturating_mul(trial.knowledge().limit_factor));
        let is_full = answer.completion_tokens.is_some_and(|tokens| tokens >= limit);
        let may_be_full = answer.completion_tokens.is_none_or(|tokens| tokens >= limit);
        // Without a call and without a text, it was a call that was cut before it could be told.
        let is_withheld = is_full && choice.content.is_empty();
        let is_cut = choice.calls.last().map_or(is_withheld, |call| {
            // A model alone may stop within a call, and does so where the limit is not reached; a call that is told to be
            // whole was not stopped by anybody.
            call.is_cut() && (is_full || (may_be_full && reason == Some("tool_calls")))
        });
        if is_cut && reason.is_some() {
            let arguments = choice.calls.last().map(|call| call.arguments.to_string()).unwrap_or_default();
            let told = excerpt(arguments.as_bytes(), DELTA_CHARACTERS);
            let seen = format!(
                "finish_reason is {}, with a limit of {limit} tokens and arguments that end in the middle: {told}",
                choice.finish_reason
            );
            return Err(answer.broken(seen).expected("the finish_reason `length`"));
        }
        if outcome.is_err() {
            outcome = Err(answer.inconclusive(format!("no call was cut: {}", choice.told())));
        }
    }
    outcome
}

pub(super) async fn choice_none(trial: &Trial) -> Outcome {
    let answers = Answers::both(trial, questions::no_call(trial)).await?;
    for answer in answers.iter() {
        if let Some(call) = answer.calls().next() {
            return Err(answer.broken(format!("{} is a call of {}", call.place, call.name)));
        }
    }
    answers.held(format!("no call, {}", told_forms(answers.iter())))
}

pub(super) async fn choice_named(trial: &Trial) -> Outcome {
    called(trial, questions::named_call(trial), &["get_time"]).await
}

pub(super) async fn choice_required(trial: &Trial) -> Outcome {
    called(trial, questions::required_call(trial), &["get_weather", "get_time"]).await
}

/// An accepted answer that has come to its end has a call, and no other call than one of these.
async fn called(trial: &Trial, chat: Chat<'_>, names: &[&str]) -> Outcome {
    let answers = Answers::both(trial, chat).await?;
    let mut unfinished = None;
    let mut judged = Vec::new();
    for answer in answers.iter() {
        let other = |call: &&Call| !call.name.as_str().is_some_and(|name| names.contains(&name));
        if let Some(call) = answer.calls().find(other) {
            let seen = format!("{} is a call of {}", call.place, call.name);
            return Err(answer.broken(seen).expected(format!("a call of {}", names.join(" or "))));
        }
        if answer.calls().next().is_some() {
            judged.push(answer.clone());
            continue;
        }
        match answer.unfinished() {
            Some(reason) => unfinished = Some(answer.inconclusive(format!("no call: {reason}"))),
            None => return Err(answer.broken(questions::no_call_seen(answer))),
        }
    }
    match unfinished {
        Some(objection) if judged.is_empty() => Err(objection),
        _ => answers.held(format!("called, {}", told_forms(&judged))),
    }
}

pub(super) async fn parallel_false(trial: &Trial) -> Outcome {
    let answers = Answers::both(trial, questions::one_at_a_time(trial)).await?;
    for answer in answers.iter() {
        if let Some(choice) = answer.choices.iter().find(|choice| choice.calls.len() > 1) {
            let names: Vec<String> = choice.calls.iter().map(|call| call.arguments.to_string()).collect();
            let told = excerpt(names.join(" and ").as_bytes(), DELTA_CHARACTERS);
            return Err(answer.broken(format!("{} calls: {told}", choice.calls.len())));
        }
    }
    some_call(&answers)?;
    answers.held(format!("one call, {}", told_forms(answers.iter())))
}

pub(super) async fn round_trip(trial: &Trial) -> Outcome {
    let (one, two) = (samples::forced_call(trial), questions::two_cities(trial, 0));
    let chats = vec![one.clone(), one.streamed(), two.clone(), two.streamed()];
    let answers = Answers::ask(trial, chats).await?;
    let mut judged = Vec::new();
    let mut objection = None;
    let mut most_results = 0;
    for answer in answers.iter() {
        let (message, ids) = match questions::message_with_calls(answer) {
            Ok(turn) => turn,
            Err(other) => {
                objection = Some(other);
                continue;
            }
        };
        most_results = most_results.max(ids.len());
        let chat = questions::results(trial, message, &ids);
        let question = in_form(chat, answer.form);
        let exchange = trial.ask(question).await;
        exchange.must_accept()?;
        match ChatAnswer::read(&exchange) {
            Ok(further) => judged.push(further),
            Err(other) => objection = Some(other),
        }
    }
    match (objection, judged.last()) {
        (_, Some(answer)) => {
            let told = answer.choices.first().map(Choice::told).unwrap_or_default();
            let forms = told_forms(&judged);
            answers.held(format!("goes on with up to {most_results} results, {forms}: {told}"))
        }
        (Some(objection), None) => Err(objection),
        (None, None) => Err(Objection::inconclusive("no answer")),
    }
}

pub(super) async fn dangling_id(trial: &Trial) -> Outcome {
    let answer = ChatAnswer::read(&trial.ask(samples::forced_call(trial)).await)?;
    let (message, ids) = questions::message_with_calls(&answer)?;
    let right = trial.ask(questions::results(trial, message.clone(), &ids)).await;
    right.accepted().map_err(|objection| {
        Objection::inconclusive(format!("the right id is refused, too: {}", objection.seen)).about(&right)
    })?;
    let strange = stranger(&ids);
    let chat = questions::results(trial, message, &strange).titled("results of calls that nobody made");
    let refused = refused(trial, chat).await;
    held_by(&[refused.map_err(|objection| objection.expected("a status of 400"))?])
}

/// Ids of the same form that no call has: some servers take ids of one length only.
fn stranger(ids: &[Value]) -> Vec<Value> {
    let turned = |id: &Value| {
        let text = id.as_str().unwrap_or("call_1");
        let last = if text.ends_with('0') { "1" } else { "0" };
        let kept: String = text.chars().take(text.chars().count().saturating_sub(1)).collect();
        json!(format!("{kept}{last}"))
    };
    let strange: Vec<Value> = ids.iter().map(turned).filter(|id| !ids.contains(id)).collect();
    if strange.len() == ids.len() { strange } else { vec![json!("call99999")] }
}
