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
use crate::model_list::Listed;
use crate::model_union::union;
use crate::routing::route;
use crate::upstream::{KeySource, RelayOptions, Upstream};

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

    /// The names of the upstreams in their order, each with whose key it gets to see.
    pub fn key_sources(&self) -> impl Iterator<Item = (&str, KeySource)> {
        self.fleet.members.iter().map(|member| (member.upstream.name.as_str(), member.key.source()))
    }
}

#[async_trait::async_trait]
impl Backend for RelayBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        if request.method == Method::TRACE {
            return Err(Refusal::InvalidRequest {
                message: "TRACE is not passed on: its answer would show what upstreams alone get to see."
                    .to_owned(),
                param: None,
                code: Some("method_not_passed_on"),
            });
        }
        self.fleet.pseudonym.check(&request.headers)?;
        let asks_for_models =
            matches!(request.method, Method::GET | Method::HEAD) && request.path == "/models";
        if asks_for_models && self.fleet.members.len() > 1 {
            return union(&self.fleet, &request).await;
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
            cards.extend(listed.iter().filter(|listed| names.insert(listed.id.clone())).map(Listed::card));
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
