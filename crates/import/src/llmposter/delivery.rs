//! How an answer arrives: `streaming`, and what goes wrong (`failure`).

use toml::Table;

use crate::notes::{Notes, Unfit};
use crate::script_words::{count, duration, pieces, table, wait};
use crate::tree::Members;

/// `failure`, read.
#[derive(Debug, Default)]
struct Failure {
    latency_ms: Option<f64>,
    corrupt_body: bool,
    truncate_after_frames: Option<f64>,
    disconnect_after_ms: Option<f64>,
    jitter_ms: f64,
    duplicate_frames: bool,
    probability: Option<f64>,
    chaos_seed: Option<i64>,
}

/// Adds both to an answer.
///
/// # Errors
/// Where a member is of another type.
pub(super) fn add(answer: &mut Table, members: &mut Members, notes: &mut Notes<'_>) -> Result<(), Unfit> {
    let mut latency = 0.0;
    if let Some(mut streaming) = members.members("streaming")? {
        latency = streaming.amount("latency")?.unwrap_or(0.0);
        if let Some(characters) = count(&mut streaming, "chunk_size")?
            && !answer.contains_key("tool_calls")
        {
            answer.insert("pieces".to_owned(), pieces(characters));
        }
        streaming.end(notes);
    }
    let failure = match members.members("failure")? {
        Some(failure) => Failure::read(failure, notes)?,
        None => Failure::default(),
    };
    if latency > 0.0 && !failure.corrupt_body {
        let wait = wait(latency, failure.jitter_ms);
        let pace = table([("first_token", wait.clone()), ("between_tokens", wait)]);
        answer.insert("latency".to_owned(), pace.into());
    }
    let faults = failure.faults(latency, notes);
    if !faults.is_empty() {
        answer.insert("faults".to_owned(), faults.into());
    }
    Ok(())
}

impl Failure {
    fn read(mut members: Members, notes: &mut Notes<'_>) -> Result<Failure, Unfit> {
        let truncate = members.amount("truncate_after_frames")?;
        let failure = Failure {
            latency_ms: members.amount("latency_ms")?,
            corrupt_body: members.switch("corrupt_body")?.unwrap_or(false),
            truncate_after_frames: truncate.or(members.amount("truncate_after_chunks")?),
            disconnect_after_ms: members.amount("disconnect_after_ms")?,
            jitter_ms: members.amount("latency_jitter_ms")?.unwrap_or(0.0),
            duplicate_frames: members.switch("duplicate_frames")?.unwrap_or(false),
            probability: members.amount("probability")?.filter(|probability| *probability < 1.0),
            chaos_seed: members.whole("chaos_seed")?,
        };
        members.end(notes);
        Ok(failure)
    }

    /// The plan of faults. `latency` is that between two events, in milliseconds.
    fn faults(&self, latency: f64, notes: &mut Notes<'_>) -> Table {
        let mut faults = Table::new();
        let mut http = Table::new();
        if let Some(silence) = self.latency_ms.filter(|silence| *silence > 0.0) {
            http.insert("slow_head".to_owned(), duration(silence).into());
        }
        if self.corrupt_body {
            notes.changed("failure.corrupt_body", "the body is a page of HTML");
            http.insert("status".to_owned(), 200.into());
            http.insert("body".to_owned(), "html".into());
        } else {
            if let Some((events, by)) = self.cut(latency, notes) {
                faults.insert(
                    "cut".to_owned(),
                    table([("after_events", events.into()), ("by", by.into())]).into(),
                );
            }
            self.add_chance(&mut faults, !http.is_empty(), notes);
        }
        if !http.is_empty() {
            faults.insert("http".to_owned(), http.into());
        }
        faults
    }

    /// Where the answer ends early, and how: after so many events of the source.
    fn cut(&self, latency: f64, notes: &mut Notes<'_>) -> Option<(i64, &'static str)> {
        let truncated = self.truncate_after_frames.map(|frames| {
            let events = if self.duplicate_frames { frames / 2.0 } else { frames };
            if events.fract() != 0.0 {
                notes.changed("failure.truncate_after_frames", "it ends after both of two");
            }
            (events.ceil() as i64, "end")
        });
        // Events are due at 0, at the latency, at twice the latency, …; one that is due at the end does not come.
        let disconnected = self.disconnect_after_ms.and_then(|time| match time {
            0.0 => Some((0, "close")),
            _ if latency == 0.0 => None,
            time => {
                let frames = (time / latency).ceil();
                let events = if self.duplicate_frames { frames / 2.0 } else { frames };
                notes.changed(
                    "failure.disconnect_after_ms",
                    format!("the connection is closed after event {}, which is then due", events.ceil()),
                );
                Some((events.ceil() as i64, "close"))
            }
        });
        [disconnected, truncated].into_iter().flatten().min_by_key(|(events, _)| *events)
    }

    /// What the original leaves to chance. A plan has one probability, for all of its faults.
    fn add_chance(&self, faults: &mut Table, has_others: bool, notes: &mut Notes<'_>) {
        let is_alone = faults.is_empty() && !has_others && self.jitter_ms == 0.0;
        match self.probability {
            Some(0.0) if is_alone => return,
            Some(probability) if is_alone && self.duplicate_frames => {
                faults.insert("probability".to_owned(), probability.into());
            }
            Some(_) => notes.part("failure.probability", "what it decides on always takes place"),
            None => {}
        }
        if self.duplicate_frames {
            faults.insert("duplicate".to_owned(), table([("every", 1.into())]).into());
        }
        if let Some(seed) = self.chaos_seed {
            if faults.is_empty() {
                notes.part("failure.chaos_seed", "nothing is drawn");
            } else {
                notes.changed("failure.chaos_seed", "the same seed draws something else");
                faults.insert("seed".to_owned(), seed.into());
            }
        }
    }
}
