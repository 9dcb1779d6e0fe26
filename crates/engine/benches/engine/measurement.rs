//! Generations in company, timed token by token.
//!
//! Prompts are made up, and differ from stream to stream and from round to round; seeds are fixed. Times are taken on
//! the engine's thread, where tokens are told. What the figures rest on is checked: nothing of a prompt came from the
//! cache, and no token was guessed.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use interference_engine::{
    Adjustments, CancelHandle, Constraint, Engine, EngineStatistics, FinishReason, GenerationRequest,
    Progress, Sampling, TokenId,
};

use super::document::Measurement;

/// Tokens of the prompts of streams whose decoding is measured.
const SHORT_PROMPT_TOKENS: usize = 16;
/// Tokens that each of them writes.
const ANSWER_TOKENS: usize = 128;
/// The engine tells something at least this often, even where other programs have the machine.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// The time from asking to the first token of a prompt's answer.
pub(crate) fn prefill(engine: &Engine, tokens: usize, round: usize) -> Result<Measurement, Box<dyn Error>> {
    let before = engine.statistics();
    let asked = Instant::now();
    let order = Order { prompt_tokens: tokens, max_tokens: 1, stream: 0, round, constraint: None };
    let told = generate(engine, &[order])?;
    let steps = steps_without_help(&before, &engine.statistics(), tokens)?;
    let first = told.first().and_then(|told| told.times.first()).ok_or("the engine told no token")?;
    Ok(Measurement {
        seconds: first.duration_since(asked).as_secs_f64(),
        tokens,
        layer_steps: steps,
        layer_columns: tokens,
        head_steps: 1,
        head_columns: 1,
    })
}

/// What streams that decode together gave.
pub(crate) struct Decoded {
    pub(crate) measurement: Measurement,
    pub(crate) answers: Vec<Vec<TokenId>>,
}

/// What the engine told of a generation: its tokens, and when each came.
#[derive(Clone, Default)]
struct Told {
    tokens: Vec<TokenId>,
    times: Vec<Instant>,
}

/// The steps in which all of the streams decode, perhaps under a constraint, and the answers: from the first token of
/// the stream that came last to its last token that came before the first stream was done. Between two tokens of one
/// stream lies a whole step, which gives every stream a token.
pub(crate) fn decode(
    engine: &Engine,
    streams: usize,
    round: usize,
    constraint: Option<&Arc<Constraint>>,
) -> Result<Decoded, Box<dyn Error>> {
    let (prompt_tokens, max_tokens) = (SHORT_PROMPT_TOKENS, ANSWER_TOKENS);
    let order = |stream| Order { prompt_tokens, max_tokens, stream, round, constraint };
    let orders: Vec<_> = (0..streams).map(order).collect();
    let before = engine.statistics();
    let told = generate(engine, &orders)?;
    steps_without_help(&before, &engine.statistics(), streams * SHORT_PROMPT_TOKENS)?;
    let first_end = told.iter().filter_map(|told| told.times.last()).min().ok_or("there are no streams")?;
    let last_to_come = told.iter().max_by_key(|told| told.times.first()).ok_or("there are no streams")?;
    let together: Vec<_> = last_to_come.times.iter().take_while(|time| *time <= first_end).collect();
    let [first, .., last] = together[..] else {
        return Err(format!("{streams} streams did not decode together").into());
    };
    let steps = together.len() - 1;
    let measurement = Measurement {
        seconds: last.duration_since(*first).as_secs_f64(),
        tokens: steps * streams,
        layer_steps: steps,
        layer_columns: steps * streams,
        head_steps: steps,
        head_columns: steps * streams,
    };
    Ok(Decoded { measurement, answers: told.into_iter().map(|told| told.tokens).collect() })
}

/// A generation to be measured.
struct Order<'c> {
    prompt_tokens: usize,
    max_tokens: usize,
    stream: usize,
    round: usize,
    constraint: Option<&'c Arc<Constraint>>,
}

/// Runs generations side by side.
fn generate(engine: &Engine, orders: &[Order]) -> Result<Vec<Told>, Box<dyn Error>> {
    let (sender, receiver) = channel();
    let handles =
        orders.iter().enumerate().map(|(index, order)| submit(engine, order, index, sender.clone()));
    // Dropping a handle cancels its generation.
    let handles: Vec<CancelHandle> = handles.collect::<Result<_, _>>()?;
    drop(sender);
    let mut told = vec![Told::default(); orders.len()];
    let mut running = handles.len();
    while running > 0 {
        let (index, time, progress) =
            receiver.recv_timeout(LONGEST_SILENCE).map_err(|error| match error {
                RecvTimeoutError::Timeout => format!("the engine told nothing for {LONGEST_SILENCE:?}"),
                RecvTimeoutError::Disconnected => "the engine has stopped".to_owned(),
            })?;
        match progress {
            Progress::Token { id, .. } => {
                told[index].tokens.push(id);
                told[index].times.push(time);
            }
            Progress::Prompt(_) => {}
            Progress::Finished(FinishReason::Length) => running -= 1,
            Progress::Finished(reason) => return Err(format!("an answer ended early: {reason:?}").into()),
            Progress::Failed(failure) => return Err(failure.into()),
        }
    }
    Ok(told)
}

fn submit(
    engine: &Engine,
    order: &Order,
    index: usize,
    sender: Sender<(usize, Instant, Progress)>,
) -> Result<CancelHandle, Box<dyn Error>> {
    let request = GenerationRequest {
        prompt: prompt(order, engine.model().vocabulary_size),
        max_tokens: Some(order.max_tokens),
        sampling: Sampling {
            temperature: 0.8,
            top_p: 1.0,
            seed: 100 + order.stream as u64,
            choice: 0,
            ..Sampling::GREEDY
        },
        adjustments: Adjustments::default(),
        logprobs: None,
        prompt_logprobs: false,
        ignore_eos: true,
        constraint: order.constraint.cloned(),
    };
    // Nobody listens any more where the measurement has failed.
    let sink = move |progress| drop(sender.send((index, Instant::now(), progress)));
    Ok(engine.submit(request, Box::new(sink))?)
}

/// Tokens that look random, others for every stream and round.
fn prompt(order: &Order, vocabulary_size: usize) -> Vec<TokenId> {
    let number = (order.round * 1_000 + order.stream) as u64;
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let token = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % vocabulary_size
    };
    std::iter::repeat_with(token).take(order.prompt_tokens).map(|token| token as TokenId).collect()
}

/// The steps between two readings of the counters, in which all of the prompts must have been computed.
fn steps_without_help(
    before: &EngineStatistics,
    after: &EngineStatistics,
    prompt_tokens: usize,
) -> Result<usize, Box<dyn Error>> {
    let computed = after.prompt_tokens_computed - before.prompt_tokens_computed;
    if computed != prompt_tokens as u64 || after.guessed_tokens != before.guessed_tokens {
        let guessed = after.guessed_tokens - before.guessed_tokens;
        let found = format!("{computed} of {prompt_tokens} prompt tokens computed, {guessed} tokens guessed");
        return Err(format!("the engine had help, and is not what was measured: {found}").into());
    }
    Ok((after.steps - before.steps) as usize)
}
