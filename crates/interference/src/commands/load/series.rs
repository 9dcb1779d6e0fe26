//! Several runs, of which one thing is changed: the search for the highest rate, and goodput against faults.
//!
//! Each run has a certificate of its own, and stands in the document by its figures.

use std::time::Duration;

use anyhow::Context;
use interference_load::Pace;
use interference_load::schedule::Profile;
use interference_report::load::{LoadReport, Objective, Point, Series};

use super::LoadArguments;
use super::clock_server::ClockServer;
use super::interruption::Interruption;
use super::once::{Pattern, Session};
use super::search::Search;
use crate::failure::{Failure, WRONG_USAGE};
use crate::talk::say;

/// Runs of a series of faults, at most.
const MOST_FAULT_RATES: usize = 50;
/// The header by which a request asks for faults.
const PLAN_HEADER: &str = "x-interference";
/// A part of the requests that comes to none: a server is asked so whether it takes plans.
const HARDLY_EVER: f64 = 1e-12;

/// What the server of a series of faults answers, where none is named.
const OWN_PACE: Pace =
    Pace { chunks: 50, first_content: Duration::from_millis(100), between_chunks: Duration::from_millis(10) };

/// Whether the command line asks for a series that can be.
///
/// # Errors
/// It does not.
pub(super) fn check(arguments: &LoadArguments) -> Result<(), Failure> {
    let parts = arguments.faults.fault_rates.len();
    if parts > MOST_FAULT_RATES {
        let message = format!("{parts} runs are more than {MOST_FAULT_RATES}");
        return Err(Failure::new(WRONG_USAGE, message, "name fewer parts to `--fault-rates`"));
    }
    if arguments.arrivals.sweep && arguments.parts.shard.is_some() {
        let message = "`--sweep` has no shards: which rate is tried next follows from what was measured, and no machine \
                       sees it all";
        let hint = "search on one machine, or share rates that are known: `--rate 10,20,40 --shard I/N`";
        return Err(Failure::new(WRONG_USAGE, message, hint));
    }
    Ok(())
}

/// Searches for the highest rate at which every objective holds. The document tells of the try at that rate.
///
/// # Errors
/// Those of a run.
pub(super) fn sweep(
    arguments: &LoadArguments,
    objectives: &[Objective],
    interruption: &Interruption,
) -> anyhow::Result<LoadReport> {
    let session = Session::as_told(arguments, objectives, interruption)?;
    let mut search = Search::with_runs_of(arguments.arrivals.duration.max(arguments.arrivals.warmup));
    while let Some(rate) = search.next() {
        let number = search.tries();
        let profile = Profile::constant(rate)?;
        if !session.does_anything(&profile) {
            search.skip(rate);
            continue;
        }
        let pattern = Pattern::Open(profile);
        say(&format!("run {}: {rate:.2} requests a second", number + 1));
        let report = session.clone().nth(number, &pattern).run(&pattern)?;
        if interruption.is_there() {
            return Ok(LoadReport { series: Some(search.series()), ..report });
        }
        say(if report.met() { "  every objective held" } else { "  an objective was missed" });
        search.take(rate, report);
    }
    search.told().context("the highest rate has arrivals in a millisecond")
}

/// One run for each part of the requests that fail.
///
/// # Errors
/// Those of a run; a server that takes no plans of faults.
pub(super) fn of_faults(
    arguments: &LoadArguments,
    objectives: &[Objective],
    interruption: &Interruption,
) -> anyhow::Result<LoadReport> {
    let own = match arguments.base_url {
        Some(_) => None,
        None => Some(ClockServer::start(OWN_PACE)?),
    };
    let base_url = own.as_ref().map(ClockServer::base_url).or(arguments.base_url.as_deref());
    // Looked at without faults, so that all its runs ask the same.
    let session = Session::open(arguments, objectives, interruption, base_url)?;
    let plan = &arguments.faults.faults;
    let failing = |part: f64| {
        let plan = plan.clone().with_probability(part).to_string();
        let session = session.clone();
        if part > 0.0 { session.with_header(PLAN_HEADER, &plan) } else { Ok(session) }
    };
    let mut parts = arguments.faults.fault_rates.clone();
    parts.sort_by(f64::total_cmp);
    if parts.iter().any(|part| *part > 0.0) {
        failing(HARDLY_EVER)?.check_faults()?;
    }
    let pattern = session.pattern()?;
    let (mut points, mut first) = (Vec::new(), None);
    for (number, part) in (0..).zip(parts) {
        say(&format!("{} of the requests fail: {plan}", percent(part)));
        let report = failing(part)?.nth(number, &pattern).run(&pattern)?;
        if interruption.is_there() {
            // What it came to is no point of the series; if it was the first, it is all that there is.
            first.get_or_insert(report);
            break;
        }
        points.push(Point::of(part, &report));
        first.get_or_insert(report);
    }
    let Some(first) = first else {
        let hint = "as in `--fault-rates 0,0.01,0.1`";
        return Err(Failure::new(WRONG_USAGE, "no part of the requests was named", hint).into());
    };
    let series = Series { variable: "fault_probability".to_owned(), points, highest: None };
    Ok(LoadReport { series: Some(series), ..first })
}

fn percent(part: f64) -> String {
    format!("{} %", (part * 1e5).round() / 1e3)
}
