//! `cargo xtask bench relay`: what the program adds to streams that it passes on, and how fast it plays recordings.
//!
//! Upstream is the bare server of `bench server`. Before it stand nobody, nginx with its buffering off, and the program
//! with `--upstream`, one after the other, in every round in another order. The same client asks for streams by the clock
//! at several numbers at once, and for as many chunks without delays as can be had. What is added is the lateness of
//! pieces behind a relay without that of pieces that come directly. Whoever measures shares the machine with all of them.

mod nginx;
mod recordings;
mod relay_report;
mod resident_memory;

use std::num::NonZeroUsize;
use std::path::Path;

use super::client_run::{Client, Load, LoadKind, Pace};
use super::contestant::{BETWEEN_MS, Contestant, Role};
use super::server::{CONNECTIONS, order, scripted_bare};
use super::{build, print, program};
use crate::metadata::target_directory;
use crate::steps::announce;
use relay_report::RelayReport;
use resident_memory::Watch;

/// Streams at the same time.
const STREAMS: [usize; 3] = [1, 64, 512];
/// What is done once before anything is measured.
const WARM_UP_STREAMS: usize = 16;

/// What `cargo xtask bench relay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArguments {
    /// How often everything is measured; medians count
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,
    /// How long each load lasts, and each paced stream
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one way to the upstream came to, round by round.
#[derive(Debug, Default)]
struct Outcomes {
    /// For each of [`STREAMS`].
    pace: [Vec<Pace>; STREAMS.len()],
    stream: Vec<Load>,
    /// Memory that the most streams took, in bytes for each.
    stream_bytes: Vec<f64>,
}

/// Measures, and prints what was measured on stdout. Whatever was started has ended when this returns.
pub(super) fn run(arguments: &RelayArguments) -> anyhow::Result<()> {
    build()?;
    announce("==> build of the client")?;
    let client = Client::build()?;
    let folder = target_directory()?.join("bench-relay");
    announce("==> the servers")?;
    let direct = scripted_bare(&client, &folder, arguments.seconds)?;
    let relay = relay(&direct, &[])?;
    let nginx = nginx::start(&folder, &direct.address)?;
    let replay = recordings::played(&client, &direct, &folder)?;
    let contestants = [direct, nginx, relay];
    let mut outcomes = [const { None }; 3].map(|_: Option<()>| Outcomes::default());
    let mut played = Vec::new();
    for contestant in &contestants {
        client.pace(contestant, WARM_UP_STREAMS, BETWEEN_MS)?;
    }
    let rounds = arguments.rounds.get();
    for round in 0..rounds {
        announce(&format!("round {} of {rounds}", round + 1))?;
        for index in order(round, contestants.len()) {
            if let (Some(contestant), Some(outcomes)) = (contestants.get(index), outcomes.get_mut(index)) {
                measure(contestant, &client, arguments.seconds, outcomes)?;
            }
        }
        played.push(client.load(&replay, LoadKind::Stream, CONNECTIONS, arguments.seconds)?);
    }
    let [direct, nginx, relay] = &outcomes;
    let report = RelayReport::of(rounds, direct, nginx, relay, &played);
    if arguments.json {
        return print([serde_json::to_string_pretty(&report)?]);
    }
    print(report.lines())
}

/// The program before this upstream.
fn relay(upstream: &Contestant, more: &[&str]) -> anyhow::Result<Contestant> {
    let mut command = std::process::Command::new(program()?);
    let url = format!("up=http://{}/v1", upstream.address);
    command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", &url]).args(more);
    Contestant::start("interference".to_owned(), Role::Ours, &mut command)
}

fn measure(
    contestant: &Contestant,
    client: &Client,
    seconds: u32,
    outcomes: &mut Outcomes,
) -> anyhow::Result<()> {
    for (streams, paces) in STREAMS.into_iter().zip(&mut outcomes.pace) {
        let watch = Watch::begin(contestant.pid());
        paces.push(client.pace(contestant, streams, BETWEEN_MS)?);
        let most = watch.end();
        if streams == STREAMS[STREAMS.len() - 1] {
            outcomes.stream_bytes.push(most as f64 / streams as f64);
        }
    }
    outcomes.stream.push(client.load(contestant, LoadKind::Stream, CONNECTIONS, seconds)?);
    Ok(())
}

/// A folder that is empty.
pub(super) fn emptied(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}
