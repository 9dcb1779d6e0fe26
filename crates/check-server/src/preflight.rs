//! Finds out what a server is before it is judged.
//!
//! Owns the few requests that come first: where the API lies, which model answers, which parameters it takes, how fast
//! it is. Judges nothing: what is odd here is a case's business later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use interference_wire::ConnectError;
use serde_json::{Value, json};

use crate::asker::{Asker, Patience};
use crate::case::Cost;
use crate::chat::{CHAT_PATH, Chat};
use crate::chat_stream::ChatStream;
use crate::exchange::Exchange;
use crate::knowledge::{Endpoint, Knowledge, LimitParameter};
use crate::question::Question;
use crate::samples::{POEM, POEM_TOKENS};
use crate::trial::Bench;

/// Models of a list that are tried, at most, when none is named.
const MOST_MODELS_TRIED: usize = 5;
/// Parameters that a server may refuse, one after the other.
const MOST_REFUSALS: usize = 5;
/// Who is asked where nobody names a model and the server lists none.
const GUESSED_MODEL: &str = "gpt-4o-mini";
/// What a model that thinks first needs in addition, as a factor of every limit.
const REASONING_FACTOR: u32 = 16;
/// An answer is given the time for so many pieces at the speed that was seen.
const PIECES_OF_AN_ANSWER: f64 = 1024.0;
/// A server may be silent, as before a whole answer, for the time of so many.
const PIECES_OF_SILENCE: f64 = 256.0;
/// Neither is waited for any longer than this.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);
/// How often is looked whether a model has been loaded.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Asks our own server to break its answer, where it lets itself be asked.
pub(crate) const FAULTS_HEADER: &str = "x-interference";
/// Tells what was broken, where that is offered.
pub(crate) const FAULTS_APPLIED_HEADER: &str = "x-interference-applied";

/// How long the answer of an endpoint beside chats may get, in tokens; few where so few may be asked for.
const ENDPOINT_TOKENS: u32 = 8;
/// And of one that takes no fewer than 16.
const RESPONSE_TOKENS: u32 = 32;
/// What [`to_endpoint`] asks for, of all endpoints together.
pub(crate) const ENDPOINTS_COST: Cost = Cost::new(3, ENDPOINT_TOKENS + RESPONSE_TOKENS);
/// What the preflight asks of a server that refuses nothing.
pub(crate) const PREFLIGHT_COST: Cost =
    Cost::new(5 + ENDPOINTS_COST.requests, 2 * POEM_TOKENS + 2 + ENDPOINTS_COST.tokens);

/// What the preflight is told.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The model to ask; else the first of the server's list that answers a chat.
    pub model: Option<String>,
    /// The model to ask for embeddings; else one of the list that is called so, else the same.
    pub embedding_model: Option<String>,
}

/// Why a server cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No connection.
    #[error("the server cannot be reached: {source}")]
    Unreachable {
        /// What the system, or TLS, says.
        source: ConnectError,
    },
    /// It wants a key, or another one.
    #[error("the server refuses the key: {seen}")]
    Locked {
        /// Its answer.
        seen: String,
    },
}

/// Finds out what there is.
///
/// # Errors
/// [`PreflightError`]
pub(crate) async fn preflight(asker: Asker, wishes: &Wishes) -> Result<Bench, PreflightError> {
    asker.connect().await.map_err(|source| PreflightError::Unreachable { source })?.close().await;
    let (asker, listing) = find_base(asker).await;
    let listed_models = listed(&listing);
    let (candidates, model_origin) = match &wishes.model {
        Some(model) => (vec![model.clone()], "named"),
        None if listed_models.is_empty() => {
            (vec![GUESSED_MODEL.to_owned()], "a guess: none is named, none is listed")
        }
        None => (listed_models.iter().take(MOST_MODELS_TRIED).cloned().collect(), "from the server's list"),
    };
    let mut knowledge = Knowledge {
        model: candidates.first().cloned().unwrap_or_default(),
        embedding_model: String::new(),
        model_origin,
        listed_models,
        limit: LimitParameter::MaxTokens,
        takes_temperature: true,
        takes_seed: true,
        limit_factor: 1,
        plain: Err("not asked".to_owned()),
        streamed: Err("not asked".to_owned()),
        first_content: None,
        pieces_per_second: None,
        offers_faults: false,
        server: listing.header("server"),
        endpoints: Vec::new(),
    };
    wait_while_loading(&asker, &knowledge).await;
    find_model(&asker, &mut knowledge, &candidates).await?;
    knowledge.embedding_model = embedding_model(wishes, &knowledge);
    let asker = Arc::new(asker);
    look_closer(&asker, &mut knowledge).await;
    Ok(Bench { asker, knowledge })
}

/// Where the API lies: at the URL as it is, or, if that has no path, below `/v1`.
async fn find_base(asker: Asker) -> (Asker, Exchange) {
    if !asker.target().is_bare() {
        let listing = asker.ask_one_time(Question::get("/models")).await;
        return (asker, listing);
    }
    let asker = asker.at_base_path("/v1");
    let listing = asker.ask_one_time(Question::get("/models")).await;
    if answers(&listing) || answers(&asker.ask_one_time(minimal_chat()).await) {
        return (asker, listing);
    }
    let bare = asker.at_base_path("");
    let bare_listing = bare.ask_one_time(Question::get("/models")).await;
    if answers(&bare_listing) || answers(&bare.ask_one_time(minimal_chat()).await) {
        return (bare, bare_listing);
    }
    (bare.at_base_path("/v1"), listing)
}

/// A chat without a model: whether it is refused or answered, JSON tells that the endpoint is there.
fn minimal_chat() -> Question {
    Question::post(CHAT_PATH, &json!({"messages": [{"role": "user", "content": "Hi."}], "max_tokens": 1}))
}

/// Whether something that speaks JSON is there.
fn answers(exchange: &Exchange) -> bool {
    exchange.status().is_ok_and(|status| status != 404 && status != 405) && exchange.json().is_ok()
}

fn listed(listing: &Exchange) -> Vec<String> {
    let body = listing.json().ok();
    let data = body.as_ref().and_then(|body| body.get("data")).and_then(Value::as_array);
    let id = |model: &Value| model.get("id").and_then(Value::as_str).map(str::to_owned);
    data.into_iter().flatten().filter_map(id).collect()
}

/// A server that says it is not ready yet may need a while to load its model.
async fn wait_while_loading(asker: &Asker, knowledge: &Knowledge) {
    let until = Instant::now() + asker.patience().silence;
    let question = one_token(knowledge).question();
    while asker.ask_one_time(question.clone()).await.status() == Ok(503) && Instant::now() < until {
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// The first model that answers a chat, and what the server refuses of the usual parameters.
async fn find_model(
    asker: &Asker,
    knowledge: &mut Knowledge,
    candidates: &[String],
) -> Result<(), PreflightError> {
    let mut refusals = Vec::new();
    for model in candidates {
        let before = knowledge.clone();
        model.clone_into(&mut knowledge.model);
        match find_parameters(asker, knowledge).await {
            Ok(()) => {
                knowledge.plain = Ok(());
                return Ok(());
            }
            Err(refusal) => {
                *knowledge = before;
                refusals.push(refusal);
            }
        }
    }
    // A gateway may lack the key of one model's provider only.
    if let Some(Refusal::Locked(seen)) = refusals.first()
        && refusals.iter().all(|refusal| matches!(refusal, Refusal::Locked(_)))
    {
        return Err(PreflightError::Locked { seen: seen.clone() });
    }
    let first = refusals.into_iter().next().map(Refusal::told);
    knowledge.plain = Err(first.unwrap_or_else(|| "no model to ask".to_owned()));
    Ok(())
}

/// Why a model gave no chat.
enum Refusal {
    /// 401.
    Locked(String),
    /// Whatever else.
    Other(String),
}

impl Refusal {
    fn told(self) -> String {
        match self {
            Refusal::Locked(seen) | Refusal::Other(seen) => seen,
        }
    }
}

/// Asks for a plain chat, and leaves out what is refused, until an answer comes or nothing is left to leave out.
async fn find_parameters(asker: &Asker, knowledge: &mut Knowledge) -> Result<(), Refusal> {
    let mut refusal = String::new();
    for _ in 0..MOST_REFUSALS {
        let question = ordinary(knowledge).question();
        let exchange = asker.ask_once(question).await;
        let status = exchange.status().map_err(|objection| Refusal::Other(objection.seen))?;
        match status {
            200..=299 => {
                let answer = exchange.json().map_err(|objection| Refusal::Other(objection.seen))?;
                notice_reasoning(knowledge, &answer);
                return Ok(());
            }
            401 => return Err(Refusal::Locked(asker.target().blackened(&exchange.told_refusal(status)))),
            400 | 422 => {
                refusal = exchange.told_refusal(status);
                if !leave_out(knowledge, &exchange) {
                    break;
                }
            }
            _ => return Err(Refusal::Other(exchange.told_refusal(status))),
        }
    }
    Err(Refusal::Other(refusal))
}

fn one_token(knowledge: &Knowledge) -> Chat<'_> {
    Chat::new(knowledge, POEM, 1)
}

fn ordinary(knowledge: &Knowledge) -> Chat<'_> {
    Chat::new(knowledge, POEM, POEM_TOKENS)
}

/// Leaves out the parameter that a refusal names; false if it names none that could be left out.
fn leave_out(knowledge: &mut Knowledge, exchange: &Exchange) -> bool {
    let body = exchange.json().unwrap_or_default();
    let named = body.pointer("/error/param").and_then(Value::as_str).unwrap_or_default().to_owned();
    let text = String::from_utf8_lossy(exchange.body()).into_owned();
    let limit = knowledge.limit.name();
    for place in [named, text] {
        if limit.is_some_and(|limit| place.contains(limit)) {
            knowledge.limit = match knowledge.limit {
                LimitParameter::MaxTokens => LimitParameter::MaxCompletionTokens,
                _ => LimitParameter::None,
            };
            return true;
        }
        if knowledge.takes_temperature && place.contains("temperature") {
            knowledge.takes_temperature = false;
            return true;
        }
        if knowledge.takes_seed && place.contains("seed") {
            knowledge.takes_seed = false;
            return true;
        }
    }
    false
}

/// A model that thinks before it answers spends its limit on thoughts.
fn notice_reasoning(knowledge: &mut Knowledge, answer: &Value) {
    let spent = answer.pointer("/usage/completion_tokens_details/reasoning_tokens").and_then(Value::as_u64);
    let told = ["/choices/0/message/reasoning_content", "/choices/0/message/reasoning"]
        .iter()
        .filter_map(|place| answer.pointer(place)?.as_str())
        .any(|thoughts| !thoughts.is_empty());
    if spent.unwrap_or_default() > 0 || told {
        knowledge.limit_factor = REASONING_FACTOR;
    }
}

fn embedding_model(wishes: &Wishes, knowledge: &Knowledge) -> String {
    let listed = || knowledge.listed_models.iter().find(|name| name.to_lowercase().contains("embed"));
    wishes.embedding_model.as_ref().or_else(listed).unwrap_or(&knowledge.model).clone()
}

/// How the server streams, how fast it is, and what else it has.
async fn look_closer(asker: &Arc<Asker>, knowledge: &mut Knowledge) {
    let streamed = asker.ask_once(ordinary(knowledge).streamed().question()).await;
    match ChatStream::read(&streamed) {
        Ok(stream) => {
            knowledge.streamed = Ok(());
            measure(knowledge, &stream);
        }
        Err(objection) => knowledge.streamed = Err(objection.seen),
    }
    // Nothing is measured here, so that they may be asked side by side.
    let faults = asker.ask_once(one_token(knowledge).question().header(FAULTS_HEADER, "none"));
    let endpoints = [Endpoint::Embeddings, Endpoint::Completions, Endpoint::Responses];
    let endpoints = endpoints.map(|endpoint| {
        let question = to_endpoint(knowledge, endpoint);
        async move { (endpoint, asker.ask_once(question).await) }
    });
    let (offered, endpoints) = join(faults, join_all(endpoints)).await;
    knowledge.offers_faults = offered.header(FAULTS_APPLIED_HEADER).is_some();
    for (endpoint, exchange) in endpoints {
        let told = exchange.accepted().map(|_| ()).map_err(|objection| objection.seen);
        knowledge.endpoints.push((endpoint, told));
    }
    asker.set_patience(patience(asker, knowledge));
}

/// A small request to an endpoint beside chats.
pub(crate) fn to_endpoint(knowledge: &Knowledge, endpoint: Endpoint) -> Question {
    let model = &knowledge.model;
    match endpoint {
        Endpoint::Embeddings => {
            Question::post("/embeddings", &json!({"model": knowledge.embedding_model, "input": "a tree"}))
        }
        Endpoint::Completions => Question::post(
            "/completions",
            &json!({"model": model, "prompt": "A tree", "max_tokens": ENDPOINT_TOKENS}),
        ),
        Endpoint::Responses => Question::post(
            "/responses",
            &json!({"model": model, "input": POEM, "max_output_tokens": RESPONSE_TOKENS}),
        ),
    }
}

fn measure(knowledge: &mut Knowledge, stream: &ChatStream) {
    let pieces = stream.pieces(0);
    let arrivals: Vec<Duration> =
        pieces.iter().filter_map(|(chunk, _)| stream.arrival(chunk.event)).collect();
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else { return };
    knowledge.first_content = Some(*first);
    let span = last.saturating_sub(*first).as_secs_f64();
    if arrivals.len() > 1 && span > 0.0 {
        knowledge.pieces_per_second = Some((arrivals.len() - 1) as f64 / span);
    }
}

/// Slow servers get time in proportion, the more so as several requests at once share their speed.
fn patience(asker: &Asker, knowledge: &Knowledge) -> Patience {
    let patience = asker.patience();
    let (Some(first), Some(speed)) = (knowledge.first_content, knowledge.pieces_per_second) else {
        return patience;
    };
    let time_for = |pieces: f64| {
        let seconds = (first.as_secs_f64() + pieces / speed) * asker.room() as f64;
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_ANSWER).min(LONGEST_ANSWER)
    };
    Patience {
        silence: patience.silence.max(time_for(PIECES_OF_SILENCE)),
        total: patience.total.max(time_for(PIECES_OF_AN_ANSWER)),
    }
}
