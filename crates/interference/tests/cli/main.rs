//! The real binary with the real model, asked the way users ask it: by real clients, over raw sockets, from a shell.
//!
//! Everything here runs one test at a time (a [`bench::Bench`] is the only way to a process): times are measured, the
//! port 1337 is used, and the model wants all processors anyway.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where it is wrong, and prints what it measured"
)]

mod bench;
mod description;
mod exchange;
mod tls;

mod applications;
mod chat;
mod check;
mod check_client;
mod check_client_listen;
mod check_client_page;
mod check_pages;
mod choices;
mod clients;
mod command_lines;
mod completions;
mod crowd;
mod disconnect;
mod embeddings;
mod errors;
mod event_streams;
mod faults;
mod import;
mod judge_schemas;
mod load;
mod log;
mod model_files;
mod openai_description;
mod our_schemas;
mod parameters;
mod readme;
mod recordings;
mod relay;
mod report;
mod report_schemas;
mod reproducibility;
mod responses;
mod script;
mod serve;
mod special_tokens;
mod stored_chats;
mod streaming;
mod tools;
