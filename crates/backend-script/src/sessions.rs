//! What a script remembers: for each session its state, and how many answers each rule has given.
//!
//! Owns the bound on sessions, and what is kept when a script takes the place of another. It refuses to know requests.

use std::collections::HashMap;

use crate::script::{Rule, Script, Then};

/// How many sessions are remembered. Past it, the one whose last request is the longest ago is forgotten.
pub const MOST_SESSIONS: usize = 1_024;

/// How long the name of a session may be, in bytes.
pub const LONGEST_SESSION: usize = 256;

/// All sessions of a script.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: HashMap<Vec<u8>, Session>,
    /// Counts requests, for want of a clock that nobody turns.
    now: u64,
}

#[derive(Debug, Default)]
struct Session {
    /// None: the script's first.
    state: Option<String>,
    /// How many answers each rule has given, by its name.
    given: HashMap<String, usize>,
    last_used: u64,
}

impl Sessions {
    /// The state of a session; none for the script's first.
    pub(crate) fn state(&self, session: &[u8]) -> Option<&str> {
        self.sessions.get(session)?.state.as_deref()
    }

    /// Whether a rule has given all of its answers and passes.
    pub(crate) fn is_used_up(&self, session: &[u8], rule: &Rule) -> bool {
        rule.then == Then::Pass && self.given(session, rule) >= rule.answers.len()
    }

    /// The position of the answer whose turn it is.
    pub(crate) fn turn(&self, session: &[u8], rule: &Rule) -> usize {
        let (given, count) = (self.given(session, rule), rule.answers.len().max(1));
        match rule.then {
            Then::Cycle => given % count,
            Then::Last | Then::Pass => given.min(count - 1),
        }
    }

    fn given(&self, session: &[u8], rule: &Rule) -> usize {
        self.sessions.get(session).and_then(|session| session.given.get(&rule.name)).copied().unwrap_or(0)
    }

    /// Notes that a rule gives an answer, after which the session may have another state.
    pub(crate) fn note(&mut self, session: &[u8], rule: &Rule, next_state: Option<&str>) {
        let is_counted = rule.answers.len() > 1 || rule.then == Then::Pass;
        if !is_counted && next_state.is_none() && !self.sessions.contains_key(session) {
            return;
        }
        self.now += 1;
        if !self.sessions.contains_key(session) {
            if self.sessions.len() >= MOST_SESSIONS {
                self.forget_oldest();
            }
            self.sessions.insert(session.to_vec(), Session::default());
        }
        let Some(session) = self.sessions.get_mut(session) else { return };
        session.last_used = self.now;
        if is_counted {
            let given = session.given.entry(rule.name.clone()).or_default();
            // A cycle starts again, so that no count overflows.
            *given = match rule.then {
                Then::Cycle => (*given + 1) % rule.answers.len().max(1),
                Then::Last | Then::Pass => (*given + 1).min(rule.answers.len()),
            };
        }
        if let Some(state) = next_state {
            session.state = Some(state.to_owned());
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.sessions.remove(&name);
        }
    }

    /// Keeps what has a meaning in this script: counts of rules that it has, too, and states that it knows.
    pub(crate) fn retain(&mut self, script: &Script) {
        let names: std::collections::HashSet<&str> =
            script.rules.iter().map(|rule| rule.name.as_str()).collect();
        for session in self.sessions.values_mut() {
            session.given.retain(|name, _| names.contains(name.as_str()));
            session.state = session.state.take().filter(|state| script.states.binary_search(state).is_ok());
        }
    }
}
