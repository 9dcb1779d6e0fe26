//! The proof that a judge judges: what each of its subjects must fail, and what each has failed.
//!
//! Owns the comparison of the declared cases with the verdicts, for mutants and sound variants alike, and the judge's
//! documents. Refuses to know what a mutant is, and how it is put before a judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::side_by_side::side_by_side;
use crate::steps::announce;

/// After so many subjects it is told how far it has come.
const BETWEEN_NEWS: usize = 25;

/// What a proof takes.
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

/// A mutant or a variant, and what it must fail.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// In a few words with hyphens: `done-twice`.
    pub(crate) name: String,
    /// What is wrong, in one sentence.
    pub(crate) wrong: String,
    /// The exact set of cases that it fails; the first is the one that it is meant for.
    pub(crate) fails: Vec<Fails>,
}

/// A case that a mutant fails, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fails(pub(crate) &'static str, pub(crate) &'static str);

/// Why the case that a mutant is meant for fails.
pub(crate) const MEANT: &str = "meant";

/// What the judge has said of a subject, for each case.
pub(crate) type Verdicts = BTreeMap<String, Said>;

/// What the judge has said of a case.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// `PASS`, `FAIL` and so on.
    verdict: String,
    /// What it saw.
    seen: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { verdict, seen } = self;
        write!(f, "{verdict}: {seen}")
    }
}

/// Every case of a judge and its level.
///
/// # Errors
/// When the program prints no list.
pub(crate) fn catalogue(program: &Path, verb: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let output = Command::new(program).args([verb, "--list", "--json"]).output()?;
    let listing: Value =
        serde_json::from_slice(&output.stdout).with_context(|| format!("`{verb} --list --json`"))?;
    table(&listing, |case| text(case, "level"))
}

/// Runs a judge and reads its document.
///
/// # Errors
/// When there is none, or the judge itself failed in a case.
pub(crate) fn verdicts(judge: &mut Command) -> anyhow::Result<Verdicts> {
    let output = judge.stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).with_context(|| format!("no report: {said}"))?;
    let verdicts =
        table(&report, |case| Some(Said { verdict: text(case, "verdict")?, seen: text(case, "seen")? }))?;
    if let Some((slug, said)) = verdicts.iter().find(|(_, said)| said.verdict == "HARNESS-ERROR") {
        bail!("the judge itself fails in {slug}: {}", said.seen);
    }
    Ok(verdicts)
}

/// The cases that are not as they should be.
pub(crate) fn failed(verdicts: &Verdicts) -> BTreeSet<String> {
    let is_bad = |said: &Said| matches!(said.verdict.as_str(), "FAIL" | "NON-STRICT");
    verdicts.iter().filter(|(_, said)| is_bad(said)).map(|(slug, _)| slug.clone()).collect()
}

/// Puts all subjects before the judge, and holds what they fail against what they must.
///
/// # Errors
/// When a declaration is no good, a subject does not come out as declared, or a case has caught no mutant of its own.
pub(crate) fn prove<S: Sync>(
    subjects: Vec<(Declared, S)>,
    catalogue: &BTreeMap<String, String>,
    options: &Options,
    judge: impl Fn(&S) -> anyhow::Result<Verdicts> + Sync,
) -> anyhow::Result<()> {
    examine(subjects.iter().map(|(declared, _)| declared), catalogue)?;
    let wanted: Vec<(Declared, S)> =
        subjects.into_iter().filter(|(declared, _)| declared.is_wanted(options)).collect();
    let outcomes = judge_all(&wanted, options.jobs, judge)?;
    tell(&wanted, &outcomes, catalogue, options)
}

impl Declared {
    fn is_wanted(&self, options: &Options) -> bool {
        options.only.as_deref().is_none_or(|only| {
            self.name.contains(only) || self.fails.iter().any(|fails| fails.0.contains(only))
        })
    }
}

/// Names are there once, cases exist, and reasons are given.
fn examine<'a>(
    all: impl Iterator<Item = &'a Declared>,
    catalogue: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for Declared { name, fails, .. } in all {
        ensure!(names.insert(name), "two mutants are called {name}");
        if let Some(Fails(slug, _)) = fails.iter().find(|fails| fails.1.is_empty()) {
            bail!("the mutant {name} fails {slug}, and nothing says why");
        }
        if let Some(Fails(slug, _)) = fails.iter().find(|fails| !catalogue.contains_key(fails.0)) {
            bail!("the mutant {name} fails {slug}, which is no case");
        }
    }
    Ok(())
}

fn judge_all<S: Sync>(
    subjects: &[(Declared, S)],
    jobs: usize,
    judge: impl Fn(&S) -> anyhow::Result<Verdicts> + Sync,
) -> anyhow::Result<Vec<Verdicts>> {
    let outcomes =
        side_by_side(jobs, subjects.iter().enumerate().collect(), |(index, (declared, subject))| {
            let outcome = judge(subject).with_context(|| declared.name.clone());
            if index % BETWEEN_NEWS == 0 {
                // Where stderr is closed, nobody wants to know.
                announce(&format!("    {index} of {}: {}", subjects.len(), declared.name)).ok();
            }
            outcome
        });
    outcomes.into_iter().collect()
}

/// Each case's slug, and what is read of the case.
fn table<T>(document: &Value, read: impl Fn(&Value) -> Option<T>) -> anyhow::Result<BTreeMap<String, T>> {
    let cases = document.get("cases").and_then(Value::as_array).context("no cases")?;
    let row = |case: &Value| Some((text(case, "slug")?, read(case)?));
    cases.iter().map(|case| row(case).context("a case without its members")).collect()
}

fn text(case: &Value, member: &str) -> Option<String> {
    case.get(member).and_then(Value::as_str).map(str::to_owned)
}

fn tell<S>(
    subjects: &[(Declared, S)],
    outcomes: &[Verdicts],
    catalogue: &BTreeMap<String, String>,
    options: &Options,
) -> anyhow::Result<()> {
    let (mut wrong, mut caught) = (0, BTreeSet::new());
    for ((declared, _), verdicts) in subjects.iter().zip(outcomes) {
        let failed = failed(verdicts);
        let failed: BTreeSet<&str> = failed.iter().map(String::as_str).collect();
        let expected: BTreeSet<&str> = declared.fails.iter().map(|fails| fails.0).collect();
        if failed == expected {
            caught.extend(declared.fails.first().map(|fails| fails.0));
        } else {
            wrong += 1;
            announce(&format!("{}: {}", declared.name, declared.wrong))?;
            for slug in expected.difference(&failed) {
                let said = verdicts.get(*slug).map_or("not judged".to_owned(), Said::to_string);
                announce(&format!("    should fail {slug}, which is {said}"))?;
            }
            for slug in failed.difference(&expected) {
                announce(&format!("    must not fail {slug}, which is {}", verdicts[*slug]))?;
            }
        }
        if options.verbose {
            announce(&format!("{}: {failed:?}", declared.name))?;
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
