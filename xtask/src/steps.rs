//! Programs run one after the other, or some side by side; each is announced, timed and, if it fails, the last.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::last_words::LastWords;
use crate::side_by_side::side_by_side;

/// What has been done so far, and how long each step took.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
}

/// A step that leaves others alone.
pub(crate) struct Step<'a> {
    name: &'static str,
    work: Box<dyn FnOnce() -> anyhow::Result<()> + Send + 'a>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(name: &'static str, work: impl FnOnce() -> anyhow::Result<()> + Send + 'a) -> Step<'a> {
        Step { name, work: Box::new(work) }
    }
}

impl Steps {
    /// Announces a step and does it.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (value, took) = timed(name, work)?;
        self.done.push((name, took));
        Ok(value)
    }

    /// Does so many steps at a time. After one that fails no other is begun; those under way come to their end.
    pub(crate) fn side_by_side(&mut self, jobs: usize, steps: Vec<Step<'_>>) -> anyhow::Result<()> {
        let failed = AtomicBool::new(false);
        let outcomes = side_by_side(jobs, steps, |step| {
            let begun = !failed.load(Ordering::Relaxed);
            begun.then(|| {
                let outcome = timed(step.name, step.work);
                failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                outcome.map(|((), took)| (step.name, took))
            })
        });
        outcomes.into_iter().flatten().try_for_each(|outcome| {
            self.done.push(outcome?);
            Ok(())
        })
    }

    /// A step that consists of one program.
    pub(crate) fn run(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        self.step(name, || succeed(command))
    }

    /// Lists all steps with their times.
    pub(crate) fn summarise(&self) -> anyhow::Result<()> {
        announce("==> all steps")?;
        for (name, took) in &self.done {
            announce(&format!("{:8.1} s  {name}", took.as_secs_f64()))?;
        }
        Ok(())
    }
}

/// Announces a step, does it, and tells how long it took.
fn timed<T>(name: &'static str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
    announce(&format!("==> {name}"))?;
    let started = Instant::now();
    let value = work().with_context(|| format!("{name} failed"))?;
    let took = started.elapsed();
    announce(&format!("    {name}: {:.1} s", took.as_secs_f64()))?;
    Ok((value, took))
}

/// One line on stderr, for a person.
pub(crate) fn announce(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{line}")
}

/// The cargo that runs this program, with arguments.
pub(crate) fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(cargo_program());
    command.args(arguments);
    command
}

/// The same with the lowest priority: it has the processors while whatever runs beside it waits.
pub(crate) fn patient_cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(cargo_program()).args(arguments);
    command
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a program that must end well; what it prints goes where ours goes.
pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// As [`succeed`], and an error has the last words of its stderr; its stdout is not heard.
pub(crate) fn succeed_or_quote(command: &mut Command) -> anyhow::Result<()> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let said = child.stderr.take().context("its stderr is not piped")?;
    let mut last_words = LastWords::default();
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        announce(&line)?;
        last_words.hear(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{command:?} ended with {status}; it said: {}", last_words.quoted());
    }
    Ok(())
}

/// As [`succeed`], and shows each line of its stdout to `read` as well.
pub(crate) fn succeed_reading(command: &mut Command, mut read: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let output = child.stdout.take().context("its output is not piped")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        writeln!(io::stdout().lock(), "{line}")?;
        read(&line);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_says_which_and_is_not_done() {
        let mut steps = Steps::default();
        let error = steps.run("nonsense", &mut cargo(["--no-such-flag", "--quiet"])).unwrap_err();
        assert_eq!(error.to_string(), "nonsense failed");
        assert!(steps.done.is_empty());
    }

    #[test]
    fn after_a_failing_step_none_is_begun() {
        let mut steps = Steps::default();
        let begun = AtomicBool::new(false);
        let error = steps
            .side_by_side(
                1,
                vec![
                    Step::new("well", || Ok(())),
                    Step::new("ill", || bail!("it is ill")),
                    Step::new("never", || {
                        begun.store(true, Ordering::Relaxed);
                        Ok(())
                    }),
                ],
            )
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "ill failed: it is ill");
        assert!(!begun.into_inner());
        assert_eq!(steps.done.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["well"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_failing_program_said_last_is_in_the_error() {
        let error = succeed_or_quote(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("ended with exit status: 3; it said: broken"), "{error}");
        succeed_or_quote(Command::new("sh").args(["-c", "echo well >&2"])).unwrap();
    }
}
