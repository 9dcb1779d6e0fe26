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
use crate::steps::{Step, Steps, announce, cargo, succeed};

const STAMP: &str = "interference-requirements";

/// Steps at a time: one that compiles, and one that installs.
const SIDE_BY_SIDE: usize = 2;

/// Where the tests find real clients.
#[derive(Debug)]
pub(crate) struct TestEnvironment {
    /// The interpreter that has the newest openai-python, LangChain, pytest, OpenAI's description of its API, the schema of
    /// SARIF, those of Kubernetes, and what holds XML against a schema.
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
    /// Installs what is not there yet, or is there from other requirements. What compiles takes all processors and what
    /// installs hardly one, so they go side by side, and the build that is wanted besides goes with them.
    pub(crate) fn prepare(
        metadata: &Metadata,
        steps: &mut Steps,
        build: Step<'_>,
    ) -> anyhow::Result<TestEnvironment> {
        let clients = metadata.workspace_root.join("clients");
        let environments = metadata.target_directory.join("test-environment");
        let [python, python_028, rust] =
            ["python", "python-0.28", "rust"].map(|name| environments.join(name));
        let [node_client, browser] = ["node", "browser"].map(|name| clients.join(name));
        let begun_in_order = vec![
            Step::new("Rust client", || build_rust(&clients.join("rust"), &rust)),
            Step::new("Python client", || prepare_python(&python, &clients.join("python/requirements.txt"))),
            build,
            Step::new("Python client 0.28", || {
                prepare_python(&python_028, &clients.join("python-0.28/requirements.txt"))
            }),
            Step::new("Node client", || prepare_node(&node_client, &[])),
            Step::new("browser", || prepare_node(&browser, &["browser.mjs"])),
        ];
        steps.side_by_side(SIDE_BY_SIDE, begun_in_order)?;
        let rust_client = format!("interference-client-rust{}", std::env::consts::EXE_SUFFIX);
        Ok(TestEnvironment {
            python: interpreter(&python),
            python_028: interpreter(&python_028),
            rust_client: rust.join("debug").join(rust_client),
            node_client,
            browser,
        })
    }
}

/// Where a virtual environment has its interpreter.
fn interpreter(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn prepare_python(folder: &Path, requirements: &Path) -> anyhow::Result<()> {
    when_changed(folder, requirements, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        succeed(Command::new(interpreter(folder)).args(install).arg(requirements))
    })
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
fn build_rust(client: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut build = cargo(["build", "--quiet", "--locked", "--all-features"]);
    succeed(build.arg("--target-dir").arg(folder).current_dir(client))
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
