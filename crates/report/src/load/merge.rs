//! The parts of one run, which several machines did, as one.
//!
//! Owns what belongs together: the same plan, target, model and start, and no part twice. Histograms and counts are added;
//! what follows from them is made anew, of each run of a series as of a single one. Refuses to know files.

use std::mem::take;

use serde_json::Value;

use super::bounded::{MOST_NOTES, MOST_SHARDS};
use super::document::LoadReport;
use super::measurements::Measurements;
use super::series::{Point, Sums};
use super::slo::{Objective, ObjectiveError};

/// As much of a time as tells its second.
const SECOND: &str = "2026-01-31T23:59:59";
/// Missing shards that are named.
const MOST_NAMED: usize = 10;

/// Why documents are no parts of one run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there is no document")]
    Nothing,
    /// More than there can be.
    #[error("there are {given} documents, and a run has at most {MOST_SHARDS} shards")]
    TooMany {
        /// How many.
        given: usize,
    },
    /// A run that was not split.
    #[error("the run of {started_at} is a whole one, and no shard")]
    NoShard {
        /// When it began.
        started_at: String,
    },
    /// A search, whose next rate follows from what one machine has measured.
    #[error("the run of {started_at} is a search for the highest rate, and no shard of one")]
    Search {
        /// When it began.
        started_at: String,
    },
    /// A run of a series of which only the figures are told, and no percentile is made of percentiles.
    #[error("the run at {at} of the series of {started_at} has no sums that others could be added to")]
    NoSums {
        /// When the series began.
        started_at: String,
        /// What was changed.
        at: f64,
    },
    /// A shard that is there twice.
    #[error("shard {index}/{of} is there twice")]
    Twice {
        /// Its number, from 0.
        index: u32,
        /// How many there are.
        of: u32,
    },
    /// A shard whose number is not below how many there are, or that says another number of shards.
    #[error("shard {index}/{of} cannot be one of {others}")]
    OtherSplit {
        /// Its number, from 0.
        index: u32,
        /// How many there are, as it says.
        of: u32,
        /// How many there are, as the first document says.
        others: u32,
    },
    /// A member that all parts have in common.
    #[error("the documents do not belong together: `{member}` is {one} in one and {other} in another")]
    Differs {
        /// The member: `plan.seed`.
        member: String,
        /// As JSON.
        one: String,
        /// As JSON.
        other: String,
    },
    /// An objective that no run can be held against.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
}

impl MergeError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            MergeError::Nothing | MergeError::TooMany { .. } => "name the documents of all shards of one run".to_owned(),
            MergeError::NoShard { .. } => {
                "only shards of one run (`load --shard I/N --start-at T`) are merged; `report compare A B` puts two runs \
                 side by side"
                    .to_owned()
            }
            MergeError::Search { .. } => {
                "search on one machine (`load --sweep`), or share rates that are known: `--rate 10,20,40 --shard I/N`"
                    .to_owned()
            }
            MergeError::NoSums { .. } => {
                "run all shards again by this version: it writes them for series with `--shard I/N`".to_owned()
            }
            MergeError::Twice { .. } => "name each document once, and give each machine a shard of its own".to_owned(),
            MergeError::OtherSplit { .. } | MergeError::Differs { .. } => {
                "run all shards by the same command but for `--shard I/N`, with the same `--start-at T`".to_owned()
            }
            MergeError::Objective(error) => error.hint().to_owned(),
        }
    }
}

impl LoadReport {
    /// Makes one run of its parts, in any order. A whole run alone stays as it is. What is missing stands in
    /// [`LoadReport::notes`].
    ///
    /// # Errors
    /// [`MergeError`] where the documents are not different shards of one run.
    pub fn merge(mut reports: Vec<LoadReport>) -> Result<LoadReport, MergeError> {
        if reports.len() > MOST_SHARDS {
            return Err(MergeError::TooMany { given: reports.len() });
        }
        let is_split = reports.len() > 1 || reports.iter().any(|report| !report.shards.is_empty());
        if is_split {
            check_shards(&reports)?;
        }
        reports.sort_by(|one, other| one.shards.cmp(&other.shards));
        let mut reports = reports.into_iter();
        let mut whole = reports.next().ok_or(MergeError::Nothing)?;
        for part in reports {
            whole.belongs_with(&part)?;
            whole.take(part);
        }
        if is_split {
            whole.conclude()?;
        }
        Ok(whole)
    }

    fn belongs_with(&self, part: &LoadReport) -> Result<(), MergeError> {
        same("target", &self.target, &part.target)?;
        same("model", &self.model, &part.model)?;
        same("basis", &self.basis, &part.basis)?;
        let (own, other) = (serde_json::to_value(&self.plan), serde_json::to_value(&part.plan));
        if let (Ok(Value::Object(own)), Ok(Value::Object(other))) = (own, other) {
            for name in own.keys().chain(other.keys()) {
                same(&format!("plan.{name}"), &own.get(name), &other.get(name))?;
            }
        }
        // Without a start that was agreed upon, only one that happens to be the same makes their times comparable.
        if self.plan.start_at.is_none() {
            let second = |report: &LoadReport| report.started_at.get(..SECOND.len()).map(str::to_owned);
            same("started_at", &second(self), &second(part))?;
        }
        let expressions = |report: &LoadReport| -> Vec<String> {
            report.slo.iter().map(|slo| slo.expression.clone()).collect()
        };
        same("slo", &expressions(self), &expressions(part))?;
        same("series.variable", &variable(self), &variable(part))?;
        same("series.points.at", &changes(self), &changes(part))
    }

    fn take(&mut self, part: LoadReport) {
        if part.tool != self.tool {
            let (own, other) = (&self.tool, &part.tool);
            self.notes.push(format!(
                "shards were run by different versions: {} {} and {} {}",
                own.name, own.version, other.name, other.version
            ));
        }
        self.target_name = self.target_name.take().or(part.target_name);
        self.started_at = self.started_at.clone().min(part.started_at);
        self.duration_ms = self.duration_ms.max(part.duration_ms);
        self.shards.extend(part.shards);
        self.notes.extend(part.notes);
        self.certificates.extend(part.certificates);
        self.measurements.merge(&part.measurements);
        // That they are of the same runs was seen before.
        if let (Some(own), Some(other)) = (&mut self.series, part.series) {
            own.points.iter_mut().zip(other.points).for_each(|(own, other)| own.take(other));
        }
    }

    /// What follows from the sums.
    fn conclude(&mut self) -> Result<(), MergeError> {
        self.shards.sort_unstable();
        self.notes.retain(|note| !note.starts_with(MISSING));
        self.notes.extend(missing(self));
        self.notes.sort_unstable();
        self.notes.dedup();
        self.notes.truncate(MOST_NOTES);
        self.judge()?;
        if let Some(mut series) = self.series.take() {
            let (measurements, certificates) = (take(&mut self.measurements), take(&mut self.certificates));
            for point in &mut series.points {
                *point = point.concluded(self.clone())?;
            }
            (self.measurements, self.certificates) = (measurements, certificates);
            self.series = Some(series);
        }
        Ok(())
    }

    /// Holds the objectives against what there is now.
    fn judge(&mut self) -> Result<(), ObjectiveError> {
        let figures = self.figures();
        for slo in &mut self.slo {
            *slo = slo.expression.parse::<Objective>()?.evaluate(&figures);
        }
        Ok(())
    }
}

impl Point {
    /// Adds a part of the same run, which another machine did.
    fn take(&mut self, part: Point) {
        self.certificates.extend(part.certificates);
        for (kind, count) in part.errors {
            let own = self.errors.entry(kind).or_default();
            *own = own.saturating_add(count);
        }
        if let (Some(own), Some(other)) = (&mut self.sums, part.sums) {
            own.add(&other);
        }
    }

    /// What follows from its sums; `run` is the document that it stands in, without numbers.
    fn concluded(&self, mut run: LoadReport) -> Result<Point, ObjectiveError> {
        let Some(Sums { duration_ms, counts, histograms }) = self.sums.clone() else {
            return Ok(self.clone());
        };
        run.duration_ms = duration_ms;
        run.measurements =
            Measurements { counts, errors: self.errors.clone(), histograms, ..Measurements::default() };
        run.certificates.clone_from(&self.certificates);
        run.judge()?;
        Ok(Point::of(self.at, &run))
    }
}

/// What was changed in the runs of a series.
fn variable(report: &LoadReport) -> Option<&str> {
    report.series.as_ref().map(|series| series.variable.as_str())
}

/// To what it was changed in each of them.
fn changes(report: &LoadReport) -> Vec<f64> {
    report.series.iter().flat_map(|series| &series.points).map(|point| point.at).collect()
}

/// How the note about missing shards begins.
const MISSING: &str = "not all of the run is here";

fn missing(report: &LoadReport) -> Option<String> {
    let of = report.shards.first()?.of;
    let mut missing =
        (0..of).filter(|index| report.shards.binary_search_by_key(index, |shard| shard.index).is_err());
    let named: Vec<String> = missing.by_ref().take(MOST_NAMED).map(|index| format!("{index}/{of}")).collect();
    let more = missing.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let verb = if named.len() == 1 { "is" } else { "are" };
    (!named.is_empty()).then(|| {
        format!("{MISSING}: {}{more} {verb} missing, so rates and counts are too low", named.join(", "))
    })
}

fn check_shards(reports: &[LoadReport]) -> Result<(), MergeError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut others = None;
    for report in reports {
        let started_at = report.started_at.clone();
        if report.shards.is_empty() {
            return Err(MergeError::NoShard { started_at });
        }
        if let Some(series) = &report.series {
            if series.variable == "rate" {
                return Err(MergeError::Search { started_at });
            }
            if let Some(point) = series.points.iter().find(|point| point.sums.is_none()) {
                return Err(MergeError::NoSums { started_at, at: point.at });
            }
        }
        for shard in &report.shards {
            let others = *others.get_or_insert(shard.of);
            let (index, of) = (shard.index, shard.of);
            if of != others || index >= of || of as usize > MOST_SHARDS {
                return Err(MergeError::OtherSplit { index, of, others });
            }
            if !seen.insert(index) {
                return Err(MergeError::Twice { index, of });
            }
        }
    }
    Ok(())
}

fn same<T: PartialEq + serde::Serialize>(member: &str, one: &T, other: &T) -> Result<(), MergeError> {
    if one == other {
        return Ok(());
    }
    let told = |value: &T| serde_json::to_string(value).unwrap_or_default();
    Err(MergeError::Differs { member: member.to_owned(), one: told(one), other: told(other) })
}
