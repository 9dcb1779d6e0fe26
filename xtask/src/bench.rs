//! `cargo xtask bench`: how fast the program is, beside what the machine can do, and beside peers.
//!
//! `engine` is measured in process by its own benchmark; what that counted becomes a table here. Its peer is any OpenAI
//! server that runs already: the program is started beside it, and both get the same requests in turn. `server` is the
//! program with a script instead of a model, beside a bare HTTP server and other programs of its kind; `relay` is the program
//! before a bare HTTP server, beside nginx and gateways in the same place; `load` is what load testers say of a server
//! whose timing is known. Figures of two machines, or of one machine on two days, are not comparable; those of one run
//! are.

mod chat_server;
mod client_run;
mod comparison;
mod contestant;
mod engine_report;
mod engine_run;
pub(crate) mod http;
mod load;
pub(crate) mod model_file;
mod relay;
mod roofline;
pub(crate) mod served;
mod server;
mod spread;
mod table;
mod testers;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::metadata::target_directory;
use crate::steps::{announce, cargo, succeed};
use chat_server::ChatServer;
use comparison::PeerReport;
use engine_report::EngineReport;
use served::Served;

/// What can be measured
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Prompts and decoding in tokens per second, and how near that is to what the machine can do
    Engine(EngineArguments),
    /// Requests and chunks per second of a scripted answer, beside bare hyper and other mock servers
    Server(server::ServerArguments),
    /// What a relay adds to the chunks of streams, beside nginx and gateways; and how fast recordings are played
    Relay(relay::RelayArguments),
    /// How right load testers are about a server whose timing is known, ours beside others
    Load(testers::LoadArguments),
}

/// What `cargo xtask bench engine` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EngineArguments {
    /// A GGUF file, or a name that `interference models` lists [default: the default model]
    #[arg(short, long, value_name = "NAME|PATH")]
    model: Option<String>,
    /// Threads that compute [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// How often everything is measured; medians count
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,
    /// The base URL of an OpenAI server that runs already, to be measured beside ours
    #[arg(long, value_name = "URL")]
    peer: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that one run measured.
#[derive(Debug, Serialize)]
struct Report {
    engine: EngineReport,
    peer: Option<PeerReport>,
}

/// Measures, and prints what was measured on stdout.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Engine(arguments) => measure_engine(arguments),
        Bench::Server(arguments) => server::run(arguments),
        Bench::Relay(arguments) => relay::run(arguments),
        Bench::Load(arguments) => testers::run(arguments),
    }
}

fn measure_engine(arguments: &EngineArguments) -> anyhow::Result<()> {
    let EngineArguments { model, threads, rounds, peer, json } = arguments;
    // First of all: whoever mistypes a URL should not wait for minutes to learn it.
    let peer = peer.as_deref().map(|url| ChatServer::find("the peer", url)).transpose()?;
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).map_or(2, NonZeroUsize::get);
    let at_path = model_file::at_path(model.as_deref())?;
    let program = program()?;
    if peer.is_some() || at_path.is_none() {
        build()?;
    }
    let file = at_path.map_or_else(|| model_file::by_name(model.as_deref(), &program), Ok)?;
    announce("==> the engine")?;
    let engine = EngineReport::of(&engine_run::run(&file, threads, rounds.get())?)?;
    if !json {
        // At once: a peer that fails does not take it away.
        print(engine.lines())?;
    }
    let peer = peer.map(|peer| compare(&program, &file, threads, *rounds, &peer)).transpose()?;
    if *json {
        return print([serde_json::to_string_pretty(&Report { engine, peer })?]);
    }
    if let Some(peer) = peer {
        print([String::new()])?;
        print(peer.lines())?;
    }
    Ok(())
}

fn print(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{line}")?;
    }
    Ok(())
}

fn compare(
    program: &Path,
    model: &Path,
    threads: usize,
    rounds: NonZeroUsize,
    peer: &ChatServer,
) -> anyhow::Result<PeerReport> {
    announce("==> the peer")?;
    let served = Served::with_model(program, model, threads)?;
    let ours = ChatServer::find("interference", served.url())?;
    comparison::run(&ours, peer, rounds)
}

/// Builds the program in its release form.
fn build() -> anyhow::Result<()> {
    announce("==> build of the program")?;
    succeed(&mut cargo(["build", "--release", "--package", "interference"]))
}

/// Where cargo puts the program in its release form.
fn program() -> anyhow::Result<PathBuf> {
    Ok(target_directory()?.join("release").join(format!("interference{}", std::env::consts::EXE_SUFFIX)))
}

/// An error that says what to do about it.
fn hinted(message: impl std::fmt::Display, hint: &str) -> anyhow::Error {
    anyhow::anyhow!("{message}\nhint: {hint}")
}
