//! An answer with faults, written to the byte.
//!
//! Owns the head and the framing of such an answer, its schedule, and its end. What goes wrong is the plan's; the bytes
//! on the socket are the responder's. It refuses to know where the answer comes from.

use std::io;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use interference_backend::StreamEnd;
use interference_faults::{Action, AnswerFaults, COLLECTED_BYTES_MAX, Ending, LengthFault, Pipeline};
use interference_wire::{Gone, LAST_CHUNK, Responder, chunk};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::answer_body::ByteStream;
use crate::closing::{Closing, Phase};
use crate::event_stream;
use crate::journal::{Ended, OwnedRecord};

/// An answer, and what is to go wrong with it.
pub(crate) struct FaultedAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) end: StreamEnd,
    pub(crate) faults: AnswerFaults,
    pub(crate) request: RequestTraits,
    pub(crate) record: OwnedRecord,
    pub(crate) closing: Closing,
}

/// What follows the head.
pub(crate) enum Body {
    /// Everything at once.
    Whole(Bytes),
    /// Piece by piece.
    Stream(ByteStream),
}

/// What of the request its answer's framing depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTraits {
    version: Version,
    wants_close: bool,
}

impl RequestTraits {
    pub(crate) fn of(version: Version, headers: &HeaderMap) -> RequestTraits {
        let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let wants_close = options
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("close"));
        RequestTraits { version, wants_close }
    }
}

/// How the body's end is known to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes.
    Length(u64),
    /// The status says that there is none: RFC 9110 §6.4.1.
    NoBody,
    /// Chunked coding.
    Chunked,
    /// The end of the connection.
    Close,
}

/// How an answer finishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// As the plan has it.
    Planned(Ending),
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

impl FaultedAnswer {
    /// Writes the answer. Gives the socket back if another request may follow on it.
    ///
    /// # Cancellation
    /// Dropping the future closes the socket.
    pub(crate) async fn write(self: Box<Self>, stream: TcpStream, more_is_read: bool) -> Option<TcpStream> {
        let FaultedAnswer { status, headers, body, end, faults, request, record, closing } = *self;
        let writer = Writer {
            responder: Responder::new(stream),
            // Until a head says otherwise.
            framing: Framing::Close,
            due: Instant::now(),
            // Requests that were read ahead are lost with the library's buffer.
            closes: more_is_read || request.wants_close || request.version == Version::HTTP_10,
            record,
            told: 0,
            end,
            closing,
        };
        match Box::pin(writer.run(status, headers, body, faults, request)).await {
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
    /// When the next bytes are due: waits are laid behind one another, so that a late timer makes nothing else late.
    due: Instant,
    closes: bool,
    record: OwnedRecord,
    /// How much of what happened is in the record.
    told: usize,
    /// How a stream ends that the server ends.
    end: StreamEnd,
    closing: Closing,
}

impl Writer {
    async fn run(
        mut self,
        status: StatusCode,
        mut headers: HeaderMap,
        body: Body,
        faults: AnswerFaults,
        request: RequestTraits,
    ) -> Result<Fate, Gone> {
        let status = faults.http().status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(status);
        set_http_faults(&mut headers, &faults);
        if let Some(wait) = faults.http().slow_head
            && self.wait(wait).await? == Waited::ServerStops
        {
            return self.end(Finish::ServerStops).await;
        }
        let mut pipeline = faults.pipeline();
        match (body, faults.length()) {
            (Body::Stream(source), None) => {
                self.framing =
                    if request.version == Version::HTTP_10 { Framing::Close } else { Framing::Chunked };
                self.write_head(status, headers).await?;
                self.write_stream(source, pipeline).await
            }
            (body, length) => {
                let (body, is_whole) = match body {
                    Body::Whole(bytes) => (bytes, true),
                    Body::Stream(source) => collect(source, &mut self.responder).await?,
                };
                self.due = self.due.max(Instant::now());
                let declared = declared_length(faults.uncut_length(&body), length);
                let mut actions = Vec::new();
                pipeline.push(&body, &mut actions);
                pipeline.finish(&mut actions);
                let has_body = ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
                self.framing = if has_body { Framing::Length(declared) } else { Framing::NoBody };
                // A wrong length leaves no place at which another answer could begin.
                self.closes |= length.is_some();
                // Who makes a whole answer slowly does not begin it before it is there.
                let waits = actions.iter().take_while(|action| matches!(action, Action::Wait(_))).count();
                for action in actions.drain(..waits) {
                    if let Some(ending) = self.act(action).await? {
                        return self.end(ending).await;
                    }
                }
                self.write_head(status, headers).await?;
                for action in actions {
                    if let Some(ending) = self.act(action).await? {
                        self.tell(&pipeline);
                        return self
                            .end(if is_whole { ending } else { Finish::Planned(Ending::Close) })
                            .await;
                    }
                }
                self.end(Finish::Planned(Ending::Complete)).await
            }
        }
    }

    async fn write_head(&mut self, status: StatusCode, mut headers: HeaderMap) -> Result<(), Gone> {
        headers.insert(DATE, header_value(&httpdate::fmt_http_date(SystemTime::now())));
        match self.framing {
            Framing::Length(length) => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            Framing::Chunked => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Framing::NoBody | Framing::Close => {}
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.record.head(status, &headers);
        let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
        let mut head = format!("HTTP/1.1 {code} {reason}\r\n").into_bytes();
        for (name, value) in &headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.responder.write(&head).await
    }

    async fn write_stream(mut self, source: ByteStream, pipeline: Pipeline) -> Result<Fate, Gone> {
        let ending = self.write_pieces(source, pipeline).await?;
        self.end(ending).await
    }

    /// Writes to the ending. The source is let go with it: whoever makes the answer need not go on.
    async fn write_pieces(&mut self, mut source: ByteStream, mut pipeline: Pipeline) -> Result<Finish, Gone> {
        let mut actions = Vec::new();
        loop {
            match self.next_piece(&mut source).await? {
                Some(Ok(piece)) => pipeline.push(&piece, &mut actions),
                None => pipeline.finish(&mut actions),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the source of an answer broke off");
                    actions.push(Action::End(Ending::Close));
                }
            }
            for action in actions.drain(..) {
                if let Some(ending) = self.act(action).await? {
                    self.tell(&pipeline);
                    return Ok(ending);
                }
            }
            self.tell(&pipeline);
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
                self.record.sent(&bytes);
                match self.framing {
                    Framing::NoBody => {}
                    // An empty chunk would be the last one.
                    Framing::Chunked if bytes.is_empty() => {}
                    Framing::Chunked => self.responder.write(&chunk(&bytes)).await?,
                    Framing::Length(_) | Framing::Close => self.responder.write(&bytes).await?,
                }
            }
            Action::End(ending) => return Ok(Some(Finish::Planned(ending))),
        }
        Ok(None)
    }

    /// Writes down what has happened since the last time.
    fn tell(&mut self, pipeline: &Pipeline) {
        let happened = pipeline.happened();
        let in_all = happened.len() as u64 + pipeline.happened_beyond();
        self.record.happened(happened.get(self.told..).unwrap_or_default(), in_all);
        self.told = happened.len();
    }

    /// Waits, unless the server is to end now.
    async fn wait(&mut self, time: std::time::Duration) -> Result<Waited, Gone> {
        self.due += time;
        tokio::select! {
            waited = self.responder.wait_until(self.due) => waited.map(|()| Waited::InTime),
            () = self.closing.reached(Phase::Cut) => Ok(Waited::ServerStops),
        }
    }

    async fn end(mut self, finish: Finish) -> Result<Fate, Gone> {
        match finish {
            Finish::Planned(ending) => self.end_as_planned(ending).await,
            Finish::ServerStops => {
                self.record.end(Ended::ServerStopped);
                // In a stream there is room for last words; a whole answer just breaks off.
                if self.framing == Framing::Chunked {
                    for event in event_stream::last_words(&self.end) {
                        self.responder.write(&chunk(&event)).await?;
                    }
                    self.responder.write(LAST_CHUNK).await?;
                }
                self.responder.close().await;
                Ok(Fate::Closed)
            }
        }
    }

    async fn end_as_planned(mut self, ending: Ending) -> Result<Fate, Gone> {
        match ending {
            Ending::Complete => {
                if self.framing == Framing::Chunked {
                    self.responder.write(LAST_CHUNK).await?;
                }
                self.record.end(Ended::Complete);
                if !self.closes {
                    return Ok(Fate::Reusable(self.responder.into_stream()));
                }
                self.responder.close().await;
            }
            Ending::Close => {
                self.record.end(Ended::Fault);
                self.responder.close().await;
            }
            Ending::Reset => {
                self.record.end(Ended::Fault);
                self.responder.reset();
            }
            Ending::HalfClose => {
                self.responder.half_close().await?;
                self.until_gone(Ended::Fault).await;
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
        self.record.end(ended);
    }
}

/// All of a stream where its length must be known, up to [`COLLECTED_BYTES_MAX`], and whether that is all.
async fn collect(mut source: ByteStream, responder: &mut Responder) -> Result<(Bytes, bool), Gone> {
    let mut collected = BytesMut::new();
    loop {
        let piece = tokio::select! {
            piece = source.next() => piece,
            gone = responder.peer_gone() => return Err(gone),
        };
        match piece {
            Some(Ok(piece)) if collected.len() + piece.len() <= COLLECTED_BYTES_MAX => {
                collected.extend_from_slice(&piece);
            }
            None => return Ok((collected.freeze(), true)),
            Some(_) => return Ok((collected.freeze(), false)),
        }
    }
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
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
}

/// Text as a header's value. What cannot stand in one becomes a question mark; plans have checked theirs before.
fn header_value(text: &str) -> HeaderValue {
    let safe: String =
        text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' }).collect();
    HeaderValue::try_from(safe).unwrap_or(HeaderValue::from_static("?"))
}
