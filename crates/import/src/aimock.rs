//! aimock's fixtures: which one answers, in which order they are asked, and which take turns.
//!
//! Owns the meaning of indexes and of the presence of a tool's result, of which a script has neither: fixtures that
//! differ in their index alone become the answers of one rule. `conditions.rs` has what else a fixture asks for,
//! `response.rs` what it answers, `delivery.rs` how that arrives. It refuses to know how the file was read.

mod calls;
mod conditions;
mod delivery;
mod response;
mod turns;

use std::collections::BTreeSet;

use toml::Table;

use self::calls::Calls;
use self::conditions::{AfterTool, Conditions};
use self::turns::{Group, group};
use crate::Made;
use crate::document::Document;
use crate::draft::{self, Rule};
use crate::notes::{Extent, Listing, Notes, Origin, Unfit};
use crate::tree::{Members, Node};

/// A fixture, read.
#[derive(Debug)]
struct Fixture {
    origin: Origin,
    conditions: Conditions,
    answer: Table,
}

/// How many tools the rules behind any tool's result may name.
const MOST_TOOLS: usize = 100;

/// The script of all files.
pub(crate) fn script(documents: Vec<Document>, listing: &mut Listing) -> Option<Made> {
    let entries: Vec<(Origin, Node)> =
        documents.into_iter().flat_map(|document| document.into_entries("fixture")).collect();
    let calls = Calls::of(entries.iter().map(|(_, node)| node));
    let mut fixtures = Vec::new();
    for (origin, node) in entries {
        let mut notes = Notes::new(&origin, listing);
        match fixture(origin.clone(), node, &calls, &mut notes) {
            Ok(fixture) => fixtures.push(fixture),
            Err(Unfit(reason)) => notes.whole(reason),
        }
    }
    let groups = group(fixtures, listing);
    draft::script(in_order(groups, &calls, listing), None, listing)
}

fn fixture(origin: Origin, node: Node, calls: &Calls, notes: &mut Notes<'_>) -> Result<Fixture, Unfit> {
    let mut members = Members::of("", node)?;
    let conditions = match members.members("match")? {
        Some(conditions) => Conditions::read(conditions, calls, notes)?,
        None => return Err(Unfit("it has no `match`".to_owned())),
    };
    let response = members.members("response")?.ok_or_else(|| Unfit("it has no `response`".to_owned()))?;
    let mut answer = response::answer(response, notes)?;
    delivery::add(&mut answer, &mut members, notes)?;
    members.end(notes);
    Ok(Fixture { origin, conditions, answer })
}

/// The rules of all groups. Those that are not to answer after a tool's result have no condition for that: they come
/// behind the rules next to them that ask for one.
fn in_order(groups: Vec<Group>, calls: &Calls, listing: &mut Listing) -> Vec<Rule> {
    let needing = groups.iter().filter(|group| group.after_tool == Some(AfterTool::Needed));
    let answered: BTreeSet<String> = needing.map(|group| group.rule.when.to_string()).collect();
    let mut rules = Vec::new();
    let mut waiting = Vec::new();
    for Group { after_tool, rule } in groups {
        match after_tool {
            Some(AfterTool::Needed) => rules.extend(after_each_tool(rule, calls, listing)),
            Some(AfterTool::RuledOut) => {
                if !answered.contains(&rule.when.to_string()) {
                    let reason = "it answers after a tool's result, too, where no rule before it does";
                    let extent = Extent::Changed("match.hasToolResult".to_owned());
                    listing.push(rule.origin.left_out(extent, reason.to_owned()));
                }
                waiting.push(rule);
            }
            None if asks_for_a_result(&rule.when) => rules.push(rule),
            None => {
                rules.append(&mut waiting);
                rules.push(rule);
            }
        }
    }
    rules.append(&mut waiting);
    rules
}

/// Whether conditions hold after a tool's result alone.
fn asks_for_a_result(when: &Table) -> bool {
    when.contains_key("tool") || when.contains_key("tool_result")
}

/// A script asks whose result it is: there is a rule for each tool that the fixtures call.
fn after_each_tool(rule: Rule, calls: &Calls, listing: &mut Listing) -> Vec<Rule> {
    if asks_for_a_result(&rule.when) {
        return vec![rule];
    }
    let tools = calls.tools();
    if !(1..=MOST_TOOLS).contains(&tools.len()) {
        let called = tools.len();
        let reason = format!(
            "`match.hasToolResult` asks for the result of any tool, and the fixtures call {called}; from 1 to \
             {MOST_TOOLS} can be named"
        );
        listing.push(rule.origin.left_out(Extent::Whole, reason));
        return Vec::new();
    }
    let rules = tools.map(|tool| {
        let mut rule = rule.clone();
        rule.when.insert("tool".to_owned(), tool.into());
        rule.suffix = format!(" {tool}");
        rule
    });
    rules.collect()
}
