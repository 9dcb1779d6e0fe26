//! A case's hold on the server.
//!
//! Owns the way from a case to the server and back, and the list of what the case has looked at, which is its
//! evidence. Knows no requirement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use interference_wire::{Answer, Connection};

use crate::asker::Asker;
use crate::case::Objection;
use crate::chat::Chat;
use crate::chat_stream::ChatStream;
use crate::exchange::Exchange;
use crate::knowledge::Knowledge;
use crate::question::Question;

/// A server that is ready to be judged.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) asker: Arc<Asker>,
    pub(crate) knowledge: Knowledge,
}

/// One case's hold on the server.
#[derive(Debug)]
pub struct Trial {
    bench: Arc<Bench>,
    seen: Mutex<Vec<Arc<Exchange>>>,
}

impl Trial {
    pub(crate) fn new(bench: Arc<Bench>) -> Trial {
        Trial { bench, seen: Mutex::default() }
    }

    /// What is known of the server.
    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.bench.knowledge
    }

    /// The one who asks, for cases that hold an exchange themselves.
    pub(crate) fn asker(&self) -> &Asker {
        &self.bench.asker
    }

    /// A chat request in the making, with an answer of at most `limit` tokens.
    pub(crate) fn chat(&self, prompt: &str, limit: u32) -> Chat<'_> {
        Chat::new(&self.bench.knowledge, prompt, limit)
    }

    /// Asks, or gives the exchange that the same question has brought in this run.
    pub(crate) async fn ask(&self, question: impl Into<Question>) -> Arc<Exchange> {
        let exchange = self.asker().ask_once(question.into()).await;
        self.note(Arc::clone(&exchange))
    }

    /// Asks, whether or not the same was asked before.
    pub(crate) async fn ask_anew(&self, question: impl Into<Question>) -> Arc<Exchange> {
        let exchange = self.asker().ask(question.into()).await;
        self.note(Arc::clone(&exchange))
    }

    /// Asks for a chat stream, as [`Trial::ask`] does, and reads it.
    ///
    /// # Errors
    /// As [`ChatStream::read`].
    pub(crate) async fn stream(&self, question: impl Into<Question>) -> Result<ChatStream, Objection> {
        ChatStream::read(&self.ask(question).await)
    }

    /// A connection of its own. The case records what it does there by [`Trial::record`].
    ///
    /// # Errors
    /// INCONCLUSIVE where there is none.
    pub(crate) async fn connect(&self) -> Result<Connection, Objection> {
        self.asker()
            .connect()
            .await
            .map_err(|reason| Objection::inconclusive(format!("no connection: {reason}")))
    }

    /// The same with the smallest of buffers, so that a server soon notices that nothing is read.
    ///
    /// # Errors
    /// As [`Trial::connect`].
    pub(crate) async fn connect_with_small_buffers(&self) -> Result<Connection, Objection> {
        self.asker()
            .connect_with_small_buffers()
            .await
            .map_err(|reason| Objection::inconclusive(format!("no connection: {reason}")))
    }

    /// The same with the patience for a silence of so long, and for twice as long in all.
    ///
    /// # Errors
    /// As [`Trial::connect`].
    pub(crate) async fn connect_for_silence(&self, silence: Duration) -> Result<Connection, Objection> {
        self.asker()
            .connect_for_silence(silence)
            .await
            .map_err(|reason| Objection::inconclusive(format!("no connection: {reason}")))
    }

    /// Keeps an exchange that the case has held itself.
    pub(crate) fn record(&self, question: Question, sent_at: Instant, answer: Answer) -> Arc<Exchange> {
        let sent = question.to_bytes(self.asker().target());
        let exchange = self.asker().exchange(question, sent, sent_at, None, Ok(answer));
        self.note(Arc::new(exchange))
    }

    /// Puts an exchange among the evidence, once.
    pub(crate) fn note(&self, exchange: Arc<Exchange>) -> Arc<Exchange> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().all(|other| other.number != exchange.number) {
            seen.push(Arc::clone(&exchange));
        }
        exchange
    }

    /// What the case has looked at, in order.
    pub(crate) fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
