//! `cargo xtask check`: what needs nothing but Rust, and little time.

use crate::steps::{Steps, cargo};
use crate::tidy;

/// Format, lints, unit tests, house rules; stops at the first that fails.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.run("format", &mut cargo(["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"];
    steps.run("lints", &mut cargo(lints))?;
    // What is linted and tested has features that only the tests of some crates ask for.
    steps.run("the binary alone", &mut cargo(["check", "--package", "interference", "--quiet"]))?;
    steps.run("unit tests", &mut cargo(["test", "--workspace", "--lib", "--bins"]))?;
    steps.step("house rules", tidy::run)?;
    steps.summarise()
}
