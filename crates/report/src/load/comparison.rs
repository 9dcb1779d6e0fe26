//! Two runs side by side, and whether they differ beyond noise.
//!
//! Owns the verdict on each figure and on the whole. What noise is follows from the runs themselves (`noise.rs`), and from
//! what their certificates say of the tester's own error. Refuses to know why two runs differ.

mod document;
mod format;
pub mod html;
mod noise;
pub mod terminal;

pub use document::{Change, ComparedFigure, Comparison, Conclusion, FORMAT, Side, Verdict};
pub use format::Format;

use std::collections::BTreeSet;

use self::noise::{Estimate, Sample, TooFew};
use super::document::{Basis, LoadReport};
use super::figure::{Figure, RunFigure, Statistic, Worse};
use super::measure::{Measure, Unit};
use super::number::{counted, percent};
use super::sentences;
use super::slo::Objective;

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
/// The same for times near zero, which are kept to whole microseconds.
const SMALLEST_STEP_MS: f64 = 0.001;

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
    if is_goodput(figure) && asked_of_requests(a.report) != asked_of_requests(b.report) {
        return Err("what is good meets the objectives, and theirs differ".to_owned());
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
    matches!(figure, Figure::Measured(measure, _) if counts_from_basis(measure))
}

fn counts_from_basis(measure: Measure) -> bool {
    use Measure::{FirstByte, FirstContent, FirstReasoning, Headers, Total};
    matches!(measure, Headers | FirstByte | FirstReasoning | FirstContent | Total)
}

fn is_goodput(figure: Figure) -> bool {
    matches!(figure, Figure::Run(RunFigure::ValidGoodputRatio | RunFigure::GoodputRequestsPerSecond))
}

/// What decides whether a request is good, in whatever order: the objectives on a measure, and from when its times count.
/// Those on the run as a whole are asked of no request.
fn asked_of_requests(report: &LoadReport) -> BTreeSet<(&str, Option<bool>)> {
    let measure = |expression: &str| Some(expression.parse::<Objective>().ok()?.measure()?.0);
    let expressions = report.slo.iter().map(|verdict| verdict.expression.as_str());
    expressions
        .filter_map(|expression| {
            let basis = counts_from_basis(measure(expression)?).then(|| report.basis == Basis::Scheduled);
            Some((expression, basis))
        })
        .collect()
}

fn resolution(measure: Measure, value: f64) -> f64 {
    let smallest = match measure.unit() {
        Unit::Time => SMALLEST_STEP_MS,
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
        if let Some(series) = &sample.report.series {
            let (runs, what) = (series.points.len(), sentences::plan(&sample.report.plan));
            notes.push(format!("{name} is a series of {runs} runs, of which one is compared: {what}"));
        }
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
