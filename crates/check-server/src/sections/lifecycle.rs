//! `life`: what becomes of a server while clients come, go away in the middle, do not read, and come back.
//!
//! Holds requests beside each other by [`companion`](crate::companion), and fills the server by
//! [`crowd`](crate::crowd). Times are judged against those of the same server when it is idle, and a fault must show
//! twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use interference_report::Level::{Must, Should};
use interference_wire::{BodyExpected, Connection};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, ObjectionKind, Outcome, held};
use crate::chat_stream::ChatStream;
use crate::companion::{Companion, Leaving, Progress};
use crate::crowd::{Crowd, IDLE_PROBES, Kind, LONG_TOKENS, MOST_LONG, SHORT_TOKENS, STEPS, Short, long};
use crate::exchange::{Exchange, excerpt};
use crate::question::Question;
use crate::refusal::dropped;
use crate::samples;
use crate::trial::Trial;
use interference_catalogue::Clause;

/// A client that nobody answers for so long gives up, or a box between it and the server does.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// Streams at once that more or less every server lets wait.
const QUEUED: u32 = MOST_LONG;
/// A byte that comes so long after the first one is a ping.
const PING_AFTER: Duration = Duration::from_secs(1);
/// How often those that wait are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What each of several streams is to repeat: words that do not call each other to mind.
const WORDS: [&str; 8] =
    ["walrus", "trombone", "glacier", "paprika", "satellite", "cathedral", "harpoon", "origami"];
/// So many of the streams must have their word for the others' absence to mean anything.
const LEAST_ECHOES: usize = 2;
/// How long such a stream may get, in tokens.
const ECHO_TOKENS: u32 = 48;
/// Clients that go away beside them.
const LEAVERS: u32 = 2;
/// How long the answer may get that nobody reads, in tokens.
const UNREAD_TOKENS: u32 = 256;
/// How long is waited for it to be made, at most.
const LONGEST_MAKING: Duration = Duration::from_secs(30);
/// What a client beside one that does not read may wait longer than beside one that does.
const SLOW_READER_COSTS: Duration = Duration::from_secs(5);
/// Tokens of the other short answers.
const FEW_TOKENS: u32 = 8;
/// How long a server may be silent at the end, in silences that it is allowed else: it may still be making what the judge has
/// asked for and left, which is another case's matter, and is not down for that.
const SILENCES_TO_RECOVER: u32 = 5;
/// What of an answer is told, in characters.
const TOLD_CHARACTERS: usize = 120;

/// Of one round in which everyone goes: those that fill the server, and as many again in the queue.
const ROUND_LONG: u32 = 2 * MOST_LONG;
/// And short ones, of which a server that says it is busy gets up to twenty; while it comes to rest, one a second more.
const ROUND_SHORT: u32 = STEPS + 20 + 1;
/// Both ways to go, each a second time if the first shows a fault.
const ROUNDS: u32 = 4;
/// The steps up to what fills the server, less than half of which are below it; then the rounds.
const DISCONNECT_COST: Cost = Cost::new(
    MOST_LONG / 2 + IDLE_PROBES + ROUNDS * (ROUND_LONG + ROUND_SHORT),
    MOST_LONG / 2 * LONG_TOKENS
        + IDLE_PROBES * SHORT_TOKENS
        + ROUNDS * (ROUND_LONG * LONG_TOKENS + ROUND_SHORT * SHORT_TOKENS),
);
const DISCONNECT: &str = "1, 4, 16 and 64 long answers, until a short one beside them does not begin; then as many again, and all clients go, once by closing and once by a reset; then a short one. Not judged where 64 do not fill the server.";

pub(super) const SECTION: Section = Section {
    name: "life",
    title: "Clients that come and go",
    cases: &[
        Case {
            slug: "life.disconnect-frees",
            level: Must,
            requirement: "When the client of a stream goes away its place is free within 2 s, also that of one that waits.",
            clauses: &[
                Clause::node(
                    "core/streaming.js, Stream.fromSSEResponse",
                    "If the user `break`s, abort the ongoing request.",
                ),
                Clause::field(
                    "llama.cpp #24496, #13262",
                    "the client was gone and its slot went on generating, and those that waited were answered to nobody",
                ),
                Clause::field("ollama #11889", "a client that went during the prompt was not noticed"),
            ],
            trigger: DISCONNECT,
            company: Company::Alone,
            cost: DISCONNECT_COST,
            judge: |trial| Box::pin(disconnect(trial, Kind::Streamed)),
        },
        Case {
            slug: "life.disconnect-plain",
            level: Must,
            requirement: "When the client of a plain request goes away its place is free within 2 s, also that of one that waits.",
            clauses: &[
                Clause::node(
                    "internal/request-options.d.ts, RequestOptions.signal",
                    "An AbortSignal that can be used to cancel the request.",
                ),
                Clause::field(
                    "llama.cpp #24496, #13262",
                    "the client was gone and its slot went on generating, and those that waited were answered to nobody",
                ),
            ],
            trigger: DISCONNECT,
            company: Company::Alone,
            cost: DISCONNECT_COST,
            judge: |trial| Box::pin(disconnect(trial, Kind::Plain)),
        },
        Case {
            slug: "life.no-cross-talk",
            level: Must,
            requirement: "Streams side by side each get their own answer, and whole, also when other clients go away beside them.",
            clauses: &[
                Clause::openai(
                    "POST /chat/completions",
                    "Creates a model response for the given chat conversation.",
                ),
                Clause::field("ik_llama.cpp #1929", "one client's going ended the answer of another"),
            ],
            trigger: "8 streams at once, each of which is to repeat a word of its own, and 2 more whose clients go away in the middle.",
            company: Company::Alone,
            cost: Cost::new(
                2 * (8 + LEAVERS) + 1,
                2 * (8 * ECHO_TOKENS + LEAVERS * LONG_TOKENS) + ECHO_TOKENS,
            ),
            judge: |trial| Box::pin(no_cross_talk(trial)),
        },
        Case {
            slug: "life.slow-reader",
            level: Must,
            requirement: "A client that does not read its stream makes nobody else wait.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.stream",
                "the model response data will be streamed to the client as it is generated",
            )],
            trigger: "A long stream that is read, and one that is not, by a connection with the smallest of buffers; beside each a short one.",
            company: Company::Alone,
            cost: Cost::new(
                IDLE_PROBES + 3 * 2 + 5,
                3 * 2 * UNREAD_TOKENS + (IDLE_PROBES + 5) * SHORT_TOKENS,
            ),
            judge: |trial| Box::pin(slow_reader(trial)),
        },
        Case {
            slug: "life.reuse",
            level: Must,
            requirement: "After a stream the connection takes the next request, unless the server has said that it closes.",
            clauses: &[
                Clause::rfc9112(
                    "section 9.3",
                    "A server that does not support persistent connections MUST send the \"close\" connection option in every response message that does not have a 1xx (Informational) status code.",
                ),
                Clause::rfc9112(
                    "section 9.3",
                    "all messages on a connection need to have a self-defined message length",
                ),
            ],
            trigger: "Two streams and a plain chat, one after the other on one connection.",
            company: Company::Others,
            cost: Cost::new(2 * 3, 2 * 3 * FEW_TOKENS),
            judge: |trial| Box::pin(reuse(trial)),
        },
        Case {
            slug: "life.healthy-after",
            level: Must,
            requirement: "After the whole run the server answers as before.",
            clauses: &[
                Clause::rfc9110(
                    "section 15.6.1",
                    "the server encountered an unexpected condition that prevented it from fulfilling the request",
                ),
                Clause::field(
                    "llama.cpp #14060",
                    "one request that could not be parsed took the whole server down",
                ),
            ],
            trigger: "A plain and a streamed chat, when everything else is done.",
            company: Company::Last,
            cost: Cost::new(2 * 2, 2 * 2 * FEW_TOKENS),
            judge: |trial| Box::pin(healthy_after(trial)),
        },
        Case {
            slug: "life.silent-start",
            level: Should,
            requirement: "Until a stream begins, no 15 s pass without a byte, however long it waits.",
            clauses: &[
                Clause::event_stream(
                    "section 9.2.7",
                    "authors can include a comment line (one starting with a ':' character) every 15 seconds or so",
                ),
                Clause::field(
                    "llama.cpp PR 24013",
                    "a long prompt was silent until the client gave up after 300 s",
                ),
            ],
            trigger: "64 long streams at once; looked at until each has begun, or pings while it waits, or was silent for too long.",
            company: Company::Alone,
            cost: Cost::new(QUEUED, QUEUED * LONG_TOKENS),
            judge: |trial| Box::pin(silent_start(trial)),
        },
    ],
};

/// Whether such chats are answered at all.
fn are_answered(trial: &Trial, kind: Kind) -> Result<(), Objection> {
    let (what, answered) = match kind {
        Kind::Streamed => ("streamed", &trial.knowledge().streamed),
        Kind::Plain => ("plain", &trial.knowledge().plain),
    };
    answered
        .clone()
        .map_err(|reason| Objection::inconclusive(format!("no {what} chat is answered: {reason}")))
}

async fn disconnect(trial: &Trial, kind: Kind) -> Outcome {
    are_answered(trial, kind)?;
    let mut crowd = Crowd::gather(trial, kind).await?;
    let mut many = 1;
    let mut told = Vec::new();
    for how in [Leaving::Close, Leaving::Reset] {
        // What waits as long as it may wait afterwards proves that it waits for a place. The second time it is known.
        let proof = match how {
            Leaving::Close => crowd.longest_wait(),
            Leaving::Reset => crowd.longest_wait().min(crowd.clearly_longer()),
        };
        many = crowd.fill(many, proof).await?;
        let freed = match all_go(trial, &mut crowd, many, how).await {
            Err(objection) if objection.kind == ObjectionKind::Broken => {
                crowd.rest().await?;
                crowd.fill(many, crowd.longest_wait()).await?;
                let again = all_go(trial, &mut crowd, many, how).await;
                crowd.rest().await?;
                again?
            }
            other => other?,
        };
        told.push(format!("{} ms after they {}", freed.as_millis(), told_going(how)));
    }
    crowd.rest().await?;
    held(format!(
        "filled by {many} long answers; a short one, which takes {} ms when the server is idle, began {}",
        crowd.idle.as_millis(),
        told.join(", and ")
    ))
}

fn told_going(how: Leaving) -> &'static str {
    match how {
        Leaving::Close => "had closed their connections",
        Leaving::Reset => "had reset them",
    }
}

/// Lets as many again wait, lets all clients go, and tells after how long a short answer begins.
async fn all_go(
    trial: &Trial,
    crowd: &mut Crowd<'_>,
    many: u32,
    how: Leaving,
) -> Result<Duration, Objection> {
    crowd.grow(2 * many).await?;
    let gone = crowd.len();
    crowd.leave(how).await?;
    let left_at = Instant::now();
    let (mut probe, came) = crowd.send_short_until_taken(crowd.longest_wait()).await?;
    let clients = format!("{gone} clients {}", told_going(how));
    match came {
        Short::Began(_) => {
            let freed = left_at.elapsed();
            probe.leave(trial, Leaving::Close).await?;
            Ok(freed)
        }
        Short::Waits => {
            let late = probe.begins(left_at + LONGEST_MAKING).await;
            let exchange = probe.leave(trial, Leaving::Close).await?;
            let began = match late.begun {
                Some(at) => format!("began {} ms later", at.saturating_duration_since(left_at).as_millis()),
                None => format!("had not begun {} s later", LONGEST_MAKING.as_secs()),
            };
            Err(Objection::broken(format!("{clients}, and a short chat sent at once {began}"))
                .expected(format!("it begins within {} ms", crowd.longest_wait().as_millis()))
                .about(&exchange))
        }
        Short::Busy(status) => {
            let exchange = probe.leave(trial, Leaving::Close).await?;
            let seen =
                format!("{clients}, and the server still says {status}; that may be a limit of its rate");
            Err(Objection::inconclusive(seen).about(&exchange))
        }
        Short::Failed(_) => {
            let exchange = probe.leave(trial, Leaving::Close).await?;
            exchange.accepted()?;
            Err(Objection::inconclusive(format!("{clients}, and a short chat broke off")).about(&exchange))
        }
    }
}

async fn no_cross_talk(trial: &Trial) -> Outcome {
    are_answered(trial, Kind::Streamed)?;
    let mut exchanges = side_by_side(trial).await?;
    if broken_off(&exchanges).is_some() {
        exchanges = side_by_side(trial).await?;
        if let Some((exchange, seen)) = broken_off(&exchanges) {
            return Err(
                Objection::broken(format!("twice, while other clients went away, {seen}")).about(exchange)
            );
        }
    }
    let streams: Vec<(usize, ChatStream)> = exchanges
        .iter()
        .enumerate()
        .filter_map(|(index, exchange)| Some((index, ChatStream::read(exchange).ok()?)))
        .collect();
    if streams.len() < 2 {
        for exchange in &exchanges {
            exchange.accepted()?;
        }
        return Err(Objection::inconclusive("fewer than two streams at once"));
    }
    let mut echoed = 0;
    for (own, stream) in &streams {
        let text = stream.text(0).to_lowercase();
        echoed += usize::from(text.contains(WORDS[*own]));
        let foreign = WORDS.iter().enumerate().find(|(other, word)| other != own && text.contains(*word));
        if let Some((_, word)) = foreign
            && !says_alone(trial, *own, word).await?
        {
            let told = excerpt(stream.text(0).as_bytes(), TOLD_CHARACTERS);
            let seen = format!("the stream that was to repeat `{}` has `{word}` in it: {told}", WORDS[*own]);
            return Err(stream.broken(seen));
        }
    }
    if echoed < LEAST_ECHOES {
        let seen = format!("the model repeats its word in {echoed} of {} streams", streams.len());
        return Err(Objection::inconclusive(seen));
    }
    held(format!("{} streams at once, none with another's word, {echoed} with its own", streams.len()))
}

fn echo(trial: &Trial, own: usize) -> Question {
    let word = WORDS[own];
    let prompt = format!("Repeat the word {word} twenty times, and say nothing else.");
    trial.chat(&prompt, ECHO_TOKENS).streamed().titled(format!("a stream that repeats `{word}`")).question()
}

/// Whether the model comes to the other word by itself.
async fn says_alone(trial: &Trial, own: usize, word: &str) -> Result<bool, Objection> {
    let stream = ChatStream::read(&trial.ask_anew(echo(trial, own)).await)?;
    Ok(stream.text(0).to_lowercase().contains(word))
}

/// The answers to all echoes, in the order of their words, while others go away.
async fn side_by_side(trial: &Trial) -> Result<Vec<Arc<Exchange>>, Objection> {
    let mut leavers = Vec::new();
    for number in 1..=LEAVERS {
        leavers.push(Companion::start(trial, long(trial, Kind::Streamed, number)).await?);
    }
    let mut echoes = Vec::new();
    for own in 0..WORDS.len() {
        echoes.push(Companion::start(trial, echo(trial, own)).await?);
    }
    let until = Instant::now() + trial.asker().patience().total;
    join_all(echoes.iter_mut().chain(&mut leavers).map(|companion| companion.begins(until))).await;
    for (leaver, how) in leavers.into_iter().zip([Leaving::Close, Leaving::Reset]) {
        leaver.leave(trial, how).await?;
    }
    let mut exchanges = Vec::new();
    for mut companion in echoes {
        companion.until(until, |_| false).await;
        exchanges.push(companion.leave(trial, Leaving::Close).await?);
    }
    Ok(exchanges)
}

/// The first accepted stream that did not come to its end.
fn broken_off(exchanges: &[Arc<Exchange>]) -> Option<(&Arc<Exchange>, String)> {
    exchanges.iter().find_map(|exchange| {
        let stream = ChatStream::read(exchange).ok()?;
        let title = &exchange.question.title;
        if let Some(error) = stream.errors.first() {
            let told = excerpt(error.value.to_string().as_bytes(), TOLD_CHARACTERS);
            return Some((exchange, format!("{title} broke off with an error: {told}")));
        }
        let is_over = stream.finish_reason(0).is_some() || exchange.read_to_its_end().is_err();
        let ending = exchange.ending().filter(|_| !is_over)?;
        Some((
            exchange,
            format!("{title} came without a finish reason; {}", crate::ending::told_ending(ending)),
        ))
    })
}

async fn slow_reader(trial: &Trial) -> Outcome {
    are_answered(trial, Kind::Streamed)?;
    let crowd = Crowd::gather(trial, Kind::Streamed).await?;
    let (question, making, beside_reader) = beside_a_reader(trial, &crowd).await?;
    let longest = beside_reader * 2 + making + SLOW_READER_COSTS;
    let mut wait = Duration::ZERO;
    for last_try in [false, true] {
        let connection = unread(trial, &question, making).await?;
        let (mut probe, came) = crowd.send_short(longest).await?;
        if let Short::Began(after) = came {
            probe.leave(trial, Leaving::Close).await?;
            connection.reset();
            wait = after;
            break;
        }
        connection.reset();
        let freed_at = Instant::now();
        let late = probe.begins(freed_at + LONGEST_MAKING).await;
        let exchange = probe.leave(trial, Leaving::Close).await?;
        if came != Short::Waits {
            exchange.accepted()?;
            return Err(Objection::inconclusive("a short chat broke off").about(&exchange));
        }
        if last_try {
            let then = match late.begun {
                Some(at) => format!(
                    "it began {} ms after that client had gone",
                    at.saturating_duration_since(freed_at).as_millis()
                ),
                None => "nor did it after that client had gone".to_owned(),
            };
            let seen = format!(
                "beside a client that does not read, a short chat did not begin within {} ms, which takes {} ms beside one that reads; {then}",
                longest.as_millis(),
                beside_reader.as_millis()
            );
            return Err(Objection::broken(seen).about(&exchange));
        }
        crowd.rest().await?;
    }
    crowd.rest().await?;
    held(format!(
        "a short chat began after {} ms beside a client that does not read, and after {} ms beside one that does",
        wait.as_millis(),
        beside_reader.as_millis()
    ))
}

/// The long stream that the server takes, how long it takes to be made, and how long a short one waits beside it.
async fn beside_a_reader(
    trial: &Trial,
    crowd: &Crowd<'_>,
) -> Result<(Question, Duration, Duration), Objection> {
    let chat = trial
        .chat("Name a hundred kinds of trees, one on each line.", UNREAD_TOKENS)
        .limit(UNREAD_TOKENS)
        .streamed()
        .titled("a long stream");
    // Log probabilities make many bytes of few tokens, where they can be had.
    let large = chat
        .clone()
        .with("logprobs", serde_json::json!(true))
        .with("top_logprobs", serde_json::json!(5))
        .titled("a long stream with log probabilities");
    for question in [large.question(), chat.question()] {
        let until = Instant::now() + LONGEST_MAKING;
        let mut companion = Companion::start(trial, question.clone()).await?;
        let progress = companion.begins(until).await;
        if progress.ended && progress.begun.is_none() {
            companion.leave(trial, Leaving::Close).await?;
            continue;
        }
        let (probe, came) = crowd.send_short(LONGEST_MAKING).await?;
        probe.leave(trial, Leaving::Close).await?;
        let progress = companion.until(until, |_| false).await;
        let exchange = companion.leave(trial, Leaving::Close).await?;
        let Short::Began(wait) = came else {
            let seen = "a short chat does not begin beside a long one, though that is read";
            return Err(Objection::inconclusive(seen).about(&exchange));
        };
        let making = match (progress.sent, progress.last_byte) {
            (Some(sent), Some(last)) if progress.ended => last.saturating_duration_since(sent),
            _ => LONGEST_MAKING,
        };
        return Ok((question, making, wait));
    }
    Err(Objection::inconclusive("no long stream is answered"))
}

/// A client that asks and does not read, after as much time as the answer takes to be made.
async fn unread(trial: &Trial, question: &Question, making: Duration) -> Result<Connection, Objection> {
    let mut connection = trial.connect_with_small_buffers().await?;
    let sent_at = Instant::now();
    let bytes = question.to_bytes(trial.asker().target());
    connection
        .send(&bytes)
        .await
        .map_err(|error| Objection::inconclusive(format!("the request was not taken: {error}")))?;
    tokio::time::sleep(making).await;
    let nothing = connection.begin_answer(BodyExpected::Yes).finish();
    let title = format!("{}, not read", question.title);
    trial.record(question.clone().titled(title), sent_at, nothing);
    Ok(connection)
}

async fn reuse(trial: &Trial) -> Outcome {
    match on_one_connection(trial).await {
        // A server may close an idle connection whenever it likes, and this may be the moment.
        Err(objection) if objection.kind == ObjectionKind::Broken => on_one_connection(trial).await,
        other => other,
    }
}

async fn on_one_connection(trial: &Trial) -> Outcome {
    are_answered(trial, Kind::Streamed)?;
    let chat = |prompt: &str| trial.chat(prompt, FEW_TOKENS);
    let mut questions = vec![
        chat("Say hello.").streamed().titled("a stream"),
        chat("Say good morning.").streamed().titled("a second stream on the same connection"),
    ];
    if are_answered(trial, Kind::Plain).is_ok() {
        questions.push(chat("Say good night.").titled("a plain chat on the same connection"));
    }
    let mut connection = trial.connect().await?;
    let mut taken = 0_usize;
    for question in questions.into_iter().map(crate::chat::Chat::question) {
        let title = question.title.clone();
        let sent_at = Instant::now();
        // A connection that is gone shows in the answer.
        let _ = connection.send(&question.to_bytes(trial.asker().target())).await;
        let answer = connection.read_answer(BodyExpected::Yes).await;
        let (keeps_alive, surplus) = (answer.keeps_alive(), answer.received.surplus().to_vec());
        let exchange = trial.record(question, sent_at, answer);
        if taken > 0 && (dropped(&exchange) || exchange.status().is_ok_and(|status| status == 400)) {
            let seen = match exchange.status() {
                Ok(status) => exchange.told_refusal(status),
                Err(objection) => objection.seen,
            };
            return Err(Objection::broken(format!("{title}: {seen}"))
                .expected("an answer, or `connection: close` in the one before")
                .about(&exchange));
        }
        exchange.accepted()?;
        taken += 1;
        if !surplus.is_empty() {
            let told = excerpt(&surplus, TOLD_CHARACTERS);
            return Err(Objection::broken(format!("{title}: {told} after its end")).about(&exchange));
        }
        if !keeps_alive {
            break;
        }
    }
    connection.close().await;
    match taken {
        1 => Err(Objection::not_applicable("the server closes the connection after a stream, and says so")),
        _ => held(format!("{taken} requests on one connection")),
    }
}

async fn healthy_after(trial: &Trial) -> Outcome {
    let chat = || trial.chat(samples::POEM, FEW_TOKENS);
    let mut told = Vec::new();
    for (kind, question) in [
        (Kind::Plain, chat().titled("a plain chat after everything").question()),
        (Kind::Streamed, chat().streamed().titled("a streamed chat after everything").question()),
    ] {
        if are_answered(trial, kind).is_err() {
            continue;
        }
        let silence = trial.asker().patience().silence;
        let mut asked = alive(trial, question.clone(), silence).await;
        if matches!(&asked, Err(objection) if objection.kind == ObjectionKind::Broken) {
            asked = alive(trial, question, silence * SILENCES_TO_RECOVER).await;
        }
        told.push(asked?);
    }
    if told.is_empty() {
        return Err(Objection::inconclusive("no chat was answered before either"));
    }
    held(told.join(", "))
}

/// Asks, whatever was drawn from answers before; the server may be silent for so long.
async fn alive(trial: &Trial, question: Question, silence: Duration) -> Result<String, Objection> {
    if trial.asker().time_left().is_zero() {
        return Err(Objection::inconclusive("the time of the run is over"));
    }
    let title = question.title.clone();
    let gone = |seen: String| Objection::broken(format!("{title}: {seen}"));
    let connection = trial.connect_for_silence(silence).await.map_err(|objection| gone(objection.seen))?;
    let mut companion = Companion::on(connection, trial, question);
    let patience = trial.asker().patience().total.max(silence * 2).min(trial.asker().time_left());
    companion.until(Instant::now() + patience, |_| false).await;
    let exchange = companion.leave(trial, Leaving::Close).await?;
    let status = match exchange.status() {
        Ok(status) => status,
        // The end of the run's time is no answer either.
        Err(objection) if trial.asker().time_left().is_zero() => return Err(objection),
        Err(objection) => return Err(gone(objection.seen).about(&exchange)),
    };
    match status {
        200..=299 => Ok(format!("{title}: status {status}")),
        401 | 403 | 408 | 425 | 429 | 503 | 529 => {
            Err(Objection::inconclusive(format!("{title}: {}", exchange.told_refusal(status)))
                .about(&exchange))
        }
        _ => Err(gone(exchange.told_refusal(status)).about(&exchange)),
    }
}

async fn silent_start(trial: &Trial) -> Outcome {
    are_answered(trial, Kind::Streamed)?;
    let mut all = Vec::new();
    for number in 1..=QUEUED {
        let connection = trial.connect_for_silence(LONGEST_SILENCE * 2).await?;
        all.push(Companion::on(connection, trial, long(trial, Kind::Streamed, number)));
    }
    let until = Instant::now() + LONGEST_SILENCE * 2;
    let mut longest = Duration::ZERO;
    loop {
        let now = Instant::now();
        let waiting = |progress: &Progress| progress.begun.is_none() && !progress.ended;
        let silent = |progress: &Progress| {
            let heard = progress.last_byte.or(progress.sent).unwrap_or(now);
            now.saturating_duration_since(heard)
        };
        let progresses: Vec<Progress> = all.iter().map(Companion::progress).collect();
        let silences = progresses.iter().filter(|progress| waiting(progress)).map(silent);
        longest = silences.max().unwrap_or_default().max(longest);
        if longest > LONGEST_SILENCE {
            break;
        }
        if progresses.iter().all(|progress| !waiting(progress) || pings(progress)) || now > until {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let progresses: Vec<Progress> = all.iter().map(Companion::progress).collect();
    let silent = progresses
        .iter()
        .position(|progress| progress.begun.is_none() && !progress.ended && !pings(progress));
    let mut exchanges = Vec::new();
    for companion in all {
        exchanges.push(companion.leave(trial, Leaving::Close).await?);
    }
    let told = told_waits(&progresses, longest);
    if longest > LONGEST_SILENCE {
        let objection = Objection::broken(told);
        return Err(match silent.and_then(|index| exchanges.get(index)) {
            Some(exchange) => objection.about(exchange),
            None => objection,
        });
    }
    if progresses.iter().all(|progress| progress.begun.is_none()) {
        for exchange in &exchanges {
            exchange.accepted()?;
        }
        return Err(Objection::inconclusive(format!("no stream began; {told}")));
    }
    held(told)
}

/// Whether one that waits has been given a sign after its first byte.
fn pings(progress: &Progress) -> bool {
    match (progress.first_byte, progress.last_byte) {
        (Some(first), Some(last)) => last.saturating_duration_since(first) >= PING_AFTER,
        _ => false,
    }
}

fn told_waits(progresses: &[Progress], longest: Duration) -> String {
    let begun = progresses.iter().filter(|progress| progress.begun.is_some()).count();
    let busy = progresses.iter().filter(|progress| progress.is_busy()).count();
    let waiting = progresses.iter().filter(|progress| progress.begun.is_none() && !progress.ended).count();
    format!(
        "of {} streams at once {begun} had begun, {waiting} waited, {busy} were refused as too many; before its \
         beginning none was silent for more than {} ms",
        progresses.len(),
        longest.as_millis()
    )
}
