//! `cargo xtask matrix`: other people's servers, installed, started and judged one after the other.
//!
//! Each [`peer::Peer`] comes from a registry in a pinned version, and stays below the target directory. All are there
//! before the first is judged: beside a compiler a server is slow, and looks guilty. What judges it is the program's own
//! `check`; what comes of all of them is one document, `docs/matrix.md`. A server that cannot be installed, started or
//! judged is told of there with the reason, and the others go on. Knows nothing of what is judged, nor of reports beyond
//! their paths.

pub(crate) mod evidence;
pub(crate) mod installation;
mod judge;
pub(crate) mod peer;
mod peers;
mod placeholders;
pub(crate) mod process;
mod roster;
mod running;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::bench::model_file;
use crate::metadata::target_directory;
use crate::steps::{announce, cargo, succeed};
use installation::Installed;
use peer::{Peer, Role};
use roster::{Entry, Outcome};
use running::Running;

/// Which servers, and what to do with them
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Judge this server alone (repeatable); without it, all of them
    #[arg(long, value_name = "NAME", value_parser = peers::names())]
    only: Vec<String>,
    /// Take the reports of an earlier run for servers that are left out now
    #[arg(long)]
    keep: bool,
    /// Start this server, print its base URL, and wait for Ctrl-C; nothing is judged
    #[arg(long, value_name = "NAME", value_parser = peers::names(), conflicts_with_all = ["only", "keep"])]
    serve: Option<String>,
}

/// What every server is started from.
#[derive(Debug)]
struct Ground {
    /// The program of this project.
    program: PathBuf,
    /// The default model's file.
    model: PathBuf,
    /// Requirements and settings, a folder for each server that has any.
    settings: PathBuf,
    /// Where everything goes.
    folder: PathBuf,
    /// The document that is made.
    document: PathBuf,
}

impl Ground {
    /// Builds the program, and has it fetch the model.
    fn prepare() -> anyhow::Result<Ground> {
        let target = target_directory()?;
        // Tests use this build as well; what computes is optimised in it.
        announce("==> build of the program")?;
        succeed(&mut cargo(["build", "--package", "interference"]))?;
        let program = target.join("debug").join(format!("interference{}", std::env::consts::EXE_SUFFIX));
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = xtask.parent().context("xtask lies in no workspace")?;
        Ok(Ground {
            model: model_file::by_name(None, &program)?,
            program,
            settings: xtask.join("matrix"),
            folder: target.join("matrix"),
            document: root.join("docs").join("matrix.md"),
        })
    }

    /// Where reports of servers are kept.
    fn reports(&self) -> PathBuf {
        self.folder.join("reports")
    }
}

/// Judges, or serves. Whatever was started has ended when this returns, and also when the process is killed.
///
/// # Errors
/// When the program cannot be built, when no server could be judged, or when the document cannot be made.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(name) = &options.serve {
        return running::serve(&Ground::prepare()?, peers::by_name(name)?);
    }
    let selected: Vec<&'static Peer> =
        peers::ALL.iter().filter(|peer| is_wanted(peer, &options.only)).collect();
    let ground = Ground::prepare()?;
    let mut installed = Vec::new();
    for peer in selected {
        announce(&format!("==> installation of {}", peer.name))?;
        installed.push((peer, installation::install(&ground, peer).context("it cannot be installed")));
    }
    let mut entries = Vec::new();
    let mut upstream = None;
    for (peer, installed) in installed {
        announce(&format!("==> {}", peer.name))?;
        let judged = installed.and_then(|installed| judge_peer(&ground, peer, installed, &mut upstream));
        let entry = Entry::of(peer, judged);
        if let Outcome::NotRun { whole, .. } = &entry.outcome {
            announce(&format!("    {}: not run: {whole}", peer.name))?;
        }
        entries.push(entry);
    }
    drop(upstream);
    if options.keep {
        entries.extend(kept(&ground, &entries));
    }
    conclude(&ground, &entries)
}

fn is_wanted(peer: &Peer, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|name| name == peer.name)
}

/// From what is installed to a report; returns the version that was judged.
fn judge_peer(
    ground: &Ground,
    peer: &Peer,
    installed: Installed,
    upstream: &mut Option<Running>,
) -> anyhow::Result<String> {
    let behind = upstream_of(ground, peer, upstream)?;
    let mut running = Running::start(ground, peer, &installed, behind).context("it did not start")?;
    let judged = judge::judge(ground, peer, &installed.version, &running).context("it could not be judged");
    let alive = judged.and_then(|()| running.require_alive().context("it ended while it was judged"));
    if alive.is_err() {
        // What is said of a server that is gone, or by a judge that has failed, is not to be kept for later.
        judge::forget(ground, peer);
    }
    alive.map(|()| installed.version)
}

/// The base URL of a server that gateways forward to; it is started for the first of them.
fn upstream_of<'a>(
    ground: &Ground,
    peer: &Peer,
    upstream: &'a mut Option<Running>,
) -> anyhow::Result<Option<&'a str>> {
    if peer.role != Role::Gateway {
        return Ok(None);
    }
    if upstream.is_none() {
        let ours = peers::by_name(peers::UPSTREAM)?;
        let installed = installation::install(ground, ours)?;
        *upstream =
            Some(Running::start(ground, ours, &installed, None).context("its upstream did not start")?);
    }
    Ok(upstream.as_ref().map(Running::url))
}

/// Servers that were left out now and have a report from before.
fn kept(ground: &Ground, entries: &[Entry]) -> Vec<Entry> {
    let left_out = peers::ALL.iter().filter(|peer| entries.iter().all(|entry| entry.peer.name != peer.name));
    left_out
        .filter_map(|peer| {
            let version = judge::version_of_report(ground, peer)?;
            Some(Entry::of(peer, Ok(version)))
        })
        .collect()
}

/// One document of all reports, and of the servers that have none.
fn conclude(ground: &Ground, entries: &[Entry]) -> anyhow::Result<()> {
    let in_order =
        || peers::ALL.iter().filter_map(|peer| entries.iter().find(|entry| entry.peer.name == peer.name));
    let judged: Vec<PathBuf> = in_order()
        .filter(|entry| matches!(entry.outcome, Outcome::Judged { .. }))
        .map(|entry| judge::report_of(ground, entry.peer))
        .collect();
    ensure!(!judged.is_empty(), "no server could be judged");
    judge::merge(&ground.program, &judged, &ground.document)?;
    for entry in in_order().filter(|entry| matches!(entry.outcome, Outcome::Judged { .. })) {
        evidence::write(ground, entry.peer, &judge::report_of(ground, entry.peer))?;
    }
    let entries: Vec<&Entry> = in_order().collect();
    roster::append(&ground.document, &entries)?;
    announce(&format!("==> {} of {} servers judged", judged.len(), entries.len()))?;
    Ok(())
}
