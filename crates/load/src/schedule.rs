//! When requests are sent: laid down before the start, from a seed.
//!
//! Owns the arrivals of open loops, the presence of users in closed ones, and the times of traces, and how all of them
//! are split among machines. The same seed gives the same schedule on every machine, to the nanosecond, so that machines
//! that know nothing of each other do one schedule together. Refuses to know what is sent, and every clock: times are
//! counted from the start.

mod error;
mod profile;
mod shard;
mod speed;
mod start;

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use interference_report::load::Shard;

use crate::draws::{Draws, Purpose};

pub use error::ScheduleError;
pub use profile::Profile;
use profile::{Inverse, Stretch, whole_nanoseconds};
pub use shard::{WHOLE, parse_shard};
pub use speed::Speed;
pub use start::parse_start;

/// The largest rate, in requests per second, and the largest number of a profile: 10^6.
pub const LARGEST_VALUE: f64 = 1e6;
/// Steps of a profile.
pub const MOST_STRETCHES: usize = 1_000;
/// Arrivals of a run, of all shards together; each takes 24 bytes.
pub const MOST_ARRIVALS: u64 = 20_000_000;
/// How long a run may take: 7 days.
pub const LONGEST_RUN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Users of a closed loop, of all shards together.
pub const MOST_USERS: u64 = 100_000;
/// How often users of a shard come, in all.
pub const MOST_PRESENCES: usize = 1_000_000;
/// How far ahead a start may be: a day.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// One arrival of an open loop or a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// From 0, in the whole schedule: with shards, each has its own of them.
    pub number: u64,
    /// From the start.
    pub at: Duration,
}

/// One user of a closed loop, who asks anew as soon as an answer has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// From 0, among all users: with shards, each has its own of them.
    pub number: u64,
    /// When it is there, from the start, in ascending order; a conversation begins only within.
    pub present: Vec<Range<Duration>>,
}

/// When requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Open: whatever the server does.
    Arrivals(Vec<Arrival>),
    /// Closed: by users who wait for their answers. The arrivals of user `u` of `n` (of all shards) are numbered
    /// `u`, `u + n`, `u + 2n` and so on.
    Users {
        /// Those of this shard.
        users: Vec<User>,
        /// How many there are at most at once, of all shards.
        of: u64,
    },
}

/// How arrivals of an open loop follow on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Each independent of all others, as many users who do not know each other come.
    Poisson,
    /// In even distances, the first at the start.
    Constant,
}

impl Process {
    /// As the command line and documents spell it.
    pub fn name(self) -> &'static str {
        match self {
            Process::Poisson => "poisson",
            Process::Constant => "constant",
        }
    }
}

impl FromStr for Process {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Process, ScheduleError> {
        let named = [Process::Poisson, Process::Constant].into_iter().find(|process| process.name() == text);
        named.ok_or_else(|| ScheduleError::UnknownProcess { text: text.to_owned() })
    }
}

impl Schedule {
    /// The arrivals of an open loop at this rate (requests per second) over this time.
    ///
    /// Both processes are made at rate 1 and then laid where the profile's integral reaches them, so that also those of
    /// ramps are exactly what they are called. Every shard draws the whole schedule and keeps the arrivals whose number
    /// leaves its index as the remainder.
    ///
    /// # Errors
    /// [`ScheduleError::Duration`], [`ScheduleError::NoSuchShard`] and [`ScheduleError::TooManyArrivals`].
    pub fn open(
        rate: &Profile,
        process: Process,
        duration: Duration,
        seed: u64,
        shard: Shard,
    ) -> Result<Schedule, ScheduleError> {
        check_duration(duration)?;
        shard::check(shard)?;
        let too_many = |expected| ScheduleError::TooManyArrivals { expected, duration };
        let expected = rate.mean() * duration.as_secs_f64();
        if expected > MOST_ARRIVALS as f64 {
            return Err(too_many(expected));
        }
        let mut draws = Draws::of(seed, Purpose::Arrivals, 0);
        let mut inverse = Inverse::new(rate, duration);
        let mut arrivals = Vec::new();
        let mut drawn = 0.0;
        for number in 0..=MOST_ARRIVALS {
            let count = match process {
                Process::Constant => number as f64,
                Process::Poisson => {
                    drawn += draws.exponential();
                    drawn
                }
            };
            let Some(at) = inverse.time(count) else { return Ok(Schedule::Arrivals(arrivals)) };
            if shard::has(shard, number) {
                arrivals.push(Arrival { number, at });
            }
        }
        // Where chance goes beyond what is expected.
        Err(too_many(MOST_ARRIVALS as f64))
    }

    /// The users of a closed loop with this concurrency, rounded to whole users at every moment, over this time. The
    /// last to come is the first to go. A shard has the users whose number leaves its index as the remainder.
    ///
    /// # Errors
    /// [`ScheduleError::Duration`], [`ScheduleError::NoSuchShard`], [`ScheduleError::NoUser`],
    /// [`ScheduleError::TooManyUsers`] and [`ScheduleError::TooManyPresences`].
    pub fn closed(
        concurrency: &Profile,
        duration: Duration,
        shard: Shard,
    ) -> Result<Schedule, ScheduleError> {
        check_duration(duration)?;
        shard::check(shard)?;
        let of = concurrency.peak().round() as u64;
        if of == 0 {
            return Err(ScheduleError::NoUser { peak: concurrency.peak() });
        }
        if of > MOST_USERS {
            return Err(ScheduleError::TooManyUsers { found: of });
        }
        let mut users = Vec::new();
        let mut presences = 0;
        for number in (0..of).filter(|number| shard::has(shard, *number)) {
            let present = presence(number, concurrency.stretches(), duration);
            presences += present.len();
            if presences > MOST_PRESENCES {
                return Err(ScheduleError::TooManyPresences);
            }
            users.push(User { number, present });
        }
        Ok(Schedule::Users { users, of })
    }

    /// The arrivals of a trace, whose times ascend, at a speed.
    ///
    /// # Errors
    /// [`ScheduleError::NoSuchShard`], [`ScheduleError::TraceTooLarge`], [`ScheduleError::Unordered`] and
    /// [`ScheduleError::TraceTooLong`].
    pub fn trace(times: &[Duration], speed: Speed, shard: Shard) -> Result<Schedule, ScheduleError> {
        shard::check(shard)?;
        check_count(times.len())?;
        if let Some(position) = times.windows(2).position(|pair| pair[1] < pair[0]) {
            return Err(ScheduleError::Unordered { number: position as u64 + 1 });
        }
        let length = speed.shorten(times.last().copied().unwrap_or_default());
        if length > LONGEST_RUN {
            return Err(ScheduleError::TraceTooLong { length, speed: speed.factor() });
        }
        let arrivals = (0..).zip(times).filter(|(number, _)| shard::has(shard, *number));
        let arrivals = arrivals.map(|(number, time)| Arrival { number, at: speed.shorten(*time) });
        Ok(Schedule::Arrivals(arrivals.collect()))
    }
}

fn check_count(found: usize) -> Result<(), ScheduleError> {
    if found as u64 <= MOST_ARRIVALS { Ok(()) } else { Err(ScheduleError::TraceTooLarge { found }) }
}

fn check_duration(duration: Duration) -> Result<(), ScheduleError> {
    let is_bounded = !duration.is_zero() && duration <= LONGEST_RUN;
    if is_bounded { Ok(()) } else { Err(ScheduleError::Duration { duration }) }
}

/// When there are more users than `number`, in a time that is split evenly into stretches.
fn presence(number: u64, stretches: &[Stretch], duration: Duration) -> Vec<Range<Duration>> {
    // From here on the concurrency is rounded to more than `number`.
    let threshold = number as f64 + 0.5;
    let length = duration.as_secs_f64() / stretches.len() as f64;
    let mut present: Vec<Range<Duration>> = Vec::new();
    for (position, Stretch { from, to }) in stretches.iter().copied().enumerate() {
        let crossing = length * (threshold - from) / (to - from);
        let (come, go) = match (from >= threshold, to >= threshold) {
            (true, true) => (0.0, length),
            (false, true) => (crossing, length),
            (true, false) => (0.0, crossing),
            (false, false) => continue,
        };
        let begin = length * position as f64;
        let moment = |seconds: f64| whole_nanoseconds(begin + seconds).min(duration);
        let range = moment(come)..moment(go);
        match present.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => present.push(range),
        }
    }
    present
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn arrivals(rate: &str, process: Process, duration: f64, seed: u64, shard: Shard) -> Vec<Arrival> {
        match Schedule::open(&rate.parse().unwrap(), process, seconds(duration), seed, shard) {
            Ok(Schedule::Arrivals(arrivals)) => arrivals,
            other => panic!("{other:?}"),
        }
    }

    fn users(concurrency: &str, duration: f64, shard: Shard) -> Vec<User> {
        match Schedule::closed(&concurrency.parse().unwrap(), seconds(duration), shard) {
            Ok(Schedule::Users { users, .. }) => users,
            other => panic!("{other:?}"),
        }
    }

    /// The largest distance between the distribution of these values and the exponential one of mean 1.
    fn distance_from_exponential(mut gaps: Vec<f64>) -> f64 {
        gaps.sort_by(f64::total_cmp);
        let count = gaps.len() as f64;
        let distances = gaps.iter().enumerate().map(|(below, gap)| {
            let expected = 1.0 - (-gap).exp();
            (expected - below as f64 / count).abs().max((expected - (below + 1) as f64 / count).abs())
        });
        distances.fold(0.0, f64::max)
    }

    #[test]
    fn an_unbounded_run_is_refused_with_a_way_out() {
        let open = |rate: f64, duration: f64, shard| {
            let rate = Profile::constant(rate).unwrap();
            Schedule::open(&rate, Process::Constant, seconds(duration), 1, shard).unwrap_err().to_string()
        };
        assert_eq!(
            open(1e6, 60.0, WHOLE),
            "that makes some 60000000 arrivals, and a run has at most 20000000; take a lower rate, or 19 s at this one"
        );
        assert_eq!(open(1.0, 0.0, WHOLE), "a run of 0 s is not above 0 and up to 604800 s");
        assert_eq!(open(1.0, 604_801.0, WHOLE), "a run of 604801 s is not above 0 and up to 604800 s");
        let no_such = Shard { index: 2, of: 2 };
        assert_eq!(open(1.0, 1.0, no_such), "there is no shard 2 of 2; shards count from 0: 0/2 to 1/2");
        assert_eq!(
            "even".parse::<Process>().unwrap_err().to_string(),
            "`even` is neither `poisson` nor `constant`"
        );
    }

    #[test]
    fn a_schedule_is_the_same_on_every_machine() {
        let nanoseconds = |rate, process| -> Vec<u128> {
            let arrivals = arrivals(rate, process, 10.0, 42, WHOLE);
            arrivals.iter().take(5).map(|arrival| arrival.at.as_nanos()).collect()
        };
        assert_eq!(
            nanoseconds("50", Process::Poisson),
            [14_861_743, 18_139_451, 31_956_526, 69_276_778, 150_251_135]
        );
        assert_eq!(
            nanoseconds("10..100", Process::Poisson),
            [71_977_382, 87_270_027, 149_698_317, 304_625_404, 593_008_884]
        );
        assert_eq!(nanoseconds("50", Process::Constant), [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000]);
    }

    #[test]
    fn as_many_come_as_the_rate_says() {
        for (rate, expected) in [("100", 1_000.0), ("10..190", 1_000.0), ("50,150", 1_000.0), ("2,0", 10.0)] {
            for seed in 0..200 {
                let count = arrivals(rate, Process::Poisson, 10.0, seed, WHOLE).len() as f64;
                let deviations = (count - expected).abs() / f64::sqrt(expected);
                assert!(deviations < 5.0, "{rate}, seed {seed}: {count} of {expected}");
            }
            assert_eq!(arrivals(rate, Process::Constant, 10.0, 0, WHOLE).len() as f64, expected);
        }
    }

    #[test]
    fn gaps_are_those_of_a_poisson_process() {
        for seed in 0..5 {
            // On a ramp the gaps are even in the integral: here t + 2t².
            for (rate, integral) in [
                ("1000", (|t| 1_000.0 * t) as fn(f64) -> f64),
                ("1000..5000", |t| 1_000.0 * t + 200.0 * t * t),
            ] {
                let times = arrivals(rate, Process::Poisson, 10.0, seed, WHOLE);
                let counts: Vec<f64> =
                    times.iter().map(|arrival| integral(arrival.at.as_secs_f64())).collect();
                let gaps: Vec<f64> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
                // The bound of Kolmogorov and Smirnov that one of a thousand samples passes.
                let bound = 1.95 / (gaps.len() as f64).sqrt();
                let distance = distance_from_exponential(gaps);
                assert!(distance < bound, "{rate}, seed {seed}: {distance} of {bound}");
            }
        }
    }

    #[test]
    fn users_are_bounded_and_at_least_one() {
        let closed = |concurrency: &str, shard| {
            Schedule::closed(&concurrency.parse().unwrap(), seconds(10.0), shard).unwrap_err()
        };
        assert_eq!(
            closed("0.4", WHOLE).to_string(),
            "a concurrency of 0.4 at most is rounded to no user at all; write 1 or more"
        );
        assert_eq!(closed("1..100001", WHOLE), ScheduleError::TooManyUsers { found: 100_001 });
        assert_eq!(closed(&vec!["100000,0"; 20].join(","), WHOLE), ScheduleError::TooManyPresences);
        assert!(matches!(closed("1", Shard { index: 1, of: 1 }), ScheduleError::NoSuchShard { .. }));
    }

    #[test]
    fn users_come_and_go_with_the_concurrency() {
        let present = |concurrency| -> Vec<Vec<(f64, f64)>> {
            let times = |range: &Range<Duration>| (range.start.as_secs_f64(), range.end.as_secs_f64());
            let of_user = |user: &User| user.present.iter().map(times).collect();
            users(concurrency, 12.0, WHOLE).iter().map(of_user).collect()
        };
        assert_eq!(present("2"), [[(0.0, 12.0)], [(0.0, 12.0)]]);
        assert_eq!(present("1,3,2"), [vec![(0.0, 12.0)], vec![(4.0, 12.0)], vec![(4.0, 8.0)]]);
        assert_eq!(present("1,0,1"), [vec![(0.0, 4.0), (8.0, 12.0)]]);
        assert_eq!(present("0..3"), [[(2.0, 12.0)], [(6.0, 12.0)], [(10.0, 12.0)]]);
        assert_eq!(present("0..2,2..0"), [[(1.5, 10.5)], [(4.5, 7.5)]]);
    }

    #[test]
    fn users_are_split_among_shards() {
        let numbers: Vec<u64> =
            users("10", 1.0, Shard { index: 1, of: 4 }).iter().map(|user| user.number).collect();
        assert_eq!(numbers, [1, 5, 9]);
        assert!(users("2", 1.0, Shard { index: 3, of: 4 }).is_empty());
    }

    #[test]
    fn a_trace_that_is_no_schedule_is_refused() {
        let trace = |times: &[f64], speed: &str| {
            let times: Vec<Duration> = times.iter().copied().map(seconds).collect();
            Schedule::trace(&times, speed.parse().unwrap(), WHOLE).unwrap_err().to_string()
        };
        assert_eq!(
            trace(&[0.0, 2.0, 1.0], "1x"),
            "arrival 2 of the trace is before the one ahead of it; sort them by time"
        );
        assert_eq!(
            trace(&[0.0, 1_000_000.0], "0.5x"),
            "the trace takes 2000000 s, and a run at most 604800 s; play it faster, at 2x or more"
        );
        assert_eq!(
            check_count(20_000_001).unwrap_err().to_string(),
            "the trace has 20000001 arrivals, and a run has at most 20000000; split it"
        );
    }

    #[test]
    fn a_trace_is_played_at_its_speed() {
        let times = [0.0, 1.0, 1.0, 3.0].map(seconds);
        let played = Schedule::trace(&times, "2x".parse().unwrap(), Shard { index: 1, of: 2 });
        let expected = vec![
            Arrival { number: 1, at: Duration::from_millis(500) },
            Arrival { number: 3, at: Duration::from_millis(1_500) },
        ];
        assert_eq!(played, Ok(Schedule::Arrivals(expected)));
        assert_eq!(Schedule::trace(&[], Speed::RECORDED, WHOLE), Ok(Schedule::Arrivals(Vec::new())));
    }

    fn any_rate() -> impl Strategy<Value = String> {
        let value = || (0_u32..2_000).prop_map(|tenths| f64::from(tenths) / 10.0);
        let stretch = (value(), value(), any::<bool>())
            .prop_map(|(from, to, ramp)| if ramp { format!("{from}..{to}") } else { from.to_string() });
        let some = |text: &String| text.parse::<Profile>().is_ok();
        prop::collection::vec(stretch, 1..5).prop_map(|parts| parts.join(",")).prop_filter("all 0", some)
    }

    fn any_process() -> impl Strategy<Value = Process> {
        prop_oneof![Just(Process::Poisson), Just(Process::Constant)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn arrivals_ascend_within_the_run_and_are_numbered(
            rate in any_rate(), process in any_process(), duration in 0.001_f64..20.0, seed: u64,
        ) {
            let all = arrivals(&rate, process, duration, seed, WHOLE);
            prop_assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(all.iter().all(|arrival| arrival.at < seconds(duration)));
            prop_assert!((0..).zip(&all).all(|(number, arrival)| arrival.number == number));
        }

        #[test]
        fn shards_make_up_the_whole(
            rate in any_rate(), process in any_process(), seed: u64, of in 1_u32..9,
        ) {
            let whole = arrivals(&rate, process, 5.0, seed, WHOLE);
            let shards = (0..of).map(|index| arrivals(&rate, process, 5.0, seed, Shard { index, of }));
            let mut joined: Vec<Arrival> = shards.flatten().collect();
            joined.sort_by_key(|arrival| arrival.number);
            prop_assert_eq!(joined, whole);
        }

        #[test]
        fn constant_arrivals_follow_the_integral_of_any_profile(rate in any_rate(), until in 0.0_f64..10.0) {
            let profile: Profile = rate.parse().unwrap();
            let length = 10.0 / profile.stretches().len() as f64;
            let integral: f64 = (0..).zip(profile.stretches()).map(|(position, stretch)| {
                let within = (until - f64::from(position) * length).clamp(0.0, length);
                stretch.from * within + (stretch.to - stretch.from) / length * within * within / 2.0
            }).sum();
            let all = arrivals(&rate, Process::Constant, 10.0, 0, WHOLE);
            let came = all.iter().filter(|arrival| arrival.at < seconds(until)).count() as f64;
            prop_assert!((came - integral).abs() <= 1.0 + 1e-6, "{} came, {} expected", came, integral);
        }

        #[test]
        fn as_many_users_are_there_as_the_concurrency_says(
            low in 0_u32..40, high in 1_u32..40, of in 1_u32..4, at in 0.0_f64..10.0,
        ) {
            let concurrency = format!("{low}..{high}");
            let shards = (0..of).flat_map(|index| users(&concurrency, 10.0, Shard { index, of }));
            let there = shards.filter(|user| user.present.iter().any(|range| range.contains(&seconds(at))));
            let expected = f64::from(low) + (f64::from(high) - f64::from(low)) * at / 10.0;
            prop_assert!((there.count() as f64 - expected).abs() <= 0.5 + 1e-6);
        }
    }
}
