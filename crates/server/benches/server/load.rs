//! A closed loop: each connection asks again as soon as its answer is complete.
//!
//! Before the clock starts, every connection has had one answer; when it ends, what runs is read to its end, so that
//! every answer is checked, but counted no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::AnyError;
use crate::arguments::{LoadKind, LoadTask};
use crate::connection::{Brought, Complete, Connection, Question, request};
use crate::document::LoadRecord;
use crate::event_counter::Attention;
use crate::{cpu_time, segments};

/// All first answers, and all last ones.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Counts of all connections.
#[derive(Default)]
struct Meter {
    answers: AtomicU64,
    chunks: AtomicU64,
    frames: AtomicU64,
    reads: AtomicU64,
    is_over: AtomicBool,
}

/// Puts the load on.
pub(crate) async fn run(task: LoadTask) -> Result<LoadRecord, AnyError> {
    let question = match task.kind {
        LoadKind::Plain => Question::Plain,
        LoadKind::Stream => Question::Stream,
    };
    let bytes: Arc<[u8]> = request(question, task.address, &task.headers).into();
    let opening = open(&task, question, &bytes);
    let (connections, model) =
        timeout(LONGEST_WAIT, opening).await.map_err(|_| "the first answers did not come in time")??;
    let meter = Arc::new(Meter::default());
    let mut tasks = JoinSet::new();
    let cpu_before = task.pid.and_then(cpu_time::taken);
    let segments_before = segments::sent();
    let started = Instant::now();
    for connection in connections {
        let (bytes, meter) = (Arc::clone(&bytes), Arc::clone(&meter));
        tasks.spawn(ask_on(connection, question, bytes, meter, model));
    }
    tokio::select! {
        () = sleep(task.duration) => {}
        Some(ended) = tasks.join_next() => return Err(reason(ended)),
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = task.pid.and_then(cpu_time::taken).zip(cpu_before);
    let segments = segments::sent().zip(segments_before).map(|(after, before)| after.saturating_sub(before));
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let record = LoadRecord {
        seconds,
        answers: count(&meter.answers),
        chunks: count(&meter.chunks),
        frames: count(&meter.frames),
        reads: count(&meter.reads),
        chunks_per_answer: model.events,
        bytes_per_answer: model.bytes,
        server_cpu_seconds: cpu.map(|(after, before)| after.saturating_sub(before).as_secs_f64()),
        // A request is one.
        segments: segments.map(|segments| segments.saturating_sub(count(&meter.answers))),
    };
    meter.is_over.store(true, Ordering::Relaxed);
    let finish = async {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(AnyError::from).flatten()?;
        }
        Ok::<_, AnyError>(())
    };
    timeout(LONGEST_WAIT, finish).await.map_err(|_| "the last answers did not come in time")??;
    Ok(record)
}

/// All connections, each with an answer behind it, and the last of these.
async fn open(
    task: &LoadTask,
    question: Question,
    bytes: &Arc<[u8]>,
) -> Result<(Vec<Connection>, Complete), AnyError> {
    let mut opening = JoinSet::new();
    for _ in 0..task.connections {
        let (address, bytes) = (task.address, Arc::clone(bytes));
        opening.spawn(async move {
            let mut connection = Connection::open(address).await?;
            connection.send(&bytes).await?;
            let complete = connection.answer(question, Attention::Events, |_, _| {}).await?;
            Ok::<_, AnyError>((connection, complete))
        });
    }
    let (mut connections, mut last) = (Vec::new(), None);
    while let Some(opened) = opening.join_next().await {
        let (connection, complete) = opened??;
        connections.push(connection);
        last = Some(complete);
    }
    Ok((connections, last.ok_or("there are no connections")?))
}

async fn ask_on(
    mut connection: Connection,
    question: Question,
    bytes: Arc<[u8]>,
    meter: Arc<Meter>,
    model: Complete,
) -> Result<(), AnyError> {
    while !meter.is_over.load(Ordering::Relaxed) {
        connection.send(&bytes).await?;
        let tell = |_time, Brought { events, frames, pieces: _ }| {
            meter.chunks.fetch_add(events, Ordering::Relaxed);
            meter.frames.fetch_add(frames, Ordering::Relaxed);
            meter.reads.fetch_add(1, Ordering::Relaxed);
        };
        let complete = connection.answer(question, Attention::Events, tell).await?;
        if complete.events != model.events {
            let (now, before) = (complete.events, model.events);
            return Err(format!("a stream has {now} chunks, and one before had {before}").into());
        }
        meter.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Why a connection ended before it was asked to.
fn reason(ended: Result<Result<(), AnyError>, tokio::task::JoinError>) -> AnyError {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => "a connection ended early".into(),
        Err(error) => error.into(),
    }
}
