//! The client against servers that do what they should not.
//!
//! A listener on loopback answers each request with literal bytes, so that every way in which a stream can be cut,
//! mislabelled or damaged is there exactly as on the wire.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share may fail a test like the tests themselves"
)]

mod byte_server;
mod connections;
mod endings;
mod errors;
mod framing;
mod requests;
mod tools;
mod wrong_answers;
