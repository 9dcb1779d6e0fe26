//! Shards of one run, as one.

use interference_report::load::{LoadReport, Objective, Point, Series, Shard};
use proptest::prelude::*;

use super::sample::{self, Traffic};

/// What depends on no machine alone.
fn without_in_flight(mut report: LoadReport) -> LoadReport {
    report.measurements.timeline.intervals.iter_mut().for_each(|interval| interval.in_flight = 0);
    report
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_shards_of_a_run_are_the_run(seed in any::<u64>(), requests in 0_u64..400, of in 2_u32..5) {
        let traffic = Traffic { seed, requests, chunks: 3, ..Traffic::default() };
        let whole = sample::report(&traffic);
        let mut shards = sample::shards(&traffic, of);
        shards.rotate_left(1);
        let merged = LoadReport::merge(shards).unwrap();
        prop_assert_eq!(&merged.shards, &(0..of).map(|index| Shard { index, of }).collect::<Vec<_>>());
        prop_assert_eq!(merged.certificates.len(), of as usize);
        prop_assert_eq!(&merged.notes, &[""; 0]);
        prop_assert_eq!(merged.figures(), whole.figures());
        prop_assert_eq!(
            without_in_flight(merged).measurements,
            without_in_flight(whole).measurements
        );
    }
}

#[test]
fn objectives_are_held_against_the_whole() {
    let traffic = Traffic { failing: 0.0, ..Traffic::default() };
    let objective: Objective = "requests_per_second>=15".parse().unwrap();
    let mut shards = sample::shards(&traffic, 2);
    for shard in &mut shards {
        shard.slo = vec![objective.evaluate(&shard.figures())];
        assert!(!shard.met(), "half of the requests");
    }
    let merged = LoadReport::merge(shards).unwrap();
    assert!(merged.met(), "{:?}", merged.slo);
}

/// Each run of a series is the whole run, with the percentiles of all its requests, and the objectives are held against it.
#[test]
fn the_runs_of_a_series_are_merged_one_by_one() {
    let objective: Objective = "requests_per_second>=15".parse().unwrap();
    let asked = |mut report: LoadReport| {
        report.slo = vec![objective.evaluate(&report.figures())];
        report
    };
    // What failed with faults is another run than what did without.
    let runs = [0.0, 0.3].map(|failing| Traffic { failing, ..Traffic::default() });
    let whole = runs.clone().map(|traffic| asked(sample::report(&traffic)));
    let mut shards: Vec<LoadReport> = sample::shards(&runs[0], 3).into_iter().map(asked).collect();
    let faulty = sample::shards(&runs[1], 3).into_iter().map(asked);
    for (shard, faulty) in shards.iter_mut().zip(faulty) {
        let points = vec![Point::of(0.0, shard), Point::of(0.3, &faulty)];
        assert!(points.iter().all(|point| !point.met), "a third of the requests");
        let series = Series { variable: "fault_probability".to_owned(), points, highest: None };
        shard.series = Some(series);
    }
    // One machine was not sure of itself in the second run.
    let stalled = &mut shards[1].series.as_mut().unwrap().points[1].certificates[0];
    stalled.during.longest_stall_ms = 99.0;

    let merged = LoadReport::merge(shards).unwrap();
    assert_eq!(merged.certificates.len(), 3, "those of the run that the document tells of");
    let points = merged.series.unwrap().points;
    for (point, whole) in points.iter().zip(&whole) {
        assert_eq!(point.figures, Point::of(point.at, whole).figures);
        assert_eq!(point.errors, whole.measurements.errors);
        assert_eq!((point.met, point.certificates.len()), (whole.met(), 3));
    }
    assert_eq!([points[0].certified, points[1].certified], [true, false]);
    assert!(points[0].met && !points[1].errors.is_empty());
}

#[test]
fn what_is_missing_is_said_until_it_comes() {
    let mut shards = sample::shards(&Traffic::default(), 3);
    let last = shards.pop().unwrap();
    let partial = LoadReport::merge(shards).unwrap();
    assert_eq!(
        partial.notes,
        ["not all of the run is here: 2/3 is missing, so rates and counts are too low"]
    );
    assert_eq!(LoadReport::merge(vec![last, partial]).unwrap().notes, [""; 0]);
    let one = sample::report(&Traffic::default());
    assert_eq!(LoadReport::merge(vec![one.clone()]), Ok(one), "a whole one stays as it is");
    let alone = LoadReport::merge(sample::shards(&Traffic::default(), 2).split_off(1)).unwrap();
    assert!(alone.notes[0].contains("0/2 is missing"), "{:?}", alone.notes);
}

#[test]
fn what_does_not_belong_together_is_refused_with_what_to_do() {
    let refused = |change: fn(&mut Vec<LoadReport>)| {
        let mut shards = sample::shards(&Traffic { requests: 5, ..Traffic::default() }, 2);
        change(&mut shards);
        let error = LoadReport::merge(shards).unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string()
    };
    assert_eq!(refused(Vec::clear), "there is no document");
    assert_eq!(refused(|shards| shards[1] = shards[0].clone()), "shard 0/2 is there twice");
    assert_eq!(
        refused(|shards| shards[1].shards.clear()),
        "the run of 2026-11-26T09:30:00Z is a whole one, and no shard"
    );
    assert_eq!(
        refused(|shards| shards[1].shards = vec![Shard { index: 1, of: 3 }]),
        "shard 1/3 cannot be one of 2"
    );
    assert_eq!(
        refused(|shards| shards[1].shards = vec![Shard { index: 2, of: 2 }]),
        "shard 2/2 cannot be one of 2"
    );
    assert_eq!(
        refused(|shards| shards[1].plan.seed = 8),
        "the documents do not belong together: `plan.seed` is 7 in one and 8 in another"
    );
    assert_eq!(
        refused(|shards| shards[1].plan.start_at = None),
        "the documents do not belong together: `plan.start_at` is \"2026-11-26T09:30:00Z\" in one and null in another"
    );
    assert!(refused(|shards| shards[1].target = "http://other/v1".to_owned()).contains("`target`"));
    assert!(refused(|shards| shards[1].model = None).contains("`model`"));
    assert_eq!(
        refused(|shards| shards[1].series = sample::rich().series),
        "the run of 2026-11-26T09:30:00Z is a search for the highest rate, and no shard of one"
    );
    assert_eq!(
        refused(|shards| shards[1].series = Some(sample::fault_series(&shards[1], &[0.0]))),
        "the documents do not belong together: `series.variable` is null in one and \"fault_probability\" in another"
    );
    assert_eq!(
        refused(|shards| {
            shards[0].series = Some(sample::fault_series(&shards[0], &[0.0, 0.1]));
            shards[1].series = Some(sample::fault_series(&shards[1], &[0.0, 0.2]));
        }),
        "the documents do not belong together: `series.points.at` is [0.0,0.1] in one and [0.0,0.2] in another"
    );
    assert_eq!(
        refused(|shards| {
            shards.iter_mut().for_each(|shard| shard.series = Some(sample::fault_series(shard, &[0.0, 0.1])));
            shards[1].series.as_mut().unwrap().points[1].sums = None;
        }),
        "the run at 0.1 of the series of 2026-11-26T09:30:00Z has no sums that others could be added to"
    );
    assert!(
        refused(|shards| {
            shards.iter_mut().for_each(|shard| shard.plan.start_at = None);
            shards[1].started_at = "2026-11-26T09:30:04Z".to_owned();
        })
        .contains("`started_at`")
    );
    let mut shards = sample::shards(&Traffic { requests: 5, ..Traffic::default() }, 2);
    shards.iter_mut().for_each(|shard| shard.plan.start_at = None);
    shards[0].started_at = "2026-11-26T09:30:00.075Z".to_owned();
    shards[1].started_at = "2026-11-26T09:30:00.900Z".to_owned();
    assert!(LoadReport::merge(shards).is_ok(), "the same second");
    let mut shards = sample::shards(&Traffic { requests: 5, ..Traffic::default() }, 2);
    shards[1].started_at = "2026-11-26T09:30:01Z".to_owned();
    assert_eq!(
        LoadReport::merge(shards).unwrap().started_at,
        "2026-11-26T09:30:00Z",
        "the start was agreed upon"
    );
}
