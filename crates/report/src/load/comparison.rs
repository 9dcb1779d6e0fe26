//! Two runs side by side, and whether they differ beyond noise.
//!
//! Owns the verdict on each figure and on the whole. What noise is follows from the runs themselves (`noise.rs`), and from
//! what their certificates say of the tester's own error. Refuses to know why two runs differ.

mod format;
pub mod html;
mod noise;
pub mod terminal;

pub use format::Format;

use serde::{Deserialize, Serialize};

use self::noise::{Estimate, Sample, TooFew};
use super::document::LoadReport;
use super::figure::{Figure, RunFigure, Statistic, Worse};
use super::measure::{Measure, Unit};
use super::number::{counted, percent};
use super::sentences;
use crate::error::ReportError;

/// What the member `format` of a comparison says.
pub const FORMAT: &str = "interference-load-comparison-1";

/// Figures that the conclusion names.
const MOST_NAMED: usize = 3;
/// The figures that people look for, in this order: they are named first, and told also where they are within noise.
const HEADLINES: [&str; 10] = [
    "valid_goodput_ratio",
    "requests_per_second",
    "completion_tokens_per_second",
    "failed",
    "first_content_ms_p50",
    "first_content_ms_p99",
    "between_chunks_ms_p50",
    "between_chunks_ms_p99",
    "time_per_output_token_ms_p50",
    "total_ms_p50",
];
/// How far two values of histograms can be apart that are the same: each is kept to a thousandth.
const RESOLUTION: f64 = 0.002;
/// The same for those near zero, which are kept to whole microseconds, or to whole things.
const SMALLEST_STEP: f64 = 1.0;

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The base URL.
    pub target: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The command that was run.
    pub command: String,
    /// RFC 3339, in UTC.
    pub started_at: String,
    /// What was to be done, in words.
    pub plan: String,
    /// Requests that were scheduled.
    pub scheduled: u64,
    /// Whether its numbers can be trusted.
    pub certified: bool,
    /// Why not, each a sentence.
    pub objections: Vec<String>,
}

/// What is said of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They differ by more than chance and the testers' own errors explain.
    BeyondNoise,
    /// They do not.
    WithinNoise,
    /// Nothing can be said of them.
    NotComparable,
}

/// What a difference beyond noise means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// B is different, in what is neither good nor bad.
    Different,
}

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// As documents of load spell it; its unit is in it.
    pub name: String,
    /// Of run A; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<f64>,
    /// Of run B; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<f64>,
    /// B by A; absent where A is 0, or one is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How far apart they may be by chance, in the unit of the figure; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// What is said of it.
    pub verdict: Verdict,
    /// What it means; absent where it is not beyond noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Why nothing can be said; absent where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What all figures together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Nothing is beyond noise.
    WithinNoise,
    /// What is beyond noise is better in B.
    Better,
    /// What is beyond noise is worse in B.
    Worse,
    /// Something is better in B, and something worse.
    Mixed,
    /// What is beyond noise is neither.
    Different,
    /// Nothing can be said of any figure.
    NotComparable,
}

impl Conclusion {
    /// Whether B is worse than A in anything, beyond noise.
    pub fn is_worse(self) -> bool {
        matches!(self, Conclusion::Worse | Conclusion::Mixed)
    }
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`FORMAT`].
    pub format: String,
    /// The run that is compared with: the older one, as a rule.
    pub a: Side,
    /// The run that is compared.
    pub b: Side,
    /// What all figures together say.
    pub conclusion: Conclusion,
    /// The same in a sentence.
    pub summary: String,
    /// What whoever reads it has to know besides, each a sentence.
    pub notes: Vec<String>,
    /// Every figure that one of them has.
    pub figures: Vec<ComparedFigure>,
}

/// Puts two runs side by side.
pub fn compare(a: &LoadReport, b: &LoadReport) -> Comparison {
    let samples = (Sample::of(a), Sample::of(b));
    let figures = Figure::all().filter_map(|figure| compared(figure, &samples.0, &samples.1));
    let figures: Vec<ComparedFigure> = figures.collect();
    let conclusion = conclude(&figures);
    Comparison {
        format: FORMAT.to_owned(),
        a: side(a),
        b: side(b),
        conclusion,
        summary: summary(conclusion, &figures),
        notes: notes(&samples.0, &samples.1),
        figures,
    }
}

impl Comparison {
    /// The comparison as JSON, indented, with a line feed at its end; `docs/schemas/load-comparison-1.json` describes it.
    ///
    /// # Errors
    /// [`ReportError::Unwritable`] where JSON cannot say a number.
    pub fn to_json(&self) -> Result<String, ReportError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ReportError::Unwritable { form: "JSON", reason: error.to_string() })?;
        text.push('\n');
        Ok(text)
    }

    /// Figures of a verdict.
    pub fn of(&self, verdict: Verdict) -> impl Iterator<Item = &ComparedFigure> {
        self.figures.iter().filter(move |figure| figure.verdict == verdict)
    }
}

fn side(report: &LoadReport) -> Side {
    Side {
        target: report.target.clone(),
        target_name: report.target_name.clone(),
        model: report.model.clone(),
        command: report.command.clone(),
        started_at: report.started_at.clone(),
        plan: sentences::plan(&report.plan),
        scheduled: report.measurements.counts.scheduled,
        certified: report.certified(),
        objections: report.objections(),
    }
}

fn compared(figure: Figure, a: &Sample<'_>, b: &Sample<'_>) -> Option<ComparedFigure> {
    let values = (a.report.number(figure), b.report.number(figure));
    if values == (None, None) {
        return None;
    }
    let (one, other) = values;
    let ratio = one.zip(other).and_then(|(one, other)| (one != 0.0).then_some(other / one));
    let mut compared = ComparedFigure {
        name: figure.to_string(),
        a: one,
        b: other,
        ratio,
        noise: None,
        verdict: Verdict::NotComparable,
        change: None,
        reason: None,
    };
    match judged(figure, a, b) {
        Err(reason) => compared.reason = Some(reason),
        Ok(Judged { difference, noise, scale }) => {
            compared.noise = Some(noise * scale);
            compared.verdict =
                if difference.abs() > noise { Verdict::BeyondNoise } else { Verdict::WithinNoise };
            compared.change = (difference.abs() > noise).then(|| change(figure, difference));
        }
    }
    Some(compared)
}

/// A difference, and how much of one is noise; both times `scale` are in the unit of the figure.
struct Judged {
    difference: f64,
    noise: f64,
    scale: f64,
}

fn judged(figure: Figure, a: &Sample<'_>, b: &Sample<'_>) -> Result<Judged, String> {
    if depends_on_basis(figure) && a.report.basis != b.report.basis {
        return Err("one counts from the scheduled time, the other from the sent time".to_owned());
    }
    let told = |side: &str, too_few: TooFew| format!("{side}: {too_few}");
    let one = a.estimate(figure).map_err(|too_few| told("A", too_few))?;
    let other = b.estimate(figure).map_err(|too_few| told("B", too_few))?;
    let chance = Estimate::noise(&one, &other).ok_or("too few values to know how far chance goes")?;
    let scheduled = |sample: &Sample<'_>| sample.report.measurements.counts.scheduled as f64;
    let scale = match figure {
        // It is compared as a share of the scheduled requests.
        Figure::Run(RunFigure::Failed) => scheduled(a).max(scheduled(b)),
        _ => 1.0,
    };
    let allowance = match figure {
        Figure::Run(_) => 0.0,
        Figure::Measured(measure, statistic) => {
            let greatest = one.value.max(other.value);
            resolution(measure, greatest) + own_error(measure, statistic, a.report, b.report)
        }
    };
    Ok(Judged { difference: other.value - one.value, noise: chance + allowance, scale })
}

fn depends_on_basis(figure: Figure) -> bool {
    use Measure::{FirstByte, FirstContent, FirstReasoning, Headers, Total};
    matches!(figure, Figure::Measured(Headers | FirstByte | FirstReasoning | FirstContent | Total, _))
}

fn resolution(measure: Measure, value: f64) -> f64 {
    let smallest = match measure.unit() {
        Unit::Time => SMALLEST_STEP / 1e3,
        Unit::Count => 0.0,
    };
    value * RESOLUTION + smallest
}

/// What the testers' own errors can make of a difference, in milliseconds: the worst that one of them found of itself.
fn own_error(measure: Measure, statistic: Statistic, a: &LoadReport, b: &LoadReport) -> f64 {
    if measure.unit() == Unit::Count {
        return 0.0;
    }
    let between = matches!(measure, Measure::BetweenChunks | Measure::TimePerOutputToken);
    let calibrations = sentences::calibrations(a).chain(sentences::calibrations(b));
    let errors = calibrations.filter_map(|calibration| {
        if between { calibration.between_chunks_error_ms } else { calibration.first_content_error_ms }
    });
    let told = errors.map(|error| if statistic == Statistic::P50 { error.p50 } else { error.p99 });
    told.fold(0.0, f64::max)
}

fn change(figure: Figure, difference: f64) -> Change {
    match (figure.worse(), difference > 0.0) {
        (Worse::Neither, _) => Change::Different,
        (Worse::Greater, true) | (Worse::Less, false) => Change::Worse,
        (Worse::Greater, false) | (Worse::Less, true) => Change::Better,
    }
}

fn conclude(figures: &[ComparedFigure]) -> Conclusion {
    let any = |change| figures.iter().any(|figure| figure.change == Some(change));
    match (any(Change::Worse), any(Change::Better)) {
        (true, true) => Conclusion::Mixed,
        (true, false) => Conclusion::Worse,
        (false, true) => Conclusion::Better,
        (false, false) if any(Change::Different) => Conclusion::Different,
        (false, false) if figures.iter().all(|figure| figure.verdict == Verdict::NotComparable) => {
            Conclusion::NotComparable
        }
        (false, false) => Conclusion::WithinNoise,
    }
}

fn summary(conclusion: Conclusion, figures: &[ComparedFigure]) -> String {
    let named = |change| {
        let mut changed: Vec<_> = figures.iter().filter(|figure| figure.change == Some(change)).collect();
        let place = |name: &str| HEADLINES.iter().position(|headline| *headline == name);
        changed.sort_by_key(|figure| place(&figure.name).unwrap_or(HEADLINES.len()));
        let names = changed.iter().take(MOST_NAMED).map(|figure| match figure.ratio {
            Some(ratio) if ratio < 10.0 => format!("{} {:+.1} %", figure.name, (ratio - 1.0) * 100.0),
            Some(ratio) => format!("{} × {ratio:.0}", figure.name),
            None => figure.name.clone(),
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let more = changed.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("in {} ({names}{more})", counted(changed.len() as u64, "figure", "figures"))
    };
    match conclusion {
        Conclusion::WithinNoise => "A and B are the same within noise".to_owned(),
        Conclusion::Better => format!("B is better than A beyond noise {}", named(Change::Better)),
        Conclusion::Worse => format!("B is worse than A beyond noise {}", named(Change::Worse)),
        Conclusion::Mixed => format!(
            "B is worse than A beyond noise {}, and better {}",
            named(Change::Worse),
            named(Change::Better)
        ),
        Conclusion::Different => {
            format!("B is neither better nor worse than A, but different {}", named(Change::Different))
        }
        Conclusion::NotComparable => "A and B have nothing that can be compared".to_owned(),
    }
}

fn notes(a: &Sample<'_>, b: &Sample<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, sample) in [("A", a), ("B", b)] {
        if !sample.report.certified() {
            notes.push(format!("{name} is not certified: what differs may be its tester"));
        }
        if let Some(note) = sample.assumption() {
            notes.push(format!("{name} {note}"));
        }
        notes.extend(sample.report.notes.iter().map(|note| format!("{name}: {note}")));
        let counts = &sample.report.measurements.counts;
        if counts.late > 0 && counts.scheduled > 0 {
            let share = percent(counts.late as f64 / counts.scheduled as f64);
            notes.push(format!("{name}: {share} of the requests were sent late, by the tester's own fault"));
        }
    }
    let (one, other) = (sentences::plan(&a.report.plan), sentences::plan(&b.report.plan));
    if one != other {
        notes.push(format!("the plans differ, which may be why the runs do: {one} against {other}"));
    }
    if a.report.model != b.report.model {
        let called =
            |report: &LoadReport| report.model.clone().unwrap_or_else(|| "none in particular".to_owned());
        notes.push(format!("the models differ: {} against {}", called(a.report), called(b.report)));
    }
    notes
}
