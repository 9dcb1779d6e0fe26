//! `cargo xtask bench relay`: what the program adds to streams that it passes on, and how fast it plays recordings.
//!
//! Upstream is the bare server of `bench server`. Before it stand nobody, the program with `--upstream`, nginx with its
//! buffering off, and the gateways that users have instead, one after the other, in every round in another order. The same
//! client asks for streams by the clock at several numbers at once, and for as many chunks without delays as can be had.
//! What is added is the lateness of pieces behind a relay without that of pieces that come directly. Whoever measures
//! shares the machine with all of them.

mod gateways;
mod idle_streams;
mod recordings;
mod relay_report;
mod resident_memory;
mod way;

use std::num::NonZeroUsize;
use std::path::Path;

use super::client_run::{Client, LoadKind};
use super::contestant::{Contestant, Role};
use super::server::{CONNECTIONS, captured, order, scripted_bare};
use super::{build, print, program};
use crate::metadata::target_directory;
use crate::steps::announce;
use gateways::Gateway;
use relay_report::{Absent, RelayReport};
use way::{Demand, Way};

/// What is done once before anything is measured.
const WARM_UP_STREAMS: usize = 16;
/// The most streams at the same time.
const MOST_STREAMS: i64 = 4_000;
/// The model that the client asks for, as `crates/server/benches/server/connection.rs` says.
const MODEL: &str = "gpt-4o-mini";

/// What `cargo xtask bench relay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArguments {
    /// How often everything is measured; medians count
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,
    /// How long each load lasts, and paced streams are all on; they are begun over a second before
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// How many paced streams there are at the same time, from load to load
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64,512",
        value_parser = clap::value_parser!(u32).range(1..=MOST_STREAMS))]
    streams: Vec<u32>,
    /// Measure beside these gateways alone; without it, beside all of them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Gateway>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RelayArguments {
    fn gateways(&self) -> impl Iterator<Item = Gateway> {
        Gateway::ALL.into_iter().filter(|gateway| self.only.is_empty() || self.only.contains(gateway))
    }

    fn demands(&self) -> Vec<Demand> {
        let paced = self.streams.iter().map(|streams| Demand::Paced(*streams as usize));
        paced.chain([Demand::AtOnce(self.seconds)]).collect()
    }
}

/// Measures, and prints what was measured on stdout. Whatever was started has ended when this returns.
pub(super) fn run(arguments: &RelayArguments) -> anyhow::Result<()> {
    build()?;
    announce("==> build of the client")?;
    let client = Client::build()?;
    let target = target_directory()?;
    let folder = target.join("bench-relay");
    announce("==> the servers")?;
    let direct = scripted_bare(&client, &folder, arguments.seconds)?;
    let (ours, upstream) = (relay(&direct, &[])?, direct.address.clone());
    let replay = recordings::played(&client, &direct, &folder)?;
    let mut ways = vec![
        Way::own(relay_report::DIRECTLY, direct, &client)?,
        Way::own(relay_report::OURS, ours, &client)?,
    ];
    let mut absent = Vec::new();
    for gateway in arguments.gateways() {
        let way = gateway.install(&target, &folder, &upstream).and_then(|ready| Way::through(ready, &client));
        match way {
            Ok(way) => ways.push(way),
            Err(error) => absent.push(Absent::of(gateway, &error)?),
        }
    }
    let (demands, rounds) = (arguments.demands(), arguments.rounds.get());
    let mut played = Vec::new();
    for round in 0..rounds {
        announce(&format!("round {} of {rounds}", round + 1))?;
        for index in order(round, ways.len()) {
            if let Some(way) = ways.get_mut(index) {
                announce(&format!("==> {}", way.name))?;
                way.measure(&client, &demands)?;
            }
        }
        played.push(client.load(&replay, LoadKind::Stream, CONNECTIONS, arguments.seconds)?);
    }
    announce(&format!("==> {}", idle_streams::NAME))?;
    let quiet = Contestant::bare(&client, &captured(&folder), idle_streams::SILENCE_MS)?;
    for way in ways.iter_mut().filter(|way| way.name != relay_report::DIRECTLY) {
        way.measure_idle(|| relay(&quiet, &[]), &quiet.address)?;
    }
    let report = RelayReport::of(rounds, &demands, &ways, absent, &played);
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

/// A folder that is empty.
pub(super) fn emptied(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}
