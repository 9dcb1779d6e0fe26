//! Puts load on a server, and measures what comes of it; and measures itself.
//!
//! Owns when requests are sent ([`schedule`]), what they say ([`work`]), how their answers are timed ([`measure`]), and
//! how far the times can be trusted ([`calibrate`]). What was measured is added up in the report's types. Refuses to know
//! how it is told, and who serves: its own server is a process like any other.

mod beat;
mod calibration;
mod connections;
mod draws;
mod exchange;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod live;
mod measuring;
mod objectives;
mod observation;
mod preflight;
mod reading;
mod refusal;
mod run;
pub mod schedule;
mod stop;
pub mod work;
mod worker;

pub use beat::BEAT;
pub use calibration::{ClockWork, Pace, calibrate};
pub use failure::Failure;
pub use live::{Live, Snapshot};
pub use measuring::{Counting, Measured, measure};
pub use observation::Observation;
pub use preflight::{CALIBRATING, Level, ask_once, level_of, tells_faults};
pub use reading::{Heard, MOST_CHUNKS, Usage};
pub use run::Run;
pub use stop::Stop;
pub use work::{Ask, Conversation, Endpoint, Work};
pub use worker::{AFTER_REFUSAL, Reuse};
