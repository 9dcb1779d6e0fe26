//! The two ends that `cargo xtask bench server` holds beside each other: a bare hyper server, one of sockets alone, and
//! a client that loads any server.
//!
//! The program does one thing for each start and prints one JSON document of what it counted and timed; it judges
//! nothing. Medians, ratios and tables are made by xtask, which is also how it is meant to be run. It shares no code
//! with the server that it measures.

mod answer_reader;
mod arguments;
mod bare;
mod capture;
mod captured;
mod connection;
mod cpu_time;
mod document;
mod event_counter;
mod load;
mod pace;
mod segments;
mod sockets;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use arguments::Task;

/// What goes wrong is told to a person and nobody else.
type AnyError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), AnyError> {
    match arguments::read(std::env::args().skip(1))? {
        // As many threads as the program's own server has.
        Task::Bare(task) => Builder::new_multi_thread().enable_all().build()?.block_on(bare::serve(task)),
        Task::Sockets(task) => sockets::serve(&task),
        Task::Capture(task) => on_one_thread()?.block_on(capture::run(task)),
        Task::Load(task) => print(&on_one_thread()?.block_on(load::run(task))?),
        Task::Pace(task) => print(&on_one_thread()?.block_on(pace::run(task))?),
    }
}

/// The client leaves the other processors to the server.
fn on_one_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn print(document: &impl Serialize) -> Result<(), AnyError> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, document)?;
    writeln!(stdout)?;
    Ok(())
}

/// One line on stderr, for a person. A closed stderr is no reason to stop.
fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
