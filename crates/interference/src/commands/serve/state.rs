//! Where responses and stored chats are kept, in front of whatever answers chats.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interference_backend::Backend;
use interference_backend_responses::{ResponsesBackend, ResponsesOptions, State, StateError, StateLimits};

use crate::failure::{Failure, TOOL_FAILED, WRONG_USAGE};

/// A day, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// What `serve` takes of it.
#[derive(Debug, clap::Args)]
pub(super) struct StateArguments {
    /// Keep responses and stored chats in this file, so that they outlive the server; without it they are kept in memory
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Days that a response or a stored chat is kept
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    state_max_age: u64,
    /// Responses that are kept, and as many stored chats; the oldest go first [default: 10000 in a file, 1000 in memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    state_max_count: Option<u64>,
}

/// What is kept, before it is in front of anything.
pub(super) struct ResponsesFront {
    state: State,
    options: ResponsesOptions,
}

impl ResponsesFront {
    /// Opens the place where responses and stored chats are kept.
    ///
    /// # Errors
    /// The file cannot be used, is something else, or comes from a later release.
    pub(super) async fn open(arguments: &StateArguments, fixed_ids: bool) -> anyhow::Result<ResponsesFront> {
        let usual = if arguments.state.is_some() { StateLimits::IN_A_FILE } else { StateLimits::IN_MEMORY };
        let limits = StateLimits {
            age: Duration::from_secs(arguments.state_max_age * DAY),
            count: arguments.state_max_count.unwrap_or(usual.count),
            ..usual
        };
        if let Some(folder) = arguments.state.as_deref().filter(|path| path.is_dir()) {
            let message = format!("{} is a folder, and no file of responses", folder.display());
            return Err(Failure::new(WRONG_USAGE, message, "name a file in it").into());
        }
        let state = match &arguments.state {
            Some(path) => State::in_file(path, limits).await,
            None => State::in_memory(limits).await,
        };
        let state = state.map_err(|error| not_opened(&error))?;
        Ok(ResponsesFront { state, options: ResponsesOptions { fixed_ids } })
    }

    /// In front of this backend.
    pub(super) fn before(self, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(ResponsesBackend::new(backend, self.state, self.options))
    }
}

fn not_opened(error: &StateError) -> Failure {
    let (code, hint) = match error {
        StateError::NotAStateFile { .. } => {
            (WRONG_USAGE, "name a file that does not exist yet: `--state` makes it")
        }
        StateError::Newer { .. } => {
            (WRONG_USAGE, "serve it with that release, or name another file after `--state`")
        }
        _ => (
            TOOL_FAILED,
            "`--state FILE` needs a file in a folder that can be written; without it nothing is kept on disk",
        ),
    };
    Failure::new(code, error.to_string(), hint)
}
