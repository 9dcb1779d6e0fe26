//! What answers in the place of a model: upstreams, and recordings of them.

use std::path::PathBuf;
use std::sync::Arc;

use interference_backend::Backend;
use interference_backend_relay::{RelayBackend, RelayError, RelayOptions, Upstream, read_upstreams_file};

use crate::failure::{Failure, WRONG_USAGE};

/// What `serve` takes of it.
#[derive(Debug, clap::Args)]
pub(super) struct ElsewhereArguments {
    /// Pass requests on to this server (repeatable): a name for it, and the URL that an SDK would take; its key is read
    /// from the variable NAME_API_KEY
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
    /// Upstreams with their keys, models, weights, fall-backs and time-outs, in a file
    #[arg(long, value_name = "FILE")]
    upstreams: Option<PathBuf>,
}

/// Somebody else who answers.
pub(super) struct Elsewhere {
    backend: Arc<dyn Backend>,
    summary: String,
}

impl ElsewhereArguments {
    /// What the arguments name, if they name anything. A server that asks for no key passes the keys of its clients on;
    /// its own are nobody else's business.
    ///
    /// # Errors
    /// An upstream is described wrongly, or its file cannot be read.
    pub(super) fn open(&self, asks_for_no_key: bool) -> anyhow::Result<Option<Elsewhere>> {
        let environment = |name: &str| std::env::var(name).ok();
        let mut upstreams = Vec::new();
        for given in &self.upstream {
            upstreams.push(Upstream::from_argument(given, environment).map_err(not_opened)?);
        }
        if let Some(path) = &self.upstreams {
            upstreams.extend(read_upstreams_file(path, environment).map_err(not_opened)?);
        }
        if upstreams.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let options = RelayOptions { pass_client_keys: asks_for_no_key, ..RelayOptions::default() };
        let relay = RelayBackend::new(upstreams, options).map_err(not_opened)?;
        Ok(Some(Elsewhere { backend: Arc::new(relay), summary: format!("upstream {}", names.join(", ")) }))
    }
}

impl Elsewhere {
    /// All of it, as one backend.
    pub(super) fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// For the line that says what is served.
    pub(super) fn summary(&self) -> String {
        self.summary.clone()
    }
}

fn not_opened(error: RelayError) -> Failure {
    let hint = match &error {
        RelayError::Argument { .. } | RelayError::Name { .. } | RelayError::BaseUrl { .. } => {
            "as in `--upstream openai=https://api.openai.com/v1`, with the key in OPENAI_API_KEY"
        }
        RelayError::Roots(_) => "install the package ca-certificates, or name an `http://` URL",
        _ => "docs/relay.md has an example of each setting",
    };
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}
