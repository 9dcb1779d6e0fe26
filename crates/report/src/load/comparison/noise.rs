//! How far two runs of the same can be apart.
//!
//! The values of a run are not independent of each other: answers that are under way together share a server, and the
//! chunks of an answer share its pace. Taken for independent, two runs of the same would differ "significantly" all the
//! time. So the run is cut into batches of intervals, and what is looked at is how much more the batches differ than
//! independent values would make them (the overdispersion of a share: Pearson's X² by its degrees of freedom). By that
//! factor the number of values is divided; what is left is the effective number of values.
//!
//! - A quantile has the limits of order statistics: the values whose ranks are [`DEVIATIONS`] binomial standard
//!   deviations below and above. They need no distribution; where the upper rank is beyond the last value, nothing is known.
//! - A mean has those of its standard error; a ratio Wilson's; a rate those of the rates of batches.
//! - A difference has the limits of both, as the variance of a difference is the sum of both (Zou and Donner's "MOVER").
//!
//! [`DEVIATIONS`] is 4 where 2 would be usual: with some eighty figures, 2 would find one or the other in any two runs of
//! the same. At 4, one figure in 16,000 is found by chance if the batches tell the factor well, and one in 1,000 if they
//! are few and tell it badly.

use super::super::document::{LoadReport, in_unit};
use super::super::figure::{Figure, RunFigure, Statistic};
use super::super::histogram::Histogram;
use super::super::measure::Measure;
use super::super::timeline::Interval;

/// Standard deviations that a difference may have by chance.
const DEVIATIONS: f64 = 4.0;
/// Batches that a run is cut into, at most.
const MOST_BATCHES: usize = 20;
/// Fewer tell nothing.
const FEWEST_BATCHES: usize = 8;
/// Independent values that a mean has to be of.
const FEWEST_VALUES: f64 = 30.0;

/// Why a figure of a run cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooFew {
    #[error("nothing was measured")]
    Nothing,
    #[error("not every answer came with its usage")]
    Usage,
    #[error("a single value says nothing of the others")]
    Extreme,
    #[error("too few independent values")]
    Values,
}

/// A value and how far chance may have moved it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) value: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    fn around(value: f64, width: f64) -> Estimate {
        Estimate { value, low: value - width, high: value + width }
    }

    /// How far the second may be from the first by chance, in the direction in which it is; none where a limit is not
    /// known.
    pub(super) fn noise(one: &Estimate, other: &Estimate) -> Option<f64> {
        let (lower, upper) = if one.value <= other.value { (one, other) } else { (other, one) };
        let noise = (lower.high - lower.value).hypot(upper.value - upper.low);
        noise.is_finite().then_some(noise)
    }
}

/// How much more batches differ than independent values would make them, by the quantile at which they are cut.
#[derive(Debug, Clone, Copy)]
struct Excess {
    quantile: f64,
    /// Of the waits for first chunks: a value for each answer.
    answers: f64,
    /// Of the times between chunks: many values for each answer.
    chunks: f64,
}

/// A run, cut into batches.
pub(super) struct Sample<'a> {
    pub(super) report: &'a LoadReport,
    batches: Vec<Interval>,
    /// So many of them, from the first on, are as long as each other, with all that was to be sent meanwhile. The others
    /// are the end of the run.
    full_batches: usize,
    excesses: Vec<Excess>,
}

impl<'a> Sample<'a> {
    pub(super) fn of(report: &'a LoadReport) -> Sample<'a> {
        let intervals = &report.measurements.timeline.intervals;
        let width = intervals.len().div_ceil(MOST_BATCHES).max(1);
        let batches = intervals.chunks(width).map(|batch| {
            let mut whole = Interval::default();
            batch.iter().for_each(|interval| whole.add(interval));
            whole
        });
        let batches: Vec<Interval> = batches.collect();
        let mut whole = Interval::default();
        batches.iter().for_each(|batch| whole.add(batch));
        let excess_at = |quantile, of: fn(&Interval) -> &Histogram| match of(&whole).quantile(quantile) {
            Some(value) => {
                excess(batches.iter().map(|batch| (of(batch).count_at_most(value), of(batch).len())))
            }
            None => 1.0,
        };
        let quantiles = Statistic::ALL.into_iter().filter_map(Statistic::quantile);
        let excesses = quantiles.map(|quantile| Excess {
            quantile,
            answers: excess_at(quantile, |batch| &batch.first_content),
            chunks: excess_at(quantile, |batch| &batch.between_chunks),
        });
        let excesses = excesses.collect();
        let batch_ms = width as f64 * report.measurements.timeline.interval_ms as f64;
        let full_batches = (report.plan.duration_ms.min(report.duration_ms) / batch_ms) as usize;
        Sample { report, batches, full_batches, excesses }
    }

    /// What had to be assumed of it, to follow on its name.
    pub(super) fn assumption(&self) -> Option<String> {
        (self.batches.len() < FEWEST_BATCHES).then(|| {
            format!(
                "has only {} intervals, too few to know how much answers resemble their neighbours: they are taken for \
                 independent, and a longer run would tell",
                self.batches.len()
            )
        })
    }

    /// A figure with its limits: `failed` as a share of the scheduled requests, all others in their units.
    pub(super) fn estimate(&self, figure: Figure) -> Result<Estimate, TooFew> {
        let measured = &self.report.measurements;
        let counts = &measured.counts;
        match figure {
            Figure::Measured(measure, statistic) => self.measured(measure, statistic),
            Figure::Run(RunFigure::ValidGoodputRatio) => self.share(counts.good, |batch| batch.good),
            Figure::Run(RunFigure::Failed) => self.share(measured.failed(), |batch| batch.errors),
            Figure::Run(rate) => self.rate(rate),
        }
    }

    fn measured(&self, measure: Measure, statistic: Statistic) -> Result<Estimate, TooFew> {
        let histogram = self.report.measurements.histograms.get(&measure).ok_or(TooFew::Nothing)?;
        let value = |value: Option<f64>| value.map(|value| in_unit(measure, value)).ok_or(TooFew::Nothing);
        match (statistic.quantile(), statistic) {
            (Some(quantile), _) => {
                let width =
                    DEVIATIONS * (quantile * (1.0 - quantile) / self.values(measure, quantile)).sqrt();
                let at = |quantile: f64| value(histogram.quantile(quantile).map(|value| value as f64));
                let low = if quantile > width { at(quantile - width)? } else { f64::NEG_INFINITY };
                let high = if quantile + width < 1.0 { at(quantile + width)? } else { f64::INFINITY };
                Ok(Estimate { value: at(quantile)?, low, high })
            }
            (None, Statistic::Mean) => {
                let values = self.values(measure, 0.5).min(self.values(measure, 0.9));
                if values < FEWEST_VALUES {
                    return Err(TooFew::Values);
                }
                let deviation = value(histogram.deviation())?;
                Ok(Estimate::around(value(histogram.mean())?, DEVIATIONS * deviation / values.sqrt()))
            }
            (None, _) => Err(TooFew::Extreme),
        }
    }

    /// How many independent values say as much as those of a measure do, as to a quantile.
    fn values(&self, measure: Measure, quantile: f64) -> f64 {
        let measured = &self.report.measurements;
        let len = |measure| measured.histograms.get(&measure).map_or(0.0, |histogram| histogram.len() as f64);
        let known = self.excesses.iter().find(|excess| excess.quantile == quantile);
        let (of_answers, of_chunks) = known.map_or((1.0, 1.0), |excess| (excess.answers, excess.chunks));
        // An answer says at most as much as one independent value, however many chunks it has.
        let answers = measured.completed() as f64 / of_answers;
        let chunks = len(Measure::BetweenChunks) / of_chunks;
        let answers = if chunks > 0.0 { answers.min(chunks) } else { answers };
        len(measure).min(answers)
    }

    /// A share of the scheduled requests; `of` tells how many of those that ended in a batch belong to it.
    fn share(&self, count: u64, of: impl Fn(&Interval) -> u64) -> Result<Estimate, TooFew> {
        let scheduled = self.report.measurements.counts.scheduled;
        if scheduled == 0 {
            return Err(TooFew::Nothing);
        }
        let shares = self.batches.iter().map(|batch| {
            let ended = batch.completed.saturating_add(batch.errors);
            (of(batch).min(ended), ended)
        });
        let values = scheduled as f64 / excess(shares);
        Ok(wilson(count as f64 / scheduled as f64, values))
    }

    fn rate(&self, figure: RunFigure) -> Result<Estimate, TooFew> {
        let value = self.report.number(Figure::Run(figure)).unwrap_or(0.0);
        let measured = &self.report.measurements;
        let tokens = match figure {
            RunFigure::PromptTokensPerSecond => Some(Measure::PromptTokens),
            RunFigure::CompletionTokensPerSecond => Some(Measure::CompletionTokens),
            _ => None,
        };
        if tokens.is_some() && measured.counts.without_usage > 0 {
            let has_some = measured.counts.without_usage < measured.completed();
            return Err(if has_some { TooFew::Usage } else { TooFew::Nothing });
        }
        let tokens = tokens.and_then(|measure| measured.histograms.get(&measure));
        let counted = |batch: &Interval| match figure {
            RunFigure::GoodputRequestsPerSecond => batch.good,
            RunFigure::ChunksPerSecond => batch.chunks,
            _ => batch.completed,
        };
        let counts_of = |batches: &[Interval]| -> Vec<f64> {
            batches.iter().map(|batch| counted(batch) as f64).collect()
        };
        let counts = counts_of(&self.batches);
        if counts.iter().sum::<f64>() == 0.0 {
            return Err(TooFew::Nothing);
        }
        // Shorter ones at the end would pass for a rate that varies.
        let full = counts_of(self.batches.get(..self.full_batches).unwrap_or(&self.batches));
        let counts = if full.iter().sum::<f64>() > 0.0 { full } else { counts };
        // How long answers are adds to how many there are.
        let of_tokens = tokens.and_then(|tokens| {
            let (mean, deviation) = (tokens.mean()?, tokens.deviation()?);
            (mean > 0.0).then(|| (deviation / mean).powi(2) / tokens.len() as f64)
        });
        let variance = relative_variance(&counts) + of_tokens.unwrap_or(0.0);
        // A run lasts until its last answer, which is a matter of a single one.
        let longest =
            measured.histograms.get(&Measure::Total).and_then(Histogram::max).unwrap_or(0) as f64 / 1e3;
        let edge = if self.report.duration_ms > 0.0 { longest / self.report.duration_ms } else { 1.0 };
        Ok(Estimate::around(value, value * (DEVIATIONS * variance.sqrt() + edge)))
    }
}

/// Of the mean of counts: the square of its standard error by the square of itself.
fn relative_variance(counts: &[f64]) -> f64 {
    let batches = counts.len() as f64;
    let total: f64 = counts.iter().sum();
    if counts.len() < FEWEST_BATCHES {
        // As if they came independently of each other (Poisson).
        return 1.0 / total;
    }
    let mean = total / batches;
    let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
    squares / (batches - 1.0) / batches / mean.powi(2)
}

/// How much more shares (so many of so many) differ than binomial ones do; at least 1.
fn excess(shares: impl Iterator<Item = (u64, u64)>) -> f64 {
    let shares: Vec<(f64, f64)> =
        shares.filter(|(_, of)| *of > 0).map(|(count, of)| (count as f64, of as f64)).collect();
    let of: f64 = shares.iter().map(|(_, of)| of).sum();
    let share = shares.iter().map(|(count, _)| count).sum::<f64>() / of;
    let binomial = of * share * (1.0 - share);
    if shares.len() < FEWEST_BATCHES || binomial <= 0.0 {
        return 1.0;
    }
    let squares: f64 = shares.iter().map(|(count, of)| (count - of * share).powi(2)).sum();
    let batches = shares.len() as f64;
    (squares / binomial * batches / (batches - 1.0)).max(1.0)
}

/// Wilson's score interval.
fn wilson(share: f64, values: f64) -> Estimate {
    let square = DEVIATIONS.powi(2) / values;
    let middle = (share + square / 2.0) / (1.0 + square);
    let width = (square * share * (1.0 - share) + square.powi(2) / 4.0).sqrt() / (1.0 + square);
    Estimate { value: share, low: (middle - width).max(0.0), high: (middle + width).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_are_alike_lose_nothing_and_others_much() {
        assert_eq!(excess([(5, 10); 10].into_iter()), 1.0);
        let halves = (0..10).map(|batch| if batch % 2 == 0 { (100, 100) } else { (0, 100) });
        let excess_of_halves = excess(halves);
        assert!((excess_of_halves - 100.0 * 10.0 / 9.0).abs() < 1e-9, "{excess_of_halves}");
        assert_eq!(excess([(10, 10); 10].into_iter()), 1.0, "what never varies");
        assert_eq!(excess([(0, 100), (100, 100)].into_iter()), 1.0, "too few to tell");
    }

    #[test]
    fn a_share_of_nothing_or_of_all_has_limits_too() {
        let none = wilson(0.0, 1_000.0);
        assert!(none.low == 0.0 && (0.01..0.02).contains(&none.high), "{none:?}");
        let all = wilson(1.0, 1_000.0);
        assert!(all.high == 1.0 && (0.98..0.99).contains(&all.low), "{all:?}");
    }

    #[test]
    fn rates_of_batches_that_are_the_same_are_certain() {
        assert_eq!(relative_variance(&[50.0; 20]), 0.0);
        assert_eq!(relative_variance(&[50.0; 2]), 0.01);
    }
}
