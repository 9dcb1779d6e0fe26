//! Puts load on a server, and measures what comes of it; and measures itself.
//!
//! Owns when requests are sent ([`schedule`]), what they say ([`work`]), how their answers are timed, and how far the
//! times can be trusted. What was measured is added up in the report's types. Refuses to know how it is told, and who
//! serves: its own server is a process like any other.

mod draws;
pub mod schedule;
pub mod slo;
pub mod work;

pub use work::{Ask, Conversation, Endpoint, Work};
