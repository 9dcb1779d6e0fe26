//! A connection that asks again and again, and the requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::AnyError;
use crate::answer_reader::{AnswerReader, Part};
use crate::event_counter::{Attention, EventCounter};

const CONNECTING: Duration = Duration::from_secs(10);
/// The model that is asked for.
pub(crate) const MODEL: &str = "gpt-4o-mini";
/// What one read can give.
const READ_BYTES: usize = 16 << 10;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Plain,
    Stream,
    /// A stream by the clock. Its text is how servers tell it from the others.
    PacedStream,
}

/// The request's bytes. Each header is `NAME: VALUE`.
pub(crate) fn request(question: Question, address: SocketAddr, headers: &[String]) -> Vec<u8> {
    let (stream, text) = match question {
        Question::Plain => ("", "speed"),
        Question::Stream => ("\"stream\":true,", "speed"),
        Question::PacedStream => ("\"stream\":true,", "pace"),
    };
    let body = format!(
        "{{\"model\":\"{MODEL}\",{stream}\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
    );
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Brought {
    pub(crate) events: u64,
    pub(crate) pieces: u64,
    pub(crate) frames: u64,
}

/// A complete answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection, AnyError> {
        let connecting = timeout(CONNECTING, TcpStream::connect(address)).await;
        let stream = connecting.map_err(|_| format!("{address} does not take a connection"))??;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; READ_BYTES] })
    }

    /// Has the system acknowledge what comes with a delay, where it knows how: an acknowledgement of every chunk costs
    /// this client as much as the chunk. A server that holds chunks back until they are acknowledged would be slowed
    /// down.
    pub(crate) fn acknowledge_late(&self) -> Result<(), AnyError> {
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&self.stream).set_tcp_quickack(false)?;
        Ok(())
    }

    /// Sends a request.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<(), AnyError> {
        Ok(self.stream.write_all(request).await?)
    }

    /// Reads until some bytes come. The time is that of the read's return.
    pub(crate) async fn read(&mut self) -> Result<(Instant, &[u8]), AnyError> {
        let count = self.stream.read(&mut self.buffer).await?;
        let time = Instant::now();
        if count == 0 {
            return Err("the server closed a connection before its answer was complete".into());
        }
        Ok((time, self.buffer.get(..count).unwrap_or_default()))
    }

    /// Reads an answer to its end, and tells what each read brought.
    pub(crate) async fn answer(
        &mut self,
        question: Question,
        attention: Attention,
        mut tell: impl FnMut(Instant, Brought),
    ) -> Result<Complete, AnyError> {
        let whole = self.answer_until(question, attention, |time, brought| {
            tell(time, brought);
            ControlFlow::<Infallible>::Continue(())
        });
        let ControlFlow::Continue(complete) = whole.await?;
        Ok(complete)
    }

    /// The same, until whoever is told has heard enough. What comes after that is left unread.
    pub(crate) async fn answer_until<B>(
        &mut self,
        question: Question,
        attention: Attention,
        mut tell: impl FnMut(Instant, Brought) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B, Complete>, AnyError> {
        let (mut reader, mut counter, mut bytes) = (AnswerReader::new(), EventCounter::default(), 0);
        while !reader.is_complete() {
            let (time, read) = self.read().await?;
            let (events, pieces, mut frames) = (counter.events, counter.pieces, 0);
            reader.push(read, |part| {
                match part {
                    Part::FrameEnd => frames += 1,
                    Part::Bytes(part) => {
                        bytes += part.len() as u64;
                        if question != Question::Plain {
                            counter.push(part, attention)?;
                        }
                    }
                }
                Ok(())
            })?;
            let (events, pieces) = (counter.events - events, counter.pieces - pieces);
            if let ControlFlow::Break(enough) = tell(time, Brought { events, pieces, frames }) {
                return Ok(ControlFlow::Break(enough));
            }
        }
        if question == Question::Plain && bytes == 0 {
            return Err("an answer is empty".into());
        }
        if question != Question::Plain && !counter.is_done {
            return Err("a stream ended without [DONE]".into());
        }
        Ok(ControlFlow::Continue(Complete { events: counter.events, bytes }))
    }
}
