//! Many streams by the clock, and how late each piece of their text is.
//!
//! A piece is due at the time of its request, and the schedule's sum: whatever lies between, of the server, of the
//! system and of this client, is its lateness. The streams are begun over a second, evenly in the phases of their pace:
//! what counts is many streams, not many requests at once. Pieces count that are due while all streams are on. What of
//! their lateness is the client's own is estimated by a probe: a thread of this process sends the time to the same loop,
//! over the same kind of socket.
//!
//! One stream alone would tell little: a server's timer may tick by the millisecond, and all pieces of a stream meet it
//! in the same phase. So streams can be asked for one by one, too, many of which a few pieces are heard.

use std::io::Write;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::AnyError;
use crate::arguments::{PaceTask, Schedule, Streams};
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
/// So many pieces are heard of a stream that is alone.
const PIECES_ALONE: usize = 5;

/// Puts the streams on, and times their pieces.
pub(crate) async fn run(task: PaceTask) -> Result<PaceRecord, AnyError> {
    timeout(LONGEST_RUN, measure(&task))
        .await
        .map_err(|_| format!("the streams did not end within {LONGEST_RUN:?}"))?
}

async fn measure(task: &PaceTask) -> Result<PaceRecord, AnyError> {
    let probe = Probe::start().await?;
    let (streams, delays, first_delays) = match task.streams {
        Streams::AtOnce(count) => {
            let streams = at_once(task, count).await?;
            let delays = delays_while_all_are_on(&streams, task.schedule)?;
            (count, delays, first_delays(&streams))
        }
        Streams::OneByOne(times) => {
            let streams = one_by_one(task, times).await?;
            let delays = streams.iter().flat_map(|stream| stream.delays.iter().copied()).collect();
            (1, delays, first_delays(&streams))
        }
    };
    let client = probe.finish().await?;
    Ok(PaceRecord {
        streams,
        chunks: delays.len(),
        late_ms: Quantiles::of(delays).ok_or("the streams are too short to be on at the same time")?,
        first_late_ms: Quantiles::of(first_delays).ok_or("no text came")?,
        client_ms: Quantiles::of(client).ok_or("the probe was not heard")?,
    })
}

/// A connection that has had an answer, on which a stream is asked for.
struct Asker {
    connection: Connection,
    paced: Vec<u8>,
}

impl Asker {
    async fn open(task: &PaceTask) -> Result<Asker, AnyError> {
        let mut connection = Connection::open(task.address).await?;
        connection.send(&request(Question::Plain, task.address, &task.headers)).await?;
        connection.answer(Question::Plain, Attention::Events, |_, _| {}).await?;
        let headers: Vec<String> = task.headers.iter().chain(&task.pace_header).cloned().collect();
        Ok(Asker { connection, paced: request(Question::PacedStream, task.address, &headers) })
    }

    /// Asks, and says when.
    async fn ask(mut self) -> Result<(Connection, Instant), AnyError> {
        self.connection.acknowledge_late()?;
        let sent = Instant::now();
        self.connection.send(&self.paced).await?;
        Ok((self.connection, sent))
    }
}

async fn at_once(task: &PaceTask, count: usize) -> Result<Vec<Stream>, AnyError> {
    let mut askers = Vec::with_capacity(count);
    for _ in 0..count {
        askers.push(Asker::open(task).await?);
    }
    let mut streams = JoinSet::new();
    let started = Instant::now();
    for (index, asker) in askers.into_iter().enumerate() {
        let due = started + beginning(index, count, task.schedule.between);
        // A timer's millisecond would let them start in bunches.
        while Instant::now() < due {
            yield_now().await;
        }
        let (connection, sent) = asker.ask().await?;
        streams.spawn(stream(connection, sent, task.schedule));
    }
    let mut ended = Vec::with_capacity(count);
    while let Some(stream) = streams.join_next().await {
        ended.push(stream??);
    }
    Ok(ended)
}

async fn one_by_one(task: &PaceTask, times: usize) -> Result<Vec<Stream>, AnyError> {
    let mut streams = Vec::with_capacity(times);
    for _ in 0..times {
        let (connection, sent) = Asker::open(task).await?.ask().await?;
        let mut heard = Stream { sent, delays: Vec::new() };
        heard.hear(connection, task.schedule, PIECES_ALONE).await?;
        streams.push(heard);
    }
    Ok(streams)
}

fn first_delays(streams: &[Stream]) -> Vec<i64> {
    streams.iter().filter_map(|stream| stream.delays.first().copied()).collect()
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

async fn stream(connection: Connection, sent: Instant, schedule: Schedule) -> Result<Stream, AnyError> {
    let mut stream = Stream { sent, delays: Vec::with_capacity(128) };
    // One more than is taken tells that there were more.
    stream.hear(connection, schedule, MOST_PIECES + 1).await?;
    if stream.delays.len() > MOST_PIECES {
        return Err(format!("a stream has more than {MOST_PIECES} pieces of text").into());
    }
    Ok(stream)
}

impl Stream {
    /// Listens to so many pieces, or to its end.
    async fn hear(
        &mut self,
        mut connection: Connection,
        schedule: Schedule,
        most: usize,
    ) -> Result<(), AnyError> {
        let (mut due, delays) = (self.sent + schedule.first, &mut self.delays);
        let tell = |time, brought: Brought| {
            for _ in 0..brought.pieces {
                if delays.len() < most {
                    delays.push(micros_between(due, time));
                }
                due += schedule.between;
            }
            if delays.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let _whole_or_enough =
            connection.answer_until(Question::PacedStream, Attention::Pieces, tell).await?;
        Ok(())
    }
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
