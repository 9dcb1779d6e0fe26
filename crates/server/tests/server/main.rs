//! A bound server, asked over TCP in plain HTTP, with a small backend behind it that does what the body says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is wrong")]

mod backend;
mod bounds;
mod cross_origin;
mod description;
mod disconnect;
mod errors;
mod exchange;
mod faults;
mod guards;
mod journal;
mod metrics;
mod shutdown;
mod streams;
mod whole;
