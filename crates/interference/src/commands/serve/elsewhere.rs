//! What answers in the place of a model: upstreams, and recordings of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use interference_backend::Backend;
use interference_backend_relay::{
    KeySource, RelayBackend, RelayError, RelayOptions, Upstream, read_upstreams_file,
};
use interference_backend_replay::{
    IgnoredMember, LONGEST_FLUSH, Pace, Played, Recorder, ReplayBackend, ReplayFirst, ReplayOptions,
};
use interference_cassette::{Folder, FolderError, Redaction};
use secrecy::{ExposeSecret, SecretString};

use crate::failure::{Failure, WRONG_USAGE};
use crate::talk::say;

/// Problems of cassettes that are told one by one, at most.
const MOST_PROBLEMS_TOLD: usize = 20;

/// What can be recorded; a model or a script only from outside, since its events become bytes in the server alone.
const RECORD_HINT: &str = "name one, as in `--upstream openai=https://api.openai.com/v1 --record cassettes`; what answers \
     here, a model or a script, is recorded by a second server before it: `interference serve --listen localhost:1338 \
     --upstream local=http://localhost:1337/v1 --record cassettes`";

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
    /// Keep each exchange with an upstream in this folder, as a cassette
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Answer from the cassettes in this folder; with an upstream, what none of them answers is asked there
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// How fast recordings are played: `recorded`, `at-once`, or a speed such as `2x` [default: recorded]
    #[arg(long, value_name = "PACE", requires = "replay")]
    replay_pace: Option<Pace>,
    /// A member of requests that recordings are not compared by, such as `user` or `messages.*.name` (repeatable)
    #[arg(long, value_name = "PATH", requires = "replay")]
    replay_ignore: Vec<IgnoredMember>,
}

/// Somebody else who answers.
pub(super) struct Elsewhere {
    backend: Arc<dyn Backend>,
    recorder: Option<Arc<Recorder>>,
    summary: String,
}

impl ElsewhereArguments {
    /// What the arguments name, if they name anything. The keys of the server itself, none if it asks for none, stand in
    /// no recording; a server that asks for none may pass the keys of its clients on.
    ///
    /// # Errors
    /// An upstream is described wrongly, a file or a folder cannot be used, or there is nothing to record.
    pub(super) fn open(&self, own_keys: &[SecretString]) -> anyhow::Result<Option<Elsewhere>> {
        let upstreams = self.upstreams()?;
        if upstreams.is_empty() && self.record.is_some() {
            return Err(
                Failure::new(WRONG_USAGE, "`--record` needs an upstream to record", RECORD_HINT).into()
            );
        }
        let keys = upstreams.iter().filter_map(|upstream| upstream.key.as_ref()).chain(own_keys);
        let redaction = Redaction::new(keys.map(ExposeSecret::expose_secret));
        // What is missing is to be recorded: where both are the same folder, there may be nothing yet.
        let folder = self.record.as_deref().map(|path| Folder::open(path, redaction.clone())).transpose();
        let folder = folder.map_err(|error| not_opened(&error))?;
        // A failure that an upstream can be asked about again is not answered for good.
        let played = if upstreams.is_empty() { Played::Everything } else { Played::WhatLasts };
        let replay = self.replay.as_deref();
        let replay = replay.map(|path| self.replay(path, played, redaction.clone())).transpose()?;
        if upstreams.is_empty() {
            return Ok(replay.map(|replay| Elsewhere {
                summary: told_recordings(&replay),
                backend: replay,
                recorder: None,
            }));
        }
        let relayed = Relayed::new(upstreams, own_keys.is_empty())?;
        Ok(Some(relayed.behind(replay, folder)))
    }

    fn upstreams(&self) -> Result<Vec<Upstream>, Failure> {
        let environment = |name: &str| std::env::var(name).ok();
        let named = self.upstream.iter().map(|given| Upstream::from_argument(given, environment));
        let mut upstreams = named.collect::<Result<Vec<_>, _>>().map_err(|error| not_described(&error))?;
        if let Some(path) = &self.upstreams {
            let listed = read_upstreams_file(path, environment, &upstreams);
            upstreams.extend(listed.map_err(|error| not_described(&error))?);
        }
        Ok(upstreams)
    }

    /// The recordings of a folder. Those that cannot be read are told, and the others serve.
    fn replay(
        &self,
        path: &Path,
        played: Played,
        redaction: Redaction,
    ) -> anyhow::Result<Arc<ReplayBackend>> {
        let pace = self.replay_pace.unwrap_or_default();
        let options = ReplayOptions { pace, played, ignore: self.replay_ignore.clone(), redaction };
        let loaded = ReplayBackend::load(path, options).map_err(|error| not_opened(&error))?;
        let (replay, problems) = loaded;
        for problem in problems.iter().take(MOST_PROBLEMS_TOLD) {
            say(&format!("warning: {problem}"));
        }
        if let Some(more) = problems.len().checked_sub(MOST_PROBLEMS_TOLD).filter(|more| *more > 0) {
            say(&format!("warning: {more} more files of {} cannot be read", path.display()));
        }
        Ok(Arc::new(replay))
    }
}

/// A relay, and how it is told of.
struct Relayed {
    relay: Arc<dyn Backend>,
    /// The upstreams, each with whose key it gets to see: a variable that is not set should be noticed.
    names: Vec<String>,
}

impl Relayed {
    fn new(upstreams: Vec<Upstream>, pass_client_keys: bool) -> Result<Relayed, Failure> {
        let options = RelayOptions { pass_client_keys, ..RelayOptions::default() };
        let relay = RelayBackend::new(upstreams, options).map_err(|error| not_described(&error))?;
        let names = relay.key_sources().map(told_upstream).collect();
        Ok(Relayed { relay: Arc::new(relay), names })
    }

    /// The relay behind what was recorded, and behind what records.
    fn behind(self, replay: Option<Arc<ReplayBackend>>, folder: Option<Folder>) -> Elsewhere {
        let upstreams = format!("upstream {}", self.names.join(", "));
        let recorded = folder.as_ref().map(|folder| format!(", recorded in {}", folder.path().display()));
        let mut summary = format!("{upstreams}{}", recorded.unwrap_or_default());
        let recorder = folder.map(|folder| {
            Arc::new(match &replay {
                None => Recorder::new(self.relay.clone(), folder),
                Some(replay) => Recorder::shared(self.relay.clone(), folder, Arc::clone(replay)),
            })
        });
        let mut backend = match &recorder {
            None => self.relay,
            Some(recorder) => Arc::clone(recorder) as Arc<dyn Backend>,
        };
        if let Some(replay) = replay {
            summary = format!("{}, then {summary}", told_recordings(&replay));
            backend = Arc::new(ReplayFirst::new(replay, backend));
        }
        Elsewhere { backend, recorder, summary }
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

    /// Waits until all that was recorded is on the disk, and tells what is lost where that takes too long.
    pub(super) async fn written(&self) {
        let Some(recorder) = &self.recorder else { return };
        let lost = recorder.written().await;
        if lost > 0 {
            let seconds = LONGEST_FLUSH.as_secs();
            say(&format!(
                "warning: {lost} exchanges are not recorded: the disk did not take them within {seconds} s"
            ));
        }
    }
}

fn told_upstream((name, key): (&str, KeySource)) -> String {
    match key {
        KeySource::Upstream => name.to_owned(),
        KeySource::Client => format!("{name} (with its clients' keys)"),
        KeySource::Nobody => format!("{name} (without a key)"),
    }
}

fn told_recordings(replay: &ReplayBackend) -> String {
    let recordings = match replay.recordings() {
        1 => "1 recording".to_owned(),
        count => format!("{count} recordings"),
    };
    match replay.passed_over() {
        0 => recordings,
        count => format!("{recordings} ({count} passed over)"),
    }
}

fn not_described(error: &RelayError) -> Failure {
    let hint = match error {
        RelayError::Argument { .. } | RelayError::Name { .. } | RelayError::BaseUrl { .. } => {
            "as in `--upstream openai=https://api.openai.com/v1`, with the key in OPENAI_API_KEY"
        }
        RelayError::Roots(_) => "install the package ca-certificates, or name an `http://` URL",
        _ => "docs/relay.md has an example of each setting",
    };
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}

fn not_opened(error: &FolderError) -> Failure {
    let hint = "`--record DIR --upstream NAME=URL` makes such a folder, and `--replay DIR` answers from it";
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_which_upstreams_get_which_keys() {
        let upstream = |name: &str| Upstream::new(name, "http://localhost:8000/v1");
        let with_key = Upstream { key: Some("own".to_owned().into()), ..upstream("a") };
        let summary = |upstreams, pass_client_keys| {
            Relayed::new(upstreams, pass_client_keys).unwrap().behind(None, None).summary()
        };
        assert_eq!(summary(vec![with_key, upstream("b")], true), "upstream a, b (without a key)");
        assert_eq!(summary(vec![upstream("b")], true), "upstream b (with its clients' keys)");
        assert_eq!(summary(vec![upstream("b")], false), "upstream b (without a key)");
    }
}
