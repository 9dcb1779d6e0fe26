//! What is asked of a run, asked of a single request.
//!
//! An objective on a statistic of a measure (`first_content_ms_p99<500`) is asked of each request's own value; one on the
//! times between chunks is asked of the same statistic of the request's own. One on the run as a whole
//! (`requests_per_second>10`) is asked of no request.

use interference_report::load::{Basis, Histogram, Measure, Objective, Statistic};

use crate::observation::Observation;

/// Whether a sound answer meets an objective. What did not happen, such as reasoning, meets nothing; but an answer of one
/// chunk has no times between chunks, and one of one token no time per token, that could be missed.
pub(crate) fn met(objective: &Objective, observation: &Observation, basis: Basis) -> bool {
    let Some((measure, statistic)) = objective.measure() else { return true };
    let heard = &observation.heard;
    let value = match measure {
        Measure::BetweenChunks if heard.chunks.len() < 2 => return true,
        Measure::BetweenChunks => between_chunks(observation, statistic.unwrap_or(Statistic::Max)),
        Measure::TimePerOutputToken if heard.chunks.len() < 2 => return true,
        Measure::TimePerOutputToken if heard.usage.is_some_and(|usage| usage.completion_tokens < 2) => {
            return true;
        }
        // One that was used before did not take any time to open.
        Measure::Connect if observation.connect.is_none() => return true,
        Measure::ChunksPerRead => {
            let reads = heard.chunks.chunk_by(|one, next| one == next);
            reads.map(|read| read.len() as f64).reduce(f64::max)
        }
        Measure::PromptTokens => heard.usage.map(|usage| usage.prompt_tokens as f64),
        Measure::CompletionTokens => heard.usage.map(|usage| usage.completion_tokens as f64),
        _ => observation.time(measure, basis).map(|time| time.as_secs_f64() * 1e3),
    };
    value.is_some_and(|value| objective.holds(value))
}

/// In milliseconds.
fn between_chunks(observation: &Observation, statistic: Statistic) -> Option<f64> {
    let mut gaps = Histogram::new();
    observation.gaps().for_each(|gap| gaps.record_time(gap));
    let micros = match (statistic, statistic.quantile()) {
        (_, Some(quantile)) => gaps.quantile(quantile)? as f64,
        (Statistic::Mean, _) => gaps.mean()?,
        (Statistic::Min, _) => gaps.min()? as f64,
        _ => gaps.max()? as f64,
    };
    Some(micros / 1e3)
}
