//! A plan: what is to go wrong, as text and as data.
//!
//! Owns the language: its keys, defaults and bounds, its errors, and what cannot stand together. A [`Plan`] that exists
//! has passed all of that. Knows nothing of how a fault is carried out.

pub(crate) mod canonical;
mod contradictions;
pub(crate) mod document;
mod error;
pub(crate) mod fields;
pub(crate) mod model;
mod read;
mod write;

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

use document::{NOTHING, Node, Value};
pub use error::{Place, PlanError, Position};
use model::Faults;
pub(crate) use read::LEFT_OUT;

use crate::drawn::Drawn;
use crate::seeds;

/// How long the text of a plan may be: 64 KiB.
pub const PLAN_BYTES_MAX: usize = 64 * 1024;

/// How many entries a list of a plan may have.
pub const LIST_ENTRIES_MAX: usize = 10_000;

/// How long the message of an injected error may be: 4 KiB.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// What is to go wrong with answers. Parsed and checked.
///
/// Its language is described in `docs/faults.md`. [`Display`](fmt::Display) gives the canonical line, which parses to
/// the same plan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    pub(crate) seed: Option<u64>,
    pub(crate) probability: Option<f64>,
    pub(crate) times: Option<u64>,
    pub(crate) faults: Faults,
}

impl Plan {
    /// Reads a plan: a TOML document, or one line of it, such as `cut = { after_events = 5, by = "reset" }, seed = 7`.
    ///
    /// A text without faults is a plan too; it does nothing.
    ///
    /// # Errors
    /// The text is longer than [`PLAN_BYTES_MAX`], no TOML, has keys or values that do not exist, or keys that cannot
    /// stand together.
    pub fn parse(text: &str) -> Result<Plan, PlanError> {
        Plan::of_node(&document::read(text)?)
    }

    /// Whether it has no fault.
    pub fn is_empty(&self) -> bool {
        self.faults == Faults::default()
    }

    /// The same faults for every request: without a seed, and without what says which requests they concern.
    pub fn faults_alone(&self) -> Plan {
        Plan { faults: self.faults.clone(), ..Plan::default() }
    }

    /// The same plan for a part of the requests, above 0 and up to 1, each drawn for itself.
    pub fn with_probability(self, probability: f64) -> Plan {
        Plan { probability: Some(probability), ..self }
    }

    /// What the plan comes to for one request, counted from 0.
    ///
    /// A plan without a seed draws one each time; [`StandingPlan`](crate::StandingPlan) keeps the one that it drew.
    pub fn draw(&self, request_number: u64) -> Drawn {
        self.draw_with(self.seed.unwrap_or_else(seeds::random_seed), request_number)
    }

    pub(crate) fn draw_with(&self, plan_seed: u64, request_number: u64) -> Drawn {
        let seed = seeds::of_request(plan_seed, request_number);
        let in_time = self.times.is_none_or(|times| request_number < times);
        let by_chance = self
            .probability
            .is_none_or(|probability| seeds::comes_true(&mut seeds::keyed(seed, "probability"), probability));
        Drawn::new(seed, in_time && by_chance, self.faults.clone())
    }

    fn of_node(node: &Node) -> Result<Plan, PlanError> {
        let plan = read::plan(node)?;
        contradictions::check(&plan.faults)?;
        Ok(plan)
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Plan, PlanError> {
        Plan::parse(text)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = write::faults(&self.faults);
        pairs.push_some("probability", self.probability.map(|probability| format!("{probability:?}")));
        pairs.push_some("times", self.times.map(|times| times.to_string()));
        pairs.push_some("seed", self.seed.map(|seed| seed.to_string()));
        let line = pairs.into_line();
        formatter.write_str(if line.is_empty() { NOTHING } else { &line })
    }
}

impl<'de> Deserialize<'de> for Plan {
    /// Reads a plan that is a value of another file: a table, or a text as [`Plan::parse`] takes it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plan, D::Error> {
        let node = document::of_value(toml::Value::deserialize(deserializer)?);
        let plan = match &node.value {
            Value::Text(text) => Plan::parse(text),
            _ => Plan::of_node(&node),
        };
        plan.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
