//! A server that is measured, and what came of it.

use std::path::Path;
use std::process::Command;

use super::client_run::{Client, Load, Pace};
use super::http::BaseUrl;
use super::served::Served;

/// Milliseconds between two chunks of a stream that is paced.
pub(super) const BETWEEN_MS: u64 = 20;

/// What a server is to the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ours,
    /// What the others are measured by.
    Bare,
    /// As late as anyone is here. It has paced streams and nothing else.
    Sockets,
    Peer,
}

/// A running server. Dropping it ends it.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) role: Role,
    served: Served,
    /// Host and port.
    pub(super) address: String,
    /// When the first text of a paced stream is due, counted from the request.
    pub(super) first_ms: u64,
    /// What each request to it needs, as `NAME: VALUE`.
    pub(super) headers: Vec<String>,
    /// A header that makes it pace its streams, where it needs one: `NAME: VALUE`.
    pub(super) pace_header: Option<String>,
    /// What a reader should know.
    pub(super) notes: &'static [&'static str],
}

/// What one server came to, round by round.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) plain: Vec<Load>,
    pub(super) stream: Vec<Load>,
    pub(super) pace: Vec<Pace>,
    /// What did not succeed, and why.
    pub(super) failures: Vec<String>,
}

impl Contestant {
    /// `interference serve --script`.
    pub(super) fn ours(program: &Path, script: &Path) -> anyhow::Result<Contestant> {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--script"]).arg(script);
        Contestant::start("interference".to_owned(), Role::Ours, &mut command)
    }

    /// Hyper and nothing else, with the answers in this file.
    pub(super) fn bare(client: &Client, captured: &Path, between_ms: u64) -> anyhow::Result<Contestant> {
        let mut command = client.server_command("bare", captured, between_ms);
        Contestant::start("bare hyper".to_owned(), Role::Bare, &mut command)
    }

    /// One thread that writes what is in this file when it is due.
    pub(super) fn sockets(client: &Client, captured: &Path, between_ms: u64) -> anyhow::Result<Contestant> {
        let mut command = client.server_command("sockets", captured, between_ms);
        Contestant::start("sockets alone".to_owned(), Role::Sockets, &mut command)
    }

    /// Starts a program that says its URL.
    pub(super) fn start(name: String, role: Role, command: &mut Command) -> anyhow::Result<Contestant> {
        let served = Served::start(&name, command)?;
        Contestant::over(name, role, served)
    }

    /// Of a program that was started.
    pub(super) fn over(name: String, role: Role, served: Served) -> anyhow::Result<Contestant> {
        let address = BaseUrl::parse(served.url())?.authority();
        let first_ms = BETWEEN_MS;
        let headers = Vec::new();
        Ok(Contestant { name, role, served, address, first_ms, headers, pace_header: None, notes: &[] })
    }

    /// The number of its process.
    pub(super) fn pid(&self) -> u32 {
        self.served.pid()
    }

    /// What its program said last.
    pub(super) fn last_words(&self) -> String {
        self.served.last_words()
    }
}
