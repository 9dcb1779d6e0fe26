//! `cargo xtask test`: every test there is, with all that they need.

use std::io::Write;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::client_mutants;
use crate::fuzz;
use crate::metadata::Metadata;
use crate::mutants;
use crate::proof;
use crate::steps::{Step, Steps, cargo, succeed, succeed_reading};
use crate::system_packages;
use crate::test_environment::TestEnvironment;

/// The last step: some seconds a target, which finds what a change broke openly. `cargo xtask fuzz` digs deeper.
const FUZZ: fuzz::Options = fuzz::Options { seconds: 10, input: None, targets: Vec::new() };

/// All of them: the proof that the judges judge.
const MUTANTS: proof::Options = proof::Options { only: None, jobs: 6, verbose: false };

/// Steps at a time: one judge at its proof, and the compiler.
const PROOF_AND_COMPILER: usize = 2;

/// Sets up real clients and the default model, then runs all tests, the judges' mutants, and the fuzzer. The tests learn from variables where things are:
///
/// - `INTERFERENCE_TEST_PYTHON`, `INTERFERENCE_TEST_PYTHON_028`: interpreters that have what
///   `clients/python/requirements.txt` and `clients/python-0.28/requirements.txt` list
/// - `INTERFERENCE_TEST_NODE_CLIENT`: `clients/node`, with its packages
/// - `INTERFERENCE_TEST_BROWSER`: `clients/browser`, with its packages and the browser, unpacked
/// - `INTERFERENCE_TEST_RUST_CLIENT`: the first program of `clients/rust`, built; the others lie beside it
/// - `INTERFERENCE_TEST_MODEL`: the default model's file
pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.step("system packages", system_packages::require)?;
    let metadata = Metadata::read()?;
    // Brings the binary, too: some tests run it. Built alone it would have other features, and be built twice.
    let build = Step::new("build of the tests", || succeed(&mut cargo(["test", "--workspace", "--no-run"])));
    let environment = TestEnvironment::prepare(&metadata, &mut steps, build)?;
    let model = steps.step("the default model", || pull(&metadata))?;

    let mut totals = Totals::default();
    // Tests that need what was prepared here, and lie among the unit tests, are ignored elsewhere.
    let mut tests = cargo(["test", "--workspace", "--no-fail-fast", "--", "--include-ignored"]);
    tests
        .env("INTERFERENCE_TEST_PYTHON", &environment.python)
        .env("INTERFERENCE_TEST_PYTHON_028", &environment.python_028)
        .env("INTERFERENCE_TEST_NODE_CLIENT", &environment.node_client)
        .env("INTERFERENCE_TEST_BROWSER", &environment.browser)
        .env("INTERFERENCE_TEST_RUST_CLIENT", &environment.rust_client)
        .env("INTERFERENCE_TEST_MODEL", &model);
    let outcome = steps.step("all tests", || succeed_reading(&mut tests, |line| totals.add(line)));
    let fuzzer = fuzz::Workplace::of(&metadata)?;
    // The judges wait more than they compute, and meanwhile the compiler has the processors.
    let proofs = vec![
        Step::new("the judge of servers before its mutants", || mutants::prove(&MUTANTS, &metadata)),
        Step::new("build of the fuzzer", || fuzzer.build()),
        Step::new("the judge of clients before its mutants", || client_mutants::prove(&MUTANTS, &metadata)),
    ];
    let fuzzed = outcome
        .and_then(|()| steps.side_by_side(PROOF_AND_COMPILER, proofs))
        .and_then(|()| fuzzer.run(&FUZZ, &mut steps));
    steps.summarise()?;
    let Totals { passed, failed, ignored } = totals;
    writeln!(std::io::stdout().lock(), "tests: {passed} passed, {failed} failed, {ignored} skipped")?;
    fuzzed
}

/// Has the binary fetch the default model, and returns the path that it prints.
fn pull(metadata: &Metadata) -> anyhow::Result<String> {
    let mut path = String::new();
    succeed_reading(Command::new(metadata.program()).arg("pull"), |line| line.clone_into(&mut path))?;
    ensure!(!path.is_empty(), "`interference pull` printed no path");
    Ok(path)
}

/// The numbers of all test binaries together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Adds the closing line of a test binary; any other line counts for nothing.
    fn add(&mut self, line: &str) {
        let Some(numbers) = closing_numbers(line).ok() else { return };
        self.passed += numbers.passed;
        self.failed += numbers.failed;
        self.ignored += numbers.ignored;
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
fn closing_numbers(line: &str) -> anyhow::Result<Totals> {
    let (_, counts) =
        line.strip_prefix("test result: ").context("another line")?.split_once(". ").context("cut")?;
    let count = |word: &str| -> anyhow::Result<u64> {
        let count =
            counts.split("; ").find_map(|part| part.strip_suffix(word)).context("a count is missing")?;
        Ok(count.trim().parse()?)
    };
    Ok(Totals { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up_and_others_are_not() {
        let mut totals = Totals::default();
        totals.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.2s",
        );
        totals
            .add("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished");
        totals.add("test tests::something ... ok");
        assert_eq!(totals, Totals { passed: 5, failed: 4, ignored: 1 });
    }
}
