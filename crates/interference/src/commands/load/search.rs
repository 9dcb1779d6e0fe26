//! The search for the highest rate at which every objective holds.
//!
//! Owns which rate is tried next, and which of the tries are told. Refuses to know how a rate is tried.

use std::time::Duration;

use interference_load::schedule::MOST_ARRIVALS;
use interference_report::load::{LoadReport, Point, Series};

/// The rate that a search begins with, in requests a second.
const FIRST_RATE: f64 = 1.0;
/// Runs of a search, at most.
const MOST_RUNS: u32 = 24;
/// The lowest rate that is tried.
const LOWEST_RATE: f64 = FIRST_RATE / 32.0;
/// The highest rate that is tried, if a run may have so many arrivals.
const HIGHEST_RATE: f64 = 100_000.0;
/// The share of the bound on arrivals that a rate may be expected to need: chance adds a little.
const OF_MOST_ARRIVALS: f64 = 0.99;
/// A search ends when what held and what did not are as near as this.
const NEAR_ENOUGH: f64 = 1.05;

/// A search, as far as it has come: the rate is doubled until an objective is missed, and then what is between is halved.
pub(super) struct Search {
    /// The highest rate that is tried.
    highest: f64,
    points: Vec<Point>,
    /// The highest rate so far at which a run has no arrival.
    empty: Option<f64>,
    held: Option<Try>,
    missed: Option<Try>,
}

struct Try {
    rate: f64,
    report: LoadReport,
}

impl Search {
    /// A search that consists of runs of such a length, with a time before them that is no longer.
    pub(super) fn with_runs_of(duration: Duration) -> Search {
        let most = MOST_ARRIVALS as f64 * OF_MOST_ARRIVALS / duration.as_secs_f64();
        Search { highest: most.min(HIGHEST_RATE), points: Vec::new(), empty: None, held: None, missed: None }
    }

    /// How many rates were tried.
    pub(super) fn tries(&self) -> u32 {
        self.points.len() as u32
    }

    /// The next rate to be tried; none at the end.
    pub(super) fn next(&self) -> Option<f64> {
        let rate = |tried: &Try| tried.rate;
        if self.tries() >= MOST_RUNS {
            return None;
        }
        match (self.held.as_ref().map(rate), self.missed.as_ref().map(rate)) {
            (None, None) => match self.empty {
                Some(empty) => (empty < self.highest).then_some((empty * 2.0).min(self.highest)),
                None => Some(FIRST_RATE),
            },
            (None, Some(missed)) => {
                let lower = missed / 2.0;
                let is_worth_a_try = missed > LOWEST_RATE && self.empty.is_none_or(|empty| lower > empty);
                is_worth_a_try.then_some(lower)
            }
            (Some(held), None) => (held < self.highest).then_some((held * 2.0).min(self.highest)),
            (Some(held), Some(missed)) => {
                (missed / held > NEAR_ENOUGH).then(|| rounded((held * missed).sqrt()))
            }
        }
    }

    /// Takes note that a run at this rate would send nothing, so that nothing would hold or be missed. The seed is the same
    /// for every rate, so that a higher one sends no less: whatever is tried later lies above.
    pub(super) fn skip(&mut self, rate: f64) {
        self.empty = Some(self.empty.map_or(rate, |empty| empty.max(rate)));
    }

    /// Takes what came of a rate.
    pub(super) fn take(&mut self, rate: f64, report: LoadReport) {
        self.points.push(Point::of(rate, &report));
        let end = if report.met() { &mut self.held } else { &mut self.missed };
        *end = Some(Try { rate, report });
    }

    /// The try at the highest rate that held, with all the others as its series; the one at the lowest rate where none held.
    /// None before the first.
    pub(super) fn told(self) -> Option<LoadReport> {
        let series = self.series();
        let told = self.held.or(self.missed)?;
        Some(LoadReport { series: Some(series), ..told.report })
    }

    /// The tries, in the order of their rates.
    pub(super) fn series(&self) -> Series {
        let mut points = self.points.clone();
        points.sort_by(|one, other| one.at.total_cmp(&other.at));
        let highest = self.held.as_ref().map(|held| held.rate);
        Series { variable: "rate".to_owned(), points, highest }
    }
}

/// To three digits: no search is finer.
fn rounded(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0);
    ((rate / unit).round() * unit * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run at a rate that met its objective or did not, certified where it is said to be.
    fn run(rate: f64, met: bool, certified: bool) -> LoadReport {
        let calibration = serde_json::json!({
            "streams": 1, "requests": 1, "errors": 0, "chunks_per_second": 1.0, "longest_stall_ms": 1.0,
            "first_content_error_ms": {"p50": 0.1, "p99": 0.1, "max": 0.1}, "between_chunks_error_ms": null,
        });
        let stall = if certified { 1.0 } else { 99.0 };
        let document = serde_json::json!({
            "format": interference_report::load::FORMAT, "tool": {"name": "interference", "version": "0"}, "command": "",
            "target": "http://localhost/v1", "started_at": "2026-11-26T09:30:00Z", "duration_ms": 1000.0,
            "plan": {
                "arrivals": "poisson", "rate": rate.to_string(), "duration_ms": 1000.0, "warmup_ms": 0.0, "seed": 0,
                "endpoint": "chat", "work": "", "late_after_ms": 10.0,
            },
            "basis": "scheduled",
            "slo": [{"expression": "failed<=0", "value": 0.0, "met": met}],
            "certificates": [{
                "bounds": {"first_content_ms_p99": 10.0, "between_chunks_ms_p99": 2.0, "stall_ms": 18.0},
                "before": calibration, "after": calibration, "during": {"longest_stall_ms": stall, "stalls": 1},
                "streams": 1, "chunks_per_second": 1.0,
            }],
            "measurements": {
                "counts": {}, "errors": {}, "histograms": {}, "timeline": {"interval_ms": 1000, "intervals": []},
                "streams": {"every": 1, "lines": []},
            },
        });
        LoadReport::from_json(&document.to_string()).unwrap()
    }

    fn search(limit: f64, is_certified: impl Fn(f64) -> bool) -> LoadReport {
        let mut search = Search::with_runs_of(Duration::from_secs(1));
        while let Some(rate) = search.next() {
            search.take(rate, run(rate, rate <= limit, is_certified(rate)));
        }
        assert!(search.tries() <= MOST_RUNS);
        search.told().unwrap()
    }

    #[test]
    fn what_is_told_is_the_try_that_held() {
        for limit in [0.07, 1.0, 37.3, 5_000.0, 1e9] {
            let told = search(limit, |_| true);
            let series = told.series.as_ref().unwrap();
            let highest = series.highest.unwrap();
            assert_eq!(told.plan.rate, Some(highest.to_string()));
            assert!(told.met() && highest <= limit, "{limit}: {highest}");
            assert!(highest == HIGHEST_RATE || highest >= limit / NEAR_ENOUGH, "{limit}: {highest}");
            assert!(series.points.is_sorted_by_key(|point| point.at));
            assert!(told.certified() && series.points.iter().all(|point| point.certified));
        }
    }

    #[test]
    fn each_try_has_its_own_certificate() {
        let told = search(37.3, |rate| rate < 60.0);
        let points = &told.series.as_ref().unwrap().points;
        assert!(points.iter().all(|point| point.certified == (point.at < 60.0)), "{points:#?}");
        assert!(points.iter().all(|point| point.certificates.len() == 1));
        assert!(told.certified(), "what decides is below: {:?}", told.objections());
    }

    /// The miss may be the tester's own fault then, and the server may be faster.
    #[test]
    fn a_miss_that_decides_and_is_not_certified_voids_the_certificate() {
        let told = search(37.3, |rate| rate <= 37.3);
        assert!(!told.certified());
        let objections = told.objections();
        let first = &objections[0];
        assert!(
            first.contains("what holds may be higher") && first.contains("stood still for 99.0 ms"),
            "{objections:?}"
        );
        assert_eq!(objections.len(), 1);
    }

    /// A search in which runs send nothing below a rate, up to which the objective holds or not.
    fn search_above(least: f64, limit: f64) -> Option<LoadReport> {
        let mut search = Search::with_runs_of(Duration::from_secs(1));
        while let Some(rate) = search.next() {
            match rate < least {
                true => search.skip(rate),
                false => search.take(rate, run(rate, rate <= limit, true)),
            }
        }
        search.told()
    }

    #[test]
    fn no_rate_has_more_arrivals_than_a_run_may() {
        let hour = Duration::from_secs(3_600);
        let mut search = Search::with_runs_of(hour);
        let mut highest: f64 = 0.0;
        while let Some(rate) = search.next() {
            search.take(rate, run(rate, true, true));
            highest = highest.max(rate);
        }
        assert!(highest * hour.as_secs_f64() < MOST_ARRIVALS as f64 && highest > 5_000.0, "{highest}");
    }

    #[test]
    fn rates_that_send_nothing_are_passed_over() {
        let told = search_above(30.0, 100.0).unwrap();
        let highest = told.series.as_ref().unwrap().highest.unwrap();
        assert!((100.0 / NEAR_ENOUGH..=100.0).contains(&highest), "{highest}");
        let missed = search_above(0.3, 0.0).unwrap();
        assert_eq!(missed.plan.rate.as_deref(), Some("0.5"), "a quarter would send nothing");
        assert!(search_above(f64::MAX, 1.0).is_none());
    }

    #[test]
    fn where_nothing_holds_the_lowest_try_is_told() {
        let told = search(0.0, |_| true);
        assert_eq!(told.plan.rate, Some(LOWEST_RATE.to_string()));
        assert_eq!((told.met(), told.series.unwrap().highest), (false, None));
    }
}
