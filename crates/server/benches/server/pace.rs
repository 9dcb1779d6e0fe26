//! Many streams by the clock, and how late each piece of their text is.
//!
//! A piece is due at the time of its request, and the schedule's sum: whatever lies between, of the server, of the
//! system and of this client, is its lateness. The streams are begun over a second, evenly in the phases of their pace:
//! what counts is many streams, not many requests at once. Pieces count that are due while all streams are on. What of
//! their lateness is the client's own is estimated by a probe: a thread of this process sends the time to the same loop,
//! over the same kind of socket.

use std::io::Write;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::AnyError;
use crate::arguments::{PaceTask, Schedule};
use crate::connection::{Brought, Connection, Question, request};
use crate::document::{PaceRecord, Quantiles, micros_between};
use crate::event_counter::Attention;

/// From the first connection to the last piece.
const LONGEST_RUN: Duration = Duration::from_secs(120);
/// Pieces of one stream.
const MOST_PIECES: usize = 1 << 16;
const BETWEEN_PROBES: Duration = Duration::from_millis(5);
/// In which the streams are begun; they must last longer.
const RAMP: Duration = Duration::from_secs(1);

/// Puts the streams on, and times their pieces.
pub(crate) async fn run(task: PaceTask) -> Result<PaceRecord, AnyError> {
    timeout(LONGEST_RUN, measure(&task))
        .await
        .map_err(|_| format!("the streams did not end within {LONGEST_RUN:?}"))?
}

async fn measure(task: &PaceTask) -> Result<PaceRecord, AnyError> {
    let plain = request(Question::Plain, task.address, &task.headers);
    let paced_headers: Vec<String> = task.headers.iter().chain(&task.pace_header).cloned().collect();
    let paced = request(Question::PacedStream, task.address, &paced_headers);
    let mut connections = Vec::with_capacity(task.streams);
    for _ in 0..task.streams {
        let mut connection = Connection::open(task.address).await?;
        connection.send(&plain).await?;
        connection.answer(Question::Plain, Attention::Events, |_, _| {}).await?;
        connections.push(connection);
    }
    let probe = Probe::start().await?;
    let mut streams = JoinSet::new();
    let started = Instant::now();
    for (index, mut connection) in connections.into_iter().enumerate() {
        let due = started + beginning(index, task.streams, task.schedule.between);
        // A timer's millisecond would let them start in bunches.
        while Instant::now() < due {
            yield_now().await;
        }
        connection.acknowledge_late()?;
        let sent = Instant::now();
        connection.send(&paced).await?;
        streams.spawn(stream(connection, sent, task.schedule));
    }
    let mut ended = Vec::with_capacity(task.streams);
    while let Some(stream) = streams.join_next().await {
        ended.push(stream??);
    }
    let client = probe.finish().await?;
    let delays = delays_while_all_are_on(&ended, task.schedule)?;
    let first_delays = ended.iter().filter_map(|stream| stream.delays.first().copied()).collect();
    Ok(PaceRecord {
        streams: task.streams,
        chunks: delays.len(),
        late_ms: Quantiles::of(delays).ok_or("the streams are too short to be on at the same time")?,
        first_late_ms: Quantiles::of(first_delays).ok_or("no text came")?,
        client_ms: Quantiles::of(client).ok_or("the probe was not heard")?,
    })
}

/// When a stream is begun, after the first: over the ramp, and evenly over the time between two pieces.
fn beginning(index: usize, streams: usize, between: Duration) -> Duration {
    let share = index as f64 / streams as f64;
    let periods = (RAMP.as_secs_f64() / between.as_secs_f64()).ceil();
    between.mul_f64((share * periods).floor() + share)
}

/// A stream that ended.
struct Stream {
    sent: Instant,
    /// How late each piece was, in microseconds.
    delays: Vec<i64>,
}

async fn stream(mut connection: Connection, sent: Instant, schedule: Schedule) -> Result<Stream, AnyError> {
    let mut due = sent + schedule.first;
    let mut delays = Vec::with_capacity(128);
    let tell = |time, brought: Brought| {
        for _ in 0..brought.pieces {
            // One more than is taken tells that there were more.
            if delays.len() <= MOST_PIECES {
                delays.push(micros_between(due, time));
            }
            due += schedule.between;
        }
    };
    connection.answer(Question::PacedStream, Attention::Pieces, tell).await?;
    if delays.len() > MOST_PIECES {
        return Err(format!("a stream has more than {MOST_PIECES} pieces of text").into());
    }
    Ok(Stream { sent, delays })
}

/// Of the pieces that are due after the last stream was begun, and before the first one's last piece.
fn delays_while_all_are_on(streams: &[Stream], schedule: Schedule) -> Result<Vec<i64>, AnyError> {
    let expected = streams.first().map_or(0, |stream| stream.delays.len());
    if let Some(other) = streams.iter().map(|stream| stream.delays.len()).find(|count| *count != expected) {
        return Err(format!("a stream has {other} pieces of text, and another {expected}").into());
    }
    let due = |stream: &Stream, index: usize| {
        stream.sent
            + schedule.first
            + schedule.between.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
    };
    let begun = streams.iter().map(|stream| stream.sent).max();
    let over = streams.iter().map(|stream| due(stream, expected)).min();
    let (Some(begun), Some(over)) = (begun, over) else { return Err("there are no streams".into()) };
    let of_stream = |stream: &Stream| {
        let all = stream.delays.iter().enumerate();
        let counted = all.filter(|(index, _)| (begun..over).contains(&due(stream, *index)));
        counted.map(|(_, delay)| *delay).collect::<Vec<_>>()
    };
    Ok(streams.iter().flat_map(of_stream).collect())
}

/// A thread that sends the time, and a task that tells how old it is when it comes.
struct Probe {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::io::Result<()>>,
    reader: tokio::task::JoinHandle<Result<Vec<i64>, AnyError>>,
}

impl Probe {
    async fn start() -> Result<Probe, AnyError> {
        let listener = StdListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let reader = TcpStream::connect(listener.local_addr()?).await?;
        let (writer, _address) = listener.accept()?;
        writer.set_nodelay(true)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let over = Arc::clone(&is_over);
        Ok(Probe {
            is_over,
            thread: std::thread::spawn(move || send_times(writer, began, &over)),
            reader: tokio::spawn(read_times(reader, began)),
        })
    }

    async fn finish(self) -> Result<Vec<i64>, AnyError> {
        self.is_over.store(true, Ordering::Relaxed);
        let delays = self.reader.await??;
        self.thread.join().map_err(|_| "the probe panicked")??;
        Ok(delays)
    }
}

fn send_times(mut writer: StdStream, began: Instant, is_over: &AtomicBool) -> std::io::Result<()> {
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(BETWEEN_PROBES);
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        writer.write_all(&micros.to_be_bytes())?;
    }
    Ok(())
}

/// Until the thread closes the connection.
async fn read_times(mut reader: TcpStream, began: Instant) -> Result<Vec<i64>, AnyError> {
    let mut delays = Vec::new();
    let mut bytes = [0; 8];
    while reader.read_exact(&mut bytes).await.is_ok() {
        let sent = began + Duration::from_micros(u64::from_be_bytes(bytes));
        delays.push(micros_between(sent, Instant::now()));
    }
    Ok(delays)
}
