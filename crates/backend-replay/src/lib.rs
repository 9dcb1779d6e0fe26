//! Recordings as a backend, and a backend that records what another answers.
//!
//! [`ReplayBackend`] answers from cassettes: the same bytes in the same pieces at the same times, with the same end.
//! [`Recorder`] stands in front of another backend and writes a cassette for each exchange. [`ReplayFirst`] joins the
//! two: what no recording answers is asked of somebody else, and recorded. Owns which recording answers which request,
//! and in which order. Refuses to know the form of a file, sockets, and who is recorded.

mod expected;
mod ignored_member;
mod models;
mod nearest;
mod pace;
mod playback;
mod played;
mod recorder;
mod replay_backend;
mod replay_first;
mod request_key;
mod shelf;

pub use ignored_member::{IgnoredMember, NoMember};
pub use nearest::{MOST_COMPARED, MOST_DIFFERENCES};
pub use pace::{FASTEST, NoPace, Pace, SLOWEST, Speed};
pub use played::Played;
pub use recorder::{LONGEST_FLUSH, MOST_HELD, MOST_HELD_TOGETHER, Recorder};
pub use replay_backend::{ReplayBackend, ReplayOptions};
pub use replay_first::ReplayFirst;
