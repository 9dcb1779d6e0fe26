//! Fixtures that differ in their index alone, as the answers of one rule.
//!
//! `sequenceIndex` counts the requests that they answer, as a rule counts its answers. `turnIndex` counts the
//! assistant's messages of a conversation, which no rule sees: where conversations are played from their beginning, one
//! after the other, answers in turn are the same.

use std::collections::BTreeMap;

use toml::Table;

use super::Fixture;
use super::conditions::{AfterTool, Index};
use crate::draft::{Rule, Then};
use crate::notes::{Extent, Listing, Origin};

/// How many answers fixtures with a `turnIndex` may come to.
const MOST_TURNS: i64 = 1_000;

/// A rule, but for one condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) after_tool: Option<AfterTool>,
    pub(super) rule: Rule,
}

/// What fixtures have in common that take turns: their conditions, and what their index counts.
type Likeness = (String, Option<AfterTool>, Counted);

/// What an index counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Requests,
    Turns,
}

/// Makes rules of fixtures, each in the place of the first that it is made of.
pub(super) fn group(fixtures: Vec<Fixture>, listing: &mut Listing) -> Vec<Group> {
    let mut alike: Vec<Vec<Fixture>> = Vec::new();
    let mut places: BTreeMap<Likeness, usize> = BTreeMap::new();
    for fixture in fixtures {
        let place = likeness(&fixture).map(|likeness| *places.entry(likeness).or_insert(alike.len()));
        match place.and_then(|place| alike.get_mut(place)) {
            Some(others) => others.push(fixture),
            None => alike.push(vec![fixture]),
        }
    }
    let groups = alike.into_iter().filter_map(|members| {
        let first = members.first()?;
        let (when, after_tool) = (first.conditions.when.clone(), first.conditions.after_tool);
        let origin = first.origin.clone();
        let (answers, then) = answers(members, listing);
        let rule = Rule { origin, suffix: String::new(), when, answers, then };
        (!rule.answers.is_empty()).then_some(Group { after_tool, rule })
    });
    groups.collect()
}

/// None where a fixture has no index.
fn likeness(fixture: &Fixture) -> Option<Likeness> {
    let counted = match fixture.conditions.index? {
        Index::Sequence(_) => Counted::Requests,
        Index::Turn(_) => Counted::Turns,
    };
    Some((fixture.conditions.when.to_string(), fixture.conditions.after_tool, counted))
}

fn answers(members: Vec<Fixture>, listing: &mut Listing) -> (Vec<Table>, Then) {
    match members.first().and_then(|first| first.conditions.index) {
        Some(Index::Sequence(_)) => (sequence(members, listing), Then::Pass),
        Some(Index::Turn(_)) if members.len() > 1 => (turns(members, listing), Then::Cycle),
        // A lone turn answers at any place: its index chooses among its like.
        _ => (members.into_iter().map(|fixture| fixture.answer).collect(), Then::Last),
    }
}

/// By index; of several with one index, the first of the files.
fn by_index(members: Vec<Fixture>, listing: &mut Listing) -> Vec<(i64, Origin, Table)> {
    let mut members: Vec<(i64, Origin, Table)> = members
        .into_iter()
        .filter_map(|fixture| match fixture.conditions.index? {
            Index::Sequence(index) | Index::Turn(index) => Some((index, fixture.origin, fixture.answer)),
        })
        .collect();
    members.sort_by_key(|(index, ..)| *index);
    let mut kept: Vec<(i64, Origin, Table)> = Vec::new();
    for member in members {
        match kept.last() {
            Some(last) if last.0 == member.0 => {
                let reason = format!("another fixture before it has the index {}", member.0);
                listing.push(member.1.left_out(Extent::Whole, reason));
            }
            _ => kept.push(member),
        }
    }
    kept
}

/// The first request gets index 0, and the count goes on with each answer: behind a gap, none is ever reached.
fn sequence(members: Vec<Fixture>, listing: &mut Listing) -> Vec<Table> {
    let mut answers: Vec<Table> = Vec::new();
    for (index, origin, answer) in by_index(members, listing) {
        if usize::try_from(index).is_ok_and(|index| index == answers.len()) {
            answers.push(answer);
        } else {
            let reason = format!("it is never reached: no fixture has the `sequenceIndex` {}", answers.len());
            listing.push(origin.left_out(Extent::Whole, reason));
        }
    }
    answers
}

/// Up to the next index each turn is answered as before, and those before the first as the first.
fn turns(members: Vec<Fixture>, listing: &mut Listing) -> Vec<Table> {
    let mut answers: Vec<Table> = Vec::new();
    for (index, origin, answer) in by_index(members, listing) {
        if index >= MOST_TURNS {
            let reason = format!("its `turnIndex` is not below {MOST_TURNS}");
            listing.push(origin.left_out(Extent::Whole, reason));
            continue;
        }
        let gap = answers.last().unwrap_or(&answer).clone();
        while (answers.len() as i64) < index {
            answers.push(gap.clone());
        }
        answers.push(answer);
        let reason = "answers come in turn, request by request of a session, and then from the first again";
        listing.push(origin.left_out(Extent::Changed("match.turnIndex".to_owned()), reason.to_owned()));
    }
    answers
}
