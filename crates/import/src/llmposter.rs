//! llmposter's fixtures: which one answers, and in which order they are asked.
//!
//! Owns the meaning of an entry's conditions, priorities and scenarios; `response.rs` has that of its answers,
//! and `delivery.rs` how they arrive. It refuses to know how the file was read.

mod conditions;
mod delivery;
mod response;

use std::cmp::Reverse;

use toml::Table;

use self::conditions::conditions;
use self::response::{Answers, answers};
use crate::Made;
use crate::document::Document;
use crate::draft::{self, Rule, Then};
use crate::notes::{Listing, Notes, Origin, Unfit};
use crate::tree::{Members, Node};

/// The script of all files.
pub(crate) fn script(documents: Vec<Document>, listing: &mut Listing) -> Option<Made> {
    let entries: Vec<(Origin, Node)> =
        documents.into_iter().flat_map(|document| document.into_entries("fixture")).collect();
    let states = States::of(&entries);
    let mut fixtures = Vec::new();
    for (origin, node) in entries {
        let mut notes = Notes::new(&origin, listing);
        match fixture(&origin, node, &states, &mut notes) {
            Ok(fixture) => fixtures.push(fixture),
            Err(Unfit(reason)) => notes.whole(reason),
        }
    }
    // The order of the files holds among equals.
    fixtures.sort_by_key(|fixture| (fixture.catch_all, Reverse(fixture.priority)));
    let rules = fixtures.into_iter().flat_map(|fixture| fixture.rules).collect();
    draft::script(rules, states.scenario.as_ref().map(|_| states.first.as_str()), listing)
}

/// Rules with what decides when they are asked.
struct Fixture {
    /// Whether all others are asked before.
    catch_all: bool,
    /// The higher is asked before the lower.
    priority: i64,
    rules: Vec<Rule>,
}

fn fixture(origin: &Origin, node: Node, states: &States, notes: &mut Notes<'_>) -> Result<Fixture, Unfit> {
    node.check()?;
    let mut members = Members::of("", node)?;
    let catch_all = members.switch("catch_all")?.unwrap_or(false);
    let priority = members.whole("priority")?.unwrap_or(0);
    provider(&mut members)?;
    let mut when = match members.members("match")? {
        Some(conditions_of) => conditions(conditions_of, notes)?,
        None => Table::new(),
    };
    let next_state = states.enter(&mut members, &mut when, notes)?;
    let Answers { chat, embedding } = answers(&mut members, notes)?;
    members.end(notes);
    let several = chat.is_some() && embedding.is_some();
    let rules = [(chat, ""), (embedding, if several { " embedding" } else { "" })];
    let rules = rules.into_iter().filter_map(|(answer, suffix)| {
        let mut answer = answer?;
        if let Some(state) = &next_state {
            answer.insert("next_state".to_owned(), state.as_str().into());
        }
        Some(Rule {
            origin: origin.clone(),
            suffix: suffix.to_owned(),
            when: when.clone(),
            answers: vec![answer],
            then: Then::Last,
        })
    });
    Ok(Fixture { catch_all, priority, rules: rules.collect() })
}

/// Chats and the endpoints beside them are all that a script answers.
fn provider(members: &mut Members) -> Result<(), Unfit> {
    match members.text("provider")?.as_deref() {
        None | Some("openai") => Ok(()),
        Some("responses") => {
            Err(Unfit("`provider` is the Responses API, which a script does not tell from chats".to_owned()))
        }
        Some(other) => Err(Unfit(format!("`provider` is {other}, whose API is not served"))),
    }
}

/// The states of the one scenario that a script can have.
struct States {
    /// The first that a file names.
    scenario: Option<String>,
    /// What a session is in before anything was set: a name that no fixture uses.
    first: String,
}

impl States {
    fn of(entries: &[(Origin, Node)]) -> States {
        let scenarios = || entries.iter().filter_map(|(_, node)| node.get("scenario"));
        let used: Vec<&str> = scenarios()
            .flat_map(|scenario| [scenario.get("required_state"), scenario.get("set_state")])
            .filter_map(|state| state?.as_text())
            .collect();
        let mut first = "start".to_owned();
        while used.contains(&first.as_str()) {
            first.push('_');
        }
        let scenario = scenarios().find_map(|scenario| scenario.get("name")?.as_text());
        States { scenario: scenario.map(str::to_owned), first }
    }

    /// Takes the scenario of a fixture: a condition, and the state that comes next.
    fn enter(
        &self,
        members: &mut Members,
        when: &mut Table,
        notes: &mut Notes<'_>,
    ) -> Result<Option<String>, Unfit> {
        let Some(mut scenario) = members.members("scenario")? else { return Ok(None) };
        let name = scenario.text("name")?;
        let required = scenario.text("required_state")?;
        let next = scenario.text("set_state")?;
        scenario.end(notes);
        if name != self.scenario {
            let reason = "a session has one state, which is that of the first scenario";
            if required.is_some() {
                return Err(Unfit(format!("`scenario` is another one: {reason}")));
            }
            notes.part("scenario", reason);
            return Ok(None);
        }
        let named = |state: String| if state.is_empty() { self.first.clone() } else { state };
        if let Some(required) = required {
            when.insert("state".to_owned(), named(required).into());
        }
        Ok(next.map(named))
    }
}
