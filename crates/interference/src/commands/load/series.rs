//! Several runs, of which one thing is changed: the search for the highest rate, and goodput against faults.

use std::time::Duration;

use interference_load::Pace;
use interference_load::schedule::Profile;
use interference_report::load::{LoadReport, Objective, Point, Series};

use super::LoadArguments;
use super::clock_server::ClockServer;
use super::interruption::Interruption;
use super::once::{Pattern, Proof, Session};
use crate::failure::{Failure, WRONG_USAGE};
use crate::talk::say;

/// The rate that a search begins with, in requests a second.
const FIRST_RATE: f64 = 1.0;
/// Runs of a search, at most.
const MOST_RUNS: usize = 24;
/// The highest rate that is tried.
const HIGHEST_RATE: f64 = 100_000.0;
/// A search ends when what held and what did not are as near as this.
const NEAR_ENOUGH: f64 = 1.05;
/// Runs of a series of faults, at most.
const MOST_FAULT_RATES: usize = 50;

/// What the server of a series of faults answers, where none is named.
const OWN_PACE: Pace =
    Pace { chunks: 50, first_content: Duration::from_millis(100), between_chunks: Duration::from_millis(10) };

/// Searches for the highest rate at which every objective holds: doubles the rate until one does not, and halves what is
/// between. A last run at that rate is certified, and is the one that the document tells of.
///
/// # Errors
/// Those of a run.
pub(super) fn sweep(
    arguments: &LoadArguments,
    objectives: &[Objective],
    interruption: &Interruption,
) -> anyhow::Result<LoadReport> {
    let session = Session::as_told(arguments, objectives, interruption)?;
    let mut points: Vec<Point> = Vec::new();
    let (mut held, mut missed) = (None, None);
    let mut rate = FIRST_RATE;
    while points.len() < MOST_RUNS {
        say(&format!("run {}: {rate:.2} requests a second", points.len() + 1));
        let mut report = session.run(&open(rate)?, Proof::Watch)?;
        if interruption.is_there() {
            report.series = Some(series(points, held));
            return Ok(report);
        }
        say(if report.met() { "  every objective held" } else { "  an objective was missed" });
        if report.met() {
            held = Some(rate);
        } else {
            missed = Some(rate);
        }
        points.push(point(rate, &report));
        rate = match (held, missed) {
            (Some(held), _) if held >= HIGHEST_RATE => break,
            (Some(held), None) => (held * 2.0).min(HIGHEST_RATE),
            (Some(held), Some(missed)) if missed / held <= NEAR_ENOUGH => break,
            (Some(held), Some(missed)) => rounded((held * missed).sqrt()),
            (None, Some(missed)) if missed * f64::from(u32::try_from(MOST_RUNS)?) < FIRST_RATE => break,
            (None, missed) => missed.unwrap_or(FIRST_RATE) / 2.0,
        };
    }
    let told = held.or(missed).unwrap_or(FIRST_RATE);
    say(&format!("the run that is told: {told:.2} requests a second"));
    let mut report = session.run(&open(told)?, proof(arguments))?;
    let certified = report.certified();
    points.iter_mut().for_each(|point| point.certified &= certified);
    report.series = Some(series(points, held));
    Ok(report)
}

/// The runs of a search, in the order of their rates.
fn series(mut points: Vec<Point>, highest: Option<f64>) -> Series {
    points.sort_by(|one, other| one.at.total_cmp(&other.at));
    Series { variable: "rate".to_owned(), points, highest }
}

/// One run for each part of the requests that fail.
///
/// # Errors
/// Those of a run; too many parts.
pub(super) fn of_faults(
    arguments: &LoadArguments,
    objectives: &[Objective],
    interruption: &Interruption,
) -> anyhow::Result<LoadReport> {
    let parts = &arguments.faults.fault_rates;
    if parts.len() > MOST_FAULT_RATES {
        let message = format!("{} runs are more than {MOST_FAULT_RATES}", parts.len());
        return Err(Failure::new(WRONG_USAGE, message, "name fewer parts to `--fault-rates`").into());
    }
    let own = match arguments.base_url {
        Some(_) => None,
        None => Some(ClockServer::start(OWN_PACE)?),
    };
    let base_url = own.as_ref().map(ClockServer::base_url).or(arguments.base_url.as_deref());
    let mut parts = parts.clone();
    parts.sort_by(f64::total_cmp);
    let (mut points, mut first) = (Vec::new(), None);
    for part in parts {
        say(&format!("{} of the requests fail: {}", percent(part), arguments.faults.faults));
        let session = Session::open(arguments, objectives, interruption, base_url, headers(arguments, part))?;
        let proof = if first.is_none() { proof(arguments) } else { Proof::Watch };
        let report = session.run(&session.pattern()?, proof)?;
        if interruption.is_there() {
            // What it came to is no point of the series; if it was the first, it is all that there is.
            first.get_or_insert(report);
            break;
        }
        points.push(point(part, &report));
        first.get_or_insert(report);
    }
    let Some(mut report) = first else {
        let hint = "as in `--fault-rates 0,0.01,0.1`";
        return Err(Failure::new(WRONG_USAGE, "no part of the requests was named", hint).into());
    };
    let certified = report.certified();
    points.iter_mut().for_each(|point| point.certified &= certified);
    report.series = Some(Series { variable: "fault_probability".to_owned(), points, highest: None });
    Ok(report)
}

fn proof(arguments: &LoadArguments) -> Proof {
    if arguments.no_certificate { Proof::Watch } else { Proof::BeforeAndAfter }
}

/// To three digits: no search is finer.
fn rounded(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0);
    ((rate / unit).round() * unit * 1e6).round() / 1e6
}

fn open(rate: f64) -> anyhow::Result<Pattern> {
    Ok(Pattern::Open(Profile::constant(rate)?))
}

/// The header that has so many of the answers fail; none for none.
fn headers(arguments: &LoadArguments, part: f64) -> Vec<(String, String)> {
    let plan = arguments.faults.faults.trim().trim_start_matches('{').trim_end_matches('}').trim();
    if part == 0.0 {
        return Vec::new();
    }
    vec![("x-interference".to_owned(), format!("{plan}, probability = {part}"))]
}

fn percent(part: f64) -> String {
    format!("{} %", (part * 1e5).round() / 1e3)
}

fn point(at: f64, report: &LoadReport) -> Point {
    let watched = report
        .certificates
        .iter()
        .all(|certificate| certificate.during.longest_stall_ms <= certificate.bounds.stall_ms);
    let mut figures = report.figures();
    figures.retain(|name, _| {
        !["_p90", "_p95", "_p999", "_mean", "_min", "_max"].iter().any(|suffix| name.ends_with(suffix))
    });
    let errors = report.measurements.errors.clone();
    Point { at, met: report.met(), certified: watched, figures, errors }
}
