//! Requests that run beside a case, so that it can look at several at once, and leave in the middle of them.
//!
//! Owns a request on a connection of its own, which a task of its own reads: when the answer began to say something, how
//! long it was silent, and how its client goes. Knows no requirement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interference_wire::{Answer, BodyExpected, Connection, Reading};
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::case::Objection;
use crate::exchange::Exchange;
use crate::lines::{EventStream, LineKind};
use crate::question::Question;
use crate::trial::Trial;

/// A request that runs beside a case. Dropping it closes its connection.
#[derive(Debug)]
pub(crate) struct Companion {
    question: Question,
    progress: watch::Receiver<Progress>,
    orders: oneshot::Sender<Leaving>,
    task: JoinHandle<(Instant, Answer)>,
}

/// How a client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It closes the connection, as clients do.
    Close,
    /// It resets it, as the system does for a client that was killed.
    Reset,
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// When the whole request had been sent.
    pub(crate) sent: Option<Instant>,
    /// Of its head.
    pub(crate) status: Option<u16>,
    /// When its first byte came.
    pub(crate) first_byte: Option<Instant>,
    /// And its last so far.
    pub(crate) last_byte: Option<Instant>,
    /// When it began to say something: a stream by its first piece, any other answer when it was whole.
    pub(crate) begun: Option<Instant>,
    /// Whether nothing more comes.
    pub(crate) ended: bool,
    /// Bytes of the body in which it has said nothing.
    looked_at: usize,
}

impl Companion {
    /// Connects, and sends the request.
    ///
    /// # Errors
    /// INCONCLUSIVE where there is no connection.
    pub(crate) async fn start(trial: &Trial, question: impl Into<Question>) -> Result<Companion, Objection> {
        Ok(Companion::on(trial.connect().await?, trial, question.into()))
    }

    /// Sends the request on a connection that is there.
    pub(crate) fn on(connection: Connection, trial: &Trial, question: Question) -> Companion {
        let sent = question.to_bytes(trial.asker().target());
        let (tell, progress) = watch::channel(Progress::default());
        let (orders, ordered) = oneshot::channel();
        let task = tokio::spawn(hold(connection, sent, tell, ordered));
        Companion { question, progress, orders, task }
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until it has come so far, or has ended, or the time is over; and tells how far it has come.
    pub(crate) async fn until(&mut self, time: Instant, far: impl Fn(&Progress) -> bool) -> Progress {
        let waited = self.progress.wait_for(|progress| progress.ended || far(progress));
        // Too late, and a task that is over, are seen in the progress.
        let _ = tokio::time::timeout_at(time.into(), waited).await;
        self.progress()
    }

    /// Waits until it says something, or has ended, or the time is over.
    pub(crate) async fn begins(&mut self, time: Instant) -> Progress {
        self.until(time, |progress| progress.begun.is_some()).await
    }

    /// Goes away, in the middle if it has not ended, and gives what had come by then.
    ///
    /// # Errors
    /// A failure of this side's.
    pub(crate) async fn leave(mut self, trial: &Trial, how: Leaving) -> Result<Arc<Exchange>, Objection> {
        let (unused, _) = oneshot::channel();
        // Fails only where the answer has ended.
        let _ = std::mem::replace(&mut self.orders, unused).send(how);
        let (sent_at, answer) = (&mut self.task)
            .await
            .map_err(|error| Objection::harness(format!("reading beside the case failed: {error}")))?;
        Ok(trial.record(self.question.clone(), sent_at, answer))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Progress {
    /// Whether the server has taken the request.
    pub(crate) fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the server says that it is busy.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.status, Some(429 | 503 | 529))
    }

    /// From the request to its first piece.
    pub(crate) fn wait(&self) -> Option<Duration> {
        Some(self.begun?.saturating_duration_since(self.sent?))
    }

    fn take(&mut self, reading: &Reading<'_>, at: Instant) {
        self.first_byte = self.first_byte.or(Some(at));
        self.last_byte = Some(at);
        if let (None, Some(head)) = (self.status, reading.head()) {
            self.status = Some(head.status);
        }
        if self.begun.is_none() && self.is_accepted() {
            let unread = reading.so_far().body.get(self.looked_at..).unwrap_or_default();
            if says_something(unread) {
                self.begun = Some(at);
            }
            self.looked_at += up_to_the_last_blank_line(unread);
        }
    }
}

/// Reads until the end of the answer, or until ordered to go.
async fn hold(
    mut connection: Connection,
    request: Vec<u8>,
    tell: watch::Sender<Progress>,
    mut ordered: oneshot::Receiver<Leaving>,
) -> (Instant, Answer) {
    let sent_at = Instant::now();
    // What was not sent is seen in the answer.
    let _ = connection.send(&request).await;
    tell.send_modify(|progress| progress.sent = Some(Instant::now()));
    let mut reading = connection.begin_answer(BodyExpected::Yes);
    let how = loop {
        tokio::select! {
            how = &mut ordered => break how.unwrap_or(Leaving::Close),
            read = reading.next_read() => match read {
                Some(read) => tell.send_modify(|progress| progress.take(&reading, read.at)),
                None => break Leaving::Close,
            },
        }
    };
    let answer = reading.finish();
    let whole = answer.received.ending.is_complete();
    match how {
        Leaving::Close => connection.close().await,
        Leaving::Reset => connection.reset(),
    }
    tell.send_modify(|progress| {
        progress.ended = true;
        let is_plain =
            EventStream::read(&answer.received.body).events.iter().all(|event| event.data.is_none());
        if whole && is_plain && progress.is_accepted() {
            progress.begun = progress.begun.or(progress.last_byte);
        }
    });
    (sent_at, answer)
}

/// Whether a stream has come to its first piece: of content, of thoughts, of a call, or its end.
fn says_something(body: &[u8]) -> bool {
    let events = EventStream::read(body).events;
    let closed = events.iter().filter(|event| event.closed).filter_map(|event| event.data.as_deref());
    closed.filter_map(|data| serde_json::from_str::<Value>(data).ok()).any(|chunk| {
        let choices = chunk.get("choices").and_then(Value::as_array);
        choices.into_iter().flatten().any(|choice| {
            let texts = ["/delta/content", "/delta/reasoning_content", "/delta/reasoning"];
            let text =
                texts.iter().filter_map(|place| choice.pointer(place)?.as_str()).any(|text| !text.is_empty());
            let calls = choice.pointer("/delta/tool_calls").is_some_and(Value::is_array);
            let finish = choice.get("finish_reason").is_some_and(|reason| !reason.is_null());
            text || calls || finish
        })
    })
}

/// Where the last blank line begins: events before it are closed, and need not be read again.
fn up_to_the_last_blank_line(body: &[u8]) -> usize {
    let lines = EventStream::read(body).lines;
    lines.iter().rev().find(|line| line.kind == LineKind::Blank).map_or(0, |line| line.text.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_and_a_ping_say_nothing() {
        let role =
            ": ping\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
        let content = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        assert!(!says_something(role.as_bytes()));
        assert!(!says_something(content.trim_end().as_bytes()));
        assert!(says_something([role, content].concat().as_bytes()));
        let unfinished = [role, content.trim_end()].concat();
        let rest = &unfinished[up_to_the_last_blank_line(unfinished.as_bytes())..];
        assert_eq!(rest, format!("\n{}", content.trim_end()));
    }
}
