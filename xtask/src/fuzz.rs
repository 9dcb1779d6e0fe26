//! `cargo xtask fuzz`: a fuzzer against what reads bytes from outside.
//!
//! The targets are in `fuzz/`, a workspace of its own. cargo-fuzz would build them with a nightly compiler, for the
//! address sanitizer; what libFuzzer itself needs, counters at every branch, the stable compiler can insert too, by
//! the flags here. Rust finds its own errors of memory; what is looked for are panics, and too much time or memory.
//!
//! What a run learns stays below the target directory and is where the next one starts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, bail};

use crate::metadata::Metadata;
use crate::steps::{Step, Steps, announce, patient_cargo, succeed};

/// What to fuzz, and for how long
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u32,
    /// Gives one target this input alone, to repeat a crash
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Targets; without any, all of them
    #[arg(value_parser = TARGETS.map(|target| target.name))]
    pub(crate) targets: Vec<String>,
}

/// A program of `fuzz/`, and its bounds.
#[derive(Debug)]
struct Target {
    name: &'static str,
    /// Where inputs that make sense are, from the workspace's root.
    seeds: &'static str,
    /// Words that inputs may hold, from the workspace's root.
    dictionary: Option<&'static str>,
    /// Bytes.
    longest_input: u32,
    /// Of the whole process; the fuzzer's own part is some 100.
    memory_mb: u32,
}

const TARGETS: [Target; 12] = [
    Target {
        name: "model-file",
        seeds: "fuzz/seeds/model-file",
        dictionary: None,
        longest_input: 16_384,
        memory_mb: 512,
    },
    Target {
        name: "chat-template",
        seeds: "fixtures/templates",
        dictionary: Some("fuzz/dictionaries/chat-template.dict"),
        longest_input: 16_384,
        memory_mb: 512,
    },
    Target {
        name: "constraint",
        seeds: "fuzz/seeds/constraint",
        dictionary: Some("fuzz/dictionaries/constraint.dict"),
        longest_input: 4_096,
        memory_mb: 512,
    },
    Target {
        name: "event-stream",
        seeds: "fuzz/seeds/event-stream",
        dictionary: None,
        longest_input: 1_024,
        memory_mb: 512,
    },
    Target {
        name: "wire-answer",
        seeds: "fuzz/seeds/wire-answer",
        dictionary: Some("fuzz/dictionaries/wire-answer.dict"),
        longest_input: 1_024,
        memory_mb: 512,
    },
    Target {
        name: "upstream-answer",
        seeds: "fuzz/seeds/upstream-answer",
        dictionary: Some("fuzz/dictionaries/wire-answer.dict"),
        longest_input: 1_024,
        memory_mb: 512,
    },
    Target {
        name: "fault-plan",
        seeds: "fuzz/seeds/fault-plan",
        dictionary: None,
        longest_input: 2_048,
        memory_mb: 512,
    },
    Target {
        name: "tool-calls",
        seeds: "fuzz/seeds/tool-calls",
        dictionary: Some("fuzz/dictionaries/tool-calls.dict"),
        longest_input: 1_024,
        memory_mb: 512,
    },
    Target {
        name: "cassette",
        seeds: "fuzz/seeds/cassette",
        dictionary: Some("fuzz/dictionaries/cassette.dict"),
        longest_input: 2_048,
        memory_mb: 512,
    },
    Target {
        name: "load-inputs",
        seeds: "fuzz/seeds/load-inputs",
        dictionary: Some("fuzz/dictionaries/load-inputs.dict"),
        longest_input: 4_096,
        memory_mb: 512,
    },
    Target {
        name: "script",
        seeds: "fuzz/seeds/script",
        dictionary: Some("fuzz/dictionaries/script.dict"),
        longest_input: 4_096,
        memory_mb: 512,
    },
    Target {
        name: "import",
        seeds: "fuzz/seeds/import",
        dictionary: Some("fuzz/dictionaries/import.dict"),
        longest_input: 4_096,
        memory_mb: 512,
    },
];

/// One input may take this long: a hundred times what the slowest takes, for machines that are busy otherwise.
const LONGEST_RUN_SECONDS: u32 = 20;

/// As cargo-fuzz sets them, without a sanitizer. They are for the target platform alone: build scripts and macros,
/// which know no fuzzer, are spared by naming the platform.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Builds the targets and runs each, one on every processor; none is begun after one that crashes.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let metadata = Metadata::read()?;
    let workplace = Workplace::of(&metadata)?;
    steps.step("build of the fuzzer", || workplace.build())?;
    workplace.run(options, &mut steps)?;
    steps.summarise()
}

/// Where the fuzzer is built, and what it learns is kept.
pub(crate) struct Workplace<'a> {
    root: &'a Path,
    /// Where it is built: where the workspace is, too, whose macros and build scripts it shares.
    target: &'a Path,
    /// What it learns, finds and says.
    folder: PathBuf,
    platform: String,
}

impl Workplace<'_> {
    pub(crate) fn of(metadata: &Metadata) -> anyhow::Result<Workplace<'_>> {
        Ok(Workplace {
            root: &metadata.workspace_root,
            target: &metadata.target_directory,
            folder: metadata.target_directory.join("fuzz"),
            platform: platform()?,
        })
    }

    /// Builds all targets.
    pub(crate) fn build(&self) -> anyhow::Result<()> {
        let mut build = patient_cargo(["build", "--quiet", "--bins"]);
        build.args(["--target", &self.platform]).arg("--target-dir").arg(self.target);
        // What cargo sets for xtask itself must not reach another build.
        build.current_dir(self.root.join("fuzz")).env_remove("RUSTFLAGS");
        succeed(build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))
    }

    /// Runs the targets that were built.
    pub(crate) fn run(&self, options: &Options, steps: &mut Steps) -> anyhow::Result<()> {
        let is_wanted = |target: &&Target| {
            options.targets.is_empty() || options.targets.iter().any(|name| name == target.name)
        };
        let targets: Vec<&Target> = TARGETS.iter().filter(is_wanted).collect();
        match (&options.input, targets.as_slice()) {
            (None, targets) => {
                let fuzz = |target: &Target| self.fuzz(target, options.seconds);
                let steps_of_all = targets.iter().map(|target| Step::new(target.name, move || fuzz(target)));
                // Each of them runs on one thread.
                steps.side_by_side(available_parallelism()?.get(), steps_of_all.collect())
            }
            (Some(input), [target]) => steps.step(target.name, || self.repeat(target, input)),
            (Some(_), _) => bail!("`--input` needs one target"),
        }
    }

    /// The program of a target, with the bounds of a single run.
    fn program(&self, target: &Target) -> Command {
        let mut program = Command::new(self.target.join(&self.platform).join("debug").join(target.name));
        program
            .current_dir(self.root)
            .env("RUST_BACKTRACE", "0")
            .arg(format!("-max_len={}", target.longest_input))
            .arg(format!("-rss_limit_mb={}", target.memory_mb))
            .arg(format!("-timeout={LONGEST_RUN_SECONDS}"));
        program
    }

    fn fuzz(&self, target: &Target, seconds: u32) -> anyhow::Result<()> {
        let folder = |kind: &str| -> anyhow::Result<PathBuf> {
            let folder = self.folder.join(kind).join(target.name);
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            Ok(folder)
        };
        let (learned, crashes) = (folder("corpus")?, folder("crashes")?);
        let log = self.folder.join(format!("{}.log", target.name));
        let mut program = self.program(target);
        program
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .args(target.dictionary.map(|path| format!("-dict={path}")))
            .arg(learned)
            .arg(target.seeds)
            .stderr(File::create(&log).with_context(|| log.display().to_string())?);
        let status = program.status().with_context(|| format!("cannot start {program:?}"))?;
        let told = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if status.success() {
            let end = told.lines().last().unwrap_or_default();
            return Ok(announce(&format!("    {}: {end}", target.name))?);
        }
        let Some(input) = crashing_input(&told) else {
            bail!("the fuzzer ended with {status}, without an input to blame:\n{}", ending(&told));
        };
        bail!(
            "{} does not survive an input that was found: {input}\n{}\nTo repeat it: cargo xtask fuzz {} --input {input}",
            target.name,
            ending(&told),
            target.name
        )
    }

    fn repeat(&self, target: &Target, input: &Path) -> anyhow::Result<()> {
        let input = std::path::absolute(input)?;
        succeed(self.program(target).arg(input))
    }
}

/// The platform that the compiler runs on, as cargo calls it.
fn platform() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let told = String::from_utf8(output.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

/// Where the fuzzer says that it wrote the input that ended it.
fn crashing_input(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.rsplit_once("Test unit written to ")).map(|(_, path)| path.trim())
}

/// What the fuzzer said of the end: from the panic on if there was one, without its own progress and statistics.
fn ending(told: &str) -> String {
    let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with(['#', '\\', '"'])).collect();
    let panic = lines.iter().position(|line| line.contains("panicked at"));
    let start = panic.unwrap_or(lines.len().saturating_sub(20));
    lines[start..].iter().take(20).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "INFO: Seed: 1\n#2\tINITED cov: 7\n\nthread '<unnamed>' panicked at src/lib.rs:1:2:\nno\n\
        artifact_prefix='crashes/'; Test unit written to crashes/crash-1\nBase64: AAAA\n";

    #[test]
    fn what_the_fuzzer_says_of_a_crash_is_found() {
        assert_eq!(crashing_input(TOLD), Some("crashes/crash-1"));
        assert_eq!(crashing_input("Done 5 runs in 1 second(s)"), None);
        let ending = ending(TOLD);
        assert!(ending.contains("panicked at src/lib.rs") && !ending.contains("INITED"), "{ending}");
    }
}
