//! Rules that can never match, where that can be decided: they are mistakes.

use std::ops::Range;

use interference_toml_values::{Problems, shortened};

use super::Head;
use super::rules::ReadRule;
use crate::condition::Condition;
use crate::facts::Endpoint;
use crate::script::{Rule, Serves, Then};
use crate::suggestion::did_you_mean;
use crate::wildcard::Wildcard;

/// Notes all of them.
pub(super) fn check(head: &Head, rules: &[ReadRule], problems: &mut Problems) {
    // A state may be set by a rule that is broken.
    let all_are_read = problems.is_empty();
    for (position, read) in rules.iter().enumerate() {
        let contradiction = endpoint_contradiction(read).or_else(|| model_contradiction(head, read));
        let contradiction = contradiction
            .or_else(|| all_are_read.then(|| state_contradiction(head, read, rules)).flatten())
            .or_else(|| shadow(read, &rules[..position]));
        if let Some((span, reason)) = contradiction {
            problems.add(span, format!("rule `{}` can never match: {reason}", shortened(&read.rule.name)));
        }
    }
}

type Contradiction = Option<(Range<usize>, String)>;

/// A condition of this rule for which a reason is found.
fn first_condition(read: &ReadRule, reason: impl Fn(&Condition) -> Option<String>) -> Contradiction {
    let conditions = read.rule.conditions.iter().zip(&read.condition_spans);
    conditions.into_iter().find_map(|(condition, span)| Some((span.clone(), reason(condition)?)))
}

fn endpoint_contradiction(read: &ReadRule) -> Contradiction {
    let mut possible: Vec<Endpoint> =
        Endpoint::ALL.into_iter().filter(|endpoint| read.rule.serves.fits(*endpoint)).collect();
    let conditions = read.rule.conditions.iter().zip(&read.condition_spans);
    // What the rule says of the endpoint itself is taken for granted by what is told of the others.
    let (first, others): (Vec<_>, Vec<_>) =
        conditions.partition(|(condition, _)| matches!(condition, Condition::Endpoint(_)));
    for (condition, span) in first.into_iter().chain(others) {
        let left: Vec<Endpoint> =
            possible.iter().copied().filter(|endpoint| condition.can_hold_at(*endpoint)).collect();
        if left.is_empty() {
            return Some((span.clone(), impossible(condition, read.rule.serves, &possible)));
        }
        possible = left;
    }
    None
}

/// Why this condition cannot hold at any of the endpoints.
fn impossible(condition: &Condition, serves: Serves, endpoints: &[Endpoint]) -> String {
    match (condition, serves) {
        (Condition::Endpoint(_), Serves::Vectors) => "its answers are embeddings".to_owned(),
        (Condition::Endpoint(_), _) => "its answers are for chats and completions".to_owned(),
        (condition, _) => {
            let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.name()).collect();
            let key = condition.key();
            format!("`{key}` asks about a chat, and the rule is for {}", names.join(" and "))
        }
    }
}

fn model_contradiction(head: &Head, read: &ReadRule) -> Contradiction {
    let models = head.models.as_ref()?;
    let is_met = |pattern: &Wildcard| {
        models.listed.iter().any(|name| pattern.fits(name))
            || models.patterns.iter().any(|entry| entry.meets(pattern))
    };
    first_condition(read, |condition| match condition {
        Condition::Model(pattern) if !is_met(pattern) => {
            Some("no entry of `models` fits this model".to_owned())
        }
        _ => None,
    })
}

fn state_contradiction(head: &Head, read: &ReadRule, rules: &[ReadRule]) -> Contradiction {
    first_condition(read, |condition| match condition {
        Condition::State(state) if *state != head.state && !set_states(rules).any(|set| set == state) => {
            let known = std::iter::once(head.state.as_str()).chain(set_states(rules));
            Some(format!("nothing sets the state `{}`{}", shortened(state), did_you_mean(state, known)))
        }
        _ => None,
    })
}

fn set_states(rules: &[ReadRule]) -> impl Iterator<Item = &str> {
    rules.iter().flat_map(|read| &read.rule.answers).filter_map(|answer| answer.next_state.as_deref())
}

/// The rule before it that takes all that it takes.
fn shadow(read: &ReadRule, before: &[ReadRule]) -> Contradiction {
    let other = before.iter().map(|other| &other.rule).find(|other| takes_all_of(other, &read.rule))?;
    let reason = match other.conditions.is_empty() {
        true => "takes everything",
        false => "takes all that this one takes",
    };
    let (name, line) = (shortened(&other.name), other.line);
    Some((read.span.clone(), format!("rule `{name}` (line {line}) comes before it and {reason}")))
}

fn takes_all_of(one: &Rule, other: &Rule) -> bool {
    let at_all = |holds: &dyn Fn(Endpoint) -> bool| other.endpoints().all(holds);
    let asks_no_more = |condition: &Condition| match condition {
        Condition::Endpoint(asked) => at_all(&|endpoint| endpoint == *asked),
        condition => other.conditions.iter().any(|known| condition.asks_no_more_than(known)),
    };
    one.then != Then::Pass
        && at_all(&|endpoint| one.serves.fits(endpoint))
        && one.conditions.iter().all(asks_no_more)
}
