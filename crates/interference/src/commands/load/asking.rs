//! From what the command line says of requests to the work, and a first look at the server.
//!
//! Owns the single requests that go before a run: they find out where the API lies, how the server counts tokens, and how
//! long its answers take.

use std::sync::Arc;

use interference_load::work::{
    Cassettes, Delivery, Ending, Form, Length, LimitMember, Prompts, RequestFile, SharedBeginning, Synthetic,
    TokenScale, WorkError, probe,
};
use interference_load::{Ask, Endpoint, Failure as Kind, Observation, Work, ask_once, tells_faults};
use interference_target::Target;
use interference_wire::TimeLimits;

use super::{Asking, LoadArguments};
use crate::failure::{Failure, TEST_FAILED, TOOL_FAILED, WRONG_USAGE};
use crate::talk::say;

/// Tokens of prompts and of answers unless the command line says otherwise.
const DEFAULT_TOKENS: u32 = 128;
/// A request that goes before a run is sent so often until one is sound.
const TRIES: usize = 3;
/// What tokens are assumed to be where the server tells no usage: 1 word and a little.
const ASSUMED: [(u32, u64); 2] = [(100, 130), (1_000, 1_210)];

/// What is asked, and what was seen of the server before.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) work: Arc<dyn Work>,
    /// A sound answer to the first request of the work, if there was one.
    pub(super) look: Option<Observation>,
    /// What whoever reads the numbers has to know.
    pub(super) notes: Vec<String>,
}

pub(super) fn wrong_work(error: WorkError) -> Failure {
    let hint = "docs/load.md tells what requests can be made of; `interference load --help` lists what there is to say";
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}

fn form(arguments: &LoadArguments) -> Form {
    let Asking { endpoint, max_tokens, max_completion_tokens, ignore_eos, no_stream, body, .. } =
        &arguments.asking;
    let is_made_up = arguments.asking.requests.is_none() && arguments.asking.cassettes.is_none();
    let has_limit = *endpoint != Some(Endpoint::Embeddings);
    let default = (is_made_up && has_limit).then_some(DEFAULT_TOKENS);
    Form {
        endpoint: *endpoint,
        model: arguments.model().map(str::to_owned),
        delivery: if *no_stream { Delivery::Whole } else { Delivery::Streamed },
        max_tokens: max_tokens.or(default),
        limit_member: if *max_completion_tokens {
            LimitMember::MaxCompletionTokens
        } else {
            LimitMember::MaxTokens
        },
        ending: if *ignore_eos { Ending::AtLimit } else { Ending::Natural },
        extra: body.clone().unwrap_or_default(),
    }
}

/// What is told of requests that are not sent when they say.
const TIMES_ASIDE: &str = "the requests have times of their own, which play no role beside --rate, --concurrency or --sweep: they are sent in turn";

/// What is told of flags that change no body that was recorded; only its model and `--body` do.
fn without_effect(asking: &Asking) -> Option<String> {
    let given = [
        ("--max-tokens", asking.max_tokens.is_some()),
        ("--max-completion-tokens", asking.max_completion_tokens),
        ("--ignore-eos", asking.ignore_eos),
        ("--no-stream", asking.no_stream),
    ];
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let plays = if given.len() == 1 { "plays" } else { "play" };
    let told = || {
        let names = given.join(", ");
        format!("{names} {plays} no role in bodies that were recorded: `--body` puts members into them")
    };
    (!given.is_empty()).then(told)
}

/// Makes the work, and looks at the server.
///
/// # Errors
/// The command line contradicts itself, a file is wrong, or the server cannot be reached.
pub(super) async fn ask(
    arguments: &LoadArguments,
    target: &mut Target,
    time: TimeLimits,
) -> anyhow::Result<Asked> {
    let form = form(arguments);
    let seed = arguments.arrivals.seed;
    let mut notes = Vec::new();
    let work: Arc<dyn Work> = match (&arguments.asking.requests, &arguments.asking.cassettes) {
        (Some(path), _) => {
            let mut file = RequestFile::read(path, &form).map_err(wrong_work)?;
            if file.has_times() && arguments.arrivals.has_pattern() {
                notes.push(TIMES_ASIDE.to_owned());
                file = file.in_turn();
            }
            if file.has_bodies() {
                notes.extend(without_effect(&arguments.asking));
            }
            let scale = match file.needs_scale() {
                true => Some(scale(&form, seed, target, time, &mut notes).await?),
                false => None,
            };
            Arc::new(file.work(scale, seed).map_err(wrong_work)?)
        }
        (None, Some(folder)) => {
            notes.extend(without_effect(&arguments.asking));
            let cassettes = Cassettes::read(folder, &form).map_err(wrong_work)?;
            cassettes.left_out().iter().for_each(|reason| say(&format!("left out: {reason}")));
            notes.extend(match cassettes.left_out().len() {
                0 => None,
                1 => Some("1 cassette was left out".to_owned()),
                many => Some(format!("{many} cassettes were left out")),
            });
            Arc::new(cassettes)
        }
        (None, None) => {
            let scale = scale(&form, seed, target, time, &mut notes).await?;
            Arc::new(Synthetic::new(&form, prompts(&arguments.asking), scale, seed).map_err(wrong_work)?)
        }
    };
    // One of many recorded requests may have been refused when it was recorded, too.
    let is_made_up = arguments.asking.requests.is_none() && arguments.asking.cassettes.is_none();
    let look = match first(&*work) {
        Some(first) => sound(&first, target, time, is_made_up).await?,
        None => Err(None),
    };
    if let Err(why) = &look {
        let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        notes.push(format!("no request before the run was answered soundly{why}"));
    }
    Ok(Asked { work, look: look.ok(), notes })
}

/// The request by which a server is looked at.
fn first(work: &dyn Work) -> Option<Ask> {
    work.conversation(u64::MAX >> 1).next("")
}

/// Asks once with what a target brings, a plan of faults among it.
///
/// # Errors
/// The server refuses it, or answers as if it knew nothing of plans.
pub(super) async fn check_faults(
    work: &Arc<dyn Work>,
    target: &Target,
    time: TimeLimits,
) -> Result<(), Failure> {
    let Some(first) = first(&**work) else { return Ok(()) };
    let mut last = None;
    for _ in 0..TRIES {
        let (answer, takes_plans) = tells_faults(target, &first, time).await;
        match answer.outcome {
            _ if takes_plans => return Ok(()),
            Err(failure) => last = Some(target.blackened(&told(failure, &answer))),
            Ok(()) => {
                last = None;
                break;
            }
        }
    }
    let place = target.base_url();
    let message = match last {
        Some(why) => format!("{place} refuses requests with a plan of faults: {why}"),
        None => format!("{place} takes no plans of faults: it answers as if there were none"),
    };
    let hint = "name a server that was started by `interference serve --allow-faults`; with `--upstream NAME=URL` it stands \
                in front of any other";
    Err(Failure::new(TEST_FAILED, message, hint))
}

/// What became of a request, and what the server says of it.
fn told(failure: Kind, answer: &Observation) -> String {
    let kind = match failure {
        Kind::Status(status) => format!("status {status}"),
        other => other.name().into_owned(),
    };
    answer.said().map_or_else(|| kind.clone(), |said| format!("{kind}: {said}"))
}

fn prompts(asking: &Asking) -> Prompts {
    Prompts {
        tokens: asking.prompt_tokens.unwrap_or(Length::Exactly(DEFAULT_TOKENS)),
        shared: asking.shared_prefix_tokens.map(|tokens| SharedBeginning { tokens, texts: asking.prefixes }),
        turns: asking.turns,
        think_time: asking.think_time,
    }
}

/// How the server counts tokens; an assumption where it does not tell.
async fn scale(
    form: &Form,
    seed: u64,
    target: &mut Target,
    time: TimeLimits,
    notes: &mut Vec<String>,
) -> anyhow::Result<TokenScale> {
    let mut probes = Vec::new();
    for words in TokenScale::probe_words() {
        let ask = probe(form, words, seed).map_err(wrong_work)?;
        let answer = sound(&ask, target, time, true).await?;
        let usage = answer.ok().and_then(|answer| answer.heard.usage);
        probes.extend(usage.map(|usage| (words, usage.prompt_tokens)));
    }
    if let Ok(scale) = TokenScale::fit(&probes) {
        return Ok(scale);
    }
    let note = "the server tells no usage from which the length of prompts could be known: it is an estimate";
    say(note);
    notes.push(note.to_owned());
    Ok(TokenScale::fit(&ASSUMED).map_err(wrong_work)?)
}

/// A sound answer, if one comes in some tries; else what became of the last. Where the base URL has no path, the API is
/// looked for. `all_alike`: whatever the server says to this request it says to all.
///
/// # Errors
/// There is no connection, or the server refuses the request for a reason that every further one has too.
async fn sound(
    ask: &Ask,
    target: &mut Target,
    time: TimeLimits,
    all_alike: bool,
) -> Result<Result<Observation, Option<String>>, Failure> {
    if target.is_bare() {
        let below = target.with_base_path("/v1");
        let answer = ask_once(&below, ask, time).await;
        // Where a request is not to be had in either place, that says nothing of the place.
        let not_found = Err(Kind::Status(404));
        if answer.outcome != not_found || ask_once(target, ask, time).await.outcome == not_found {
            *target = below;
        }
    }
    let mut last = None;
    for _ in 0..TRIES {
        let answer = ask_once(target, ask, time).await;
        match answer.outcome {
            Ok(()) => return Ok(Ok(answer)),
            Err(failure) => {
                if all_alike || !matches!(failure, Kind::Status(400 | 404 | 422)) {
                    refuse_what_cannot_be(failure, &answer, ask, target)?;
                }
                last = Some(told(failure, &answer));
            }
        }
    }
    Ok(Err(last))
}

fn refuse_what_cannot_be(
    failure: Kind,
    answer: &Observation,
    ask: &Ask,
    target: &Target,
) -> Result<(), Failure> {
    let place = target.base_url();
    match failure {
        Kind::ConnectionRefused
        | Kind::ConnectTimedOut
        | Kind::ConnectFailed
        | Kind::UnknownHost
        | Kind::Tls => {
            let message = format!("{place} cannot be reached: {}", failure.name());
            Err(Failure::new(TOOL_FAILED, message, "is the server running, and is this its address?"))
        }
        Kind::Status(status @ (400 | 401 | 403 | 404 | 405 | 415 | 422)) => {
            let path = ask.endpoint.path();
            let told = target.blackened(&told(failure, answer));
            let message = format!("{place}{path} refuses the requests of this run with {told}");
            let hint = match status {
                401 | 403 => "`--api-key env:NAME` gives a key",
                404 => "is the model's name right (`-m`), and does the base URL end in /v1?",
                _ => {
                    "`--body` and `--max-completion-tokens` change the requests; `interference check` tells what the \
                     server takes"
                }
            };
            Err(Failure::new(TEST_FAILED, message, hint))
        }
        _ => Ok(()),
    }
}
