//! What an upstream says about its own models, and for how long that is believed.
//!
//! Owns the reading of a list, its memory, and when it is asked for again. Lists are asked for by requests that need
//! them, and one at a time of each upstream. It refuses to know what follows from a model's being there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use http::HeaderMap;
use interference_backend::{ModelCard, ReplyBody};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::attempt::attempt;
use crate::fleet::Fleet;
use crate::identifiers::Identifiers;
use crate::outgoing::Outgoing;

/// How long a list is believed.
const BELIEVED: Duration = Duration::from_secs(60);

/// How long a list is believed about a model that is not in it.
const BELIEVED_WITHOUT: Duration = Duration::from_secs(5);

/// How long an upstream may take for its list.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a list may be, in bytes.
const LONGEST_LIST: usize = 16 * 1024 * 1024;

/// How many models of one upstream are remembered.
const MOST_MODELS: usize = 10_000;

/// The list of one upstream.
#[derive(Default)]
pub(crate) struct ModelList {
    known: Mutex<Option<Known>>,
    /// Held by whoever asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    asked_at: Instant,
    models: Arc<Vec<ModelCard>>,
}

/// A model as an upstream lists it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// The object, byte for byte.
    pub(crate) raw: Box<RawValue>,
}

impl ModelList {
    /// The models that are known, however old the news.
    pub(crate) fn known(&self) -> Arc<Vec<ModelCard>> {
        self.read().map(|known| known.models).unwrap_or_default()
    }

    /// Keeps what an upstream has listed now.
    fn remember(&self, listed: &[Listed], now: Instant) {
        let models = listed.iter().take(MOST_MODELS).map(card).collect();
        self.write(Known { asked_at: now, models: Arc::new(models) });
    }

    /// An upstream did not tell: what it told before stays, and it is not asked again at once.
    fn remember_failure(&self, now: Instant) {
        let models = self.known();
        self.write(Known { asked_at: now, models });
    }

    /// Whether a model is in the list, if that is known well enough not to ask.
    fn says(&self, model: &str, now: Instant) -> Option<bool> {
        let Known { asked_at, models } = self.read()?;
        let age = now.saturating_duration_since(asked_at);
        match models.iter().any(|card| card.id == model) {
            true => (age < BELIEVED).then_some(true),
            false => (age < BELIEVED_WITHOUT).then_some(false),
        }
    }

    fn read(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// Whether a member lists a model, asked for with the headers of a client where that is not known.
pub(crate) async fn lists(fleet: &Arc<Fleet>, member: usize, model: &str, client: &HeaderMap) -> bool {
    let list = &fleet.members[member].list;
    if let Some(answer) = list.says(model, Instant::now()) {
        return answer;
    }
    let _asking = list.asking.lock().await;
    // Somebody may have asked meanwhile.
    if let Some(answer) = list.says(model, Instant::now()) {
        return answer;
    }
    if fetch(fleet, member, &Outgoing::models(client, None)).await.is_none() {
        list.remember_failure(Instant::now());
    }
    list.known().iter().any(|card| card.id == model)
}

/// Asks a member for its list, and remembers it. `None` if it has none to give, whatever the reason.
pub(crate) async fn fetch(fleet: &Arc<Fleet>, member: usize, outgoing: &Outgoing) -> Option<Vec<Listed>> {
    let whole = tokio::time::timeout(LONGEST_WAIT, read_whole(fleet, member, outgoing)).await.ok()??;
    let listed = listed_in(&whole)?;
    fleet.members[member].list.remember(&listed, Instant::now());
    Some(listed)
}

async fn read_whole(fleet: &Arc<Fleet>, member: usize, outgoing: &Outgoing) -> Option<Vec<u8>> {
    let visit = fleet.visit(&[member], &[]).ok()?;
    let request = outgoing.request_to(visit.member()).ok()?;
    let reply = attempt(visit, request, &Arc::new(Identifiers::default())).await.ok()?;
    let ReplyBody::Frames(mut frames) = reply.body else { return None };
    let mut whole = Vec::new();
    while let Some(bytes) = frames.try_next().await.ok()? {
        if bytes.len() > LONGEST_LIST - whole.len() {
            return None;
        }
        whole.extend_from_slice(&bytes);
    }
    reply.status.is_success().then_some(whole)
}

/// Reads `{"data":[{"id":…},…]}`; what has no id is passed over, and no data at all is an empty list.
fn listed_in(body: &[u8]) -> Option<Vec<Listed>> {
    #[derive(Deserialize)]
    struct List {
        data: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize)]
    struct OnlyId {
        id: String,
    }
    let list: List = serde_json::from_slice(body).ok()?;
    let with_id = |raw: Box<RawValue>| {
        let OnlyId { id } = serde_json::from_str(raw.get()).ok()?;
        Some(Listed { id, raw })
    };
    Some(list.data.unwrap_or_default().into_iter().filter_map(with_id).collect())
}

fn card(listed: &Listed) -> ModelCard {
    let object: Value = serde_json::from_str(listed.raw.get()).unwrap_or_default();
    ModelCard {
        id: listed.id.clone(),
        created: object.get("created").and_then(Value::as_u64).unwrap_or_default(),
        owned_by: object.get("owned_by").and_then(Value::as_str).unwrap_or("upstream").to_owned(),
        aliases: Vec::new(),
        context_length: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_tolerantly() {
        let ids = |body: &str| {
            let listed = listed_in(body.as_bytes())?;
            Some(listed.into_iter().map(|listed| listed.id).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            ids(r#"{"object":"list","data":[{"id":"a","x":1.50},{"id":2},{},{"id":"b"}]}"#).unwrap(),
            "a b"
        );
        assert_eq!(ids(r#"{"object":"list","data":null}"#).unwrap(), "");
        assert_eq!(ids("<html>"), None);
        assert_eq!(ids("[]"), None);
    }

    #[test]
    fn a_list_is_believed_for_a_while() {
        let list = ModelList::default();
        let asked_at = Instant::now();
        let says = |list: &ModelList, model: &str, age_ms: u64| {
            list.says(model, asked_at + Duration::from_millis(age_ms))
        };
        assert_eq!(says(&list, "a", 0), None);
        let listed = listed_in(br#"{"data":[{"id":"a","created":5,"owned_by":"me"},{"id":"b"}]}"#).unwrap();
        list.remember(&listed, asked_at);
        assert_eq!((says(&list, "a", 59_999), says(&list, "a", 60_000)), (Some(true), None));
        assert_eq!((says(&list, "c", 4_999), says(&list, "c", 5_000)), (Some(false), None));
        let cards = list.known();
        assert_eq!((cards[0].created, cards[0].owned_by.as_str()), (5, "me"));
        assert_eq!((cards[1].created, cards[1].owned_by.as_str()), (0, "upstream"));
    }

    #[test]
    fn an_upstream_that_does_not_tell_is_not_asked_at_once() {
        let list = ModelList::default();
        let now = Instant::now();
        list.remember_failure(now);
        assert_eq!(list.says("a", now), Some(false));
        list.remember(&listed_in(br#"{"data":[{"id":"a"}]}"#).unwrap(), now);
        let later = now + BELIEVED;
        list.remember_failure(later);
        assert_eq!((list.says("a", later), list.says("b", later)), (Some(true), Some(false)));
    }
}
