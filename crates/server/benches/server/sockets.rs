//! A server of sockets and nothing else, for paced streams: what the system lets anyone do here.
//!
//! One thread writes each piece of each stream when it is due, from bytes that were made before, and does nothing else.
//! How late its pieces are is the machine's and the client's; only what another server is later than that is its own.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::arguments::{BareTask, Schedule};
use crate::captured::{Captured, CapturedAnswer};
use crate::event_counter::brings_text;
use crate::{AnyError, say};

/// A client that takes nothing for so long is left.
const LONGEST_WRITE: Duration = Duration::from_secs(10);
/// Of a request.
const MOST_BYTES: u64 = 64 << 10;

/// What is written, made once.
struct Answers {
    plain: Vec<u8>,
    paced: Vec<Piece>,
}

/// What is written at once.
struct Piece {
    /// When it is due, counted from the request.
    due: Duration,
    bytes: Vec<u8>,
}

/// A stream that is asked for and not yet written to its end.
struct Stream {
    /// When its next piece is due.
    due: Instant,
    asked: Instant,
    socket: TcpStream,
    next: usize,
}

/// Serves for ever.
pub(crate) fn serve(task: &BareTask) -> Result<(), AnyError> {
    let captured = Captured::read(&task.captured)?;
    let answers =
        Arc::new(Answers { plain: plain(&captured.plain), paced: paced(&captured.paced, task.schedule) });
    let (begin, begun) = channel();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    say(&format!("listening on http://{}/v1", listener.local_addr()?));
    let paced = Arc::clone(&answers);
    std::thread::spawn(move || write_in_time(&begun, &paced.paced));
    loop {
        let (socket, _address) = listener.accept()?;
        let (answers, begin) = (Arc::clone(&answers), begin.clone());
        // A client that goes away ends its thread.
        std::thread::spawn(move || drop(answer(socket, &answers, &begin)));
    }
}

/// One connection, request after request. Its paced streams are written by the other thread.
fn answer(socket: TcpStream, answers: &Answers, begin: &Sender<Stream>) -> Result<(), AnyError> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(LONGEST_WRITE))?;
    let mut writer = socket.try_clone()?;
    let mut reader = BufReader::new(socket);
    while let Some(body) = read_request(&mut reader)? {
        let asked = Instant::now();
        if body.windows(b"\"pace\"".len()).any(|window| window == b"\"pace\"") {
            begin.send(Stream { due: asked, asked, socket: writer.try_clone()?, next: 0 })?;
        } else {
            writer.write_all(&answers.plain)?;
        }
    }
    Ok(())
}

/// The body of the next request, or none where there is no other.
fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>, AnyError> {
    let mut bounded = reader.take(MOST_BYTES);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if bounded.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = Vec::new();
    bounded.take(length).read_to_end(&mut body)?;
    Ok(Some(body))
}

fn write_in_time(begun: &Receiver<Stream>, pieces: &[Piece]) {
    let mut streams = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(mut stream) =
            streams.peek_mut().filter(|stream: &PeekMut<'_, Reverse<Stream>>| stream.0.due <= now)
        {
            if stream.0.write(pieces).is_none() {
                PeekMut::pop(stream);
            }
        }
        let wait = streams
            .peek()
            .map_or(LONGEST_WRITE, |Reverse(stream)| stream.due.saturating_duration_since(Instant::now()));
        match begun.recv_timeout(wait) {
            Ok(stream) => streams.push(Reverse(stream)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Stream {
    /// Writes the next piece. None where there is no other, or nobody to take it.
    fn write(&mut self, pieces: &[Piece]) -> Option<()> {
        self.socket.write_all(&pieces.get(self.next)?.bytes).ok()?;
        self.next += 1;
        self.due = self.asked + pieces.get(self.next)?.due;
        Some(())
    }
}

impl Ord for Stream {
    fn cmp(&self, other: &Stream) -> Ordering {
        self.due.cmp(&other.due)
    }
}

impl PartialOrd for Stream {
    fn partial_cmp(&self, other: &Stream) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Stream) -> bool {
        self.due == other.due
    }
}

impl Eq for Stream {}

fn plain(captured: &CapturedAnswer) -> Vec<u8> {
    let body = captured.frames.concat();
    format!("{}content-length: {}\r\n\r\n{body}", head(captured), body.len()).into_bytes()
}

/// The head, and each frame of the body, text when it is due and everything else with what comes before it.
fn paced(captured: &CapturedAnswer, schedule: Schedule) -> Vec<Piece> {
    let head = format!("{}transfer-encoding: chunked\r\n\r\n", head(captured));
    let mut pieces = vec![Piece { due: Duration::ZERO, bytes: head.into_bytes() }];
    let (mut due, mut next) = (Duration::ZERO, schedule.first);
    for frame in &captured.frames {
        if brings_text(frame.as_bytes()) {
            due = next;
            next += schedule.between;
        }
        pieces.push(Piece { due, bytes: format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes() });
    }
    pieces.push(Piece { due, bytes: b"0\r\n\r\n".to_vec() });
    pieces
}

/// Up to the fields that say how long the body is.
fn head(captured: &CapturedAnswer) -> String {
    let fields = captured.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("HTTP/1.1 200 OK\r\n{}", fields.collect::<String>())
}
