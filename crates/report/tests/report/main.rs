//! Documents of verdicts, and everything that is made of them.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it is wrong")]

mod generated;
mod sample;

mod json;
mod terminal;
