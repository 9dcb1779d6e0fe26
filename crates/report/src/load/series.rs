//! Several runs, of which one thing was changed.
//!
//! Owns what is kept of each run, and what it takes to add the same runs of several machines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bounded::{self, MOST_POINTS, MOST_SHARDS};
use super::certificate::Certificate;
use super::document::LoadReport;
use super::figure::{Figure, Statistic};
use super::histogram::Histogram;
use super::measure::Measure;
use super::measurements::{Counts, Measurements};
use super::sentences;

/// Several runs, of which one thing was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What was changed: `rate`, `concurrency` or `fault_probability`.
    pub variable: String,
    /// In ascending order of what was changed.
    #[serde(deserialize_with = "bounded::list::<_, _, MOST_POINTS>")]
    pub points: Vec<Point>,
    /// The highest at which every objective held, of a search; absent where there was none, or nothing held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
}

/// One run of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What was changed.
    pub at: f64,
    /// Whether every objective held.
    pub met: bool,
    /// Whether the numbers can be trusted.
    pub certified: bool,
    /// What the tester found out about itself around this run; of several machines, one of each.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded::list::<_, _, MOST_SHARDS>"
    )]
    pub certificates: Vec<Certificate>,
    /// What it came to, by the names of documents: `first_content_ms_p99`.
    pub figures: Map<String, Value>,
    /// Requests that came to nothing sound, by kind.
    #[serde(default)]
    pub errors: BTreeMap<String, u64>,
    /// What its figures follow from; absent where no other machine has done a part of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
}

/// What the figures of a run follow from, in a form that can be added to what another machine has measured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// From the start of what counts to the last end.
    pub duration_ms: f64,
    /// How many.
    pub counts: Counts,
    /// A measure without a value has none.
    pub histograms: BTreeMap<Measure, Histogram>,
}

impl Series {
    /// Why its highest rate cannot be trusted: the lowest that missed is not certified, so that the miss may be the tester's.
    pub(super) fn objection(&self) -> Option<String> {
        let highest = self.highest?;
        let limit = self.points.iter().find(|point| !point.met && point.at > highest)?;
        let why = limit.certificates.iter().flat_map(Certificate::objections).next();
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        (!limit.certified).then(|| {
            let at = sentences::at(&self.variable, limit.at);
            format!("the run at {at} that missed is not certified{why}: what holds may be higher")
        })
    }
}

impl Sums {
    /// Adds what another machine has measured of the same run.
    pub(super) fn add(&mut self, other: &Sums) {
        self.duration_ms = self.duration_ms.max(other.duration_ms);
        self.counts.add(&other.counts);
        for (measure, histogram) in &other.histograms {
            self.histograms.entry(*measure).or_default().merge(histogram);
        }
    }
}

impl Point {
    /// A run, where this was changed.
    pub fn of(at: f64, report: &LoadReport) -> Point {
        let Measurements { counts, errors, histograms, .. } = &report.measurements;
        let is_shared = !report.shards.is_empty();
        let sums = Sums { duration_ms: report.duration_ms, counts: *counts, histograms: histograms.clone() };
        Point {
            at,
            met: report.met(),
            certified: report.certified(),
            certificates: report.certificates.clone(),
            figures: figures(report),
            errors: errors.clone(),
            sums: is_shared.then_some(sums),
        }
    }
}

/// What is told of a run of a series: of a measure its median and its 99th percentile.
fn figures(report: &LoadReport) -> Map<String, Value> {
    let told = |figure: &Figure| match figure {
        Figure::Run(_) => true,
        Figure::Measured(_, statistic) => matches!(statistic, Statistic::P50 | Statistic::P99),
    };
    let valued =
        Figure::all().filter(told).filter_map(|figure| Some((figure.to_string(), report.value(figure)?)));
    valued.collect()
}
