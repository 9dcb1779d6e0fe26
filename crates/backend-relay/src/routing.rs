//! Which upstreams a request may go to.
//!
//! Owns the order of the rules: who created what a path names, a prefix of the model's name, patterns, lists, and those
//! that take anything. It refuses to know who of a group has the least to do, and how well anybody is.

use std::sync::Arc;

use futures::future::join_all;
use interference_backend::{Refusal, Request, alias_covers};
use percent_encoding::percent_decode_str;

use crate::course::Group;
use crate::fleet::{Fleet, Member};
use crate::identifiers::Identifiers;
use crate::model_list::lists;
use crate::model_name::ModelName;
use crate::outgoing::Outgoing;

/// How many models a refusal names.
const MOST_NAMED: usize = 50;

const MODELS: &str = "/models/";

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
    let Request { method, mut path, query, headers, mut body, strictness: _ } = request;
    let creator = if path.starts_with(MODELS) { None } else { identifiers.member_in(&path) };
    let mut model = None;
    let mut prefixed = None;
    if let Some(rest) = path.strip_prefix(MODELS) {
        let named = percent_decode_str(rest).decode_utf8_lossy().into_owned();
        prefixed = with_prefix(fleet, &named);
        if let Some((_, prefix)) = &prefixed {
            let escaped = prefix.replace('/', "%2F");
            let rest = rest.strip_prefix(prefix.as_str()).or_else(|| rest.strip_prefix(&escaped));
            path = rest.map(|rest| format!("{MODELS}{rest}")).unwrap_or(path);
        }
        model = Some(named);
    } else if let Some(found) = ModelName::find(&body) {
        prefixed = with_prefix(fleet, &found.name);
        if let Some((_, prefix)) = &prefixed {
            body = found.without_prefix(&body, prefix);
        }
        model = Some(found.name);
    }
    let outgoing = Outgoing { method, path, query, headers, body };
    let group = match (creator, prefixed, model) {
        (Some(creator), ..) => Group { members: vec![creator], fallbacks: Vec::new() },
        (None, Some((member, _)), _) => with_fallbacks(fleet, vec![member]),
        (None, None, Some(model)) => {
            let members = members_for(fleet, &model, &outgoing).await;
            if members.is_empty() {
                return Err(Refusal::UnknownModel { model, known: known_models(fleet) });
            }
            with_fallbacks(fleet, members)
        }
        (None, None, None) => with_fallbacks(fleet, vec![0]),
    };
    Ok(Route { group, outgoing })
}

/// The upstream that `NAME/model` names, and `NAME/`.
fn with_prefix(fleet: &Fleet, model: &str) -> Option<(usize, String)> {
    let (name, _) = model.split_once('/')?;
    Some((fleet.member_named(name)?, format!("{name}/")))
}

async fn members_for(fleet: &Arc<Fleet>, model: &str, outgoing: &Outgoing) -> Vec<usize> {
    let covering = most_specific(&fleet.members, model);
    if !covering.is_empty() {
        return covering;
    }
    let open = members_where(&fleet.members, |member| member.upstream.models.is_empty());
    // Nothing that a list could say would change the way.
    if fleet.members.len() == 1 {
        return open;
    }
    let answers = (0..fleet.members.len()).map(|member| lists(fleet, member, model, &outgoing.headers));
    let answers = join_all(answers).await;
    let listing: Vec<usize> =
        answers.iter().enumerate().filter(|(_, lists)| **lists).map(|(member, _)| member).collect();
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
        let names = member.upstream.models.iter().chain(listed.iter().map(|card| &card.id));
        for name in names {
            if known.len() < MOST_NAMED && !known.contains(name) {
                known.push(name.clone());
            }
        }
    }
    known
}
