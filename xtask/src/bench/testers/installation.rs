//! The testers as programs: brought below the target directory by the ordinary clients of the registries, in the
//! versions that are pinned here and in `xtask/load-testers/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::oha;
use super::tester::Tester;
use crate::steps::{announce, cargo, succeed};
use crate::test_environment::unless_stamped;

/// A tester that can be run.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) tester: Tester,
    /// The program.
    pub(super) program: PathBuf,
    /// As its package says it.
    pub(super) version: String,
}

/// Installs what is not there yet, or is there from other requirements; of ours, the program that was built.
///
/// # Errors
/// When a registry's client is not there or fails.
pub(super) fn install(tester: Tester, target: &Path, ours: &Path) -> anyhow::Result<Installed> {
    let folder = target.join("load-testers").join(tester.name());
    let (program, version) = match tester {
        Tester::Interference => (ours.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        Tester::Aiperf => python(&folder, tester.name(), include_str!("../../../load-testers/aiperf.txt"))?,
        Tester::Guidellm => {
            python(&folder, tester.name(), include_str!("../../../load-testers/guidellm.txt"))?
        }
        Tester::Oha => rust(&folder, oha::PACKAGE)?,
    };
    Ok(Installed { tester, program, version })
}

fn python(folder: &Path, package: &str, requirements: &str) -> anyhow::Result<(PathBuf, String)> {
    announce(&format!("==> installation of {package}"))?;
    let commands = folder.join("bin");
    unless_stamped(folder, requirements, || {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let list = folder.join("requirements.txt");
        std::fs::write(&list, requirements)?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        succeed(Command::new(commands.join("python")).args(install).arg(list))
    })?;
    Ok((commands.join(package), pinned(requirements, package).to_owned()))
}

/// The version of a package in a list of requirements.
fn pinned<'a>(requirements: &'a str, package: &str) -> &'a str {
    let lines = requirements.lines().filter_map(|line| line.split_once("=="));
    lines.into_iter().find(|(name, _)| *name == package).map_or("unknown", |(_, version)| version)
}

fn rust(folder: &Path, (package, version): (&str, &str)) -> anyhow::Result<(PathBuf, String)> {
    announce(&format!("==> installation of {package}"))?;
    std::fs::create_dir_all(folder)?;
    unless_stamped(folder, version, || {
        let mut install = cargo(["install", package, "--version", version, "--locked", "--force", "--quiet"]);
        succeed(install.arg("--root").arg(folder).arg("--target-dir").arg(folder.join("build")))
    })?;
    Ok((folder.join("bin").join(package), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_the_testers_are_pinned() {
        for tester in [Tester::Aiperf, Tester::Guidellm] {
            let list =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("load-testers/{}.txt", tester.name()));
            let requirements = std::fs::read_to_string(list).unwrap();
            assert_ne!(pinned(&requirements, tester.name()), "unknown");
            assert!(requirements.lines().all(|line| line.contains("==")), "{requirements}");
        }
        assert_eq!(pinned("a==1\nb==2\n", "b"), "2");
    }
}
