//! The program before recordings of the bare server.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bench::client_run::Client;
use crate::bench::contestant::{Contestant, Role};
use crate::bench::program;

/// Until what was recorded is on the disk.
const LONGEST_WRITING: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// One of each kind that the client asks for.
const RECORDINGS: usize = 3;

/// Records an answer of each kind, and starts what plays them.
///
/// # Errors
/// When one of both does not start, or nothing is recorded.
pub(super) fn played(client: &Client, upstream: &Contestant, folder: &Path) -> anyhow::Result<Contestant> {
    let cassettes = folder.join("cassettes");
    super::emptied(&cassettes)?;
    let recorder = super::relay(upstream, &["--record", &cassettes.display().to_string()])?;
    client.capture(&recorder, &folder.join("captured-through-relay.json"))?;
    let deadline = Instant::now() + LONGEST_WRITING;
    while recorded(&cassettes)? < RECORDINGS {
        ensure!(Instant::now() < deadline, "the answers were not recorded in {LONGEST_WRITING:?}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
    drop(recorder);
    let mut command = Command::new(program()?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--replay-pace", "at-once", "--replay"]).arg(cassettes);
    Contestant::start("recordings".to_owned(), Role::Ours, &mut command)
}

fn recorded(cassettes: &Path) -> anyhow::Result<usize> {
    let names = std::fs::read_dir(cassettes)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(names.iter().filter(|name| name.to_string_lossy().ends_with(".json")).count())
}
