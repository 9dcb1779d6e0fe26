//! What follows from counts and histograms, by the names that documents have for it.
//!
//! Owns the names (`valid_goodput_ratio`, `first_content_ms_p99`), their units, and which way is worse. Refuses to know
//! how a figure is computed, and what is asked of it.

use std::fmt;
use std::str::FromStr;

use super::measure::{Measure, Unit};

/// Edits by which a name may differ from the one that is suggested for it: a third of its letters.
const NEAR: usize = 3;

/// What is told of the values of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The 99.9th percentile.
    P999,
    /// The mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Statistic {
    /// Every one, in the order in which they are told.
    pub const ALL: [Statistic; 8] = [
        Statistic::P50,
        Statistic::P90,
        Statistic::P95,
        Statistic::P99,
        Statistic::P999,
        Statistic::Mean,
        Statistic::Min,
        Statistic::Max,
    ];

    /// As names of figures end: `p99`.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::P50 => "p50",
            Statistic::P90 => "p90",
            Statistic::P95 => "p95",
            Statistic::P99 => "p99",
            Statistic::P999 => "p999",
            Statistic::Mean => "mean",
            Statistic::Min => "min",
            Statistic::Max => "max",
        }
    }

    /// Which share of the values does not exceed it; none of a mean, and of the extremes, which are of a single value.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Statistic::P50 => Some(0.5),
            Statistic::P90 => Some(0.9),
            Statistic::P95 => Some(0.95),
            Statistic::P99 => Some(0.99),
            Statistic::P999 => Some(0.999),
            Statistic::Mean | Statistic::Min | Statistic::Max => None,
        }
    }
}

/// What is told of a run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunFigure {
    /// Requests that were good, of those that were scheduled; 0 to 1.
    ValidGoodputRatio,
    /// Answers that ended soundly, a second.
    RequestsPerSecond,
    /// Answers that ended soundly and met the SLO, a second.
    GoodputRequestsPerSecond,
    /// By the server's usage, of sound answers.
    PromptTokensPerSecond,
    /// By the server's usage, of sound answers.
    CompletionTokensPerSecond,
    /// Chunks with output of sound answers, a second.
    ChunksPerSecond,
    /// Requests that came to nothing sound.
    Failed,
}

impl RunFigure {
    /// Every one, in the order in which they are told.
    pub const ALL: [RunFigure; 7] = [
        RunFigure::ValidGoodputRatio,
        RunFigure::RequestsPerSecond,
        RunFigure::GoodputRequestsPerSecond,
        RunFigure::PromptTokensPerSecond,
        RunFigure::CompletionTokensPerSecond,
        RunFigure::ChunksPerSecond,
        RunFigure::Failed,
    ];

    /// As documents spell it.
    pub fn name(self) -> &'static str {
        match self {
            RunFigure::ValidGoodputRatio => "valid_goodput_ratio",
            RunFigure::RequestsPerSecond => "requests_per_second",
            RunFigure::GoodputRequestsPerSecond => "goodput_requests_per_second",
            RunFigure::PromptTokensPerSecond => "prompt_tokens_per_second",
            RunFigure::CompletionTokensPerSecond => "completion_tokens_per_second",
            RunFigure::ChunksPerSecond => "chunks_per_second",
            RunFigure::Failed => "failed",
        }
    }
}

/// Which way a figure gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// The more, the worse: times.
    Greater,
    /// The less, the worse: rates.
    Less,
    /// Neither: how long prompts were, or what the tester itself did.
    Neither,
}

/// A number that is told of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Of the run as a whole.
    Run(RunFigure),
    /// Of all values of a measure.
    Measured(Measure, Statistic),
}

impl Figure {
    /// Every figure that there can be, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Figure> {
        let measured = Measure::ALL.into_iter();
        let measured =
            measured.flat_map(|measure| Statistic::ALL.map(|statistic| Figure::Measured(measure, statistic)));
        RunFigure::ALL.into_iter().map(Figure::Run).chain(measured)
    }

    /// Which way it gets worse.
    pub fn worse(self) -> Worse {
        match self {
            Figure::Run(RunFigure::Failed) => Worse::Greater,
            // How many chunks a text comes in is the server's to choose.
            Figure::Run(RunFigure::ChunksPerSecond) => Worse::Neither,
            Figure::Run(_) => Worse::Less,
            Figure::Measured(Measure::Lateness, _) => Worse::Neither,
            Figure::Measured(measure, _) => match measure.unit() {
                Unit::Time => Worse::Greater,
                Unit::Count => Worse::Neither,
            },
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Run(figure) => formatter.write_str(figure.name()),
            Figure::Measured(measure, statistic) => write!(formatter, "{measure}_{}", statistic.name()),
        }
    }
}

/// There is no figure of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no figure `{given}`{}", suggested(nearest.as_deref()))]
pub struct UnknownFigure {
    /// The name.
    pub given: String,
    /// The most similar one that there is.
    pub nearest: Option<String>,
}

fn suggested(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl UnknownFigure {
    /// For a name, and those among which it was looked for.
    pub(super) fn among(given: &str, names: impl Iterator<Item = String>) -> UnknownFigure {
        let near = names.map(|name| (strsim::damerau_levenshtein(given, &name), name));
        let near = near.filter(|(distance, name)| *distance <= name.len() / NEAR);
        UnknownFigure { given: given.to_owned(), nearest: near.min().map(|(_, name)| name) }
    }
}

impl FromStr for Figure {
    type Err = UnknownFigure;

    fn from_str(name: &str) -> Result<Figure, UnknownFigure> {
        let figure = Figure::all().find(|figure| figure.to_string() == name);
        figure.ok_or_else(|| UnknownFigure::among(name, Figure::all().map(|figure| figure.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let mut names: Vec<String> = Figure::all().map(|figure| figure.to_string()).collect();
        for (figure, name) in Figure::all().zip(&names) {
            assert_eq!(name.parse(), Ok(figure));
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Figure::all().count());
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let told = |name: &str| name.parse::<Figure>().unwrap_err().to_string();
        assert_eq!(
            told("first_contnet_ms_p99"),
            "there is no figure `first_contnet_ms_p99`; did you mean `first_content_ms_p99`?"
        );
        assert_eq!(told("weather"), "there is no figure `weather`");
    }
}
