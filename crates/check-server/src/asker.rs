//! Asks a server, within bounds, and keeps what several cases look at.
//!
//! Owns how long is waited, how much is read, how often a busy server is asked again, and the exchanges that are shared:
//! the same request is sent once in a run, however many cases rest on it. Refuses to know what the answers mean.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use interference_wire::{
    Answer, BodyExpected, ConnectError, Connection, Ending, Limits, ReadLimits, TimeLimits,
};
use tokio::sync::{OnceCell, Semaphore};

use crate::exchange::Exchange;
use crate::question::Question;
use interference_target::Target;

/// What is read of one answer, at most. A whole run keeps some thirty answers, and those of the cases that run.
const READ_LIMITS: ReadLimits = ReadLimits {
    head_bytes: 64 << 10,
    body_bytes: 4 << 20,
    raw_bytes: 5 << 20,
    reads: 1 << 15,
    chunks: 1 << 15,
    chunk_line_bytes: 8 << 10,
    interim_answers: 16,
};

/// What is read of each later answer of a server that has sent [`ENDLESS_UNTIL_IMPATIENT`] beyond these bounds. It is
/// still many times what cases ask for.
const READ_LIMITS_OF_ENDLESS: ReadLimits = ReadLimits {
    body_bytes: 512 << 10,
    raw_bytes: 640 << 10,
    reads: 1 << 12,
    chunks: 1 << 12,
    ..READ_LIMITS
};

/// How often a server that says it is busy is asked the same again.
const TRIES_WHEN_BUSY: u32 = 3;
/// How long is waited before that, at most, whatever the server asks for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long is waited where the server does not say.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// After so many requests in a row without an answer, less is waited of a server that has never given a whole one.
const SILENCES_UNTIL_IMPATIENT: u32 = 3;
/// After so many, nothing more is asked.
const SILENCES_UNTIL_GIVING_UP: u32 = 10;
/// Answers that went on until reading was given up; after so many, less is read of such a server, and less waited.
const ENDLESS_UNTIL_IMPATIENT: u32 = 2;
/// What is waited then.
const IMPATIENT: Duration = Duration::from_secs(3);

/// Busy answers that are kept, for the case that looks at them.
const MOST_BUSY_KEPT: usize = 16;

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Asker {
    target: Target,
    patience: Mutex<Patience>,
    shared: Mutex<HashMap<Question, Arc<OnceCell<Arc<Exchange>>>>>,
    busy: Mutex<Vec<Arc<Exchange>>>,
    asked: AtomicU64,
    silences: AtomicU32,
    endless: AtomicU32,
    /// Those of the endless that came faster than their time ended.
    too_large: AtomicU32,
    /// Whether any answer was whole.
    has_answered: AtomicBool,
    until: Instant,
    /// Requests at the same time, those aside that a case sends on connections of its own.
    room: Semaphore,
    most_at_once: usize,
}

/// How long a server is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Without a byte.
    pub(crate) silence: Duration,
    /// For a whole answer.
    pub(crate) total: Duration,
}

impl Asker {
    /// Asks this server, with this patience, at most `room` requests at the same time, and nothing after `until`.
    pub(crate) fn new(target: Target, patience: Patience, room: usize, until: Instant) -> Asker {
        Asker {
            target,
            patience: Mutex::new(patience),
            shared: Mutex::default(),
            busy: Mutex::default(),
            asked: AtomicU64::new(0),
            silences: AtomicU32::new(0),
            endless: AtomicU32::new(0),
            too_large: AtomicU32::new(0),
            has_answered: AtomicBool::new(false),
            until,
            room: Semaphore::new(room.clamp(1, Semaphore::MAX_PERMITS)),
            most_at_once: room.max(1),
        }
    }

    /// The server.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The same asker for another base path; what was shared is forgotten.
    pub(crate) fn at_base_path(self, path: &str) -> Asker {
        Asker { target: self.target.with_base_path(path), shared: Mutex::default(), ..self }
    }

    /// Requests at the same time, at most.
    pub(crate) fn room(&self) -> usize {
        self.most_at_once
    }

    /// How long the server is given.
    pub(crate) fn patience(&self) -> Patience {
        let mut patience = *locked(&self.patience);
        let hopeless = self.silences.load(Ordering::Relaxed) >= SILENCES_UNTIL_IMPATIENT
            || self.endless.load(Ordering::Relaxed) >= ENDLESS_UNTIL_IMPATIENT;
        if hopeless && !self.has_answered.load(Ordering::Relaxed) {
            patience.silence = patience.silence.min(IMPATIENT);
            patience.total = patience.total.min(IMPATIENT);
        }
        patience
    }

    /// Gives the server more time, or less.
    pub(crate) fn set_patience(&self, patience: Patience) {
        *locked(&self.patience) = patience;
    }

    /// The answers so far that said that the server is busy.
    pub(crate) fn busy_answers(&self) -> Vec<Arc<Exchange>> {
        locked(&self.busy).clone()
    }

    /// Asks, or gives the exchange that the same question has brought before.
    pub(crate) async fn ask_once(&self, question: Question) -> Arc<Exchange> {
        let cell = Arc::clone(locked(&self.shared).entry(question.clone()).or_default());
        let exchange = cell.get_or_init(|| async { self.ask(question).await }).await;
        Arc::clone(exchange)
    }

    /// Asks, on a connection of its own, and again where the server says that it is busy.
    pub(crate) async fn ask(&self, question: Question) -> Arc<Exchange> {
        let mut tries = 1;
        loop {
            let exchange = Arc::new(self.ask_one_time(question.clone()).await);
            let busy = matches!(exchange.status(), Ok(429 | 503 | 529));
            if !busy {
                return exchange;
            }
            self.keep_busy(&exchange);
            if tries == TRIES_WHEN_BUSY {
                return exchange;
            }
            tries += 1;
            tokio::time::sleep(wait_when_busy(&exchange)).await;
        }
    }

    /// Asks exactly once, on a connection of its own.
    pub(crate) async fn ask_one_time(&self, question: Question) -> Exchange {
        // Nobody closes it.
        let _place = self.room.acquire().await.ok();
        let sent = question.to_bytes(&self.target);
        let began = Instant::now();
        if let Some(reason) = self.why_not() {
            return self.exchange(question, sent, began, None, Err(reason));
        }
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                self.silences.fetch_add(1, Ordering::Relaxed);
                return self.exchange(question, sent, began, None, Err(error.to_string()));
            }
        };
        let expected = BodyExpected::after(question.method());
        // A server may answer, and close, before it has taken the whole request.
        let send_error = connection.send(&sent).await.err().map(|error| error.to_string());
        let answer = connection.read_answer(expected).await;
        connection.close().await;
        self.exchange(question, sent, began, send_error, Ok(answer))
    }

    /// How much is left of the time of the run.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// A connection of its own, with the bounds that hold for all.
    pub(crate) async fn connect(&self) -> Result<Connection, ConnectError> {
        self.connect_to(self.target.wire(), Duration::ZERO).await
    }

    /// The same with the smallest of buffers, for those who do not read.
    pub(crate) async fn connect_with_small_buffers(&self) -> Result<Connection, ConnectError> {
        self.connect_to(&self.target.wire().clone().with_small_buffers(), Duration::ZERO).await
    }

    /// The same for those who measure a silence of so long.
    pub(crate) async fn connect_for_silence(&self, silence: Duration) -> Result<Connection, ConnectError> {
        self.connect_to(self.target.wire(), silence).await
    }

    async fn connect_to(
        &self,
        target: &interference_wire::Target,
        least_silence: Duration,
    ) -> Result<Connection, ConnectError> {
        let Patience { silence, total } = self.patience();
        let (silence, total) = (silence.max(least_silence), total.max(least_silence * 2));
        let left = self.time_left();
        let time = TimeLimits {
            connect: silence.min(Duration::from_secs(10)),
            send: silence,
            first_byte: silence.min(left),
            between_reads: silence.min(left),
            total: total.min(left),
            ..TimeLimits::default()
        };
        let limits = Limits { read: self.read_limits(), time };
        Connection::connect(target, limits).await
    }

    /// How much is read of an answer.
    fn read_limits(&self) -> ReadLimits {
        match self.too_large.load(Ordering::Relaxed) {
            0..ENDLESS_UNTIL_IMPATIENT => READ_LIMITS,
            _ => READ_LIMITS_OF_ENDLESS,
        }
    }

    /// An exchange that a case has held itself, on a connection of [`Asker::connect`], for the evidence.
    pub(crate) fn exchange(
        &self,
        question: Question,
        sent: Vec<u8>,
        sent_at: Instant,
        send_error: Option<String>,
        outcome: Result<Answer, String>,
    ) -> Exchange {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if let Ok(answer) = &outcome {
            self.learn(answer);
        }
        Exchange { number, question, sent, sent_at, send_error, outcome }
    }

    /// Draws what is to be drawn for later requests from how an answer ended.
    fn learn(&self, answer: &Answer) {
        match answer.received.ending {
            Ending::TimedOut { .. } if answer.head.is_none() => {
                self.silences.fetch_add(1, Ordering::Relaxed);
            }
            Ending::TimedOut { .. } => {
                self.endless.fetch_add(1, Ordering::Relaxed);
            }
            Ending::TooLarge(_) => {
                self.endless.fetch_add(1, Ordering::Relaxed);
                self.too_large.fetch_add(1, Ordering::Relaxed);
            }
            Ending::Abandoned(_) => {}
            Ending::Complete { .. } => {
                self.has_answered.store(true, Ordering::Relaxed);
                self.silences.store(0, Ordering::Relaxed);
            }
            _ => self.silences.store(0, Ordering::Relaxed),
        }
    }

    /// Why nothing more is asked, if so.
    fn why_not(&self) -> Option<String> {
        let silences = self.silences.load(Ordering::Relaxed);
        if silences >= SILENCES_UNTIL_GIVING_UP {
            return Some(format!("not asked any more, after {silences} requests in a row without an answer"));
        }
        (Instant::now() >= self.until).then(|| "not asked any more: the time of the run is over".to_owned())
    }

    fn keep_busy(&self, exchange: &Arc<Exchange>) {
        let mut busy = locked(&self.busy);
        if busy.len() < MOST_BUSY_KEPT {
            busy.push(Arc::clone(exchange));
        }
    }
}

/// What the server asks for, within bounds.
fn wait_when_busy(exchange: &Exchange) -> Duration {
    let asked = retry_after(|name| exchange.header(name), SystemTime::now());
    asked.unwrap_or(RETRY_AFTER).min(LONGEST_RETRY_AFTER)
}

/// How long to stay away: `retry-after-ms`, as SDKs read it first, else `Retry-After` in seconds or as a date (RFC 9110
/// section 10.2.3), which the server's own clock (`Date`) tells how far away it is; one that is past says nothing.
fn retry_after(header: impl Fn(&str) -> Option<String>, now: SystemTime) -> Option<Duration> {
    let milliseconds = header("retry-after-ms").and_then(|value| value.trim().parse::<f64>().ok());
    if let Some(Ok(wait)) = milliseconds.map(|value| Duration::try_from_secs_f64(value / 1e3)) {
        return Some(wait);
    }
    let value = header("retry-after")?;
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = |value: &str| httpdate::parse_http_date(value.trim()).ok();
            let now = header("date").and_then(|value| date(&value)).unwrap_or(now);
            date(&value)?.duration_since(now).ok()
        }
    }
}

/// What a thread that panicked has left is as good as before: every lock here guards single steps.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use interference_wire::Responder;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_busy_server_says_when_to_come_back_in_three_forms() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |headers: &[(&str, &str)]| {
            let value = |name: &str| headers.iter().find(|header| header.0 == name);
            retry_after(|name| value(name).map(|header| header.1.to_owned()), now)
        };
        assert_eq!(read(&[("retry-after", " 2 ")]), Some(Duration::from_secs(2)));
        assert_eq!(
            read(&[("retry-after-ms", "250"), ("retry-after", "1")]),
            Some(Duration::from_millis(250))
        );
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(Duration::from_secs(3)));
        let slow =
            [("date", "Sun, 06 Nov 1994 08:49:00 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:49:02 GMT")];
        assert_eq!(read(&slow), Some(Duration::from_secs(2)), "the server's clock is behind");
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")]), None);
        assert_eq!(read(&[("retry-after-ms", "-1"), ("retry-after", "1")]), Some(Duration::from_secs(1)));
        for nothing in [("retry-after", "soon"), ("retry-after", "-1"), ("retry-after-ms", "NaN")] {
            assert_eq!(read(&[nothing]), None, "{nothing:?}");
        }
    }

    /// Bodies without an end, on every connection.
    async fn endless_server() -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut responder = Responder::new(stream);
                    drop(responder.read_request(&Limits::default()).await);
                    let mut written = responder.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    while written.is_ok() {
                        written = responder.write(&[b'a'; 1 << 16]).await;
                    }
                });
            }
        });
        url
    }

    #[tokio::test]
    async fn less_is_read_of_a_server_that_sends_endless_answers() {
        let target = Target::parse(&endless_server().await, None, Vec::new()).unwrap();
        let patience = Patience { silence: Duration::from_secs(10), total: Duration::from_secs(60) };
        let asker = Asker::new(target, patience, 1, Instant::now() + Duration::from_secs(120));
        let mut read = Vec::new();
        for _ in 0..4 {
            let exchange = asker.ask_one_time(Question::get("/models")).await;
            assert!(matches!(exchange.ending(), Some(Ending::TooLarge(_))), "{:?}", exchange.ending());
            read.push(exchange.body().len());
        }
        let (before, after) = read.split_at(ENDLESS_UNTIL_IMPATIENT as usize);
        assert!(before.iter().all(|length| *length >= READ_LIMITS.body_bytes), "{read:?}");
        assert!(after.iter().all(|length| *length <= READ_LIMITS_OF_ENDLESS.raw_bytes), "{read:?}");
    }
}
