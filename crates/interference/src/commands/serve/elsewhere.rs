//! What answers in the place of a model: upstreams, and recordings of them.

use std::path::PathBuf;
use std::sync::Arc;

use interference_backend::Backend;

/// What `serve` takes of it.
#[derive(Debug, clap::Args)]
pub(super) struct ElsewhereArguments {
    /// Pass requests on to this server (repeatable): a name, and the URL that an SDK would take; the key is read from the
    /// variable NAME_API_KEY
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
    /// Upstreams with their keys, models, weights and time-outs, in a file
    #[arg(long, value_name = "FILE")]
    upstreams: Option<PathBuf>,
    /// Keep each exchange with an upstream in this folder, as a cassette
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Answer from the cassettes in this folder; with `--upstream`, what none of them has is asked there
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
}
