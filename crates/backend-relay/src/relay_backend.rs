//! The backend: requests in, the upstreams' answers out.
//!
//! Owns which of the few ways a request takes: the union of lists, or a course through a group. It refuses to know how
//! groups are found and tries are made.

use std::sync::Arc;

use http::Method;
use interference_backend::{Backend, Measurement, ModelCard, Readiness, Refusal, Reply, Request, Scope};

use crate::RelayError;
use crate::course::Course;
use crate::fleet::Fleet;
use crate::identifiers::Identifiers;
use crate::model_union::union;
use crate::outgoing::Outgoing;
use crate::routing::route;
use crate::upstream::{RelayOptions, Upstream};

/// Passes every request on to one of its upstreams. Replies are frames, also those with plain JSON.
pub struct RelayBackend {
    fleet: Arc<Fleet>,
    identifiers: Arc<Identifiers>,
}

impl std::fmt::Debug for RelayBackend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.fleet.members.iter().map(|member| &member.upstream.name).collect();
        formatter.debug_struct("RelayBackend").field("upstreams", &names).finish_non_exhaustive()
    }
}

impl RelayBackend {
    /// A relay to these upstreams, of which the first gets the requests that name no model. Nothing is connected yet.
    ///
    /// # Errors
    /// A [`RelayError`] says which upstream cannot be used, and why; or the machine's certificate authorities are not
    /// found, and an upstream has an `https://` URL.
    pub fn new(upstreams: Vec<Upstream>, options: RelayOptions) -> Result<RelayBackend, RelayError> {
        let fleet = Arc::new(Fleet::new(upstreams, options)?);
        Ok(RelayBackend { fleet, identifiers: Arc::default() })
    }
}

#[async_trait::async_trait]
impl Backend for RelayBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let asks_for_models = request.method == Method::GET && request.path == "/models";
        if asks_for_models && self.fleet.members.len() > 1 {
            return union(&self.fleet, &Outgoing::models(&request.headers, request.query)).await;
        }
        let route = route(&self.fleet, &self.identifiers, request).await?;
        Course::new(&self.fleet, &self.identifiers, &route.outgoing).run(&route.group).await
    }

    /// What the upstreams have listed when they were asked for it, each name once; nothing is asked for here.
    fn models(&self) -> Vec<ModelCard> {
        let mut cards: Vec<ModelCard> = Vec::new();
        let mut names = std::collections::HashSet::new();
        for member in &self.fleet.members {
            let listed = member.list.known();
            cards.extend(listed.iter().filter(|card| names.insert(card.id.clone())).cloned());
        }
        cards
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn scope(&self) -> Scope {
        Scope::Everything
    }

    fn measurements(&self) -> Vec<Measurement> {
        self.fleet.measurements()
    }
}
