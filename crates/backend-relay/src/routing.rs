//! Which upstreams a request may go to.
//!
//! Owns the order of the rules: who created what a path names, a prefix of the model's name, who made the response that
//! is gone on from, patterns, lists, and those that take anything; and what they need of the answer. It refuses to know who of a group has the least to do,
//! and how well anybody is.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use interference_api_types::openai::model_name::ModelName;
use interference_backend::{Refusal, Request, alias_covers};
use percent_encoding::percent_decode_str;

use crate::course::Group;
use crate::fleet::{Fleet, Member};
use crate::headers::accept_only_what_is_seen_through;
use crate::identifiers::{Identifiers, may_create};
use crate::model_list::members_listing;
use crate::outgoing::Outgoing;
use crate::previous_response::{RESPONSES, previous_response};
use crate::via::Passed;

/// How many models a refusal names.
const MOST_NAMED: usize = 50;

const MODELS: &str = "/models/";

/// Up to how many bytes a body is read without keeping others waiting, which takes some milliseconds: 256 KiB.
const LARGEST_AT_ONCE: usize = 256 * 1024;

/// How a slash is spelled in a path.
const SLASHES: [&str; 3] = ["/", "%2F", "%2f"];

/// Where a request may go, and as what.
pub(crate) struct Route {
    pub(crate) group: Group,
    pub(crate) outgoing: Outgoing,
}

/// Finds the way of a request, for which lists of models may have to be asked for.
///
/// # Errors
/// [`Refusal::UnknownModel`]: no upstream takes the model.
pub(crate) async fn route(
    fleet: &Arc<Fleet>,
    identifiers: &Identifiers,
    request: Request,
) -> Result<Route, Refusal> {
    let Request { method, path, query, mut headers, body, strictness: _ } = request;
    let creator = if path.starts_with(MODELS) { None } else { identifiers.member_in(&path) };
    let Directions { path, body, previous, wanted } = directions(fleet, &method, path, body).await?;
    let predecessor = previous.and_then(|id| identifiers.member_with(RESPONSES, &id));
    // Who is named by the client is asked, whatever is remembered.
    let keeper = match wanted {
        Some(Wanted::Of(_)) => creator,
        _ => creator.or(predecessor),
    };
    // Who created what is read off answers, where there are several who could.
    if fleet.members.len() > 1 && may_create(&method, &path) {
        accept_only_what_is_seen_through(&mut headers);
    }
    let outgoing = Outgoing { method, path, query, headers, body };
    let group = match (keeper, wanted) {
        // Nobody else has it.
        (Some(keeper), _) => Group { members: vec![keeper], fallbacks: Vec::new() },
        (None, Some(Wanted::Of(member))) => with_fallbacks(fleet, vec![member]),
        (None, Some(Wanted::Model(model))) => {
            let members = members_for(fleet, &model, &Passed::of(&outgoing.headers)).await;
            if members.is_empty() {
                return Err(Refusal::UnknownModel { model, known: known_models(fleet) });
            }
            with_fallbacks(fleet, members)
        }
        (None, None) => with_fallbacks(fleet, vec![0]),
    };
    Ok(Route { group, outgoing })
}

/// What a request says of its way, and what is left of it.
struct Directions {
    path: String,
    body: Bytes,
    /// The response that it goes on from.
    previous: Option<String>,
    wanted: Option<Wanted>,
}

/// Reads where a request is to go: a large body beside the streams that pass meanwhile.
async fn directions(
    fleet: &Arc<Fleet>,
    method: &Method,
    path: String,
    body: Bytes,
) -> Result<Directions, Refusal> {
    if body.len() <= LARGEST_AT_ONCE {
        return Ok(Directions::read(fleet, method, path, body));
    }
    let (fleet, method) = (Arc::clone(fleet), method.clone());
    let reading = tokio::task::spawn_blocking(move || Directions::read(&fleet, &method, path, body));
    reading
        .await
        .map_err(|error| Refusal::Internal { message: format!("The request cannot be read: {error}.") })
}

impl Directions {
    fn read(fleet: &Fleet, method: &Method, mut path: String, mut body: Bytes) -> Directions {
        let previous = previous_response(method, &path, &body);
        let wanted = model_in_path(fleet, &mut path).or_else(|| model_in_body(fleet, &mut body));
        Directions { path, body, previous, wanted }
    }
}

/// What a request says about the model that it is for.
enum Wanted {
    /// A model of this member: its name stood before the model's, and was cut out.
    Of(usize),
    /// A model of whoever has it.
    Model(String),
}

/// `/models/{model}` and `/models/NAME/{model}`.
fn model_in_path(fleet: &Fleet, path: &mut String) -> Option<Wanted> {
    let rest = path.strip_prefix(MODELS)?;
    let behind_name = |member: &Member| {
        let behind = rest.strip_prefix(member.upstream.name.as_str())?;
        SLASHES.iter().find_map(|slash| behind.strip_prefix(slash))
    };
    let cut =
        fleet.members.iter().enumerate().find_map(|(index, member)| Some((index, behind_name(member)?)));
    match cut {
        Some((member, model)) => {
            *path = format!("{MODELS}{model}");
            Some(Wanted::Of(member))
        }
        None => Some(Wanted::Model(percent_decode_str(rest).decode_utf8_lossy().into_owned())),
    }
}

/// `"model": "…"` and `"model": "NAME/…"`.
fn model_in_body(fleet: &Fleet, body: &mut Bytes) -> Option<Wanted> {
    let found = ModelName::find(body)?;
    let prefix = found.name.split_once('/').map(|(name, _)| name);
    match prefix.and_then(|name| Some((fleet.member_named(name)?, format!("{name}/")))) {
        Some((member, prefix)) => {
            *body = Bytes::from(found.without_prefix(body, &prefix));
            Some(Wanted::Of(member))
        }
        None => Some(Wanted::Model(found.name)),
    }
}

async fn members_for(fleet: &Arc<Fleet>, model: &str, passed: &Passed) -> Vec<usize> {
    let covering = most_specific(&fleet.members, model);
    if !covering.is_empty() {
        return covering;
    }
    let open = members_where(&fleet.members, |member| member.upstream.models.is_empty());
    // Nothing that a list could say would change the way.
    if fleet.members.len() == 1 {
        return open;
    }
    let listing = members_listing(fleet, model, passed).await;
    if listing.is_empty() { open } else { listing }
}

/// The members with the most specific of all patterns that cover a model: the name itself, or the longest beginning.
fn most_specific(members: &[Member], model: &str) -> Vec<usize> {
    let specificity = |member: &Member| {
        let covering = member.upstream.models.iter().filter(|pattern| alias_covers(pattern, model));
        covering.map(|pattern| (!pattern.ends_with('*'), pattern.len())).max()
    };
    let best = members.iter().filter_map(specificity).max();
    match best {
        Some(best) => members_where(members, |member| specificity(member) == Some(best)),
        None => Vec::new(),
    }
}

fn members_where(members: &[Member], fits: impl Fn(&Member) -> bool) -> Vec<usize> {
    members.iter().enumerate().filter(|(_, member)| fits(member)).map(|(index, _)| index).collect()
}

fn with_fallbacks(fleet: &Fleet, members: Vec<usize>) -> Group {
    let mut fallbacks = Vec::new();
    for fallback in members.iter().flat_map(|member| &fleet.members[*member].fallbacks) {
        if !members.contains(fallback) && !fallbacks.contains(fallback) {
            fallbacks.push(*fallback);
        }
    }
    Group { members, fallbacks }
}

/// What would have worked: patterns, and what is known of lists.
fn known_models(fleet: &Fleet) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for member in &fleet.members {
        let listed = member.list.known();
        let names = member.upstream.models.iter().chain(listed.iter().map(|listed| &listed.id));
        for name in names {
            if known.len() < MOST_NAMED && !known.contains(name) {
                known.push(name.clone());
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::{RelayOptions, Upstream};

    #[test]
    fn a_large_body_is_read_without_keeping_others_waiting() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let upstream = Upstream::new("a", "http://localhost:1/v1");
        let fleet = Arc::new(Fleet::new(vec![upstream], RelayOptions::default()).unwrap());
        let body = |length| Bytes::from(format!(r#"{{"input":"{}","model":"a/tree"}}"#, "x".repeat(length)));
        let read = |length| directions(&fleet, &Method::POST, "/embeddings".to_owned(), body(length));
        runtime.block_on(async {
            assert!(read(100).now_or_never().is_some());
            // The one thread that there is beside this one is busy until it is told.
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || wait.recv());
            let mut large = Box::pin(read(LARGEST_AT_ONCE));
            assert!(large.as_mut().now_or_never().is_none());
            drop(done);
            let Directions { body, wanted, .. } = large.await.unwrap();
            assert!(matches!(wanted, Some(Wanted::Of(0))));
            assert!(body.ends_with(br#""model":"tree"}"#));
            assert!(busy.await.unwrap().is_err());
        });
    }
}
