//! A bound server, asked over TCP in plain HTTP, with a small backend behind it that does what the body says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is wrong")]

mod backend;
mod bounds;
mod cross_origin;
mod description;
mod disconnect;
mod errors;
mod everything;
mod exchange;
mod faults;
mod faults_of_frames;
mod guards;
mod journal;
mod metrics;
mod passing_on;
mod raw_client;
mod repeating;
mod shutdown;
mod streams;
mod whole;
