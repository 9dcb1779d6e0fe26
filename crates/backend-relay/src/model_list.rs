//! What an upstream says about its own models, and for how long that is believed.
//!
//! Owns the reading of a list, its memory, and when it is asked for again. Lists are asked for when requests need them,
//! by a task of their own and once at a time of each upstream, with the upstream's key and nothing of the client's but what
//! its request has passed: all clients share what comes. It refuses to know what follows from a model's being there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;
use interference_backend::{ModelCard, ReplyBody, UpstreamCode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::attempt::attempt;
use crate::coding::Coding;
use crate::fleet::Fleet;
use crate::outgoing::Outgoing;
use crate::via::Passed;

/// How long a list is believed about a model that is in it. Older news are still acted on, while new ones are asked for.
const BELIEVED: Duration = Duration::from_secs(60);

/// How long all lists are believed about a model that is in none, and each about what is in it where all of it is wanted.
const BELIEVED_WHOLE: Duration = Duration::from_secs(5);

/// How long a list may be, in bytes.
const LONGEST_LIST: usize = 16 * 1024 * 1024;

/// How many models a list may have.
const MOST_MODELS: usize = 10_000;

/// The list of one upstream.
#[derive(Default)]
pub(crate) struct ModelList {
    known: Mutex<Option<Known>>,
    /// Held by the task that asks.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Known {
    asked_at: Instant,
    answer: Answer,
    /// What was told last, even if it was not told now.
    listed: Arc<Vec<Listed>>,
}

/// Whether an upstream told its models when it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Told,
    NotTold,
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
    pub(crate) fn known(&self) -> Arc<Vec<Listed>> {
        self.read().map(|known| known.listed).unwrap_or_default()
    }

    /// What the upstream told when it was asked last.
    fn told(&self) -> Option<Arc<Vec<Listed>>> {
        self.read().filter(|known| known.answer == Answer::Told).map(|known| known.listed)
    }

    /// Keeps what an upstream has told now. If that is nothing, what it told before stays.
    fn remember(&self, listed: Option<Vec<Listed>>, now: Instant) {
        let (answer, listed) = match listed {
            Some(listed) => (Answer::Told, Arc::new(listed)),
            None => (Answer::NotTold, self.known()),
        };
        let known = Known { asked_at: now, answer, listed };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    fn has(&self, model: &str) -> bool {
        self.known().iter().any(|listed| listed.id == model)
    }

    /// Whether it was asked for lately.
    fn is_younger_than(&self, age: Duration, now: Instant) -> bool {
        self.read().is_some_and(|known| now.saturating_duration_since(known.asked_at) < age)
    }

    fn read(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The members that list a model. Lists are waited for only while none that is known has it: an upstream that is slow
/// to tell delays no request for another one's model.
pub(crate) async fn members_listing(fleet: &Arc<Fleet>, model: &str, passed: &Passed) -> Vec<usize> {
    let members = 0..fleet.members.len();
    let listing = || -> Vec<usize> {
        members.clone().filter(|member| fleet.members[*member].list.has(model)).collect()
    };
    let known = listing();
    if !known.is_empty() {
        let now = Instant::now();
        if !known.iter().any(|member| fleet.members[*member].list.is_younger_than(BELIEVED, now)) {
            members.for_each(|member| ask(fleet, member, BELIEVED, passed));
        }
        return known;
    }
    let mut asked: FuturesUnordered<_> =
        members.clone().map(|member| asked(fleet, member, BELIEVED_WHOLE, passed)).collect();
    while asked.next().await.is_some() {
        let known = listing();
        if !known.is_empty() {
            return known;
        }
    }
    Vec::new()
}

/// The lists of all members, in their order, `None` for those that tell none.
pub(crate) async fn all_lists(fleet: &Arc<Fleet>, passed: &Passed) -> Vec<Option<Arc<Vec<Listed>>>> {
    join_all((0..fleet.members.len()).map(|member| asked(fleet, member, BELIEVED_WHOLE, passed))).await;
    fleet.members.iter().map(|member| member.list.told()).collect()
}

/// Sees to it that a list is younger than this, and waits for it.
async fn asked(fleet: &Arc<Fleet>, member: usize, age: Duration, passed: &Passed) {
    ask(fleet, member, age, passed);
    drop(fleet.members[member].list.asking.lock().await);
}

/// Begins to ask for a list that is as old as this or older, unless it is being asked for.
fn ask(fleet: &Arc<Fleet>, member: usize, age: Duration, passed: &Passed) {
    let list = &fleet.members[member].list;
    let Ok(asking) = Arc::clone(&list.asking).try_lock_owned() else { return };
    if list.is_younger_than(age, Instant::now()) {
        return;
    }
    let (fleet, passed) = (Arc::clone(fleet), passed.clone());
    tokio::spawn(async move {
        match fetch(&fleet, member, &passed).await {
            News::List(listed) => fleet.members[member].list.remember(Some(listed), Instant::now()),
            News::None => fleet.members[member].list.remember(None, Instant::now()),
            // It is the way of one request that was refused, and no news for others.
            News::Loop => {}
        }
        drop(asking);
    });
}

/// What came of asking for a list.
enum News {
    List(Vec<Listed>),
    /// It has none to give, whatever the reason.
    None,
    /// It is a relay that the request had passed before.
    Loop,
}

/// Asks a member for its list.
async fn fetch(fleet: &Arc<Fleet>, member: usize, passed: &Passed) -> News {
    let deadline = Instant::now() + fleet.list_timeout;
    let whole = read_whole(fleet, member, passed, deadline);
    match tokio::time::timeout_at(deadline.into(), whole).await {
        Ok(Some((status, whole))) if status.is_success() => listed_in(&whole).map_or(News::None, News::List),
        Ok(Some((_, whole))) if tells_of_a_loop(&whole) => News::Loop,
        _ => News::None,
    }
}

async fn read_whole(
    fleet: &Arc<Fleet>,
    member: usize,
    passed: &Passed,
    deadline: Instant,
) -> Option<(StatusCode, Vec<u8>)> {
    let mut visit = fleet.visit(&[member], &[]).ok()?;
    visit.must_end_by(deadline);
    let request = Outgoing::models(passed).request_to(visit.member(), &fleet.pseudonym).ok()?;
    let reply = attempt(visit, request, None).await.ok()?;
    // Some compress what they were asked not to.
    let coding = Coding::of(&reply.headers)?;
    let ReplyBody::Frames(mut frames) = reply.body else { return None };
    let mut whole = Vec::new();
    while let Some(bytes) = frames.try_next().await.ok()? {
        if bytes.len() > LONGEST_LIST - whole.len() {
            return None;
        }
        whole.extend_from_slice(&bytes);
    }
    Some((reply.status, coding.undone(whole, LONGEST_LIST)?))
}

/// Whether an error is that of a relay such as this one, to which its own request has come back.
fn tells_of_a_loop(body: &[u8]) -> bool {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    error.pointer("/error/code").and_then(Value::as_str) == Some(UpstreamCode::Loop.name())
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
    let data = list.data.unwrap_or_default();
    (data.len() <= MOST_MODELS).then(|| data.into_iter().filter_map(with_id).collect())
}

impl Listed {
    /// What this server tells of it.
    pub(crate) fn card(&self) -> ModelCard {
        let object: Value = serde_json::from_str(self.raw.get()).unwrap_or_default();
        ModelCard {
            id: self.id.clone(),
            created: object.get("created").and_then(Value::as_u64).unwrap_or_default(),
            owned_by: object.get("owned_by").and_then(Value::as_str).unwrap_or("upstream").to_owned(),
            aliases: Vec::new(),
            context_length: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RelayOptions, Upstream};

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
        assert_eq!(ids(&format!(r#"{{"data":[{}0]}}"#, "0,".repeat(MOST_MODELS))), None);
    }

    #[test]
    fn a_list_is_known_and_young_for_a_while() {
        let list = ModelList::default();
        let asked_at = Instant::now();
        assert!(!list.is_younger_than(BELIEVED, asked_at) && !list.has("a") && list.told().is_none());
        list.remember(
            listed_in(br#"{"data":[{"id":"a","created":5,"owned_by":"me"},{"id":"b"}]}"#),
            asked_at,
        );
        let just_before = BELIEVED - Duration::from_millis(1);
        assert!(list.is_younger_than(BELIEVED, asked_at + just_before));
        assert!(!list.is_younger_than(BELIEVED, asked_at + BELIEVED));
        assert!(list.has("a") && !list.has("c"));
        let cards: Vec<ModelCard> = list.known().iter().map(Listed::card).collect();
        assert_eq!((cards[0].created, cards[0].owned_by.as_str()), (5, "me"));
        assert_eq!((cards[1].created, cards[1].owned_by.as_str()), (0, "upstream"));
    }

    #[tokio::test]
    async fn old_news_serve_until_there_are_new_ones() {
        // Nothing listens there any more.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let gone = Upstream::new("a", format!("http://127.0.0.1:{port}/v1"));
        let fleet = Arc::new(Fleet::new(vec![gone], RelayOptions::default()).unwrap());
        let list = &fleet.members[0].list;
        let listed = || listed_in(br#"{"data":[{"id":"x"}]}"#);
        list.remember(listed(), Instant::now());
        assert_eq!(members_listing(&fleet, "x", &Passed::default()).await, [0]);
        assert!(list.asking.try_lock().is_ok(), "young news are not asked for again");
        list.remember(listed(), Instant::now().checked_sub(BELIEVED).unwrap());
        assert_eq!(members_listing(&fleet, "x", &Passed::default()).await, [0]);
        assert!(list.told().is_some(), "nothing was waited for");
        drop(list.asking.lock().await);
        assert!(list.told().is_none() && list.has("x"), "it was asked, and did not tell");
    }

    #[test]
    fn an_upstream_that_does_not_tell_keeps_what_it_told() {
        let list = ModelList::default();
        let now = Instant::now();
        list.remember(None, now);
        assert!(list.is_younger_than(BELIEVED_WHOLE, now) && list.told().is_none());
        list.remember(listed_in(br#"{"data":[{"id":"a"}]}"#), now);
        let later = now + BELIEVED;
        list.remember(None, later);
        assert!(list.has("a") && list.told().is_none() && list.is_younger_than(BELIEVED_WHOLE, later));
    }
}
