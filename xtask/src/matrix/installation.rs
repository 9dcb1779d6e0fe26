//! Servers brought below the target directory, each into a folder of its own, once in each version.
//!
//! The ordinary clients of the registries do it, as their owner has configured them. Which versions these are is said
//! in the committed requirements and locks alone; what is told as a server's version is what was installed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Ground;
use super::peer::{Peer, PythonEntry, Source};
use crate::steps::{cargo, succeed, succeed_or_quote};
use crate::test_environment::unless_stamped;

/// A server that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    /// The program.
    pub(crate) program: PathBuf,
    /// What it is given before the server's own arguments: a script, a module.
    pub(crate) first_arguments: Vec<OsString>,
    /// The version, as the installed package says it.
    pub(crate) version: String,
}

/// Installs what is not there yet, or is there from other requirements.
///
/// # Errors
/// When the registry's client is not there or fails, or when what it installed is not what was expected.
pub(super) fn install(ground: &Ground, peer: &Peer) -> anyhow::Result<Installed> {
    let folder = ground.folder.join(peer.name);
    let settings = ground.settings.join(peer.name);
    match peer.source {
        Source::Ours => ours(&ground.program),
        Source::Python { package, entry, build } => python(&folder, &settings, package, entry, build),
        Source::Node { package, script } => node(&folder, &settings, package, script),
        Source::Crate { package, version } => rust(&folder, &ground.folder.join("build"), package, version),
    }
}

fn ours(program: &Path) -> anyhow::Result<Installed> {
    let said = output(Command::new(program).arg("--version"))?;
    let version = said.split_whitespace().next_back().context("`--version` says nothing")?;
    Ok(Installed { program: program.to_owned(), first_arguments: Vec::new(), version: version.to_owned() })
}

/// Installs a Python package into an environment of its own, as the `requirements.txt` of its settings says.
///
/// # Errors
/// As [`install`].
pub(crate) fn python(
    folder: &Path,
    settings: &Path,
    package: &str,
    entry: PythonEntry,
    build: &[(&str, &str)],
) -> anyhow::Result<Installed> {
    let requirements = settings.join("requirements.txt");
    let wanted = read(&requirements)?;
    let commands = folder.join("bin");
    let python = commands.join("python");
    unless_stamped(folder, &format!("{wanted}{build:?}"), || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        let compilers = std::thread::available_parallelism().map_or(1, usize::from).to_string();
        let parallel = ["CMAKE_BUILD_PARALLEL_LEVEL", "LLAMA_CPP_BUILD_JOBS"].map(|name| (name, &compilers));
        succeed_or_quote(
            Command::new(&python).args(install).arg(&requirements).envs(build.iter().copied()).envs(parallel),
        )
    })?;
    let asked = format!("import importlib.metadata as m; print(m.version({package:?}))");
    let version = output(Command::new(&python).args(["-c", &asked]))?;
    let (program, first_arguments) = match entry {
        PythonEntry::Command(name) => (commands.join(name), Vec::new()),
        PythonEntry::Module(name) => (python, vec!["-m".into(), name.into()]),
    };
    Ok(Installed { program, first_arguments, version })
}

/// Installs an npm package, as the `package-lock.json` of its settings says.
///
/// # Errors
/// As [`install`].
pub(crate) fn node(folder: &Path, settings: &Path, package: &str, script: &str) -> anyhow::Result<Installed> {
    const LOCK: &str = "package-lock.json";
    let wanted = read(&settings.join(LOCK))?;
    fs::create_dir_all(folder)?;
    unless_stamped(folder, &wanted, || {
        for file in ["package.json", LOCK] {
            fs::copy(settings.join(file), folder.join(file))
                .with_context(|| settings.join(file).display().to_string())?;
        }
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        succeed_or_quote(Command::new("npm").args(install).current_dir(folder))
    })?;
    let package = folder.join("node_modules").join(package);
    let script = package.join(script);
    ensure!(script.is_file(), "{} is not there", script.display());
    let version = version_in(&read(&package.join("package.json"))?)?;
    Ok(Installed { program: "node".into(), first_arguments: vec![script.into()], version })
}

/// Builds a program. Several of them have dependencies in common, which are built once.
fn rust(folder: &Path, build: &Path, package: &str, version: &str) -> anyhow::Result<Installed> {
    fs::create_dir_all(folder)?;
    unless_stamped(folder, version, || {
        let mut install = cargo(["install", package, "--version", version, "--locked", "--force", "--quiet"]);
        succeed(install.arg("--root").arg(folder).arg("--target-dir").arg(build))
    })?;
    let program = folder.join("bin").join(package);
    Ok(Installed { program, first_arguments: Vec::new(), version: version.to_owned() })
}

/// The version in a `package.json`.
fn version_in(description: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Description {
        version: String,
    }
    let description: Description =
        serde_json::from_str(description).context("a package.json is not readable")?;
    Ok(description.version)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// What a program prints, without white space at its ends.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_package() {
        assert_eq!(version_in(r#"{"name": "a", "version": "1.2.3", "bin": "b.js"}"#).unwrap(), "1.2.3");
        assert_eq!(version_in("{}").unwrap_err().to_string(), "a package.json is not readable");
    }

    #[test]
    fn our_own_version_is_the_last_word_of_what_it_says() {
        // `echo` repeats `--version`, or says a version of its own behind other words.
        assert!(!ours(Path::new("echo")).unwrap().version.contains(' '));
        assert!(ours(Path::new("false")).unwrap_err().to_string().contains("ended with"));
    }
}
