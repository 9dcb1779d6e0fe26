//! `cargo xtask bench load`: how right load testers are about a server whose timing is known, and with how many streams.
//!
//! `interference serve --script` answers every request alike, each piece at its time on the clock ([`timing`]). Each
//! tester opens so many streams a second as the rung of a ladder says ([`ladder`]) and tells what it saw ([`tester`]).
//! What was to be seen there is known from observers, who ask the same server at the same time ([`observer`]); the
//! difference is the tester's error. All share the machine's processors, as on a machine of a developer.

mod aiperf;
mod guidellm;
mod installation;
mod ladder;
mod observer;
mod oha;
mod ours;
mod process_tree;
mod report;
mod sample;
mod step;
mod tester;
mod timing;
mod tokenizer;
mod traffic;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{build, print, program};
use crate::metadata::target_directory;
use crate::steps::announce;
use installation::Installed;
use ladder::{Outcome, climb};
use report::{Absent, TestersReport};
use step::Wanted;
use tester::Tester;

/// No step begins later than this: a run ends within a quarter of an hour, but for what has to be installed.
const LONGEST_CLIMB: Duration = Duration::from_secs(13 * 60);
/// The longest load of a step.
const LONGEST_LOAD_SECONDS: i64 = 60;
/// The most streams of a rung.
const MOST_STREAMS: i64 = 4_000;

/// What `cargo xtask bench load` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArguments {
    /// How many streams are open at once, from rung to rung
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,16,64,128,256,512,1024",
        value_parser = clap::value_parser!(u32).range(1..=MOST_STREAMS))]
    streams: Vec<u32>,
    /// How long each tester puts each load on
    #[arg(long, value_name = "SECONDS", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=LONGEST_LOAD_SECONDS))]
    seconds: u32,
    /// Measure this tester alone (repeatable); without it, all of them
    #[arg(long, value_name = "NAME")]
    only: Vec<Tester>,
    /// Print JSON instead of tables in Markdown; both are kept below the target directory
    #[arg(long)]
    json: bool,
}

/// Measures, and prints what was measured on stdout. Whatever was started has ended when this returns.
pub(super) fn run(arguments: &LoadArguments) -> anyhow::Result<()> {
    build()?;
    let (target, ours) = (target_directory()?, program()?);
    let folder = target.join("bench-load");
    std::fs::create_dir_all(&folder)?;
    let script = folder.join("script.toml");
    std::fs::write(&script, timing::script()).with_context(|| script.display().to_string())?;
    let testers = Tester::ALL.into_iter();
    let testers = testers.filter(|tester| arguments.only.is_empty() || arguments.only.contains(tester));
    let (mut installed, mut absent) = (Vec::new(), Vec::new());
    for tester in testers {
        match installation::install(tester, &target, &ours) {
            Ok(one) => installed.push(one),
            Err(error) => absent.push(Absent { name: tester, why: format!("{error:#}") }),
        }
    }
    let testers: Vec<Tester> = installed.iter().map(|installed| installed.tester).collect();
    let deadline = Instant::now() + LONGEST_CLIMB;
    let attempts = climb(&testers, &arguments.streams, arguments.seconds, deadline, |tester, wanted| {
        let installed = installed.iter().find(|installed| installed.tester == tester);
        let installed = installed.context("a tester was not installed")?;
        measure(installed, &ours, &script, wanted, &folder.join(tester.name()))
    })?;
    let report = TestersReport::of(arguments.seconds, &installed, absent, &attempts);
    let (json, lines) = (serde_json::to_string_pretty(&report)?, report.lines());
    std::fs::write(folder.join("report.json"), &json)?;
    std::fs::write(folder.join("report.md"), lines.join("\n") + "\n")?;
    print(if arguments.json { vec![json] } else { lines })
}

/// One step, told when it is over. A tester that fails has no figures, and the report says why.
fn measure(
    installed: &Installed,
    ours: &Path,
    script: &Path,
    wanted: Wanted,
    folder: &Path,
) -> anyhow::Result<Outcome> {
    let name = installed.tester.name();
    announce(&format!("==> {name}, {} streams", wanted.streams))?;
    let mut server = step::server(ours, script);
    let outcome = match step::run(installed, &mut server, wanted, folder) {
        Ok(measured) => Outcome::Measured(measured),
        Err(error) => Outcome::Broke(format!("{error:#}")),
    };
    match &outcome {
        Outcome::Measured(measured) => {
            let objections = measured.objections(wanted);
            let said =
                if objections.is_empty() { "within the bounds".to_owned() } else { objections.join("; ") };
            let (first, between) = measured.server_late();
            announce(&format!("    {said}; the server was late by {first:.1} and {between:.1} ms (p99)"))?;
        }
        Outcome::Broke(why) => announce(&format!("    {why}"))?,
        Outcome::NotTried => {}
    }
    Ok(outcome)
}
