//! `cargo xtask client-mutants`: the proof that the judge of clients judges.
//!
//! Every bug is put into a sound client, the reference, which `interference check-client` then judges: it must fail
//! exactly the cases that stand beside the bug; every sound variant must fail none. The client is this very program.

mod declarations;
pub(crate) mod reference;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::ValueEnum;

use crate::metadata::Metadata;
use crate::proof::{self, Declared, Options, Verdicts};
use crate::steps::{cargo, succeed};
use reference::Variant;

/// Builds the program, and puts the reference, all mutants and all variants before the judge.
///
/// # Errors
/// When one of them does not come out as declared.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    succeed(&mut cargo(["build", "--quiet", "--package", "interference"]))?;
    prove(options, &Metadata::read()?)
}

/// As [`run`], by the program that is there.
///
/// # Errors
/// As [`run`].
pub(crate) fn prove(options: &Options, metadata: &Metadata) -> anyhow::Result<()> {
    let program = metadata.program();
    let client = std::env::current_exe().context("this program does not know where it lies")?;
    let judge = Judge { program, client };

    let sound = proof::failed(&judge.judge(&[])?);
    ensure!(sound.is_empty(), "the reference itself fails {sound:?}");
    let catalogue = proof::catalogue(&judge.program, VERB)?;
    proof::prove(subjects(), &catalogue, options, |arguments| judge.judge(arguments))
}

const VERB: &str = "check-client";

/// Of one run of the client: more than any takes that ends by itself.
const LIMIT_SECONDS: &str = "20";

/// Of the client: none runs into it by itself, however busy the machine is.
const TIMEOUT_SECONDS: &str = "4";

/// Side by side: most of the time of a run is waiting.
const RUNS: &str = "8";

/// What makes the reference another client: a flag and its value.
type Arguments = Vec<String>;

fn subjects() -> Vec<(Declared, Arguments)> {
    let bugs = declarations::ALL.iter().copied().flatten().map(|(bug, fails)| subject("--bug", bug, fails));
    let variants = Variant::value_variants().iter().map(|variant| subject("--variant", variant, &[]));
    bugs.chain(variants).collect()
}

fn subject(flag: &str, value: &impl ValueEnum, fails: &[proof::Fails]) -> (Declared, Arguments) {
    let value = value.to_possible_value().unwrap_or_default();
    let name = value.get_name().to_owned();
    let wrong = value.get_help().map(ToString::to_string).unwrap_or_default();
    let arguments = vec![flag.to_owned(), name.clone()];
    (Declared { name, wrong, fails: fails.to_vec() }, arguments)
}

/// Where the judge and the client are.
struct Judge {
    program: PathBuf,
    client: PathBuf,
}

impl Judge {
    fn judge(&self, arguments: &[String]) -> anyhow::Result<Verdicts> {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", VERB, "--json", "--limit", LIMIT_SECONDS, "--jobs", RUNS]);
        command.args(["--timeout", TIMEOUT_SECONDS]);
        command.arg("--").arg(&self.client).arg("reference-client");
        proof::verdicts(command.args(arguments))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::reference::Bug;
    use super::*;

    #[test]
    fn every_bug_is_declared_once_and_fails_something() {
        let declared: Vec<_> = declarations::ALL.iter().copied().flatten().collect();
        let bugs: BTreeSet<Bug> = declared.iter().map(|(bug, _)| *bug).collect();
        assert_eq!(bugs, Bug::value_variants().iter().copied().collect());
        assert_eq!(bugs.len(), declared.len());
        for (bug, fails) in declared {
            assert!(!fails.is_empty(), "{bug:?}");
        }
    }
}
