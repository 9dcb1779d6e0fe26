//! The gateways that people put before servers of the API: which, in which versions, and how each is told to pass on all
//! that it gets to one upstream.
//!
//! Each has the smallest settings that do that, as its own documentation says, on a free port of the loopback; what it
//! logs goes nowhere but to this program, which keeps the end of it. nginx comes from the system, the others from the
//! registries in pinned versions, and stay below the target directory. Refuses to know what is measured.

mod litellm;
mod nginx;
mod portkey;
mod routers;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

use crate::bench::contestant::{Contestant, Role};
use crate::bench::served::Served;
use crate::matrix::installation::Installed;
use crate::steps::announce;

/// A gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Gateway {
    /// A web server that knows no API: what passing on costs at the least
    Nginx,
    /// A proxy in Python that translates between the APIs of providers
    Litellm,
    /// A gateway on Node that takes its route from headers
    Portkey,
    /// The model gateway that began as `SGLang`'s, in Rust
    Smg,
    /// vLLM's router, in Rust
    VllmRouter,
}

/// Where a gateway finds what it needs.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    /// Where it shall listen, on the loopback.
    port: u16,
    /// Where its own meters may listen.
    meters_port: u16,
    /// Host and port.
    upstream: &'a str,
    /// Empty, for whatever it writes.
    folder: &'a Path,
}

/// A gateway that can be started, again and again.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) gateway: Gateway,
    installed: Installed,
    upstream: String,
    folder: PathBuf,
}

impl Gateway {
    pub(super) const ALL: [Gateway; 5] =
        [Gateway::Nginx, Gateway::Litellm, Gateway::Portkey, Gateway::Smg, Gateway::VllmRouter];

    /// As the tables have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Gateway::Nginx => "nginx",
            Gateway::Litellm => "litellm",
            Gateway::Portkey => "portkey",
            Gateway::Smg => "smg",
            Gateway::VllmRouter => "vllm-router",
        }
    }

    /// How it is set up, for whoever reads its figures.
    pub(super) fn note(self) -> &'static str {
        match self {
            Gateway::Nginx => nginx::NOTE,
            Gateway::Litellm => litellm::NOTE,
            Gateway::Portkey => portkey::NOTE,
            Gateway::Smg => routers::SMG_NOTE,
            Gateway::VllmRouter => routers::VLLM_ROUTER_NOTE,
        }
    }

    /// Installs what is not there yet. It will work in a folder below this one, before this upstream.
    ///
    /// # Errors
    /// When it is not there and cannot be had; with the last words of whoever should bring it.
    pub(super) fn install(self, target: &Path, folder: &Path, upstream: &str) -> anyhow::Result<Ready> {
        announce(&format!("==> installation of {}", self.name()))?;
        let installed = match self {
            Gateway::Nginx => nginx::installed(),
            Gateway::Litellm => litellm::install(target),
            Gateway::Portkey => portkey::install(target),
            Gateway::Smg => routers::install_smg(target),
            Gateway::VllmRouter => routers::install_vllm_router(target),
        };
        let installed = installed.context("it cannot be installed")?;
        Ok(Ready {
            gateway: self,
            installed,
            upstream: upstream.to_owned(),
            folder: folder.join(self.name()),
        })
    }

    /// The path behind its origin that is answered with 200 once it passes requests on.
    fn ready(self) -> &'static str {
        match self {
            // It passes this on as well.
            Gateway::Nginx => "/health",
            Gateway::Litellm => "/health/liveliness",
            Gateway::Portkey => "/",
            Gateway::Smg | Gateway::VllmRouter => "/readiness",
        }
    }

    /// What each request to it needs, as `NAME: VALUE`.
    fn headers(self, upstream: &str) -> Vec<String> {
        match self {
            Gateway::Portkey => portkey::headers(upstream),
            Gateway::Litellm => litellm::headers(),
            Gateway::Nginx | Gateway::Smg | Gateway::VllmRouter => Vec::new(),
        }
    }
}

impl Ready {
    /// The same before another upstream, in a folder of its own.
    pub(super) fn before(&self, upstream: &str) -> Ready {
        let folder = self.folder.with_extension("idle");
        Ready {
            installed: self.installed.clone(),
            upstream: upstream.to_owned(),
            folder,
            gateway: self.gateway,
        }
    }

    /// As its package says it.
    pub(super) fn version(&self) -> &str {
        &self.installed.version
    }

    /// Starts it on a free port.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with its last words.
    pub(super) fn start(&self) -> anyhow::Result<Contestant> {
        super::emptied(&self.folder)?;
        let (port, meters_port) = free_ports()?;
        let place = Place { port, meters_port, upstream: &self.upstream, folder: &self.folder };
        let mut command = Command::new(&self.installed.program);
        command.args(&self.installed.first_arguments).current_dir(&self.folder);
        // Their last words should be readable, and a proxy of the network is not for the loopback.
        command.env("NO_COLOR", "1").env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        match self.gateway {
            Gateway::Nginx => nginx::tell(&mut command, place)?,
            Gateway::Litellm => litellm::tell(&mut command, place)?,
            Gateway::Portkey => portkey::tell(&mut command, place),
            Gateway::Smg => routers::tell_smg(&mut command, place),
            Gateway::VllmRouter => routers::tell_vllm_router(&mut command, place),
        }
        let (name, origin) = (self.gateway.name(), format!("http://{}:{port}", Ipv4Addr::LOCALHOST));
        let served = Served::start_at(name, &mut command, &origin, self.gateway.ready())?;
        let mut contestant = Contestant::over(name.to_owned(), Role::Peer, served)?;
        contestant.headers = self.gateway.headers(&self.upstream);
        Ok(contestant)
    }
}

/// Two that nobody listens on. Somebody else may take one before the gateway does; the gateway then says so.
fn free_ports() -> anyhow::Result<(u16, u16)> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free");
    let (first, second) = (listen()?, listen()?);
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

/// Where the pins of a gateway stand, and where it is brought to: the same path below `xtask/` and below the target
/// directory.
fn pins_and_folder(target: &Path, path: &str) -> (PathBuf, PathBuf) {
    (Path::new(env!("CARGO_MANIFEST_DIR")).join(path), target.join(path))
}

#[cfg(test)]
impl Place<'_> {
    /// Somewhere.
    fn example() -> Place<'static> {
        Place { port: 8080, meters_port: 8081, upstream: "127.0.0.1:1337", folder: Path::new("/nowhere") }
    }
}

/// A command's arguments, in one line.
#[cfg(test)]
fn arguments(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    arguments.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_of_the_report() {
        for gateway in Gateway::ALL {
            assert_eq!(gateway.to_possible_value().unwrap().get_name(), gateway.name());
            assert_eq!(serde_json::json!(gateway), gateway.name());
        }
        assert_eq!(Gateway::value_variants(), Gateway::ALL);
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    /// The version in a list of requirements, all of which are pinned.
    fn pinned(path: &str, package: &str) -> String {
        let requirements = read(path);
        assert!(requirements.lines().all(|line| line.contains("==")), "{requirements}");
        let pin = requirements.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
        pin.unwrap().to_owned()
    }

    #[test]
    fn the_document_tells_what_is_pinned() {
        let document = read("../docs/relay.md");
        let portkey: serde_json::Value = serde_json::from_str(&read("matrix/portkey/package.json")).unwrap();
        let portkey = portkey["dependencies"]["@portkey-ai/gateway"].as_str().unwrap().to_owned();
        for (name, version) in [
            ("LiteLLM", pinned("matrix/litellm/requirements.txt", "litellm")),
            ("Portkey", portkey),
            ("smg", pinned("gateways/smg/requirements.txt", "smg")),
            ("vllm-router", pinned("gateways/vllm-router/requirements.txt", "vllm-router")),
        ] {
            assert!(document.contains(&format!("\n| {name} | {version} | ")), "{name} {version}");
        }
    }
}
