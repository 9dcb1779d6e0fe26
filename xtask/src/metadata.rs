//! What cargo knows of the workspace and of every package below it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::steps::cargo;

/// The part of `cargo metadata` that is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

/// A package, ours or another's.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A package that another names, of whatever kind (normal, build, dev).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

impl Metadata {
    /// Asks cargo, for all platforms.
    pub(crate) fn read() -> anyhow::Result<Metadata> {
        let output = output(&["metadata", "--format-version", "1"])?;
        let mut metadata: Metadata =
            serde_json::from_str(&output).context("cargo metadata is not what was expected")?;
        // `cargo metadata` also lists what a weak feature (`x?/y`) could bring and does not; `cargo tree` is exact.
        let in_use = packages_in_use()?;
        metadata
            .packages
            .retain(|package| in_use.contains(&format!("{} v{}", package.name, package.version)));
        Ok(metadata)
    }

    /// Where a development build puts the program.
    pub(crate) fn program(&self) -> PathBuf {
        self.target_directory.join("debug").join(format!("interference{}", std::env::consts::EXE_SUFFIX))
    }

    /// The packages of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The packages of others.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| !self.workspace_members.contains(&package.id))
    }
}

/// Where cargo puts what it builds. Asks for nothing that would have to be downloaded.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    #[derive(Deserialize)]
    struct Directories {
        target_directory: PathBuf,
    }
    let output = output(&["metadata", "--format-version", "1", "--no-deps"])?;
    let directories: Directories =
        serde_json::from_str(&output).context("cargo metadata is not what was expected")?;
    Ok(directories.target_directory)
}

/// Name and version of every package that a build of some platform, a test or a build script uses.
fn packages_in_use() -> anyhow::Result<BTreeSet<String>> {
    let arguments = ["tree", "--workspace", "--target=all", "--edges=all", "--prefix=none", "--format={p}"];
    let lines = output(&arguments)?;
    // After name and version, a line may go on with a path or a mark.
    let packages = lines.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    Ok(packages.collect())
}

fn output(arguments: &[&str]) -> anyhow::Result<String> {
    let output = cargo(arguments).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo {} ended with {}", arguments.join(" "), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
impl Package {
    /// A package with a name and a version, and nothing else.
    pub(crate) fn named(name: &str, version: &str) -> Package {
        Package {
            id: String::new(),
            name: name.to_owned(),
            version: version.to_owned(),
            license: None,
            manifest_path: PathBuf::new(),
            dependencies: Vec::new(),
        }
    }
}
