//! The parts of one run, which several machines did, as one.
//!
//! Owns what belongs together: the same plan, target, model and start, and no part twice. Histograms and counts are added;
//! what follows from them is made anew. Refuses to know files.

use serde_json::Value;

use super::bounded::MOST_SHARDS;
use super::document::LoadReport;
use super::slo::{Objective, ObjectiveError};

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
    /// A search, or a series of faults, which is of one machine.
    #[error("the run of {started_at} is a series of runs, and no shard of one")]
    Series {
        /// When it began.
        started_at: String,
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
            MergeError::Series { .. } => "name the documents of plain runs with `--shard I/N`".to_owned(),
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
            same("started_at", &self.started_at, &part.started_at)?;
        }
        let expressions = |report: &LoadReport| -> Vec<String> {
            report.slo.iter().map(|slo| slo.expression.clone()).collect()
        };
        same("slo", &expressions(self), &expressions(part))
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
    }

    /// What follows from the sums.
    fn conclude(&mut self) -> Result<(), MergeError> {
        self.shards.sort_unstable();
        self.notes.retain(|note| !note.starts_with(MISSING));
        self.notes.extend(missing(self));
        self.notes.sort_unstable();
        self.notes.dedup();
        let figures = self.figures();
        for slo in &mut self.slo {
            *slo = slo.expression.parse::<Objective>()?.evaluate(&figures);
        }
        Ok(())
    }
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
        if report.series.is_some() {
            return Err(MergeError::Series { started_at });
        }
        if report.shards.is_empty() {
            return Err(MergeError::NoShard { started_at });
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
