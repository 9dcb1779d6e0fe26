//! `interference`: a test bench for everything that speaks the OpenAI API.
//!
//! Reads the command line, runs one command, and turns its outcome into an exit code: 0 well; 1 the thing under test
//! failed; 2 wrong usage; 3 the tool itself failed, or its target could not be reached; 130 interrupted.

mod cli;
mod commands;
mod failure;
mod fetch_progress;
mod interrupt;
mod judging;
mod local_server;
mod log;
mod reaching;
mod settings;
mod stdout;
mod talk;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{CommandLine, Verb};

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    if command_line.is_quiet() {
        talk::be_quiet();
    }
    log::start(command_line.verbosity(), command_line.log_format());
    let outcome = match command_line.verb {
        Verb::Chat(arguments) => commands::chat::run(arguments),
        Verb::Serve(arguments) => commands::serve::run(*arguments),
        Verb::Check(arguments) => commands::check::run(arguments),
        Verb::CheckClient(arguments) => commands::check_client::run(&arguments),
        Verb::Load(arguments) => commands::load::run(*arguments),
        Verb::Pull(arguments) => commands::pull::run(&arguments),
        Verb::Models(arguments) => {
            commands::models::run(&arguments, &interference_backend_local::HABITUAL_NAMES)
        }
        Verb::Report(arguments) => commands::report::run(&arguments),
        Verb::Import(arguments) => commands::import::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
