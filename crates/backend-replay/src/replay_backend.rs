//! Recordings as a backend.
//!
//! Owns the way of a request: to its key, to the recording whose turn it is, and to what is told when there is none.
//! Refuses to know files beyond having them read, and who would have answered otherwise.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use interference_api_types::openai::models::{Model, ModelList};
use interference_backend::{
    Backend, MeasuredValue, Measurement, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request, Scope,
};
use interference_cassette::{Cassette, FolderError, ReadError, Recording, Redaction, read_folder};
use tokio::time::Instant;

use crate::expected::{Expectation, Expected};
use crate::ignored_member::IgnoredMember;
use crate::models::is_list;
use crate::nearest::{MOST_ENDPOINTS, of_another_endpoint, of_the_same_endpoint};
use crate::pace::Pace;
use crate::playback::play;
use crate::played::Played;
use crate::recorder::LONGEST_FLUSH;
use crate::request_key::{RequestKey, RequestParts};
use crate::shelf::{Playable, Shelf, Space};

/// Up to how many bytes a body is read without keeping others waiting, which takes some milliseconds: 256 KiB. Larger ones
/// are read on a thread of their own.
pub(crate) const LARGEST_AT_ONCE: usize = 256 * 1024;

/// How recordings are found and played.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// How fast.
    pub pace: Pace,
    /// Which of them. Where somebody else answers what no recording does, those that last.
    pub played: Played,
    /// What is not compared.
    pub ignore: Vec<IgnoredMember>,
    /// What was taken out of the recordings, and is taken out of requests before they are compared.
    pub redaction: Redaction,
}

/// Recordings as a backend.
///
/// A request is answered by the recordings of those that are like it, each once in the order of their names, and by the
/// last of them from then on.
#[derive(Debug)]
pub struct ReplayBackend {
    /// What messages call the recordings.
    name: String,
    options: Arc<ReplayOptions>,
    shelf: Arc<Shelf>,
    expected: Arc<Expected>,
    matched: AtomicU64,
    missed: AtomicU64,
    passed_over: AtomicU64,
    without_room: AtomicU64,
}

/// What was found for a request.
pub(crate) enum Finding {
    /// A recording, whose turn it is.
    Recording(Arc<Playable>),
    /// None, by what was compared.
    Nothing(RequestKey),
}

impl ReplayBackend {
    /// Answers from the cassettes of a folder. Gives what is wrong with some of them beside it; the others are served.
    /// It blocks while they are read.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn load(
        folder: &Path,
        options: ReplayOptions,
    ) -> Result<(ReplayBackend, Vec<ReadError>), FolderError> {
        let found = read_folder(folder)?;
        let backend = ReplayBackend::new(&folder.display().to_string(), found.recordings, options);
        Ok((backend, found.problems))
    }

    /// Answers from these recordings, which messages call by this name.
    pub fn new(
        name: &str,
        recordings: impl IntoIterator<Item = Recording>,
        options: ReplayOptions,
    ) -> ReplayBackend {
        let backend = ReplayBackend {
            name: name.to_owned(),
            options: Arc::new(options),
            shelf: Arc::default(),
            expected: Arc::default(),
            matched: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            without_room: AtomicU64::new(0),
        };
        recordings.into_iter().for_each(|recording| backend.add(recording));
        backend
    }

    /// Answers from this recording, too, after those that are there: if it is one that is played
    /// ([`ReplayOptions::played`]), and as long as the bodies of all have no more bytes than a folder may have
    /// ([`LARGEST_FOLDER`](interference_cassette::LARGEST_FOLDER)).
    pub fn add(&self, recording: Recording) {
        let Recording { name, cassette } = recording;
        if !self.options.played.includes(&cassette.outcome) {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(recording = name, "a recording of what has passed is not played");
            return;
        }
        let key = RequestKey::of(&RequestParts::from(&cassette.request), &self.options);
        let bytes = cassette.body_bytes();
        let playable = Playable { name: name.clone(), outcome: cassette.outcome };
        if self.shelf.add(key, playable, bytes) == Space::None {
            self.without_room.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                recording = name,
                "a recording is not played: the others take all the memory that they may"
            );
        }
    }

    /// How many recordings there are.
    pub fn recordings(&self) -> u64 {
        self.shelf.count()
    }

    /// How many recordings are passed over, since what they tell of has passed.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// The recording that answers this request, which has had its turn then.
    ///
    /// # Errors
    /// A bug: the request could not be read.
    ///
    /// # Cancellation
    /// Safe: no recording has had its turn before it resolves.
    pub(crate) async fn find(&self, request: &Request) -> Result<Finding, Refusal> {
        let key = self.key_of(request).await?;
        Ok(self.take(&key).map_or_else(|| Finding::Nothing(key), Finding::Recording))
    }

    /// The recording of a request that was not there, if it is on its way: one whose request has the same bytes, and which
    /// has ended but is not written yet. It is waited for, for [`LONGEST_FLUSH`] at most.
    ///
    /// # Cancellation
    /// As [`ReplayBackend::find`].
    pub(crate) async fn find_expected(&self, request: &Request, key: &RequestKey) -> Option<Arc<Playable>> {
        // One that does not come in time is missing.
        let _ = tokio::time::timeout(LONGEST_FLUSH, self.expected.arrival(request)).await;
        self.take(key)
    }

    fn take(&self, key: &RequestKey) -> Option<Arc<Playable>> {
        let playable = self.shelf.take(key)?;
        self.matched.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(recording = playable.name, "a recording answers");
        Some(playable)
    }

    async fn key_of(&self, request: &Request) -> Result<RequestKey, Refusal> {
        if request.body.len() <= LARGEST_AT_ONCE {
            return Ok(RequestKey::of(&RequestParts::from(request), &self.options));
        }
        let (request, options) = (request.clone(), Arc::clone(&self.options));
        let key =
            tokio::task::spawn_blocking(move || RequestKey::of(&RequestParts::from(&request), &options));
        key.await.map_err(|error| Refusal::Internal {
            message: format!("The request cannot be compared with recordings: {error}."),
        })
    }

    /// Plays a recording to a request that came at `start`.
    pub(crate) async fn play(&self, playable: Arc<Playable>, start: Instant) -> Result<Reply, Refusal> {
        play(playable, start, self.options.pace).await
    }

    /// Tells that a recording is on its way to [`ReplayBackend::add`], until the expectation is dropped; none where it will
    /// not be played.
    pub(crate) fn expect(&self, cassette: &Cassette) -> Option<Expectation> {
        let is_played = self.options.played.includes(&cassette.outcome);
        is_played.then(|| self.expected.expect(&cassette.request))
    }

    /// Notes that no recording has answered.
    pub(crate) fn miss(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// The list of models, where none was recorded: every SDK asks for it.
    fn model_list(&self) -> Result<Reply, Refusal> {
        let model = |card: ModelCard| Model::new(card.id, card.created, card.owned_by);
        let list = ModelList::new(self.models().into_iter().map(model).collect());
        match serde_json::to_vec(&list) {
            Ok(body) => Ok(Reply::new(StatusCode::OK, ReplyBody::Whole(body.into()))),
            Err(error) => Err(Refusal::Internal { message: format!("The models cannot be listed: {error}") }),
        }
    }

    /// The refusal of a request that no recording matches.
    async fn nothing_fits(&self, key: RequestKey) -> Refusal {
        let (shelf, name) = (Arc::clone(&self.shelf), self.name.clone());
        // Up to a thousand bodies are compared, which takes longer than a task may keep others waiting.
        let told = tokio::task::spawn_blocking(move || {
            of_the_same_endpoint(&name, &key, &shelf.known(&key))
                .unwrap_or_else(|| of_another_endpoint(&name, &key, &shelf.endpoints(MOST_ENDPOINTS)))
        });
        match told.await {
            Ok(message) => Refusal::NothingFits { message, code: "no_recording_matches" },
            Err(error) => Refusal::Internal { message: format!("No recording matches, and {error}.") },
        }
    }
}

#[async_trait::async_trait]
impl Backend for ReplayBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let start = Instant::now();
        match self.find(&request).await? {
            Finding::Recording(playable) => self.play(playable, start).await,
            Finding::Nothing(key) if is_list(&key) => self.model_list(),
            Finding::Nothing(key) => {
                self.miss();
                Err(self.nothing_fits(key).await)
            }
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        self.shelf.models()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn scope(&self) -> Scope {
        Scope::Everything
    }

    fn measurements(&self) -> Vec<Measurement> {
        let counter = |name, help, value: &AtomicU64| Measurement {
            name,
            help,
            value: MeasuredValue::Counter(value.load(Ordering::Relaxed)),
        };
        vec![
            Measurement {
                name: "recordings",
                help: "Recordings that requests are answered from",
                value: MeasuredValue::Gauge(self.recordings()),
            },
            counter(
                "recordings_passed_over",
                "Recordings of what has passed, which are not played",
                &self.passed_over,
            ),
            counter(
                "recordings_without_room",
                "Recordings that are not played for want of memory",
                &self.without_room,
            ),
            counter("recordings_matched", "Requests that a recording has answered", &self.matched),
            counter("recordings_missed", "Requests that no recording matches", &self.missed),
        ]
    }
}
