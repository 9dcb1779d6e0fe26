//! The real clients that tests run: installed once, and again when their requirements change.
//!
//! Python's go below the target directory, so that `cargo clean` removes them; so does what is built in Rust. Node
//! looks for packages beside the program that imports them, so those are installed beside it, and the browser, which is
//! one of them, is unpacked there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::metadata::Metadata;
use crate::steps::{Steps, announce, cargo, succeed};

const STAMP: &str = "interference-requirements";

/// Where the tests find real clients.
#[derive(Debug)]
pub(crate) struct TestEnvironment {
    /// The interpreter that has the newest openai-python, LangChain, pytest, OpenAI's description of its API, the schema of
    /// SARIF, and what holds XML against a schema.
    pub(crate) python: PathBuf,
    /// The interpreter that has the last openai-python before 1.0, and pytest.
    pub(crate) python_028: PathBuf,
    /// The folder with `chat.mjs`, tests, the packages of both, and one with a schema of JUnit's XML.
    pub(crate) node_client: PathBuf,
    /// The folder with `browser.mjs`, the tests of pages, and the browser.
    pub(crate) browser: PathBuf,
    /// The first program of `clients/rust`; the others, `endpoints` and `check_client`, lie beside it.
    pub(crate) rust_client: PathBuf,
}

impl TestEnvironment {
    /// Installs what is not there yet, or is there from other requirements.
    pub(crate) fn prepare(metadata: &Metadata, steps: &mut Steps) -> anyhow::Result<TestEnvironment> {
        let clients = metadata.workspace_root.join("clients");
        let environments = metadata.target_directory.join("test-environment");
        let node_client = clients.join("node");
        let browser = clients.join("browser");
        let python = steps.step("Python client", || {
            prepare_python(&environments.join("python"), &clients.join("python/requirements.txt"))
        })?;
        let python_028 = steps.step("Python client 0.28", || {
            prepare_python(&environments.join("python-0.28"), &clients.join("python-0.28/requirements.txt"))
        })?;
        steps.step("Node client", || prepare_node(&node_client, &[]))?;
        steps.step("browser", || prepare_node(&browser, &["browser.mjs"]))?;
        let rust_client =
            steps.step("Rust client", || prepare_rust(&clients.join("rust"), &environments.join("rust")))?;
        Ok(TestEnvironment { python, python_028, node_client, browser, rust_client })
    }
}

fn prepare_python(folder: &Path, requirements: &Path) -> anyhow::Result<PathBuf> {
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    when_changed(folder, requirements, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        succeed(Command::new(&python).args(install).arg(requirements))
    })?;
    Ok(python)
}

/// Installs packages, and then runs these programs of the client once.
fn prepare_node(client: &Path, programs: &[&str]) -> anyhow::Result<()> {
    when_changed(&client.join("node_modules"), &client.join("package-lock.json"), || {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        succeed(Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(client))?;
        programs.iter().try_for_each(|program| succeed(Command::new("node").arg(program).current_dir(client)))
    })
}

/// Builds a workspace of its own: what it depends on concerns no crate of the project.
fn prepare_rust(client: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut build = cargo(["build", "--quiet", "--locked", "--all-features"]);
    succeed(build.arg("--target-dir").arg(folder).current_dir(client))?;
    let name = format!("interference-client-rust{}", std::env::consts::EXE_SUFFIX);
    Ok(folder.join("debug").join(name))
}

/// Installs into `folder` unless that was done with what this file says.
fn when_changed(
    folder: &Path,
    requirements: &Path,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let wanted = fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    unless_stamped(folder, &wanted, install)
}

/// Installs into `folder` unless a stamp in there says that it was done with these very requirements. The stamp is
/// written last, so that an installation that broke off is done again.
pub(crate) fn unless_stamped(
    folder: &Path,
    wanted: &str,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        announce("    already there")?;
        return Ok(());
    }
    install()?;
    fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_requirements_are_installed_again() {
        let folder = std::env::temp_dir().join(format!("interference-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let requirements = folder.join("requirements.txt");
        let mut installations = 0;
        let mut prepare = |text: &str| {
            fs::write(&requirements, text).unwrap();
            when_changed(&folder, &requirements, || {
                installations += 1;
                Ok(())
            })
            .unwrap();
            installations
        };
        assert_eq!([prepare("one"), prepare("one"), prepare("two")], [1, 1, 2]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
