//! `interference`: a test bench for everything that speaks the OpenAI API.
//!
//! Reads the command line, runs one command, and turns its outcome into an exit code: 0 well; 1 the thing under test
//! failed; 2 wrong usage; 3 the tool itself failed, or its target could not be reached; 130 interrupted.

mod cli;
mod commands;
mod failure;
mod fetch_progress;
mod interrupt;
mod local_server;
mod settings;
mod talk;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{CommandLine, Verb};

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    if command_line.is_quiet() {
        talk::be_quiet();
    }
    start_log(command_line.verbosity());
    let outcome = match command_line.verb {
        Verb::Chat(arguments) => commands::chat::run(arguments),
        Verb::Serve(arguments) => commands::serve::run(arguments),
        Verb::Pull(arguments) => commands::pull::run(&arguments),
        Verb::Models(arguments) => {
            commands::models::run(&arguments, &interference_backend_local::HABITUAL_NAMES)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// Logs to stderr, at the level that the command line asks for; `RUST_LOG` has the last word.
fn start_log(level: tracing::level_filters::LevelFilter) {
    let filter =
        tracing_subscriber::EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(failure::may_colour(&std::io::stderr()))
        .without_time()
        .init();
}
