//! What a server of the matrix is: a value that says where it comes from, how it is started and how it is asked.
//!
//! Refuses to know how any of this is done. Texts may hold the words of [`super::placeholders`].

/// The API key of servers that take one. It begins as one of them demands it.
pub(super) const KEY: &str = "sk-interference-matrix";

/// A server that is judged.
#[derive(Debug)]
pub(super) struct Peer {
    /// What it is called on the command line, in reports and below the target directory.
    pub(super) name: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// What answers its requests.
    pub(super) role: Role,
    /// What it is, in a few words.
    pub(super) description: &'static str,
    /// As SPDX spells it.
    pub(super) licence: &'static str,
    /// Where it comes from, in which version.
    pub(super) source: Source,
    /// What its program is started with.
    pub(super) arguments: &'static [&'static str],
    /// Variables that it is started with.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// The path that is answered with 200 once it is ready, without a key.
    pub(super) ready: &'static str,
    /// The model's name in requests.
    pub(super) model: &'static str,
    /// The key that it was told to ask for; `None` where it asks for none.
    pub(super) api_key: Option<&'static str>,
    /// Headers that each request to it needs, as `NAME: VALUE`.
    pub(super) headers: &'static [&'static str],
}

/// What answers a server's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A model of its own: the default model's file.
    Engine,
    /// Another server: ours, with the default model.
    Gateway,
    /// A text that it was told beforehand, or the request's own.
    Mock,
}

impl Role {
    /// As the document calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Engine => "engine",
            Role::Gateway => "gateway",
            Role::Mock => "mock",
        }
    }
}

/// Where a server comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// This workspace.
    Ours,
    /// A Python package, in the version that its `requirements.txt` names.
    Python {
        /// Its name.
        package: &'static str,
        /// What is run of it.
        entry: PythonEntry,
        /// Variables for what is compiled during the installation.
        build: &'static [(&'static str, &'static str)],
    },
    /// An npm package, in the version that its `package-lock.json` names.
    Node {
        /// Its name.
        package: &'static str,
        /// The script that is run, within the package.
        script: &'static str,
    },
    /// A Rust package whose program has the same name.
    Crate {
        /// Its name.
        package: &'static str,
        /// The release.
        version: &'static str,
    },
}

/// What is run of a Python package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PythonEntry {
    /// A command that it installs.
    Command(&'static str),
    /// A module, by `python -m`.
    Module(&'static str),
}
