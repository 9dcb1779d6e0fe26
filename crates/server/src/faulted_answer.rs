//! An answer with faults, written to the byte.
//!
//! Owns the head and the framing of such an answer, its schedule, and its end. What goes wrong is the plan's, or its
//! source's where a broken end is repeated; the bytes on the socket are the responder's. It refuses to know where the
//! answer comes from.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use interference_backend::{StreamEnd, WhenBroken, content_length};
use interference_faults::{
    Action, AnswerFaults, COLLECTED_BYTES_MAX, Dialect, Ending, LengthFault, Pipeline,
};
use interference_wire::{Gone, LAST_CHUNK, Responder, chunk};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::answer_body::ByteStream;
use crate::closing::{Closing, Phase};
use crate::event_stream;
use crate::framing::{Framing, RequestTraits};
use crate::journal::Ended;
use crate::limits::Deadline;
use crate::mending::Mending;
use crate::observation::OwnedObservation;
use crate::raw_answer;

/// An answer, and what is to go wrong with it.
pub(crate) struct FaultedAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// How the body ends if the server ends it while a plan has it wait; where there are none, it breaks off.
    pub(crate) last_words: Option<StreamEnd>,
    /// In which its events are.
    pub(crate) dialect: Dialect,
    /// What becomes of the body if its source breaks off.
    pub(crate) when_broken: WhenBroken,
    /// Without any, all goes out as it comes.
    pub(crate) faults: Option<AnswerFaults>,
    pub(crate) request: RequestTraits,
    pub(crate) observation: OwnedObservation,
    pub(crate) closing: Closing,
    /// By when it must end.
    pub(crate) deadline: Deadline,
    /// How long a write may make no progress.
    pub(crate) write_time: Duration,
}

/// What follows the head.
pub(crate) enum Body {
    /// Everything at once.
    Whole(Bytes),
    /// Piece by piece.
    Stream(ByteStream),
    /// One whole, though it comes piece by piece: a plan has what it does to all of it.
    Pieces(ByteStream),
}

/// How an answer finishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// As the plan has it.
    Planned(Ending),
    /// As its source broke off.
    Broken(Ending),
    /// The server goes down before.
    ServerStops,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// The time is over.
    InTime,
    /// The server goes down.
    ServerStops,
}

/// What becomes of the socket.
enum Fate {
    /// Another request may follow.
    Reusable(TcpStream),
    /// It is closed.
    Closed,
}

impl Body {
    fn into_stream(self) -> ByteStream {
        match self {
            Body::Whole(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            Body::Stream(source) | Body::Pieces(source) => source,
        }
    }
}

impl FaultedAnswer {
    /// Writes the answer. Gives the socket back if another request may follow on it.
    ///
    /// # Cancellation
    /// Dropping the future closes the socket.
    pub(crate) async fn write(self: Box<Self>, stream: TcpStream, more_is_read: bool) -> Option<TcpStream> {
        let FaultedAnswer {
            status,
            headers,
            body,
            last_words,
            dialect,
            when_broken,
            faults,
            request,
            observation,
            closing,
            deadline,
            write_time,
        } = *self;
        let seen = observation.clone();
        let writer = Writer {
            responder: Responder::new(stream),
            // Until a head says otherwise.
            framing: Framing::Close,
            is_begun: false,
            reading: Mending::new(dialect),
            is_packed: false,
            due: Instant::now(),
            // Requests that were read ahead are lost with the library's buffer.
            closes: more_is_read || request.closes(),
            request,
            observation,
            told: 0,
            last_words,
            when_broken,
            closing,
            write_time,
        };
        let mut running = Box::pin(writer.run(status, headers, body, faults));
        let written = tokio::select! {
            written = &mut running => written,
            () = sleep_until(deadline.last_words()) => {
                seen.end(Ended::TimedOut);
                return None;
            }
        };
        match written {
            Ok(Fate::Reusable(stream)) => Some(stream),
            Ok(Fate::Closed) => None,
            Err(gone) => {
                tracing::debug!(%gone, "a client went away from an answer with faults");
                None
            }
        }
    }
}

struct Writer {
    responder: Responder,
    framing: Framing,
    /// Whether the head is written.
    is_begun: bool,
    /// The body so far, as a stream that may have to be ended.
    reading: Mending,
    /// Whether the body has a coding, behind which nothing can be read.
    is_packed: bool,
    /// When the next bytes are due: waits are laid behind one another, so that a late timer makes nothing else late.
    due: Instant,
    closes: bool,
    request: RequestTraits,
    observation: OwnedObservation,
    /// How much of what happened is in the record.
    told: usize,
    /// How a stream ends that the server ends.
    last_words: Option<StreamEnd>,
    when_broken: WhenBroken,
    closing: Closing,
    write_time: Duration,
}

impl Writer {
    async fn run(
        mut self,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Body,
        faults: Option<AnswerFaults>,
    ) -> Result<Fate, Gone> {
        let Some(faults) = faults else {
            let length = content_length(&headers);
            return self.write_stream((status, headers), length, body.into_stream(), None).await;
        };
        let status = faults.http().status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(status);
        set_http_faults(&mut headers, &faults);
        if let Some(wait) = faults.http().slow_head
            && self.wait(wait).await? == Waited::ServerStops
        {
            return self.end(Finish::ServerStops).await;
        }
        let (bytes, behind) = match body {
            Body::Whole(bytes) => (bytes, Behind::Nothing),
            Body::Stream(source) if faults.length().is_none() => {
                return self.write_stream((status, headers), None, source, Some(faults.pipeline())).await;
            }
            Body::Stream(source) | Body::Pieces(source) => collect(source, &mut self.responder).await?,
        };
        self.due = self.due.max(Instant::now());
        let rest: ByteStream = match behind {
            Behind::Nothing => {
                let finish = Finish::Planned(Ending::Complete);
                return self.write_whole((status, headers), &bytes, &faults, finish).await;
            }
            Behind::Break(error) if faults.length().is_some() => {
                let finish = Finish::Broken(self.ending_of(&error));
                return self.write_whole((status, headers), &bytes, &faults, finish).await;
            }
            // No length can be told of what has no end, and no wrong one of what is not known yet.
            Behind::Break(error) => Box::pin(stream::iter([Err(error)])),
            Behind::More(rest) => rest,
        };
        let source = Box::pin(stream::iter([Ok(bytes)]).chain(rest));
        self.write_stream((status, headers), None, source, Some(faults.pipeline())).await
    }

    /// Writes a body whose length is told. `finish` takes the place of a good end.
    async fn write_whole(
        mut self,
        (status, headers): (StatusCode, HeaderMap),
        body: &[u8],
        faults: &AnswerFaults,
        finish: Finish,
    ) -> Result<Fate, Gone> {
        let mut pipeline = faults.pipeline();
        let mut actions = Vec::new();
        pipeline.push(body, &mut actions);
        match finish {
            Finish::Broken(_) => pipeline.break_off(&mut actions),
            Finish::Planned(_) | Finish::ServerStops => pipeline.finish(&mut actions),
        }
        let declared = declared_length(faults.uncut_length(body), faults.length());
        self.framing = Framing::of(self.request, status, Some(declared));
        // A wrong length leaves no place at which another answer could begin.
        self.closes |= faults.length().is_some();
        // Who makes a whole answer slowly does not begin it before it is there.
        let waits = actions.iter().take_while(|action| matches!(action, Action::Wait(_))).count();
        for action in actions.drain(..waits) {
            if let Some(ending) = self.act(action).await? {
                return self.end(ending).await;
            }
        }
        self.write_head(status, headers).await?;
        for action in actions {
            match self.act(action).await? {
                None => {}
                Some(Finish::Planned(Ending::Complete)) => break,
                Some(other) => {
                    self.tell(Some(&pipeline));
                    return self.end(other).await;
                }
            }
        }
        self.tell(Some(&pipeline));
        self.end(finish).await
    }

    async fn write_head(&mut self, status: StatusCode, mut headers: HeaderMap) -> Result<(), Gone> {
        headers.entry(DATE).or_insert_with(raw_answer::date);
        self.framing.set_headers(status, &mut headers);
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        (self.is_begun, self.is_packed) = (true, headers.contains_key(CONTENT_ENCODING));
        self.observation.head(status, &headers, None);
        self.put(&raw_answer::head(status, &headers)).await
    }

    /// Writes, unless the client does not read.
    async fn put(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let written = timeout(self.write_time, self.responder.write(bytes)).await;
        written.unwrap_or_else(|_elapsed| {
            self.observation.unread();
            Err(Gone::Failed(io::ErrorKind::TimedOut))
        })
    }

    /// Writes a body as it comes, and its length, where that is known before.
    async fn write_stream(
        mut self,
        (status, headers): (StatusCode, HeaderMap),
        length: Option<u64>,
        source: ByteStream,
        pipeline: Option<Pipeline>,
    ) -> Result<Fate, Gone> {
        self.framing = Framing::of(self.request, status, length);
        self.write_head(status, headers).await?;
        let finish = self.write_pieces(source, pipeline).await?;
        self.end(finish).await
    }

    /// Writes to the ending. The source is let go with it: whoever makes the answer need not go on.
    async fn write_pieces(
        &mut self,
        mut source: ByteStream,
        mut pipeline: Option<Pipeline>,
    ) -> Result<Finish, Gone> {
        let mut actions = Vec::new();
        loop {
            let piece = self.next_piece(&mut source).await?;
            let broken = match &piece {
                Some(Err(error)) => Some(self.ending_of(error)),
                _ => None,
            };
            match (piece, &mut pipeline) {
                (Some(Ok(piece)), Some(pipeline)) => pipeline.push(&piece, &mut actions),
                (Some(Ok(piece)), None) => actions.push(Action::Write(piece)),
                // What the pipeline still holds of a broken answer was there before it broke.
                (Some(Err(_)), Some(pipeline)) => pipeline.break_off(&mut actions),
                (None, Some(pipeline)) => pipeline.finish(&mut actions),
                (Some(Err(_)), None) => {}
                (None, None) => actions.push(Action::End(Ending::Complete)),
            }
            for action in actions.drain(..) {
                if let Some(finish) = self.act(action).await? {
                    self.tell(pipeline.as_ref());
                    return Ok(finish);
                }
            }
            self.tell(pipeline.as_ref());
            if let Some(ending) = broken {
                return Ok(Finish::Broken(ending));
            }
        }
    }

    /// How an answer ends whose source ended with this error.
    fn ending_of(&self, error: &io::Error) -> Ending {
        match (self.when_broken, error.kind()) {
            (WhenBroken::Repeat, io::ErrorKind::ConnectionReset) => Ending::Reset,
            (WhenBroken::Repeat, io::ErrorKind::TimedOut) => Ending::Hold,
            (WhenBroken::Repeat | WhenBroken::Mend, _) => Ending::Close,
        }
    }

    /// The next piece of the source; ends when the client goes.
    async fn next_piece(&mut self, source: &mut ByteStream) -> Result<Option<io::Result<Bytes>>, Gone> {
        // A source that has something at once is ahead of its schedule, which is then kept.
        let mut waited = false;
        let piece = tokio::select! {
            biased;
            piece = std::future::poll_fn(|context| {
                let next = source.poll_next_unpin(context);
                waited |= next.is_pending();
                next
            }) => piece,
            gone = self.responder.peer_gone() => return Err(gone),
        };
        if waited {
            self.due = self.due.max(Instant::now());
        }
        Ok(piece)
    }

    /// Does one thing; gives the ending when it has come.
    async fn act(&mut self, action: Action) -> Result<Option<Finish>, Gone> {
        match action {
            Action::Wait(time) => {
                if self.wait(time).await? == Waited::ServerStops {
                    return Ok(Some(Finish::ServerStops));
                }
            }
            Action::Write(bytes) => {
                if self.framing == Framing::NoBody {
                    return Ok(None);
                }
                self.observation.sent(&bytes);
                if self.last_words.is_some() {
                    self.reading.read(&bytes);
                }
                match self.framing {
                    Framing::NoBody => {}
                    // An empty chunk would be the last one.
                    Framing::Chunked if bytes.is_empty() => {}
                    Framing::Chunked => self.put(&chunk(&bytes)).await?,
                    Framing::Length(_) | Framing::Close => self.put(&bytes).await?,
                }
            }
            Action::End(ending) => return Ok(Some(Finish::Planned(ending))),
        }
        Ok(None)
    }

    /// Writes down what has happened since the last time.
    fn tell(&mut self, pipeline: Option<&Pipeline>) {
        let Some(pipeline) = pipeline else { return };
        let happened = pipeline.happened();
        let in_all = happened.len() as u64 + pipeline.happened_beyond();
        self.observation.happened(happened.get(self.told..).unwrap_or_default(), in_all);
        self.told = happened.len();
    }

    /// Waits, unless the server is to end now.
    async fn wait(&mut self, time: Duration) -> Result<Waited, Gone> {
        self.due += time;
        tokio::select! {
            waited = self.responder.wait_until(self.due) => waited.map(|()| Waited::InTime),
            () = self.closing.reached(Phase::Cut) => Ok(Waited::ServerStops),
        }
    }

    async fn end(mut self, finish: Finish) -> Result<Fate, Gone> {
        match finish {
            Finish::Planned(ending) => self.end_with(ending, Ended::Fault).await,
            // Without chunks or a length, a mere close would be a good end.
            Finish::Broken(Ending::Close) if self.framing == Framing::Close => {
                self.end_with(Ending::Reset, Ended::BrokenOff).await
            }
            Finish::Broken(ending) => self.end_with(ending, Ended::BrokenOff).await,
            Finish::ServerStops => {
                self.observation.end(Ended::ServerStopped);
                // In a stream there is room for last words; anything else just breaks off, and so does what is packed, or
                // stands in the middle of an event.
                let is_readable = self.is_begun && !self.is_packed && self.reading.is_between_events();
                let words = self.last_words.as_ref().filter(|_| is_readable).map(|end| {
                    // Where only a wait was left, all is said.
                    if self.reading.has_ended() { Vec::new() } else { event_stream::last_words(end) }
                });
                match (self.framing, words) {
                    (Framing::Chunked, Some(words)) => {
                        for event in words {
                            self.put(&chunk(&event)).await?;
                        }
                        self.put(LAST_CHUNK).await?;
                    }
                    (Framing::Close, Some(words)) => {
                        for event in words {
                            self.put(&event).await?;
                        }
                    }
                    // Without chunks or a length, a mere close would be a good end.
                    (Framing::Close, None) if self.is_begun => {
                        self.responder.reset();
                        return Ok(Fate::Closed);
                    }
                    _ => {}
                }
                self.responder.close().await;
                Ok(Fate::Closed)
            }
        }
    }

    /// `early` is what an end before the end of the body is called.
    async fn end_with(mut self, ending: Ending, early: Ended) -> Result<Fate, Gone> {
        match ending {
            Ending::Complete => {
                if self.framing == Framing::Chunked {
                    self.put(LAST_CHUNK).await?;
                }
                self.observation.end(Ended::Complete);
                if !self.closes {
                    return Ok(Fate::Reusable(self.responder.into_stream()));
                }
                self.responder.close().await;
            }
            Ending::Close => {
                self.observation.end(early);
                self.responder.close().await;
            }
            Ending::Reset => {
                self.observation.end(early);
                self.responder.reset();
            }
            Ending::HalfClose => {
                self.responder.half_close().await?;
                self.until_gone(early).await;
            }
            // Nothing ends a silence but the client's patience.
            Ending::Hold => self.until_gone(Ended::ClientGone).await,
        }
        Ok(Fate::Closed)
    }

    /// Until the client goes, or the server: nothing more comes, and nobody needs to wait for it.
    async fn until_gone(&mut self, when_gone: Ended) {
        let ended = tokio::select! {
            _gone = self.responder.peer_gone() => when_gone,
            () = self.closing.reached(Phase::Draining) => Ended::ServerStopped,
        };
        self.observation.end(ended);
    }
}

/// What is behind the part of a body that was collected.
enum Behind {
    /// Nothing: it is all.
    Nothing,
    /// An error of its source.
    Break(io::Error),
    /// More than is collected.
    More(ByteStream),
}

/// All of a body where it is needed at once, up to [`COLLECTED_BYTES_MAX`].
async fn collect(mut source: ByteStream, responder: &mut Responder) -> Result<(Bytes, Behind), Gone> {
    let mut collected = BytesMut::new();
    let behind = loop {
        let piece = tokio::select! {
            piece = source.next() => piece,
            gone = responder.peer_gone() => return Err(gone),
        };
        match piece {
            Some(Ok(piece)) if collected.len() + piece.len() <= COLLECTED_BYTES_MAX => {
                collected.extend_from_slice(&piece);
            }
            Some(Ok(piece)) => break Behind::More(Box::pin(stream::iter([Ok(piece)]).chain(source))),
            Some(Err(error)) => break Behind::Break(error),
            None => break Behind::Nothing,
        }
    };
    Ok((collected.freeze(), behind))
}

fn declared_length(length: u64, fault: Option<LengthFault>) -> u64 {
    match fault {
        None => length,
        Some(LengthFault::More(more)) => length.saturating_add(more),
        Some(LengthFault::Fewer(fewer)) => length.saturating_sub(fewer),
    }
}

fn set_http_faults(headers: &mut HeaderMap, faults: &AnswerFaults) {
    let http = faults.http();
    if let Some(content_type) = &http.content_type {
        headers.insert(CONTENT_TYPE, header_value(content_type));
    }
    if let Some(retry_after) = &http.retry_after {
        let (name, value) = retry_after.header(SystemTime::now());
        headers.insert(HeaderName::from_static(name), header_value(&value));
    }
    if http.gzip {
        // RFC 9110 §8.4: codings are named in the order in which they were applied.
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// Text as a header's value. What cannot stand in one becomes a question mark; plans have checked theirs before.
fn header_value(text: &str) -> HeaderValue {
    let safe: String =
        text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' }).collect();
    HeaderValue::try_from(safe).unwrap_or(HeaderValue::from_static("?"))
}
