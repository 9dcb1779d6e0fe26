//! Recordings, and somebody else for what was not recorded.
//!
//! Owns who is asked. Where that is a [`Recorder`](crate::Recorder) that shares its recordings, what is missing is
//! recorded, and answered from the recording the next time, if it lasts. Refuses to know how recordings are found.

use std::sync::Arc;

use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request, Scope};
use tokio::time::Instant;

use crate::replay_backend::{Finding, ReplayBackend};

/// Answers from recordings first, and else by another backend.
pub struct ReplayFirst {
    replay: Arc<ReplayBackend>,
    next: Arc<dyn Backend>,
}

impl ReplayFirst {
    /// Asks `next` what no recording answers. Recordings of what has passed are to be none of those that are played
    /// ([`Played::WhatLasts`](crate::Played::WhatLasts)): they would keep `next` from being asked again.
    pub fn new(replay: Arc<ReplayBackend>, next: Arc<dyn Backend>) -> ReplayFirst {
        ReplayFirst { replay, next }
    }
}

#[async_trait::async_trait]
impl Backend for ReplayFirst {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let start = Instant::now();
        let found = match self.replay.find(&request).await? {
            Finding::Recording(playable) => Some(playable),
            Finding::Nothing(key) => self.replay.find_expected(&request, &key).await,
        };
        match found {
            Some(playable) => self.replay.play(playable, start).await,
            None => {
                self.replay.miss();
                self.next.answer(request).await
            }
        }
    }

    /// Those of the recordings, then those of the other that are not among them.
    fn models(&self) -> Vec<ModelCard> {
        let mut cards = self.replay.models();
        for card in self.next.models() {
            if cards.iter().all(|known| known.id != card.id) {
                cards.push(card);
            }
        }
        cards
    }

    fn readiness(&self) -> Readiness {
        self.next.readiness()
    }

    /// That of the other, which is not asked what it would not be asked alone.
    fn scope(&self) -> Scope {
        self.next.scope()
    }

    fn measurements(&self) -> Vec<Measurement> {
        [self.replay.measurements(), self.next.measurements()].concat()
    }
}
