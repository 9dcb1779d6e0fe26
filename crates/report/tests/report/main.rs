//! Documents of verdicts and of load, and everything that is made of them.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it is wrong")]

mod generated;
mod sample;

mod badge;
mod baseline;
mod html;
mod json;
mod junit;
mod load;
mod matrix;
mod output;
mod sarif;
mod terminal;
