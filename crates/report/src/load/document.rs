//! The document of a run of load, and its JSON, of which `docs/schemas/load-1.json` is the schema.
//!
//! Members are only ever added; whatever else changes gets a new number in [`FORMAT`]. What follows from the histograms
//! and counts (`first_content_ms_p99`, `valid_goodput_ratio` and the like) stands in the JSON for those who read it, and
//! is made anew from them whenever a document is written.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bounded::{self, MOST_NOTES, MOST_OBJECTIVES, MOST_SHARDS};
use super::certificate::Certificate;
use super::figure::{Figure, RunFigure, Statistic};
use super::histogram::{Histogram, least_like};
use super::measure::{Measure, Unit};
use super::measurements::Measurements;
use super::series::Series;
use crate::error::{DocumentError, ReportError};
use crate::kind::{Kind, Unread};
use crate::verdicts::Tool;

/// What the member `format` of a document says.
pub const FORMAT: &str = "interference-load-1";

/// From when latencies count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From when a request was to be sent: open loops and traces.
    Scheduled,
    /// From when it was sent: closed loops.
    Sent,
}

/// What was to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `poisson`, `constant`, `closed` or `trace`.
    pub arrivals: String,
    /// As it was asked for: `50`, `10..100`, `10,20,40`. Of all shards together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// The same, of a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<String>,
    /// How long arrivals came.
    pub duration_ms: f64,
    /// How long before that requests were sent that count nowhere.
    pub warmup_ms: f64,
    /// Where the schedule and the prompts come from.
    pub seed: u64,
    /// `chat`, `completions`, `responses` or `embeddings`; several with commas between.
    pub endpoint: String,
    /// What is asked, in words.
    pub work: String,
    /// A request that is sent later than this counts as late.
    pub late_after_ms: f64,
    /// When it was to begin, RFC 3339 in UTC: what several machines have in common. Absent where it began at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
}

/// A part of a schedule that one machine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// Whether an objective was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloVerdict {
    /// As it was given: `first_content_ms_p99<500`.
    pub expression: String,
    /// What the run came to; absent where nothing was measured.
    pub value: Option<f64>,
    /// Nothing measured meets nothing.
    pub met: bool,
}

/// A run of load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// [`FORMAT`].
    pub format: String,
    /// Who measured.
    pub tool: Tool,
    /// The command that was run, without what is secret.
    pub command: String,
    /// The base URL.
    pub target: String,
    /// What to call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// The model that was asked for; absent where the requests name several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// From the start of what counts to the last end.
    pub duration_ms: f64,
    /// What was to be done.
    pub plan: Plan,
    /// From when latencies count.
    pub basis: Basis,
    /// Which parts are in it; empty where the schedule was not split.
    #[serde(default, deserialize_with = "bounded::list::<_, _, MOST_SHARDS>")]
    pub shards: Vec<Shard>,
    /// Whether it met what was asked of it.
    #[serde(default, deserialize_with = "bounded::list::<_, _, MOST_OBJECTIVES>")]
    pub slo: Vec<SloVerdict>,
    /// What whoever reads the numbers has to know besides, each a sentence: parts of the run that are missing.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::list::<_, _, MOST_NOTES>"
    )]
    pub notes: Vec<String>,
    /// Whether its own numbers can be trusted; of several machines, one of each.
    #[serde(deserialize_with = "bounded::list::<_, _, MOST_SHARDS>")]
    pub certificates: Vec<Certificate>,
    /// The runs of a search, or of a series of faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// What was measured: of a search, by the run at the highest that held, else by the lowest.
    pub measurements: Measurements,
}

impl LoadReport {
    /// Whether every certificate is without objection, and there is one.
    pub fn certified(&self) -> bool {
        !self.certificates.is_empty() && self.objections().is_empty()
    }

    /// Why the numbers cannot be trusted, each a sentence.
    pub fn objections(&self) -> Vec<String> {
        let own = self.certificates.iter().flat_map(Certificate::objections);
        own.chain(self.series.iter().filter_map(Series::objection)).collect()
    }

    /// Whether all objectives were met; also if there are none.
    pub fn met(&self) -> bool {
        self.slo.iter().all(|slo| slo.met)
    }

    /// How the target is called.
    pub fn called(&self) -> &str {
        self.target_name.as_deref().unwrap_or(&self.target)
    }

    /// What follows from counts and histograms, by the names that the document has for it: ratios, rates, and of every
    /// measure that has values its quantiles, its mean and its extremes. Times are in milliseconds.
    pub fn figures(&self) -> Map<String, Value> {
        let valued = Figure::all().filter_map(|figure| Some((figure.to_string(), self.value(figure)?)));
        valued.collect()
    }

    /// One figure, in the form in which documents have it; none of a measure without values.
    pub fn value(&self, figure: Figure) -> Option<Value> {
        match figure {
            Figure::Run(figure) => Some(self.run_value(figure)),
            Figure::Measured(measure, statistic) => {
                let histogram = self.measurements.histograms.get(&measure)?;
                Some(told(measure, statistic, histogram)?.into())
            }
        }
    }

    /// The same as a number.
    pub fn number(&self, figure: Figure) -> Option<f64> {
        self.value(figure).and_then(|value| value.as_f64())
    }

    fn run_value(&self, figure: RunFigure) -> Value {
        let measured = &self.measurements;
        let counts = &measured.counts;
        let seconds = self.duration_ms / 1e3;
        let rate =
            |count: u64| Value::from(if seconds > 0.0 { rounded(count as f64 / seconds) } else { 0.0 });
        match figure {
            RunFigure::ValidGoodputRatio if counts.scheduled == 0 => 0.0.into(),
            RunFigure::ValidGoodputRatio => (counts.good as f64 / counts.scheduled as f64).into(),
            RunFigure::RequestsPerSecond => rate(measured.completed()),
            RunFigure::GoodputRequestsPerSecond => rate(counts.good),
            RunFigure::PromptTokensPerSecond => rate(counts.prompt_tokens),
            RunFigure::CompletionTokensPerSecond => rate(counts.completion_tokens),
            RunFigure::ChunksPerSecond => rate(counts.chunks),
            RunFigure::Failed => measured.failed().into(),
        }
    }

    /// The document as JSON, indented, with a line feed at its end.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`] where JSON cannot say a number.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let unwritable =
            |error: serde_json::Error| ReportError::Unwritable { form: "JSON", reason: error.to_string() };
        let own = match serde_json::to_value(self).map_err(unwritable)? {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        let mut whole = Map::new();
        for (name, value) in own {
            // What people look for stands before what only programs read.
            if name == "series" || (name == "measurements" && !whole.contains_key("certified")) {
                self.put_figures(&mut whole);
            }
            whole.insert(name, value);
        }
        let mut text = serde_json::to_string_pretty(&whole).map_err(unwritable)?;
        text.push('\n');
        Ok(text)
    }

    fn put_figures(&self, whole: &mut Map<String, Value>) {
        whole.insert("certified".to_owned(), self.certified().into());
        whole.insert("objections".to_owned(), self.objections().into());
        whole.extend(self.figures());
        let errors = self.measurements.errors.iter().map(|(kind, count)| (kind.clone(), (*count).into()));
        whole.insert("errors".to_owned(), Value::Object(errors.collect()));
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`DocumentError`], which says where the text is no JSON, which other format it has, or which member is wrong.
    pub fn from_json(text: &str) -> Result<LoadReport, DocumentError> {
        LoadReport::of(Unread::open(text, &[Kind::Load])?)
    }

    /// Reads the members, and puts in order what another writer may have left without.
    pub(crate) fn of(unread: Unread) -> Result<LoadReport, DocumentError> {
        let mut report: LoadReport = unread.read()?;
        report.shards.sort_unstable();
        report.measurements.streams.lines.sort_by_key(|line| line.arrival);
        Ok(report)
    }
}

/// What a document tells of the values of a measure.
fn told(measure: Measure, statistic: Statistic, histogram: &Histogram) -> Option<f64> {
    let value = match statistic {
        Statistic::Mean => return Some(rounded(in_unit(measure, histogram.mean()?))),
        Statistic::Min => histogram.min(),
        Statistic::Max => histogram.max(),
        quantile => histogram.quantile(quantile.quantile()?),
    };
    let value = match measure.unit() {
        Unit::Time => value?,
        // A limit that was kept must not be told as one that was passed.
        Unit::Count => least_like(value?),
    };
    Some(in_unit(measure, value as f64))
}

/// A value of a histogram as documents tell it.
pub(super) fn in_unit(measure: Measure, value: f64) -> f64 {
    match measure.unit() {
        Unit::Time => value / 1e3,
        Unit::Count => value,
    }
}

/// To thousandths.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_tokens_is_not_told_as_more() {
        let mut tokens = Histogram::new();
        tokens.record(4_096);
        assert_eq!(tokens.max(), Some(4_099), "it is kept to three digits");
        for statistic in [Statistic::Min, Statistic::P50, Statistic::P99, Statistic::Max] {
            assert_eq!(told(Measure::CompletionTokens, statistic, &tokens), Some(4_096.0), "{statistic:?}");
        }
    }
}
