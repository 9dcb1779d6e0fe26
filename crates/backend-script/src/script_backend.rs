//! The backend itself: a script that may be replaced, and the way of a request through it.
//!
//! Owns the choice of the rule, and what a reply carries beside its body. It refuses to know files and sockets.

mod chat;
mod completions;
mod embeddings;
mod matching;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use interference_api_types::openai::identity::{Identity, random_seed};
use interference_backend::{Backend, ModelCard, Readiness, Refusal, Reply, ReplyBody, Request};
use interference_faults::StandingPlan;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::answer::{Answer, ErrorAnswer};
use crate::facts::Facts;
use crate::pace::Pace;
use crate::script::{Memory, Rule, Script};
use crate::sessions::{LONGEST_SESSION, Sessions};
use crate::template::TEMPLATES_AT_ONCE;

/// Tells the rule that has answered.
pub const RULE: HeaderName = HeaderName::from_static("x-interference-rule");

/// Names the session of a request, whose state and counts are its own.
pub const SESSION: HeaderName = HeaderName::from_static("x-interference-session");

/// How a script is served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptOptions {
    /// Whether all answers have the same id and time, so that whole answers can be compared. Times that are drawn are
    /// the same for each answer, too.
    pub fixed_ids: bool,
}

/// A script as a backend.
pub struct ScriptBackend {
    script: RwLock<Arc<Script>>,
    sessions: Mutex<Sessions>,
    identity: Identity,
    created: u64,
    /// A place for each template that runs.
    templates: Arc<Semaphore>,
}

/// A rule that has been chosen for a request, with one of its answers.
struct Chosen<'s> {
    rule: &'s Rule,
    answer: Arc<Answer>,
    /// The state before it.
    state: Cow<'s, str>,
}

/// Whether the choice of an answer is an answer given, and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noting {
    Given,
    OnlyLooking,
}

impl ScriptBackend {
    /// A backend that answers from this script.
    pub fn new(script: Script, options: ScriptOptions) -> ScriptBackend {
        let identity = if options.fixed_ids { Identity::Fixed } else { Identity::Individual };
        ScriptBackend {
            script: RwLock::new(Arc::new(script)),
            sessions: Mutex::default(),
            identity,
            created: identity.created(),
            templates: Arc::new(Semaphore::new(TEMPLATES_AT_ONCE)),
        }
    }

    /// Answers from another script from now on. Answers that have begun go on as they are.
    ///
    /// Of each session is kept what has a meaning in the new script: the counts of rules whose names it has, too, and
    /// the state, if it is the first or something sets it. The rest begins anew.
    pub fn replace(&self, script: Script) {
        let mut sessions = self.sessions();
        sessions.retain(&script);
        *self.script.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// The script that is served.
    pub fn script(&self) -> Arc<Script> {
        Arc::clone(&self.script.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing that is done under the lock can leave it in disorder.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first rule that fits, and its answer whose turn it is.
    fn choose<'s>(
        &self,
        script: &'s Script,
        facts: &Facts<'_>,
        noting: Noting,
    ) -> Result<Chosen<'s>, Refusal> {
        check_model(script, facts.model)?;
        if script.memory == Memory::None {
            let state = script.first_state.as_str();
            let Some(rule) = script.rules.iter().find(|rule| rule.fits(facts, state)) else {
                return Err(no_rule(script.nearest_miss(facts, state, &|_| false)));
            };
            return chosen(rule, 0, Cow::Borrowed(state));
        }
        let session = session_of(facts.headers)?;
        // Kept until the answer is noted, so that of two requests at once each gets its own.
        let mut sessions = self.sessions();
        let state = sessions.state(session).unwrap_or(&script.first_state).to_owned();
        let fitting =
            script.rules.iter().find(|rule| rule.fits(facts, &state) && !sessions.is_used_up(session, rule));
        let Some(rule) = fitting else {
            let is_used_up = |rule: &Rule| sessions.is_used_up(session, rule);
            return Err(no_rule(script.nearest_miss(facts, &state, &is_used_up)));
        };
        let chosen = chosen(rule, sessions.turn(session, rule), Cow::Owned(state))?;
        // What was asked of a script that is gone is not noted.
        if noting == Noting::Given && std::ptr::eq(script, &*self.script()) {
            sessions.note(session, rule, chosen.answer.next_state.as_deref());
        }
        Ok(chosen)
    }

    /// The schedule of an answer. Boxed: it is long, and most answers have none.
    fn pace(&self, answer: &Answer, start: Instant, seed: Option<u64>) -> Option<Box<Pace>> {
        answer.latency.as_ref()?;
        let seed = seed.unwrap_or_else(|| match self.identity {
            Identity::Individual => random_seed(),
            Identity::Fixed => 0,
        });
        Pace::new(answer.latency.as_ref(), start, seed).map(Box::new)
    }
}

#[async_trait::async_trait]
impl Backend for ScriptBackend {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let start = Instant::now();
        let script = self.script();
        // The others are boxed, so that what they need takes no room in the future of every chat.
        match (&request.method, request.path.as_str()) {
            (&Method::POST, "/chat/completions") => self.chat(&script, &request, start).await,
            (&Method::POST, "/completions") => Box::pin(self.completions(&script, &request, start)).await,
            (&Method::POST, "/embeddings") => Box::pin(self.embeddings(&script, &request, start)).await,
            _ => Err(Refusal::NothingFits {
                message: "The script answers POST /chat/completions, /completions and /embeddings only."
                    .to_owned(),
                code: "unknown_url",
            }),
        }
    }

    fn models(&self) -> Vec<ModelCard> {
        self.script().models(self.created)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

fn check_model(script: &Script, asked: &str) -> Result<(), Refusal> {
    if script.takes_model(asked) {
        return Ok(());
    }
    let patterns = script.models.patterns.iter().map(|pattern| pattern.as_str().to_owned());
    let known = script.models.listed.iter().cloned().chain(patterns).collect();
    Err(Refusal::UnknownModel { model: asked.to_owned(), known })
}

fn chosen<'s>(rule: &'s Rule, turn: usize, state: Cow<'s, str>) -> Result<Chosen<'s>, Refusal> {
    match rule.answers.get(turn) {
        Some(answer) => Ok(Chosen { rule, answer: Arc::clone(answer), state }),
        None => Err(Refusal::Internal { message: format!("Rule `{}` has no answer {turn}.", rule.name) }),
    }
}

fn no_rule(message: String) -> Refusal {
    Refusal::NothingFits { code: "no_rule_matches", message }
}

/// The session of a request: what the header names, else the one without a name.
fn session_of(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let name = headers.get(SESSION).map_or(&b""[..], HeaderValue::as_bytes);
    if name.len() > LONGEST_SESSION {
        return Err(Refusal::InvalidRequest {
            message: format!("The header `{SESSION}` has more than {LONGEST_SESSION} bytes."),
            param: None,
            code: Some("invalid_value"),
        });
    }
    Ok(name)
}

/// A reply with what all have.
fn reply(chosen: &Chosen<'_>, status: http::StatusCode, body: ReplyBody, ignored: Vec<String>) -> Reply {
    let mut reply = Reply::new(status, body);
    if let Some(label) = &chosen.rule.label {
        reply.headers.insert(RULE, label.clone());
    }
    Reply { ignored, faults: chosen.answer.faults.as_ref().map(StandingPlan::next), ..reply }
}

/// An error that is the answer.
fn error_reply(chosen: &Chosen<'_>, error: &ErrorAnswer, ignored: Vec<String>) -> Reply {
    let mut reply = reply(chosen, error.status, ReplyBody::Whole(error.body.clone()), ignored);
    if let Some(seconds) = error.retry_after {
        reply.headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(asked: &str) -> Script {
        let text = format!(
            "state = \"new\"\n[[rule]]\nname = \"first\"\nwhen.state = \"new\"\nanswer = {{ text = \"Who?\", next_state = \
             {asked:?} }}\n[[rule]]\nname = \"second\"\nwhen.state = {asked:?}\nanswer.text = \"Welcome.\"\n"
        );
        Script::parse(&text, "script.toml").unwrap()
    }

    #[test]
    fn what_was_asked_of_a_script_that_is_gone_sets_no_state() {
        let backend = ScriptBackend::new(script("asked"), ScriptOptions::default());
        let headers = HeaderMap::new();
        let facts = Facts::of_completion("scripted", Cow::Borrowed("hello"), false, &headers);
        let chosen = |script: &Script| {
            let chosen = backend.choose(script, &facts, Noting::Given);
            chosen.map(|chosen| chosen.rule.name.clone()).unwrap_or_default()
        };
        // A request that is being read while the script is replaced.
        let gone = backend.script();
        backend.replace(script("met"));
        assert_eq!(chosen(&gone), "first");
        let there = backend.script();
        assert_eq!([chosen(&there), chosen(&there)], ["first", "second"]);
    }
}
