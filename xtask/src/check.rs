//! `cargo xtask check`: what needs nothing but Rust, and little time.

use crate::steps::{Steps, cargo};
use crate::tidy;

/// What is checked.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Options {
    /// Leave the unit tests out, as before `cargo xtask test`, which runs them, too
    #[arg(long)]
    without_tests: bool,
}

/// Format, lints, unit tests, house rules; stops at the first that fails.
pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.run("format", &mut cargo(["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    steps.run("lints", &mut cargo(lints))?;
    // What is linted and tested has features that only the tests of some crates ask for.
    steps.run("the binary alone", &mut cargo(["check", "--package", "interference", "--quiet"]))?;
    if !options.without_tests {
        steps.run("unit tests", &mut cargo(["test", "--workspace", "--lib", "--bins"]))?;
    }
    steps.step("house rules", tidy::run)?;
    steps.summarise()
}
