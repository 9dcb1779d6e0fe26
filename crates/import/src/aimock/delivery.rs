//! How an answer arrives: its chunks, its pace, and what goes wrong with it.

use toml::{Table, Value};

use crate::notes::{Notes, Unfit};
use crate::script_words::{count, duration, pieces, table, wait};
use crate::tree::Members;

/// Characters of a chunk, unless the fixture says otherwise.
const CHUNK_CHARACTERS: i64 = 20;

/// How many events are counted to find where a connection is closed.
const MOST_COUNTED: usize = 100_000;

/// What chaos may do to a request. The names of the rates, in the order in which they are drawn.
const RATES: [&str; 4] = ["dropRate", "malformedRate", "rateLimitRate", "disconnectRate"];

/// Adds all of it to an answer.
///
/// # Errors
/// Where a member is of another type.
pub(super) fn add(answer: &mut Table, members: &mut Members, notes: &mut Notes<'_>) -> Result<(), Unfit> {
    let chunk = count(members, "chunkSize")?.unwrap_or(CHUNK_CHARACTERS);
    let pace = Pace::take(members, notes)?;
    let truncated = members.amount("truncateAfterChunks")?;
    let disconnected = members.amount("disconnectAfterMs")?;
    let mut faults = Table::new();
    // Errors and embeddings come at once, and whole.
    if answer.contains_key("text") || answer.contains_key("tool_calls") {
        answer.insert("pieces".to_owned(), pieces(chunk));
        if let Some(latency) = pace.latency() {
            answer.insert("latency".to_owned(), latency.into());
        }
        // The chunk that reaches the count is sent.
        let truncated = truncated.map(|chunks| chunks.max(1.0) as i64);
        let disconnected = disconnected.and_then(|time| pace.events_before(time));
        if let Some(events) = [truncated, disconnected].into_iter().flatten().min() {
            faults.insert("cut".to_owned(), table([("after_events", events.into())]).into());
        }
    }
    if let Some(chaos) = members.members("chaos")? {
        add_chaos(&mut faults, chaos, notes)?;
    }
    if !faults.is_empty() {
        answer.insert("faults".to_owned(), faults.into());
    }
    Ok(())
}

/// When the events of a stream are due, in milliseconds.
#[derive(Debug)]
struct Pace {
    /// Before the first event, which names the role.
    first: f64,
    /// Before the others, one after the other, and from the start again. At least one.
    between: Vec<f64>,
    /// To both sides, as a part of each.
    jitter: f64,
}

impl Pace {
    /// A profile goes before recorded times, and these before a fixed latency.
    fn take(members: &mut Members, notes: &mut Notes<'_>) -> Result<Pace, Unfit> {
        let latency = members.amount("latency")?.unwrap_or(0.0);
        let recorded = members.members("recordedTimings")?;
        let profile = members.members("streamingProfile")?;
        let speed = members.amount("replaySpeed")?.filter(|speed| *speed > 0.0).unwrap_or(1.0);
        let mut pace = Pace { first: latency, between: vec![latency], jitter: 0.0 };
        if let Some(mut profile) = profile {
            let per_second = profile.amount("tps")?.filter(|rate| *rate > 0.0);
            let step = per_second.map_or(latency, |rate| 1_000.0 / rate);
            pace.first = profile.amount("ttft")?.unwrap_or(step);
            pace.between = vec![step];
            pace.jitter = profile.amount("jitter")?.unwrap_or(0.0);
            profile.end(notes);
        } else if let Some(mut recorded) = recorded {
            pace.first = recorded.amount("ttftMs")?.unwrap_or(0.0);
            let delays = recorded.list("interChunkDelaysMs")?.unwrap_or_default();
            pace.between = delays.iter().filter_map(|delay| delay.value.as_amount()).collect();
            if pace.between.is_empty() {
                pace.between.push(0.0);
            }
            // The sum follows.
            let _total = recorded.take("totalDurationMs");
            recorded.end(notes);
        }
        pace.first /= speed;
        pace.between.iter_mut().for_each(|delay| *delay /= speed);
        Ok(pace)
    }

    /// The pace of the pieces, the first of which follows the role; none where all comes at once.
    fn latency(&self) -> Option<Table> {
        let first = self.first + self.between[0];
        if first == 0.0 && self.between.iter().all(|delay| *delay == 0.0) {
            return None;
        }
        let later = match self.between.as_slice() {
            [each] => wait(*each, each * self.jitter),
            recorded => {
                let others = recorded.iter().skip(1).map(|delay| Value::from(duration(*delay)));
                table([("recorded", Value::Array(others.collect()))]).into()
            }
        };
        Some(table([("first_token", wait(first, first * self.jitter)), ("between_tokens", later)]))
    }

    /// How many events are due before a time; none where all are, or too many to count.
    fn events_before(&self, time: f64) -> Option<i64> {
        let mut due = self.first;
        for events in 0..MOST_COUNTED {
            if due >= time {
                return i64::try_from(events).ok();
            }
            due += self.between[events % self.between.len()];
        }
        None
    }
}

/// A plan has one probability, so of several rates the first that is drawn comes along.
fn add_chaos(faults: &mut Table, mut chaos: Members, notes: &mut Notes<'_>) -> Result<(), Unfit> {
    let mut http = Table::new();
    for name in RATES {
        let Some(rate) = chaos.amount(name)?.filter(|rate| *rate > 0.0) else { continue };
        if !faults.is_empty() || !http.is_empty() {
            notes.part(chaos.path(name), "it cannot stand beside what else goes wrong with this answer");
            continue;
        }
        match name {
            "dropRate" => {
                http = table([("status", 500.into()), ("message", "Chaos: request dropped".into())])
            }
            "malformedRate" => {
                notes.changed(chaos.path(name), "the body is a page of HTML");
                http = table([("status", 200.into()), ("body", "html".into())]);
            }
            "rateLimitRate" => {
                http = table([
                    ("status", 429.into()),
                    ("message", "Chaos: rate limit exceeded".into()),
                    ("retry_after", "1s".into()),
                ]);
            }
            _ => {
                notes.changed(chaos.path(name), "the head is sent before the connection closes");
                faults.insert("cut".to_owned(), table([("after_bytes", 0.into())]).into());
            }
        }
        if rate < 1.0 {
            faults.insert("probability".to_owned(), rate.into());
        }
    }
    if let Some(silence) = chaos.amount("latencyMs")?.filter(|silence| *silence > 0.0) {
        if faults.contains_key("probability") {
            notes.part(chaos.path("latencyMs"), "it would come as seldom as what else goes wrong");
        } else {
            http.insert("slow_head".to_owned(), duration(silence).into());
        }
    }
    if !http.is_empty() {
        faults.insert("http".to_owned(), http.into());
    }
    chaos.end(notes);
    Ok(())
}
