//! Faults of a whole body: a pause before it, and edits of its JSON.
//!
//! Keeps the body until it is complete, up to a bound, unless it is in a content coding. What is longer goes on unedited.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::chunk_json::{Change, ChunkEditor};
use crate::drawn::AnswerKind;
use crate::frame_faults::push_wait;
use crate::happenings::Happenings;
use crate::pipeline::{Action, COLLECTED_BYTES_MAX, Ending};
use crate::plan::model::Faults;

/// What a happening tells for a body, which is one event.
const THE_BODY: u64 = 1;

/// The faults of one whole body.
#[derive(Debug)]
pub(crate) struct BodyFaults {
    /// Nothing in it can be edited.
    is_coded: bool,
    body: Vec<u8>,
    first_token: Option<Duration>,
    editor: ChunkEditor,
    /// A part of the body went on already: it was too long to keep.
    is_too_long: bool,
}

impl BodyFaults {
    pub(crate) fn new(seed: u64, is_coded: bool, faults: &Faults) -> BodyFaults {
        let first_token = faults.latency.first_token.as_ref();
        BodyFaults {
            is_coded,
            body: Vec::new(),
            first_token: first_token
                .and_then(|delay| delay.sampler_named(seed, "latency.first_token").next()),
            editor: ChunkEditor::new(AnswerKind::Whole, faults),
            is_too_long: false,
        }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8], happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if self.is_coded {
            self.body.extend_from_slice(bytes);
            return self.write(happenings, actions);
        }
        while self.body.len() + bytes.len() > COLLECTED_BYTES_MAX {
            let (fitting, rest) = bytes.split_at(COLLECTED_BYTES_MAX - self.body.len());
            self.body.extend_from_slice(fitting);
            bytes = rest;
            self.is_too_long = true;
            self.write(happenings, actions);
        }
        self.body.extend_from_slice(bytes);
    }

    /// The body is whole.
    pub(crate) fn finish(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        self.release(happenings, actions);
        actions.push(Action::End(Ending::Complete));
    }

    /// No more of the body comes: what there is goes out.
    pub(crate) fn release(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if self.editor.is_needed()
            && !self.is_too_long
            && let Ok(mut json) = serde_json::from_slice::<Value>(&self.body)
        {
            let mut is_edited = false;
            for (fault, change) in self.editor.edit(&mut json).all() {
                if change != Change::Nothing {
                    happenings.at_event(fault, THE_BODY);
                    is_edited = true;
                }
            }
            if is_edited {
                self.body = json.to_string().into_bytes();
            }
        }
        self.write(happenings, actions);
    }

    /// What is kept goes out as it is.
    fn write(&mut self, happenings: &mut Happenings, actions: &mut Vec<Action>) {
        if let Some(time) = self.first_token.take() {
            happenings.at_event("latency.first_token", THE_BODY);
            push_wait(time, actions);
        }
        if !self.body.is_empty() {
            actions.push(Action::Write(Bytes::from(std::mem::take(&mut self.body))));
        }
    }
}
