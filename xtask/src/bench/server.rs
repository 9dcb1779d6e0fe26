//! `cargo xtask bench server`: the program with a script, beside a bare HTTP server and other mock servers.
//!
//! All get the same requests from the same client (`crates/server/benches/server`), one server at a time, in every
//! round in another order; medians of the rounds count. The bare server writes the bytes that ours wrote before, so
//! that the two differ in nothing but what makes them. So does one thread of sockets and nothing else, for paced
//! streams: what it is late by is the machine's and the client's. Servers and client share the machine's processors.

mod files;
mod peer;
mod server_report;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::client_run::{Client, LoadKind};
use super::contestant::{BETWEEN_MS, Contestant, Outcomes, Role};
use super::{build, print, program};
use crate::metadata::target_directory;
use crate::steps::announce;
use server_report::ServerReport;

/// Pieces of text in an answer without delays.
const PIECES: usize = 256;
/// Connections of a load.
pub(super) const CONNECTIONS: usize = 64;
/// The client gives up on paced streams that take longer than twice this.
const LONGEST_LOAD_SECONDS: i64 = 60;

/// What `cargo xtask bench server` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArguments {
    /// How often everything is measured; medians count
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,
    /// How long each load lasts, and paced streams are all on; they are begun over a second before
    #[arg(long, value_name = "SECONDS", default_value = "2",
        value_parser = clap::value_parser!(u32).range(1..=LONGEST_LOAD_SECONDS))]
    seconds: u32,
    /// Paced streams at the same time
    #[arg(long, value_name = "N", default_value = "1000")]
    streams: NonZeroUsize,
    /// Measure ours, bare hyper and sockets alone; nothing is installed
    #[arg(long)]
    without_peers: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures, and prints what was measured on stdout. Whatever was started has ended when this returns.
pub(super) fn run(arguments: &ServerArguments) -> anyhow::Result<()> {
    build()?;
    announce("==> build of the client")?;
    let client = Client::build()?;
    let target = target_directory()?;
    let peers = if arguments.without_peers { Vec::new() } else { peer::install(&target)? };
    let folder = target.join("bench-server");
    let paced_pieces = paced_pieces(arguments.seconds);
    files::write(&folder, PIECES, paced_pieces, BETWEEN_MS)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    announce("==> the servers")?;
    let mut contestants = start(&client, &folder)?;
    for peer in &peers {
        contestants.push(peer.start(&folder)?);
    }
    let mut outcomes: Vec<Outcomes> = contestants.iter().map(|_| Outcomes::default()).collect();
    let rounds = arguments.rounds.get();
    for round in 0..rounds {
        announce(&format!("round {} of {rounds}", round + 1))?;
        for index in order(round, contestants.len()) {
            if let (Some(contestant), Some(outcomes)) = (contestants.get(index), outcomes.get_mut(index)) {
                measure(contestant, &client, arguments, outcomes)?;
            }
        }
    }
    let measured: Vec<_> = contestants.iter().zip(&outcomes).collect();
    let report = ServerReport::of(&measured, rounds, arguments.streams.get());
    if arguments.json {
        return print([serde_json::to_string_pretty(&report)?]);
    }
    print(report.lines())
}

/// Ours, and those that write what ours answers.
fn start(client: &Client, folder: &Path) -> anyhow::Result<Vec<Contestant>> {
    let ours = Contestant::ours(&program()?, &folder.join(files::SCRIPT))?;
    let captured = capture(client, &ours, folder)?;
    let bare = Contestant::bare(client, &captured, BETWEEN_MS)?;
    let sockets = Contestant::sockets(client, &captured, BETWEEN_MS)?;
    Ok(vec![ours, bare, sockets])
}

/// The bare server with what a scripted one answers.
pub(super) fn scripted_bare(client: &Client, folder: &Path, seconds: u32) -> anyhow::Result<Contestant> {
    files::write(folder, PIECES, paced_pieces(seconds), BETWEEN_MS)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let captured = capture(client, &Contestant::ours(&program()?, &folder.join(files::SCRIPT))?, folder)?;
    Contestant::bare(client, &captured, BETWEEN_MS)
}

/// Where in a folder there is what ours answers.
pub(super) fn captured(folder: &Path) -> PathBuf {
    folder.join("captured.json")
}

/// What ours answers, in a file.
fn capture(client: &Client, ours: &Contestant, folder: &Path) -> anyhow::Result<PathBuf> {
    let captured = captured(folder);
    client.capture(ours, &captured)?;
    Ok(captured)
}

/// Everything once on one server. A peer that fails has no figures, and the report says why; without ours or the bare
/// server there is nothing to report.
fn measure(
    contestant: &Contestant,
    client: &Client,
    arguments: &ServerArguments,
    outcomes: &mut Outcomes,
) -> anyhow::Result<()> {
    if contestant.role != Role::Sockets {
        measure_rates(contestant, client, arguments.seconds, outcomes)?;
    }
    let pace = client.pace(contestant, arguments.streams.get(), BETWEEN_MS);
    keep(contestant, pace, &mut outcomes.pace, &mut outcomes.failures)
}

fn measure_rates(
    contestant: &Contestant,
    client: &Client,
    seconds: u32,
    outcomes: &mut Outcomes,
) -> anyhow::Result<()> {
    let plain = client.load(contestant, LoadKind::Plain, CONNECTIONS, seconds);
    keep(contestant, plain, &mut outcomes.plain, &mut outcomes.failures)?;
    let stream = client.load(contestant, LoadKind::Stream, CONNECTIONS, seconds);
    keep(contestant, stream, &mut outcomes.stream, &mut outcomes.failures)
}

fn keep<T>(
    contestant: &Contestant,
    outcome: anyhow::Result<T>,
    outcomes: &mut Vec<T>,
    failures: &mut Vec<String>,
) -> anyhow::Result<()> {
    match (outcome, contestant.role) {
        (Ok(outcome), _) => outcomes.push(outcome),
        (Err(error), Role::Peer) => failures.push(format!("{error:#}")),
        (Err(error), Role::Ours | Role::Bare | Role::Sockets) => return Err(error),
    }
    Ok(())
}

/// As many as come in this time, and in the second over which the streams are begun.
fn paced_pieces(seconds: u32) -> usize {
    (u64::from(seconds + 1) * 1_000 / BETWEEN_MS) as usize
}

/// Who comes after whom: in each round someone else is first.
pub(super) fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| (place + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_first_in_turn() {
        let orders: Vec<Vec<usize>> = (0..4).map(|round| order(round, 3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn paced_streams_are_all_on_for_as_long_as_a_load() {
        assert_eq!(paced_pieces(2), 150);
    }
}
