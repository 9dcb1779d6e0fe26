//! What a plan comes to for one request and for one kind of answer.
//!
//! Owns the count of a plan that stands for many requests, and the line that repeats one of them. How the faults are
//! carried out is the pipeline's.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::HEADER_BYTES_MAX;
use crate::http_faults::{HttpFaults, LengthFault};
use crate::pipeline::{Action, Pipeline};
use crate::plan::model::{AfterError, CutBy, CutPlace, Faults, RoleFault, UsageFault};
use crate::plan::{LEFT_OUT, Plan};
use crate::seeds;

/// A plan that stands for many requests: it counts them, and draws for each.
#[derive(Debug)]
pub struct StandingPlan {
    plan: Plan,
    seed: u64,
    next_number: AtomicU64,
}

impl StandingPlan {
    /// A plan before its first request. Without a seed of its own it draws one, for all requests.
    pub fn new(plan: Plan) -> StandingPlan {
        let seed = plan.seed.unwrap_or_else(seeds::random_seed);
        StandingPlan { plan, seed, next_number: AtomicU64::new(0) }
    }

    /// What the plan comes to for the next request.
    pub fn next(&self) -> Drawn {
        self.plan.draw_with(self.seed, self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// What a plan came to for one request.
#[derive(Debug, Clone)]
pub struct Drawn {
    seed: u64,
    applies: bool,
    /// Elsewhere in memory, since most answers have none and should not carry room for it.
    faults: Box<Faults>,
}

/// The kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// One body; no events.
    Whole,
    /// A stream of events.
    Stream,
}

/// The APIs whose answers differ in what can go wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Chats and all that is told like them: choices, and `[DONE]` at the end of a stream.
    Chat,
    /// The Responses API: output items, and one of three events at the end of a stream.
    Responses,
}

impl Drawn {
    pub(crate) fn new(seed: u64, applies: bool, faults: Faults) -> Drawn {
        Drawn { seed, applies, faults: Box::new(faults) }
    }

    /// The request's own seed, below 2^53. As `seed` of the same plan, given for one request alone, it repeats this one.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the plan concerns this request at all, by its `probability` and `times`.
    pub fn applies(&self) -> bool {
        self.applies
    }

    /// What concerns an answer of that kind. Faults that cannot show on it are set apart.
    pub fn faults_for(&self, kind: AnswerKind) -> AnswerFaults {
        if !self.applies {
            let faults = Box::default();
            return AnswerFaults { seed: self.seed, kind, faults, skipped: Vec::new(), is_coded: false };
        }
        let mut faults = self.faults.clone();
        let skipped = match kind {
            AnswerKind::Stream => Vec::new(),
            AnswerKind::Whole => set_apart(&mut faults),
        };
        AnswerFaults { seed: self.seed, kind, faults, skipped, is_coded: false }
    }
}

/// Takes out what needs events, and names it.
fn set_apart(faults: &mut Faults) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    let mut skip = |name, is_there: bool| {
        if is_there {
            skipped.push(name);
        }
    };
    skip("drop", faults.drop.take().is_some());
    skip("duplicate", faults.duplicate.take().is_some());
    skip("reorder", faults.reorder.take().is_some());
    skip("delay", faults.delay.take().is_some());
    skip("stall", faults.stall.take().is_some());
    skip("error", faults.error.take().is_some());
    let by_events = |cut: &mut crate::plan::model::CutFault| matches!(cut.place, CutPlace::AfterEvents(_));
    skip("cut", faults.cut.take_if(by_events).is_some());
    skip("done", faults.done.take().is_some());
    skip("role", faults.role.take_if(|role| *role == RoleFault::Repeat).is_some());
    skip("usage", faults.usage.take_if(|usage| *usage == UsageFault::EveryChunk).is_some());
    skip("join", std::mem::take(&mut faults.join));
    skip("latency.between_tokens", faults.latency.between_tokens.take().is_some());
    skipped
}

/// Takes out what only answers with choices and `[DONE]` have, and names it.
fn set_apart_of_chats(faults: &mut Faults) -> Vec<&'static str> {
    let mut skipped = Vec::new();
    let mut skip = |name, is_there: bool| {
        if is_there {
            skipped.push(name);
        }
    };
    skip("done", faults.done.take().is_some());
    skip("finish_reason", faults.finish_reason.take().is_some());
    skip("role", faults.role.take().is_some());
    skip("usage", faults.usage.take_if(|usage| *usage == UsageFault::EveryChunk).is_some());
    if let Some(error) = faults.error.as_mut().filter(|error| error.then == AfterError::Done) {
        error.then = AfterError::End;
        skip("error.then", true);
    }
    skipped
}

/// Takes out what reads the JSON of an answer, and names it.
fn set_apart_of_json(faults: &mut Faults) -> Vec<&'static str> {
    let taken = [
        ("finish_reason", faults.finish_reason.take().is_some()),
        ("role", faults.role.take().is_some()),
        ("usage", faults.usage.take().is_some()),
    ];
    taken.into_iter().filter(|(_, was_there)| *was_there).map(|(name, _)| name).collect()
}

/// The faults of one answer.
#[derive(Debug, Clone)]
pub struct AnswerFaults {
    seed: u64,
    kind: AnswerKind,
    faults: Box<Faults>,
    skipped: Vec<&'static str>,
    /// The body is in a content coding.
    is_coded: bool,
}

impl AnswerFaults {
    /// The same without what cannot show on an answer in that dialect.
    pub fn in_dialect(mut self, dialect: Dialect) -> AnswerFaults {
        if dialect == Dialect::Responses {
            self.skipped.extend(set_apart_of_chats(&mut self.faults));
        }
        self
    }

    /// The same without what cannot show on an answer whose body is in a content coding, such as gzip: nobody reads in it.
    /// Such a body passes as it comes; where its source cuts it, its writes are cut.
    pub fn in_content_coding(mut self) -> AnswerFaults {
        self.skipped.extend(set_apart_of_json(&mut self.faults));
        self.is_coded = true;
        self
    }

    /// The value for the header `x-interference-applied`: the canonical line of what is applied, with the request's seed
    /// and without `probability` and `times`. Given as a plan, it repeats this answer.
    ///
    /// ASCII, at most [`HEADER_BYTES_MAX`] bytes. If nothing applies it is `none, seed=N`. A longer line is left out: the
    /// value then is `left_out_bytes = LENGTH, seed = N`, which as a plan is refused with the advice to give the plan
    /// itself with that seed.
    pub fn header_value(&self) -> String {
        if self.is_empty() {
            return format!("none, seed={}", self.seed);
        }
        let plan = Plan { seed: Some(self.seed), faults: (*self.faults).clone(), ..Plan::default() };
        let line = plan.to_string();
        if line.len() <= HEADER_BYTES_MAX {
            return line;
        }
        format!("{LEFT_OUT} = {}, seed = {}", line.len(), self.seed)
    }

    /// The names of the plan's faults that cannot show on this answer.
    pub fn skipped(&self) -> Vec<&'static str> {
        self.skipped.clone()
    }

    /// How long this body is when it goes out whole, in bytes: with all that changes its length, and without a cut that
    /// breaks it off. It is what an honest Content-Length says before.
    pub fn uncut_length(&self, body: &[u8]) -> u64 {
        let mut uncut = self.clone();
        // A cut that ends the body properly makes it a shorter one.
        uncut.faults.cut = uncut.faults.cut.filter(|cut| cut.by == CutBy::End);
        let (mut pipeline, mut actions) = (uncut.pipeline(), Vec::new());
        pipeline.push(body, &mut actions);
        pipeline.finish(&mut actions);
        let lengths = actions.iter().map(|action| match action {
            Action::Write(bytes) => bytes.len() as u64,
            Action::Wait(_) | Action::End(_) => 0,
        });
        lengths.sum()
    }

    /// Whether nothing is to go wrong.
    pub fn is_empty(&self) -> bool {
        *self.faults == Faults::default()
    }

    /// What goes wrong in the head.
    pub fn http(&self) -> &HttpFaults {
        &self.faults.http
    }

    /// What is wrong with the declared length. It is the length of the body that the pipeline makes.
    pub fn length(&self) -> Option<LengthFault> {
        self.faults.length
    }

    /// The chain that turns the sound answer into the faulty one.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(self.seed, self.kind, self.is_coded, &self.faults)
    }
}

#[cfg(test)]
mod tests;
