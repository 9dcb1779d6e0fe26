//! How long to wait: fixed, drawn from a distribution, or as recorded.
//!
//! Owns the types that plans and scripts read, and the sampling. Knows nothing of what the time is waited for.

use std::fmt;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma, StandardNormal};
use serde::de::{Deserialize, Deserializer, Error};

use crate::duration_text::{DURATION_MAX, from_seconds, write_duration};
use crate::plan::PlanError;
use crate::plan::canonical::{Pairs, list, text};
use crate::plan::document;
use crate::plan::fields::{Field, Table};
use crate::seeds;

/// How long a drawn time may be unless the plan says otherwise: 60 s.
const DEFAULT_AT_MOST: Duration = Duration::from_secs(60);

/// The largest shape of a distribution, and the largest deviation of a logarithm.
const PARAMETER_MAX: f64 = 1_000.0;

/// How long to wait, each time anew.
///
/// Written as a duration (`"20ms"`) or as a table: `{ fixed, jitter }`, `{ distribution, … }` or `{ recorded }`. Times
/// are whole microseconds, at most 1 hour each; those of distributions without an end of their own at most 60 s unless
/// `at_most` says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Delay {
    shape: Shape,
    at_most: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Fixed { time: Duration, jitter: Duration },
    Uniform { low: Duration, high: Duration },
    Normal { mean: Duration, deviation: Duration },
    Lognormal { median: Duration, sigma: f64 },
    Exponential { mean: Duration },
    Gamma { shape: f64, mean: Duration },
    Pareto { scale: Duration, shape: f64 },
    Recorded(Vec<Duration>),
}

/// The names of the distributions, with the keys that each needs.
const DISTRIBUTIONS: [(&str, [&str; 2]); 6] = [
    ("uniform", ["low", "high"]),
    ("normal", ["mean", "deviation"]),
    ("lognormal", ["median", "sigma"]),
    ("exponential", ["mean", "mean"]),
    ("gamma", ["shape", "mean"]),
    ("pareto", ["scale", "shape"]),
];

impl Delay {
    /// The same time, always.
    pub fn fixed(time: Duration) -> Delay {
        Delay { shape: Shape::Fixed { time, jitter: Duration::ZERO }, at_most: None }
    }

    /// The times, one after another, without end; the same for the same seed.
    pub fn sampler(&self, seed: u64) -> DelaySampler {
        self.sampler_named(seed, "delay")
    }

    pub(crate) fn sampler_named(&self, seed: u64, name: &str) -> DelaySampler {
        DelaySampler { delay: self.clone(), generator: seeds::keyed(seed, name), taken: 0 }
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Delay, PlanError> {
        if field.is_text() {
            return Ok(Delay::fixed(field.duration()?));
        }
        let known = [
            "fixed",
            "jitter",
            "distribution",
            "low",
            "high",
            "mean",
            "deviation",
            "median",
            "sigma",
            "shape",
            "scale",
            "recorded",
            "at_most",
        ];
        let table = field.table(&known)?;
        let at_most = table.read("at_most", Field::duration)?;
        let (kind, value) = table.need_one(&["fixed", "distribution", "recorded"])?;
        let delay = match kind {
            "fixed" => {
                only(&table, &known, &["fixed", "jitter", "at_most"])?;
                let jitter = table.read("jitter", Field::duration)?.unwrap_or_default();
                Delay { shape: Shape::Fixed { time: value.duration()?, jitter }, at_most }
            }
            "recorded" => {
                only(&table, &known, &["recorded", "at_most"])?;
                let times: Result<Vec<Duration>, PlanError> =
                    value.list()?.iter().map(Field::duration).collect();
                Delay { shape: Shape::Recorded(times?), at_most }
            }
            _ => {
                let keys = value.choice(&DISTRIBUTIONS)?;
                only(&table, &known, &["distribution", keys[0], keys[1], "at_most"])?;
                let shape = Shape::read_distribution(value.text(usize::MAX)?, &table)?;
                Delay { shape, at_most }
            }
        };
        match delay.typical() {
            Some((name, time)) if time > delay.effective_at_most() => Err(table.error(format!(
                "has a `{name}` above `at_most`, which is {}; raise `at_most` or lower `{name}`",
                write_duration(delay.effective_at_most())
            ))),
            _ => Ok(delay),
        }
    }

    /// The time that a distribution lies about, with its key.
    fn typical(&self) -> Option<(&'static str, Duration)> {
        match self.shape {
            Shape::Normal { mean, .. } | Shape::Exponential { mean } | Shape::Gamma { mean, .. } => {
                Some(("mean", mean))
            }
            Shape::Lognormal { median, .. } => Some(("median", median)),
            Shape::Pareto { scale, .. } => Some(("scale", scale)),
            Shape::Uniform { low, .. } => Some(("low", low)),
            Shape::Fixed { .. } | Shape::Recorded(_) => None,
        }
    }

    fn effective_at_most(&self) -> Duration {
        self.at_most.unwrap_or(match self.shape {
            Shape::Fixed { .. } | Shape::Uniform { .. } | Shape::Recorded(_) => DURATION_MAX,
            _ => DEFAULT_AT_MOST,
        })
    }

    /// The canonical form, which [`Delay::read`] reads back.
    pub(crate) fn write(&self) -> String {
        let time = |time: Duration| text(&write_duration(time));
        let mut pairs = Pairs::default();
        let distribution = |pairs: &mut Pairs, name: &str| pairs.push("distribution", text(name));
        match &self.shape {
            Shape::Fixed { time: fixed, jitter } => {
                if jitter.is_zero() && self.at_most.is_none() {
                    return time(*fixed);
                }
                pairs.push("fixed", time(*fixed));
                pairs.push_some("jitter", (!jitter.is_zero()).then(|| time(*jitter)));
            }
            Shape::Uniform { low, high } => {
                distribution(&mut pairs, "uniform");
                pairs.push("low", time(*low));
                pairs.push("high", time(*high));
            }
            Shape::Normal { mean, deviation } => {
                distribution(&mut pairs, "normal");
                pairs.push("mean", time(*mean));
                pairs.push("deviation", time(*deviation));
            }
            Shape::Lognormal { median, sigma } => {
                distribution(&mut pairs, "lognormal");
                pairs.push("median", time(*median));
                pairs.push("sigma", format!("{sigma:?}"));
            }
            Shape::Exponential { mean } => {
                distribution(&mut pairs, "exponential");
                pairs.push("mean", time(*mean));
            }
            Shape::Gamma { shape, mean } => {
                distribution(&mut pairs, "gamma");
                pairs.push("shape", format!("{shape:?}"));
                pairs.push("mean", time(*mean));
            }
            Shape::Pareto { scale, shape } => {
                distribution(&mut pairs, "pareto");
                pairs.push("scale", time(*scale));
                pairs.push("shape", format!("{shape:?}"));
            }
            Shape::Recorded(times) => pairs.push("recorded", list(times.iter().map(|entry| time(*entry)))),
        }
        pairs.push_some("at_most", self.at_most.map(time));
        pairs.into_table()
    }
}

impl Shape {
    fn read_distribution(name: &str, table: &Table<'_>) -> Result<Shape, PlanError> {
        let time = |key| table.need(key)?.duration();
        let parameter = |key| table.need(key)?.positive(PARAMETER_MAX);
        Ok(match name {
            "uniform" => {
                let (low, high) = (time("low")?, time("high")?);
                if low > high {
                    return Err(table.error("has `low` above `high`; swap them"));
                }
                Shape::Uniform { low, high }
            }
            "normal" => Shape::Normal { mean: time("mean")?, deviation: time("deviation")? },
            "lognormal" => Shape::Lognormal { median: time("median")?, sigma: parameter("sigma")? },
            "exponential" => Shape::Exponential { mean: time("mean")? },
            "gamma" => Shape::Gamma { shape: parameter("shape")?, mean: time("mean")? },
            _ => Shape::Pareto { scale: time("scale")?, shape: parameter("shape")? },
        })
    }
}

/// Refuses what belongs to another kind of delay.
fn only(table: &Table<'_>, known: &[&'static str], wanted: &[&str]) -> Result<(), PlanError> {
    let foreign = known.iter().find(|key| !wanted.contains(key) && table.get(key).is_some());
    match foreign {
        None => Ok(()),
        Some(key) => {
            let mut wanted = wanted.to_vec();
            wanted.dedup();
            Err(table.error(format!(
                "has `{key}`, which does not belong to it; this kind has {}",
                wanted.join(", ")
            )))
        }
    }
}

impl fmt::Display for Delay {
    /// The canonical form, as a plan has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.write())
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Delay, D::Error> {
        let node = document::of_value(toml::Value::deserialize(deserializer)?);
        Delay::read(&Field::root(&node, "delay")).map_err(D::Error::custom)
    }
}

/// The times of a [`Delay`], without end.
#[derive(Debug, Clone)]
pub struct DelaySampler {
    delay: Delay,
    generator: ChaCha8Rng,
    taken: usize,
}

impl Iterator for DelaySampler {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at_most = self.delay.effective_at_most();
        let generator = &mut self.generator;
        let seconds = match &self.delay.shape {
            Shape::Fixed { time, jitter } if jitter.is_zero() => return Some((*time).min(at_most)),
            Shape::Recorded(times) => {
                let time = times.get(self.taken % times.len().max(1)).copied().unwrap_or_default();
                self.taken += 1;
                return Some(time.min(at_most));
            }
            Shape::Fixed { time, jitter } => {
                time.as_secs_f64() + jitter.as_secs_f64() * (2.0 * generator.random::<f64>() - 1.0)
            }
            Shape::Uniform { low, high } => {
                low.as_secs_f64() + (*high - *low).as_secs_f64() * generator.random::<f64>()
            }
            Shape::Normal { mean, deviation } => {
                mean.as_secs_f64() + deviation.as_secs_f64() * generator.sample::<f64, _>(StandardNormal)
            }
            Shape::Lognormal { median, sigma } => {
                median.as_secs_f64() * (sigma * generator.sample::<f64, _>(StandardNormal)).exp()
            }
            Shape::Exponential { mean } => mean.as_secs_f64() * generator.sample::<f64, _>(Exp1),
            // With a scale of 1 only the shape, which is checked, could make it fail.
            Shape::Gamma { shape, mean } => match Gamma::new(*shape, 1.0) {
                Ok(gamma) => mean.as_secs_f64() * gamma.sample(generator) / shape,
                Err(_) => mean.as_secs_f64(),
            },
            Shape::Pareto { scale, shape } => {
                scale.as_secs_f64() * (generator.sample::<f64, _>(Exp1) / shape).exp()
            }
        };
        Some(from_seconds(seconds, at_most))
    }
}

/// The pace of an answer: a table with `first_token` and `between_tokens`, both optional.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latency {
    /// Before the first event that is not the role's.
    pub first_token: Option<Delay>,
    /// Before each later event with content.
    pub between_tokens: Option<Delay>,
}

impl Latency {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Latency::default()
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Latency, PlanError> {
        let table = field.table(&["first_token", "between_tokens"])?;
        let latency = Latency {
            first_token: table.read("first_token", Delay::read)?,
            between_tokens: table.read("between_tokens", Delay::read)?,
        };
        if latency.is_empty() {
            Err(table.error("needs `first_token` or `between_tokens`"))
        } else {
            Ok(latency)
        }
    }

    pub(crate) fn write(&self) -> String {
        let mut pairs = Pairs::default();
        pairs.push_some("first_token", self.first_token.as_ref().map(Delay::write));
        pairs.push_some("between_tokens", self.between_tokens.as_ref().map(Delay::write));
        pairs.into_table()
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
        let node = document::of_value(toml::Value::deserialize(deserializer)?);
        Latency::read(&Field::root(&node, "latency")).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
