//! `cargo xtask mutants`: the proof that the judge of servers judges.
//!
//! Every bug of the list is put between a sound server and `interference check`, which must fail exactly the cases that
//! stand beside it; every sound variant must fail none. The sound server is the real binary on a script.

mod chat;
mod chunk;
mod completions;
mod embeddings;
mod errors;
mod http;
mod lesser;
mod lifecycle;
mod logprobs;
mod models;
mod mutant;
mod proxy;
mod responses;
mod script;
mod sse;
mod structured;
mod tools;
mod usage;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::bench::served::Served;
use crate::metadata::Metadata;
use crate::steps::{announce, cargo, succeed};
use mutant::{Fails, Mutant, Places};
use proxy::Proxy;

/// The key that opens the sound server.
const KEY: &str = "sk-sound-4f1c";

/// The cases that fill a server with long answers. They take part where a mutant is about places, and before the sound
/// server itself: no other bug has to do with them, and each costs as much as all others together.
const FILLING: [&str; 4] =
    ["errors.retry-after", "life.disconnect-frees", "life.disconnect-plain", "life.silent-start"];

/// For all cases together.
const LONGEST_JUDGEMENT_SECONDS: &str = "300";

/// After so many mutants it is told how far it has come.
const BETWEEN_NEWS: usize = 25;

/// What `cargo xtask mutants` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only the mutants and variants whose name, or one of whose cases, has this in it
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// So many at a time
    #[arg(long, default_value_t = 3)]
    pub(crate) jobs: usize,
    /// Prints what each has failed, also where it is as expected
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// Every section's bugs.
const MUTANTS: &[&[Mutant]] = &[
    sse::MUTANTS,
    chunk::MUTANTS,
    usage::MUTANTS,
    chat::MUTANTS,
    tools::MUTANTS,
    structured::MUTANTS,
    logprobs::MUTANTS,
    errors::MUTANTS,
    models::MUTANTS,
    embeddings::MUTANTS,
    completions::MUTANTS,
    responses::MUTANTS,
    lifecycle::MUTANTS,
];

/// Puts all mutants and variants before the judge.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let metadata = Metadata::read()?;
    succeed(&mut cargo(["build", "--quiet", "--package", "interference"]))?;
    let program =
        metadata.target_directory.join("debug").join(format!("interference{}", std::env::consts::EXE_SUFFIX));
    let script = script::join(&metadata.workspace_root, &metadata.target_directory)?;
    let mut command = Command::new(&program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--allow-faults", "--api-key", KEY, "--script"]);
    let served = Served::start("`interference serve --script`", command.arg(&script))?;
    let host = Host { program, sound: address(served.url())? };

    let catalogue = host.catalogue()?;
    let sound = failed(&host.judge_sound()?);
    ensure!(sound.is_empty(), "the sound server itself fails {sound:?}");
    let subjects = subjects(options, &catalogue)?;
    let outcomes = host.judge_all(&subjects, options)?;
    tell(&subjects, &outcomes, &catalogue, options)
}

/// A mutant or a variant, and what it must fail.
fn subjects(options: &Options, catalogue: &BTreeMap<String, String>) -> anyhow::Result<Vec<Mutant>> {
    let all: Vec<Mutant> =
        MUTANTS.iter().copied().flatten().chain(variants::VARIANTS).chain(lesser::LESSER).copied().collect();
    let mut names = BTreeSet::new();
    for mutant in &all {
        ensure!(names.insert(mutant.name), "two mutants are called {}", mutant.name);
        let reasonless = mutant.fails.iter().find(|fails| fails.1.is_empty());
        if let Some(Fails(slug, _)) = reasonless {
            bail!("the mutant {} fails {slug}, and nothing says why", mutant.name);
        }
        let unknown = mutant.fails.iter().find(|fails| !catalogue.contains_key(fails.0));
        if let Some(unknown) = unknown {
            bail!("the mutant {} fails {}, which is no case", mutant.name, unknown.0);
        }
    }
    let wanted = |mutant: &Mutant| {
        options.only.as_deref().is_none_or(|only| {
            mutant.name.contains(only) || mutant.fails.iter().any(|fails| fails.0.contains(only))
        })
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// Where the sound server and the judge are.
struct Host {
    program: PathBuf,
    sound: String,
}

/// What the judge has said of a subject: each case and its verdict.
type Verdicts = BTreeMap<String, String>;

impl Host {
    /// Every case and its level.
    fn catalogue(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let output = Command::new(&self.program).args(["check", "--list", "--json"]).output()?;
        let listing: Value = serde_json::from_slice(&output.stdout).context("`check --list --json`")?;
        table(&listing, "level")
    }

    fn judge_all(&self, subjects: &[Mutant], options: &Options) -> anyhow::Result<Vec<Verdicts>> {
        let next = AtomicUsize::new(0);
        let outcomes: Mutex<BTreeMap<usize, anyhow::Result<Verdicts>>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..options.jobs.max(1) {
                scope.spawn(|| {
                    while let Some((index, mutant)) = Some(next.fetch_add(1, Ordering::Relaxed))
                        .and_then(|index| Some((index, subjects.get(index)?)))
                    {
                        let outcome = self.judge(mutant).with_context(|| mutant.name);
                        if index % BETWEEN_NEWS == 0 {
                            // Where stderr is closed, nobody wants to know.
                            announce(&format!("    {index} of {}: {}", subjects.len(), mutant.name)).ok();
                        }
                        outcomes.lock().map(|mut outcomes| outcomes.insert(index, outcome)).ok();
                    }
                });
            }
        });
        outcomes.into_inner().map_err(|_| anyhow::anyhow!("a thread failed"))?.into_values().collect()
    }

    fn judge(&self, mutant: &Mutant) -> anyhow::Result<Verdicts> {
        let proxy = Proxy::start(*mutant, self.sound.clone())?;
        let mut command = self.check(&proxy.base_url());
        if !is_about_places(mutant) {
            command.args(FILLING.iter().flat_map(|slug| ["--skip", slug]));
        }
        self.verdicts(&mut command)
    }

    /// The sound server without anything before it, by all cases.
    fn judge_sound(&self) -> anyhow::Result<Verdicts> {
        self.verdicts(&mut self.check(&format!("http://{}/v1", self.sound)))
    }

    fn check(&self, base_url: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "check", base_url, "--json", "--api-key", KEY, "--timeout", "10"]);
        command.args(["--max-time", LONGEST_JUDGEMENT_SECONDS]);
        command
    }

    fn verdicts(&self, command: &mut Command) -> anyhow::Result<Verdicts> {
        let output = command.stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let report: Value =
            serde_json::from_slice(&output.stdout).with_context(|| format!("no report: {said}"))?;
        let verdicts = table(&report, "verdict")?;
        let harness = verdicts.iter().find(|(_, verdict)| *verdict == "HARNESS-ERROR");
        if let Some((slug, _)) = harness {
            bail!("the judge itself fails in {slug}");
        }
        Ok(verdicts)
    }
}

fn is_about_places(mutant: &Mutant) -> bool {
    mutant.places != Places::Unbounded || mutant.fails.iter().any(|fails| FILLING.contains(&fails.0))
}

/// The cases that are not as they should be.
fn failed(verdicts: &Verdicts) -> BTreeSet<String> {
    let is_bad = |verdict: &str| matches!(verdict, "FAIL" | "NON-STRICT");
    verdicts.iter().filter(|(_, verdict)| is_bad(verdict)).map(|(slug, _)| slug.clone()).collect()
}

/// Slug to a member of each case.
fn table(document: &Value, member: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let cases = document.get("cases").and_then(Value::as_array).context("no cases")?;
    let row = |case: &Value| {
        let text = |name: &str| case.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("slug")?, text(member)?))
    };
    cases.iter().map(|case| row(case).context("a case without its members")).collect()
}

fn tell(
    subjects: &[Mutant],
    outcomes: &[Verdicts],
    catalogue: &BTreeMap<String, String>,
    options: &Options,
) -> anyhow::Result<()> {
    let (mut wrong, mut caught) = (0, BTreeSet::new());
    for (mutant, verdicts) in subjects.iter().zip(outcomes) {
        let failed = failed(verdicts);
        let failed: BTreeSet<&str> = failed.iter().map(String::as_str).collect();
        let expected: BTreeSet<&str> = mutant.fails.iter().map(|fails| fails.0).collect();
        if failed == expected {
            caught.extend(mutant.fails.first().map(|fails| fails.0));
        } else {
            wrong += 1;
            announce(&format!("{}: {}", mutant.name, mutant.bug))?;
            for slug in expected.difference(&failed) {
                let verdict = verdicts.get(*slug).map_or("not judged", String::as_str);
                announce(&format!("    should fail {slug}, which is {verdict}"))?;
            }
            for slug in failed.difference(&expected) {
                announce(&format!("    must not fail {slug}, which is {}", verdicts[*slug]))?;
            }
        }
        if options.verbose {
            announce(&format!("{}: {failed:?}", mutant.name))?;
        }
    }
    let right = subjects.len() - wrong;
    announce(&format!("{right} of {} mutants and variants come out exactly as declared", subjects.len()))?;
    ensure!(wrong == 0, "{wrong} mutants or variants do not come out as declared");
    if options.only.is_none() {
        score(&caught, catalogue)?;
    }
    Ok(())
}

/// How many cases have a mutant of their own that was caught: all must.
fn score(caught: &BTreeSet<&str>, catalogue: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (level, name) in [("must", "MUST"), ("should", "SHOULD")] {
        let cases: Vec<&String> =
            catalogue.iter().filter(|(_, of)| *of == level).map(|(slug, _)| slug).collect();
        let missing: Vec<&str> =
            cases.iter().map(|slug| slug.as_str()).filter(|slug| !caught.contains(slug)).collect();
        announce(&format!(
            "{name}: {} of {} cases have caught their mutant",
            cases.len() - missing.len(),
            cases.len()
        ))?;
        ensure!(missing.is_empty(), "cases that have caught no mutant: {}", missing.join(", "));
    }
    Ok(())
}

/// `127.0.0.1:4000` of `http://127.0.0.1:4000/v1`.
fn address(url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("http://").context("no http URL")?;
    Ok(rest.split('/').next().unwrap_or(rest).to_owned())
}
