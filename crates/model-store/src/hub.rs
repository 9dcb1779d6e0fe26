//! The Hugging Face hub as a source, through the `hf-hub` crate.
//!
//! Owns what `hf-hub` leaves open: bounds on how long it may stay silent, and a way to stop it. It honours the hub's
//! usual variables (`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`) and the proxy variables, and leaves the user's own
//! hub cache alone: everything goes into the folder it is given.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::catalog::HubFile;
use crate::progress::FetchProgress;

/// How long connecting and asking for the file's size may take.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(60);
/// How often a download that broke off is taken up again where it stopped.
const RESUMPTIONS: usize = 3;
/// Reports on their way; the downloading thread waits when so many are unread.
const REPORTS_BOUND: usize = 64;

/// Why the hub did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The user said so.
    #[error("skipped, because HF_HUB_OFFLINE is set")]
    Offline,
    /// Neither bytes nor an error.
    #[error("no answer within {} s", silence.as_secs())]
    Silent {
        /// For how long.
        silence: Duration,
    },
    /// It sends something else.
    #[error("sends more than the {expected} bytes that were expected")]
    TooLong {
        /// The file's size, in bytes.
        expected: u64,
    },
    /// It cannot be reached, does not have the file, or broke off.
    #[error(transparent)]
    Request(#[from] Box<ApiError>),
    /// The thread that downloads did not start, or ended without saying why.
    #[error("the download ended without a reason")]
    Crashed,
}

/// What the environment says about the hub.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Another address than the hub's own.
    pub(crate) endpoint: Option<String>,
    /// Who asks; the default model needs none, a company's mirror may.
    pub(crate) token: Option<String>,
    /// Do not even try.
    pub(crate) offline: bool,
}

impl Settings {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE`.
    pub(crate) fn from_environment() -> Settings {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Settings {
            endpoint: variable("HF_ENDPOINT"),
            token: variable("HF_TOKEN"),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
        }
    }
}

/// As the hub's own Python library reads it.
fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

/// What the downloading thread says.
enum Report {
    /// A connection stands, and starts at the file's beginning.
    Started,
    /// So many bytes more.
    Arrived(u64),
    /// The last report.
    Ended(Result<PathBuf, Box<ApiError>>),
}

/// Downloads the file into the folder, and says where in there it is.
pub(crate) fn download(
    file: &HubFile,
    size_bytes: u64,
    settings: &Settings,
    staging: &Path,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, HubError> {
    if settings.offline {
        return Err(HubError::Offline);
    }
    let mut builder = ApiBuilder::from_cache(Cache::new(staging.join("hub")))
        .with_token(settings.token.clone())
        .with_retries(RESUMPTIONS);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    let HubFile { repository, revision, path } = *file;

    // `hf-hub` sets no time limits and cannot be told to stop, so it runs on a thread that can be left behind.
    let (reports, incoming) = mpsc::sync_channel(REPORTS_BOUND);
    let worker = move || {
        let request = || -> Result<PathBuf, ApiError> {
            let repo = Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned());
            let pointer =
                builder.build()?.repo(repo).download_with_progress(path, Reporter(reports.clone()))?;
            // The pointer is a link; the file behind it is what can be moved.
            Ok(pointer.canonicalize()?)
        };
        let outcome = request().map_err(Box::new);
        // Nobody listens when the download was given up.
        reports.send(Report::Ended(outcome)).ok();
    };
    thread::Builder::new().name("hub-download".to_owned()).spawn(worker).map_err(|_| HubError::Crashed)?;
    follow(&incoming, size_bytes, progress)
}

/// Passes progress on until the download ends, stands still or gets too long.
fn follow(
    incoming: &Receiver<Report>,
    size_bytes: u64,
    progress: &mut dyn FetchProgress,
) -> Result<PathBuf, HubError> {
    let mut patience = FIRST_ANSWER;
    let mut position = 0;
    loop {
        match incoming.recv_timeout(patience) {
            Ok(Report::Started) => {
                patience = STALL;
                position = 0;
            }
            Ok(Report::Arrived(bytes)) => {
                position += bytes;
                if position > size_bytes {
                    return Err(HubError::TooLong { expected: size_bytes });
                }
                progress.advance(position);
            }
            Ok(Report::Ended(outcome)) => return Ok(outcome?),
            Err(RecvTimeoutError::Timeout) => return Err(HubError::Silent { silence: patience }),
            Err(RecvTimeoutError::Disconnected) => return Err(HubError::Crashed),
        }
    }
}

struct Reporter(SyncSender<Report>);

impl Reporter {
    fn report(&self, report: Report) {
        if self.0.send(report).is_err() {
            // The download was given up. `hf-hub` offers no other way to end it: unwinding closes its connection
            // and its file, and reaches no panic hook.
            std::panic::resume_unwind(Box::new("download given up"));
        }
    }
}

impl hf_hub::api::Progress for Reporter {
    fn init(&mut self, _size: usize, _file_name: &str) {
        self.report(Report::Started);
    }

    fn update(&mut self, size: usize) {
        self.report(Report::Arrived(size as u64));
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests;
