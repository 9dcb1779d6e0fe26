//! How tokens are chosen where a request does not say, and what becomes of values at their extremes.

use interference_api_types::openai::sampling::SamplingParameters;
use interference_engine::{Adjustments, Sampling};

/// The temperature of requests that name none. The API's is 1; at that, a small model loses its thread within a few
/// lines, and most local servers choose a lower one.
pub(crate) const DEFAULT_TEMPERATURE: f32 = 0.7;

/// The lowest temperature above 0 that is used as it is. Nothing but the most likely token is drawn here already, and
/// logits divided by much less would not stay finite.
pub(crate) const LOWEST_TEMPERATURE: f32 = 1e-4;

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) min_p: f32,
    /// 0: all.
    pub(crate) top_k: u32,
    /// None: the backend chooses.
    pub(crate) seed: Option<u64>,
}

impl Drawing {
    /// As a request asks for it.
    pub(crate) fn of(parameters: &SamplingParameters) -> Drawing {
        Drawing {
            temperature: match parameters.temperature {
                None => DEFAULT_TEMPERATURE,
                Some(0.0) => 0.0,
                Some(value) => (value as f32).max(LOWEST_TEMPERATURE),
            },
            // 0 means the most likely token alone, which is what the smallest number above it gives.
            top_p: parameters.top_p.map_or(1.0, |value| (value as f32).max(f32::MIN_POSITIVE)),
            min_p: parameters.min_p.unwrap_or(0.0) as f32,
            top_k: parameters.top_k.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            seed: parameters.seed,
        }
    }

    /// The draws of one of the answers to a prompt.
    pub(crate) fn of_choice(self, choice: u32, seed: u64) -> Sampling {
        let Drawing { temperature, top_p, min_p, top_k, seed: _ } = self;
        Sampling { temperature, top_p, seed, choice, min_p, top_k }
    }
}

/// What a request wants done to the logits.
pub(crate) fn adjustments(parameters: &SamplingParameters) -> Adjustments {
    let biases = parameters.logit_bias.iter();
    Adjustments {
        frequency_penalty: parameters.frequency_penalty.unwrap_or(0.0) as f32,
        presence_penalty: parameters.presence_penalty.unwrap_or(0.0) as f32,
        repeat_penalty: parameters.repeat_penalty.unwrap_or(1.0) as f32,
        bias: biases.map(|(token, bias)| (*token, *bias as f32)).collect(),
    }
}
