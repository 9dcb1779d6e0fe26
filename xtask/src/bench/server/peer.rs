//! Other mock servers: which, how they are installed, and how they are started.
//!
//! Each is configured as its own documentation says is fastest, and runs as many threads as it takes by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::files;
use crate::bench::contestant::{BETWEEN_MS, Contestant, Role};
use crate::bench::hinted;
use crate::steps::{announce, cargo, succeed};

/// A program of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Vidaimock,
    Llmposter,
}

/// A program that is installed.
#[derive(Debug)]
pub(super) struct Peer {
    product: Product,
    program: PathBuf,
}

impl Product {
    const ALL: [Product; 2] = [Product::Vidaimock, Product::Llmposter];

    /// The name of its package and of its program.
    fn name(self) -> &'static str {
        match self {
            Product::Vidaimock => "vidaimock",
            Product::Llmposter => "llmposter",
        }
    }

    /// The release that is measured.
    fn version(self) -> &'static str {
        match self {
            Product::Vidaimock => "0.3.1",
            Product::Llmposter => "0.5.0",
        }
    }

    fn notes(self) -> &'static [&'static str] {
        match self {
            Product::Vidaimock => &[
                "vidaimock waits before every chunk, 1 ms at the least: its chunks per second are bounded by the \
                 number of connections",
                "vidaimock counts each pause of a paced stream from the chunk before, so that delays add up",
            ],
            Product::Llmposter => &[
                "llmposter counts each pause of a paced stream from the chunk before, so that delays add up",
            ],
        }
    }
}

/// Installs what is not there yet below the target directory.
///
/// # Errors
/// When one of them cannot be had.
pub(super) fn install(target: &Path) -> anyhow::Result<Vec<Peer>> {
    let root = target.join("peers");
    let list = std::fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    let peers = Product::ALL.into_iter().map(|product| {
        let program = root.join("bin").join(format!("{}{}", product.name(), std::env::consts::EXE_SUFFIX));
        if !is_installed(product, &list) || !program.is_file() {
            announce(&format!("==> installation of {} {}", product.name(), product.version()))?;
            let mut command = cargo(["install", product.name(), "--version", product.version(), "--locked"]);
            // Dependencies that both have are built once.
            command.arg("--root").arg(&root).arg("--target-dir").arg(root.join("build"));
            succeed(&mut command).map_err(|error| {
                let message = format!("{} cannot be installed: {error:#}", product.name());
                hinted(message, "`--without-peers` measures without it and without the network")
            })?;
        }
        Ok(Peer { product, program })
    });
    peers.collect()
}

/// Whether cargo's list of installed packages has it in this version.
fn is_installed(product: Product, list: &str) -> bool {
    list.contains(&format!("\"{} {} (", product.name(), product.version()))
}

impl Peer {
    /// Starts it on a free port, with the files of this folder.
    pub(super) fn start(&self, folder: &Path) -> anyhow::Result<Contestant> {
        let mut command = Command::new(&self.program);
        match self.product {
            Product::Vidaimock => {
                command.args(["--host", "127.0.0.1", "--port", "0", "--config"]);
                command.arg(folder.join(files::VIDAIMOCK)).arg("--config-dir");
                command.arg(folder.join(files::VIDAIMOCK_FOLDER));
            }
            Product::Llmposter => {
                // It keeps every request by default, which is work that the others need not do.
                command.args(["--bind", "127.0.0.1", "--port", "0", "--capture-capacity", "0", "--fixtures"]);
                command.arg(folder.join(files::LLMPOSTER));
            }
        }
        let name = format!("{} {}", self.product.name(), self.product.version());
        let mut contestant =
            Contestant::start(name, Role::Peer, &mut command).context("a peer cannot be measured")?;
        contestant.notes = self.product.notes();
        if self.product == Product::Vidaimock {
            contestant.pace_header = Some(format!("x-vidai-chaos-trickle: {}", BETWEEN_MS));
            // One pause before the chunk with the role, and one before the first text.
            contestant.first_ms = 2 * BETWEEN_MS;
        }
        Ok(contestant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_the_one_that_is_measured() {
        let list = "[v1]\n\"vidaimock 0.3.1 (registry+https://example.test/index)\" = [\"vidaimock\"]\n\
                    \"llmposter 0.4.0 (registry+https://example.test/index)\" = [\"llmposter\"]\n";
        assert!(is_installed(Product::Vidaimock, list));
        assert!(!is_installed(Product::Llmposter, list));
        assert!(!is_installed(Product::Vidaimock, ""));
    }
}
