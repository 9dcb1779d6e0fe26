//! When the pieces of a stream arrive: as they are made, or all together.
//!
//! Knows how long an answer takes to be made, and when that is too short to tell a buffer from a fast server.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Objection, ObjectionKind, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::{ChatStream, Chunk};
use crate::exchange::Exchange;
use crate::question::Question;
use crate::samples;
use crate::trial::Trial;

/// So many pieces make an answer in which times of arrival can be told apart.
const PIECES_TO_TIME: usize = 32;
/// With fewer times of arrival than this they came in a few blocks, as from a buffer that is written when it is full.
const LEAST_ARRIVALS: usize = 4;
/// What looks like a buffer is measured so many times.
const TIMES_TO_MEASURE: usize = 3;
/// An answer that is made in less time than this tells nothing about buffers.
const SHORTEST_MAKING: Duration = Duration::from_millis(100);
/// The least share of the time that an answer takes to be made over which its pieces must be spread.
const LEAST_SPREAD: f64 = 0.2;

pub(super) async fn incremental(trial: &Trial) -> Outcome {
    let outcome = Spread::judge(trial, &samples::streamed(trial)).await;
    // Some servers wait for the whole answer as soon as a tool might be called.
    let offered = samples::streamed(trial)
        .titled("a streamed chat with a tool that nothing calls for")
        .with("tools", json!([samples::weather_tool()]));
    match Spread::judge(trial, &offered).await {
        Err(objection) if objection.kind == ObjectionKind::Broken => Err(objection),
        _ => outcome,
    }
}

pub(super) async fn no_hidden_buffering(trial: &Trial) -> Outcome {
    let chat = samples::streamed(trial);
    let question = chat
        .clone()
        .titled("a streamed chat that accepts gzip")
        .question()
        .header("Accept-Encoding", "gzip, deflate, br");
    let mut outcome = buffered(trial, &chat, &question).await;
    for _ in 1..TIMES_TO_MEASURE {
        if outcome.is_ok() {
            break;
        }
        outcome = buffered(trial, &chat, &question).await;
    }
    outcome
}

/// `question` is the chat, asked for in a way of its own.
async fn buffered(trial: &Trial, chat: &Chat<'_>, question: &Question) -> Outcome {
    let exchange = trial.ask_anew(question.clone()).await;
    exchange.accepted()?;
    match exchange.header("content-encoding").filter(|coding| coding != "identity") {
        None => Spread::of(&exchange, prompt_time(trial, chat).await?)?.outcome(),
        Some(coding) => {
            let pieces = trial.stream(chat.clone()).await?.choices_of(0).filter(has_text).count();
            compressed(&exchange, &coding, pieces, prompt_time(trial, chat).await?)
        }
    }
}

/// Compressed, only the reads themselves tell when something came; the same answer uncompressed had so many pieces.
fn compressed(exchange: &Exchange, coding: &str, pieces: usize, prompt: Duration) -> Outcome {
    exchange.read_to_its_end()?;
    let reads = exchange.answer()?.received.body_parts.len();
    let duration = exchange.duration().unwrap_or_default();
    let making = duration.saturating_sub(prompt);
    let span = duration.saturating_sub(exchange.time_of_body(1).unwrap_or_default());
    let told = format!("compressed by {coding}: {reads} reads within {} ms", span.as_millis());
    if reads >= LEAST_ARRIVALS && is_spread(span, making) {
        return held(told);
    }
    if making < SHORTEST_MAKING {
        return Err(Objection::inconclusive(format!("{told}: made too fast to tell")).about(exchange));
    }
    if pieces < PIECES_TO_TIME {
        let seen = format!("{told}, of {pieces} pieces; {PIECES_TO_TIME} are needed to tell");
        return Err(Objection::inconclusive(seen).about(exchange));
    }
    Err(Objection::broken(format!("{told}, after {} ms of making", making.as_millis())).about(exchange))
}

/// How the content of a stream lies in time.
struct Spread {
    stream: ChatStream,
    /// Pieces of content.
    pieces: usize,
    /// Times at which some of it came.
    arrivals: usize,
    /// From the first piece of content to the last.
    span: Duration,
    /// What the server needed for the answer after the prompt, at least.
    making: Duration,
}

impl Spread {
    /// Asks for the answer, after one of a single token has told how long the prompt takes.
    async fn measure(trial: &Trial, chat: &Chat<'_>) -> Result<Spread, Objection> {
        let prompt = prompt_time(trial, chat).await?;
        Spread::of(&trial.ask_anew(chat.clone()).await, prompt)
    }

    fn of(exchange: &Arc<Exchange>, prompt: Duration) -> Result<Spread, Objection> {
        let stream = ChatStream::read(exchange)?.unbroken()?;
        let telling = stream.choices_of(0).filter(has_text);
        let mut times: Vec<Duration> = telling.filter_map(|(chunk, _)| stream.arrival(chunk.event)).collect();
        let pieces = times.len();
        let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else {
            return Err(stream.inconclusive("no content in the stream"));
        };
        times.dedup();
        let (span, making) = (last.saturating_sub(first), last.saturating_sub(prompt));
        Ok(Spread { pieces, arrivals: times.len(), span, making, stream })
    }

    /// Measures until it does not look like a buffer any more; a server that was busy for a while does so once.
    async fn judge(trial: &Trial, chat: &Chat<'_>) -> Outcome {
        let mut outcome = Spread::measure(trial, chat).await?.outcome();
        for _ in 1..TIMES_TO_MEASURE {
            if outcome.is_ok() {
                break;
            }
            outcome = Spread::measure(trial, chat).await?.outcome();
        }
        outcome
    }

    fn outcome(&self) -> Outcome {
        let told = format!(
            "{} pieces of content, at {} times within {} ms",
            self.pieces,
            self.arrivals,
            self.span.as_millis()
        );
        if self.pieces < PIECES_TO_TIME {
            let seen = format!("{told}; {PIECES_TO_TIME} pieces are needed to tell");
            return Err(self.stream.inconclusive(seen));
        }
        let apart = self.arrivals >= LEAST_ARRIVALS;
        if apart && is_spread(self.span, self.making) {
            return held(told);
        }
        if self.making < SHORTEST_MAKING {
            return Err(self.stream.inconclusive(format!("{told}: the answer is made too fast to tell")));
        }
        let seen = format!("{told}, after {} ms in which they were made", self.making.as_millis());
        Err(self.stream.broken(seen))
    }
}

/// A span that is long is one, whatever came before: a server that was busy makes the answer late, not at once.
fn is_spread(span: Duration, making: Duration) -> bool {
    span >= SHORTEST_MAKING || span.as_secs_f64() >= LEAST_SPREAD * making.as_secs_f64()
}

/// Whether a piece of text has come: of the answer, or of the thoughts before it, which take their time, too.
fn has_text((_, choice): &(&Chunk, &Value)) -> bool {
    let places = ["/delta/content", "/delta/reasoning_content", "/delta/reasoning"];
    places.iter().filter_map(|place| choice.pointer(place)?.as_str()).any(|text| !text.is_empty())
}

/// How long the server needs for the prompt of a chat, tools and all, and one token.
async fn prompt_time(trial: &Trial, chat: &Chat<'_>) -> Result<Duration, Objection> {
    let exchange = trial.ask_anew(samples::shortened(chat.clone())).await;
    exchange.accepted()?;
    Ok(exchange.duration().unwrap_or_default())
}
