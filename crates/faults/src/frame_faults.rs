//! Faults of events: which are lost, doubled, swapped, late or changed, and where the stream stands still or ends.
//!
//! Takes the blocks of a stream and gives actions, whose writes are whole events still. Events are counted twice: by
//! their number, as the source made them, and by their place, which reordering changes.

use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::chunk_json::{Change, ChunkEditor, Meaning, chunk_after_done, meaning};
use crate::delay::DelaySampler;
use crate::drawn::AnswerKind;
use crate::event_blocks::{Block, EVENT_BYTES_MAX, EventBlocks, data_range};
use crate::happenings::Happenings;
use crate::http_faults::DEFAULT_MESSAGE;
use crate::pipeline::{Action, Ending};
use crate::plan::model::{
    AfterError, CutBy, CutPlace, DoneFault, ErrorFault, ErrorForm, Faults, StallFault, Which,
};
use crate::seeds;

const DONE: &[u8] = b"data: [DONE]\n\n";

/// Chooses events for one fault.
#[derive(Debug)]
struct Chooser {
    which: Which,
    generator: ChaCha8Rng,
}

impl Chooser {
    fn new(which: Option<&Which>, seed: u64, name: &str) -> Option<Chooser> {
        which.map(|which| Chooser { which: which.clone(), generator: seeds::keyed(seed, name) })
    }

    /// Must be asked once for each event, in order: each takes one draw.
    fn chooses(&mut self, number: u64) -> bool {
        match &self.which {
            Which::Events(events) => events.binary_search(&number).is_ok(),
            Which::Every(every) => number.is_multiple_of(*every),
            Which::Probability(probability) => seeds::comes_true(&mut self.generator, *probability),
        }
    }
}

/// An event that is ready to go out.
#[derive(Debug)]
struct Prepared {
    number: u64,
    /// The pace of the answer, before the event.
    wait: Duration,
    /// The delay of this event.
    delay: Option<Duration>,
    /// Empty if the event is lost.
    writes: Vec<Bytes>,
}

/// The faults of the events of one stream.
#[derive(Debug)]
pub(crate) struct FrameFaults {
    blocks: EventBlocks,
    drop: Option<Chooser>,
    duplicate: Option<Chooser>,
    reorder: Option<Chooser>,
    delay: Option<(Chooser, Duration)>,
    stall: Option<StallFault>,
    error: Option<ErrorFault>,
    cut: Option<(u64, CutBy)>,
    done: Option<DoneFault>,
    editor: ChunkEditor,
    first_token: Option<DelaySampler>,
    between_tokens: Option<DelaySampler>,
    paces_tokens: bool,
    /// The first event that is not the role's was there.
    has_first_token: bool,
    /// The pause between tokens was told of.
    has_told_pace: bool,
    /// The last chunk with content; kept only where `done` needs it.
    last_content: Option<Value>,
    events_made: u64,
    places_taken: u64,
    /// The event that changes places with the next.
    held: Option<Prepared>,
    has_started: bool,
    has_ended: bool,
}

impl FrameFaults {
    pub(crate) fn new(seed: u64, faults: &Faults) -> FrameFaults {
        let cut = faults.cut.and_then(|cut| match cut.place {
            CutPlace::AfterEvents(count) => Some((count, cut.by)),
            CutPlace::AfterBytes(_) => None,
        });
        let delay = faults
            .delay
            .as_ref()
            .and_then(|delay| Some((Chooser::new(Some(&delay.which), seed, "delay")?, delay.time)));
        let sampler = |delay: &Option<crate::Delay>, name| {
            delay.as_ref().map(|delay: &crate::Delay| delay.sampler_named(seed, name))
        };
        FrameFaults {
            blocks: EventBlocks::new(EVENT_BYTES_MAX),
            drop: Chooser::new(faults.drop.as_ref(), seed, "drop"),
            duplicate: Chooser::new(faults.duplicate.as_ref(), seed, "duplicate"),
            reorder: Chooser::new(faults.reorder.as_ref(), seed, "reorder"),
            delay,
            stall: faults.stall,
            error: faults.error.clone(),
            cut,
            done: faults.done,
            editor: ChunkEditor::new(AnswerKind::Stream, faults),
            first_token: sampler(&faults.latency.first_token, "latency.first_token"),
            between_tokens: sampler(&faults.latency.between_tokens, "latency.between_tokens"),
            paces_tokens: !faults.latency.is_empty(),
            has_first_token: false,
            has_told_pace: false,
            last_content: None,
            events_made: 0,
            places_taken: 0,
            held: None,
            has_started: false,
            has_ended: false,
        }
    }

    /// Takes bytes of the stream. Nothing is appended after an end.
    pub(crate) fn push(&mut self, mut bytes: &[u8], happenings: &mut Happenings, actions: &mut Vec<Action>) {
        self.start(happenings, actions);
        while !self.has_ended {
            let Some(block) = self.blocks.next(&mut bytes) else { return };
            self.take_block(block, happenings, actions);
        }
    }

    /// The stream ended well.
    pub(crate) fn finish(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        self.release(happenings, actions);
        if !self.has_ended {
            self.end(Ending::Complete, actions);
        }
    }

    /// No more of the stream comes: what is kept goes out, and nothing ends it but a fault whose place that is.
    pub(crate) fn release(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        self.start(happenings, actions);
        if let Some(block) = self.blocks.finish().filter(|_| !self.has_ended) {
            // The rest of a stream that broke off inside an event comes after all that is complete.
            if matches!(block, Block::Other(_)) {
                self.release_held(happenings, actions);
            }
            if !self.has_ended {
                self.take_block(block, happenings, actions);
            }
        }
        self.release_held(happenings, actions);
    }

    fn start(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.has_started, true) {
            self.after_place(happenings, actions);
        }
    }

    fn end(&mut self, ending: Ending, actions: &mut Vec<Action>) {
        self.has_ended = true;
        actions.push(Action::End(ending));
    }

    fn take_block(&mut self, block: Block, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        let event = match block {
            Block::Other(bytes) => return actions.push(Action::Write(Bytes::from(bytes))),
            Block::Event(event) => event,
        };
        self.events_made += 1;
        let number = self.events_made;
        let swaps = self.reorder.as_mut().is_some_and(|chooser| chooser.chooses(number));
        let prepared = self.prepare(number, event, happenings);
        match self.held.take() {
            None if swaps => self.held = Some(prepared),
            None => self.emit(prepared, happenings, actions),
            // It has changed places already, whether it was chosen too or not.
            Some(held) => {
                happenings.at_event("reorder", held.number);
                self.emit(prepared, happenings, actions);
                self.emit(held, happenings, actions);
            }
        }
    }

    fn release_held(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if let Some(held) = self.held.take() {
            self.emit(held, happenings, actions);
        }
    }

    /// Makes of an event what goes out in its place. Every draw is taken whether it matters or not, so that no fault
    /// moves the draws of another.
    fn prepare(&mut self, number: u64, event: Vec<u8>, happenings: &mut Happenings) -> Prepared {
        let is_dropped = self.drop.as_mut().is_some_and(|chooser| chooser.chooses(number));
        let is_doubled = self.duplicate.as_mut().is_some_and(|chooser| chooser.chooses(number));
        let delay = self.delay.as_mut().and_then(|(chooser, time)| chooser.chooses(number).then_some(*time));
        let range = data_range(&event);
        let is_done = range.clone().is_some_and(|range| event[range].trim_ascii() == b"[DONE]");
        let (wait, event) = self.edit(number, event, range, happenings);
        let mut writes = match event {
            Some(event) if is_done => self.done_writes(number, event, happenings),
            Some(event) => vec![event],
            None => Vec::new(),
        };
        if !writes.is_empty() && is_dropped {
            happenings.at_event("drop", number);
            writes.clear();
        }
        if !writes.is_empty() && is_doubled {
            happenings.at_event("duplicate", number);
            writes.extend_from_within(..);
        }
        Prepared { number, wait, delay, writes }
    }

    /// Applies what needs the event's JSON: the pace before it, and the edits, which may leave nothing of it.
    fn edit(
        &mut self,
        number: u64,
        mut event: Vec<u8>,
        range: Option<std::ops::Range<usize>>,
        happenings: &mut Happenings,
    ) -> (Duration, Option<Bytes>) {
        let keeps_content = self.done == Some(DoneFault::More);
        if !self.editor.is_needed() && !self.paces_tokens && !keeps_content {
            return (Duration::ZERO, Some(Bytes::from(event)));
        }
        let json = range.clone().and_then(|range| serde_json::from_slice::<Value>(&event[range]).ok());
        let meaning = json.as_ref().map_or(Meaning::Other, meaning);
        let wait = self.pace(number, meaning, happenings);
        let (Some(mut json), Some(range)) = (json, range) else { return (wait, Some(Bytes::from(event))) };
        let mut outcome = Change::Nothing;
        for (fault, change) in self.editor.edit(&mut json).all() {
            if change != Change::Nothing {
                happenings.at_event(fault, number);
                outcome = if outcome == Change::Dropped { outcome } else { change };
            }
        }
        match outcome {
            Change::Nothing => {}
            Change::Edited => drop(event.splice(range, json.to_string().into_bytes())),
            Change::Dropped => return (wait, None),
        }
        if keeps_content && meaning == Meaning::Content {
            self.last_content = Some(json);
        }
        (wait, Some(Bytes::from(event)))
    }

    fn pace(&mut self, number: u64, meaning: Meaning, happenings: &mut Happenings) -> Duration {
        if !self.has_first_token {
            if meaning == Meaning::Opening {
                return Duration::ZERO;
            }
            self.has_first_token = true;
            let Some(time) = self.first_token.as_mut().and_then(Iterator::next) else {
                return Duration::ZERO;
            };
            happenings.at_event("latency.first_token", number);
            return time;
        }
        if meaning != Meaning::Content {
            return Duration::ZERO;
        }
        let Some(time) = self.between_tokens.as_mut().and_then(Iterator::next) else { return Duration::ZERO };
        if !std::mem::replace(&mut self.has_told_pace, true) {
            happenings.at_event("latency.between_tokens", number);
        }
        time
    }

    /// What goes out for `[DONE]`.
    fn done_writes(&mut self, number: u64, done: Bytes, happenings: &mut Happenings) -> Vec<Bytes> {
        let writes = match self.done {
            None => return vec![done],
            Some(DoneFault::Omit) => Vec::new(),
            Some(DoneFault::Double) => vec![done.clone(), done],
            Some(DoneFault::More) => {
                let Some(content) = &self.last_content else { return vec![done] };
                let chunk = format!("data: {}\n\n", chunk_after_done(content));
                vec![done, Bytes::from(chunk)]
            }
            Some(DoneFault::Space) => {
                let mut spaced = done.to_vec();
                if let Some(range) = data_range(&done) {
                    spaced.insert(range.end, b' ');
                }
                vec![Bytes::from(spaced)]
            }
        };
        happenings.at_event("done", number);
        writes
    }

    /// Lets an event out, and whatever comes after its place.
    fn emit(&mut self, event: Prepared, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if self.has_ended {
            return;
        }
        self.places_taken += 1;
        push_wait(event.wait, actions);
        if let Some(delay) = event.delay.filter(|_| !event.writes.is_empty()) {
            happenings.at_event("delay", event.number);
            push_wait(delay, actions);
        }
        actions.extend(event.writes.into_iter().map(Action::Write));
        self.after_place(happenings, actions);
    }

    /// What is to happen after so many places: standing still, then an error, then the cut.
    fn after_place(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        let place = self.places_taken;
        if let Some(stall) = self.stall.take_if(|stall| stall.after_events == place) {
            happenings.at_event("stall", place);
            match stall.time {
                Some(time) => push_wait(time, actions),
                None => return self.end(Ending::Hold, actions),
            }
        }
        if let Some(error) = self.error.take_if(|error| error.after_events == place) {
            happenings.at_event("error", place);
            actions.push(Action::Write(error_event(&error)));
            match error.then {
                AfterError::GoOn => {}
                AfterError::End => return self.end(Ending::Complete, actions),
                AfterError::Done => {
                    let writes = self.done_writes(place, Bytes::from_static(DONE), happenings);
                    actions.extend(writes.into_iter().map(Action::Write));
                    return self.end(Ending::Complete, actions);
                }
            }
        }
        if let Some((_, by)) = self.cut.take_if(|(count, _)| *count == place) {
            happenings.at_event("cut", place);
            self.end(ending_of(by), actions);
        }
    }
}

pub(crate) fn push_wait(time: Duration, actions: &mut Vec<Action>) {
    if !time.is_zero() {
        actions.push(Action::Wait(time));
    }
}

pub(crate) fn ending_of(by: CutBy) -> Ending {
    match by {
        CutBy::Reset => Ending::Reset,
        CutBy::Close => Ending::Close,
        CutBy::HalfClose => Ending::HalfClose,
        CutBy::End => Ending::Complete,
    }
}

fn error_event(error: &ErrorFault) -> Bytes {
    let message = error.message.as_deref().unwrap_or(DEFAULT_MESSAGE);
    let kind = "server_error";
    Bytes::from(match error.form {
        ErrorForm::Envelope => {
            let data = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
            format!("data: {data}\n\n")
        }
        ErrorForm::Event => {
            let data = json!({"message": message, "type": kind, "code": null});
            format!("event: error\ndata: {data}\n\n")
        }
        ErrorForm::Object => {
            let data = json!({
                "object": "error", "message": message, "type": kind, "param": null, "code": null
            });
            format!("data: {data}\n\n")
        }
    })
}
