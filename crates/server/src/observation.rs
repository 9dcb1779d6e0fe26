//! A request from its head to its end, as the journal, the meters and the log are told of it.
//!
//! Owns that the end is told once, by whoever knows it first, and the line that the log has for each request. It
//! refuses to know what bodies mean, and what is done with what it tells.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use interference_api_types::openai::model_name::ModelName;
use interference_faults::Happening;

use crate::journal::{Ended, Journal, Record};
use crate::meters::{Before, ErrorCode, Meters};
use crate::socket::SocketWatch;
use crate::stamp::Stamp;

/// The `target` of the lines that the log has for requests.
pub const REQUEST_LOG: &str = "interference::requests";

/// How much of a word of the client's is in the log, in characters.
const LONGEST_WORD: usize = 200;

/// By which a client names its request.
const CLIENT_REQUEST_ID: &str = "x-client-request-id";

/// Whose requests are seen.
#[derive(Clone, Copy)]
pub(crate) enum Audience<'a> {
    /// A client's: they are in the journal.
    Client(&'a Arc<Journal>),
    /// Of those who look after the server: they are no exchange of a client's.
    Keeper,
}

/// One request that is looked at. Clones tell of the same.
#[derive(Clone)]
pub(crate) struct Observation(Arc<Observed>);

struct Observed {
    began: Instant,
    route: &'static str,
    stamp: Stamp,
    meters: Meters,
    socket: SocketWatch,
    record: Option<Record>,
    log: Option<LogWords>,
    progress: Mutex<Progress>,
}

/// What the log says of the request itself; only kept where there is a log.
struct LogWords {
    method: String,
    path: String,
    client_request_id: Option<String>,
    model: Mutex<Option<String>>,
}

#[derive(Default)]
struct Progress {
    status: Option<StatusCode>,
    is_stream: bool,
    bytes: u64,
    first_event: Option<Instant>,
    last_event: Option<Instant>,
    /// What the end will be if nothing worse comes before.
    foreseen: Option<Ended>,
    handed_over: bool,
    has_ended: bool,
}

impl Observation {
    /// A request has come.
    pub(crate) fn begin(
        head: &Parts,
        route: &'static str,
        stamp: Stamp,
        audience: Audience<'_>,
        meters: &Meters,
        socket: SocketWatch,
    ) -> Observation {
        let record = match audience {
            Audience::Client(journal) => {
                meters.request_begun();
                Some(journal.begin(head, stamp.shared_request_id()))
            }
            Audience::Keeper => None,
        };
        let log = tracing::enabled!(target: REQUEST_LOG, tracing::Level::INFO).then(|| LogWords::of(head));
        let (meters, progress) = (meters.clone(), Mutex::default());
        Observation(Arc::new(Observed {
            began: Instant::now(),
            route,
            stamp,
            meters,
            socket,
            record,
            log,
            progress,
        }))
    }

    /// What its answer carries.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.0.stamp
    }

    /// The request's body, so far as it came.
    pub(crate) fn body(&self, body: &Bytes) {
        if let Some(record) = &self.0.record {
            record.body(body);
        }
        if let Some(log) = &self.0.log {
            *locked(&log.model) = ModelName::find(body).map(|found| shortened(&found.name));
        }
    }

    /// Status and headers of the answer, as they go out, and its code where it is an error of the server's.
    pub(crate) fn head(&self, status: StatusCode, headers: &HeaderMap, error: Option<ErrorCode>) {
        if let Some(record) = &self.0.record {
            record.head(status, headers);
        }
        self.0.meters.answered(self.0.route, status);
        if let Some(code) = error {
            self.0.meters.erred(code);
        }
        let content_type = headers.get(CONTENT_TYPE);
        let mut progress = locked(&self.0.progress);
        progress.status = Some(status);
        progress.is_stream =
            content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    }

    /// Bytes of the answer's body, as they go out.
    pub(crate) fn sent(&self, bytes: &Bytes) {
        let now = Instant::now();
        if let Some(record) = &self.0.record {
            record.sent(bytes, now);
        }
        let mut progress = locked(&self.0.progress);
        progress.bytes += bytes.len() as u64;
        // A comment is no event.
        if !progress.is_stream || bytes.first() == Some(&b':') {
            return;
        }
        let (before, then) = match progress.last_event.replace(now) {
            None => (Before::Head, self.0.began),
            Some(last) => (Before::Event, last),
        };
        progress.first_event.get_or_insert(now);
        drop(progress);
        self.0.meters.event(before, then, now);
    }

    /// What faults did to the answer since the last time, and how much they did in all, at least that.
    pub(crate) fn happened(&self, happenings: &[Happening], in_all: u64) {
        if let Some(record) = &self.0.record {
            record.happened(happenings, in_all);
        }
    }

    /// The answer will be complete, but not the one that was meant.
    pub(crate) fn foresee(&self, ended: Ended) {
        locked(&self.0.progress).foreseen = Some(ended);
    }

    /// The exchange is over because the client did not read in time.
    pub(crate) fn unread(&self) {
        self.0.meters.connection_timed_out();
        self.end(Ended::TimedOut);
    }

    /// The exchange is over. Only the first word counts.
    pub(crate) fn end(&self, ended: Ended) {
        let mut progress = locked(&self.0.progress);
        if std::mem::replace(&mut progress.has_ended, true) {
            return;
        }
        let ended = match (ended, progress.foreseen) {
            (Ended::Complete | Ended::BrokenOff, Some(foreseen)) => foreseen,
            (Ended::ClientGone, _) if self.0.socket.has_timed_out() => Ended::TimedOut,
            (ended, _) => ended,
        };
        if let Some(record) = &self.0.record {
            record.end(ended);
            self.0.meters.request_ended(self.0.route, self.0.began.elapsed());
        }
        self.0.log_end(&progress, ended);
    }

    /// Somebody else will tell the end: whoever held the exchange so far does not, by going.
    pub(crate) fn hand_over(self) -> OwnedObservation {
        locked(&self.0.progress).handed_over = true;
        OwnedObservation(self)
    }

    /// Ends the exchange as one whose client went away, when it is dropped before an answer is there.
    pub(crate) fn until_answered(&self) -> UntilAnswered {
        UntilAnswered(Some(self.clone()))
    }
}

impl Observed {
    fn log_end(&self, progress: &Progress, ended: Ended) {
        let Some(log) = &self.log else { return };
        let ms = |until: Instant| (until - self.began).as_micros() as f64 / 1_000.0;
        let model = locked(&log.model);
        tracing::info!(
            target: REQUEST_LOG,
            request_id = self.stamp.request_id(),
            client_request_id = log.client_request_id.as_deref(),
            method = log.method,
            path = log.path,
            model = model.as_deref(),
            status = progress.status.map(|status| status.as_u16()),
            ended = ended.name(),
            duration_ms = ms(Instant::now()),
            first_event_ms = progress.first_event.map(ms),
            bytes = progress.bytes,
            "request"
        );
    }
}

impl LogWords {
    fn of(head: &Parts) -> LogWords {
        let client_request_id = head.headers.get(CLIENT_REQUEST_ID);
        LogWords {
            method: shortened(head.method.as_str()),
            path: shortened(head.uri.path()),
            client_request_id: client_request_id
                .map(|value| shortened(&String::from_utf8_lossy(value.as_bytes()))),
            model: Mutex::default(),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_WORD).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The observation of whoever has to tell the end: if it is dropped before, the client has gone.
pub(crate) struct OwnedObservation(Observation);

impl std::ops::Deref for OwnedObservation {
    type Target = Observation;

    fn deref(&self) -> &Observation {
        &self.0
    }
}

impl Drop for OwnedObservation {
    fn drop(&mut self) {
        // Does nothing when the end was told before.
        self.0.end(Ended::ClientGone);
    }
}

/// See [`Observation::until_answered`].
pub(crate) struct UntilAnswered(Option<Observation>);

impl UntilAnswered {
    /// An answer is there.
    pub(crate) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for UntilAnswered {
    fn drop(&mut self) {
        if let Some(observation) = self.0.take()
            && !locked(&observation.0.progress).handed_over
        {
            observation.end(Ended::ClientGone);
        }
    }
}
