//! Faults in any answer: what is to go wrong, and what that does to events, bytes and the connection.
//!
//! A [`Plan`] is text. Drawn for one request it becomes [`AnswerFaults`], and those a [`Pipeline`]: the bytes of the
//! sound answer go in, [`Action`]s come out, which say what to write, when to wait and how to end. Everything that is
//! left to chance comes from a seed: the same plan, seed and answer give the same actions.
//!
//! Synchronous, and without input or output of its own. It knows no sockets, no HTTP library and no backend; whoever
//! executes the actions owns the clock and the connection.

mod body_faults;
mod byte_faults;
mod chunk_json;
mod delay;
mod drawn;
mod duration_text;
mod event_blocks;
mod frame_faults;
mod happenings;
mod http_faults;
mod pipeline;
mod plan;
mod seeds;

pub use delay::{Delay, DelaySampler, Latency};
pub use drawn::{AnswerFaults, AnswerKind, Dialect, Drawn, StandingPlan};
pub use duration_text::{DURATION_MAX, DurationError, parse_duration};
pub use event_blocks::EVENT_BYTES_MAX;
pub use happenings::{HAPPENINGS_MAX, Happening};
pub use http_faults::{HttpFaults, LengthFault, RetryAfter, RetryAfterForm, SubstituteBody};
pub use pipeline::{Action, COLLECTED_BYTES_MAX, Ending, PIECES_MAX, Pipeline};
pub use plan::{ERROR_MESSAGE_BYTES_MAX, LIST_ENTRIES_MAX, PLAN_BYTES_MAX, Place, Plan, PlanError, Position};
pub use seeds::SEED_MAX;

/// How long the value of [`AnswerFaults::header_value`] may be: 4 KiB.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;
