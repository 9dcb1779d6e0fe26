//! A rate, or a concurrency, over the time of a run.
//!
//! Owns its text and its bounds, and the way back from a count of arrivals to the time at which that count is reached.
//! Refuses to know whether it is a rate or a concurrency.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{LARGEST_VALUE, MOST_STRETCHES, ScheduleError};

/// A rate (per second) or a concurrency over the time of a run.
///
/// Text: `50` all the time; `10..100` from the one to the other, evenly; `10,20,40` in steps that last alike. Each step
/// may be a ramp: `0..50,50,50..0`. Numbers are from 0 to [`LARGEST_VALUE`], at least one of them above 0; at most
/// [`MOST_STRETCHES`] steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// All of the same length, and at least one.
    stretches: Vec<Stretch>,
}

/// A part of the time: from one value to another, evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Profile {
    /// The same all the time.
    ///
    /// # Errors
    /// [`ScheduleError::OutOfBounds`] and [`ScheduleError::Nothing`].
    pub fn constant(value: f64) -> Result<Profile, ScheduleError> {
        Profile::of(vec![Stretch { from: value, to: value }])
    }

    /// What it begins with, all the time; nothing at all where that is 0.
    pub fn beginning(&self) -> Profile {
        let Stretch { from, .. } = self.stretches[0];
        Profile { stretches: vec![Stretch { from, to: from }] }
    }

    /// The largest value that it has.
    pub fn peak(&self) -> f64 {
        self.stretches.iter().map(|stretch| stretch.from.max(stretch.to)).fold(0.0, f64::max)
    }

    /// The mean over all the time: as a rate, how many arrivals a second has.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.stretches.iter().map(|stretch| stretch.from + stretch.to).sum();
        sum / (2.0 * self.stretches.len() as f64)
    }

    /// Its parts in order, which are equally long.
    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    fn of(stretches: Vec<Stretch>) -> Result<Profile, ScheduleError> {
        if stretches.len() > MOST_STRETCHES {
            return Err(ScheduleError::TooManyStretches { found: stretches.len() });
        }
        let mut values = stretches.iter().flat_map(|stretch| [stretch.from, stretch.to]);
        if let Some(value) = values.find(|value| !(0.0..=LARGEST_VALUE).contains(value)) {
            return Err(ScheduleError::OutOfBounds { value });
        }
        let profile = Profile { stretches };
        if profile.peak() > 0.0 { Ok(profile) } else { Err(ScheduleError::Nothing) }
    }
}

impl FromStr for Profile {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Profile, ScheduleError> {
        let stretch = |part: &str| {
            let (from, to) = part.split_once("..").unwrap_or((part, part));
            Ok(Stretch { from: number(from)?, to: number(to)? })
        };
        Profile::of(text.split(',').map(stretch).collect::<Result<_, _>>()?)
    }
}

fn number(text: &str) -> Result<f64, ScheduleError> {
    let text = text.trim();
    // Rust's own reader takes names such as `nan`, and a point without digits around it, as in `1...5`.
    let digit = |character: char| character.is_ascii_digit();
    let is_plain = text.trim_start_matches('-').starts_with(digit) && text.ends_with(digit);
    let number = is_plain.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| ScheduleError::NotANumber { text: text.to_owned() })
}

/// As it is read: `10..100,100`.
impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, Stretch { from, to }) in self.stretches.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(formatter, "{comma}{from}")?;
            if from != to {
                write!(formatter, "..{to}")?;
            }
        }
        Ok(())
    }
}

/// From counts of arrivals to times, in ascending order of both.
///
/// The rate's integral from the start gives the count that is expected up to a time. Its inverse makes arrivals at the
/// profile's rate of arrivals at rate 1, whatever process those come from, and exactly so.
#[derive(Debug)]
pub(super) struct Inverse<'p> {
    stretches: std::iter::Enumerate<std::slice::Iter<'p, Stretch>>,
    current: Option<(usize, &'p Stretch)>,
    /// Of each stretch, in seconds.
    length: f64,
    /// The count at the start of the current stretch.
    passed: f64,
    end: Duration,
    /// Rounding must not turn the order.
    latest: Duration,
}

impl<'p> Inverse<'p> {
    pub(super) fn new(profile: &'p Profile, duration: Duration) -> Inverse<'p> {
        let mut stretches = profile.stretches.iter().enumerate();
        Inverse {
            current: stretches.next(),
            stretches,
            length: duration.as_secs_f64() / profile.stretches.len() as f64,
            passed: 0.0,
            end: duration,
            latest: Duration::ZERO,
        }
    }

    /// When this count, which is not below the one before, is passed; none where that is not before the end.
    pub(super) fn time(&mut self, count: f64) -> Option<Duration> {
        loop {
            let (position, stretch) = self.current?;
            let mass = (stretch.from + stretch.to) / 2.0 * self.length;
            if count - self.passed < mass {
                let begin = self.length * position as f64;
                let seconds = begin + stretch.reaches(count - self.passed, self.length);
                self.latest = self.latest.max(whole_nanoseconds(seconds));
                return Some(self.latest).filter(|latest| *latest < self.end);
            }
            self.passed += mass;
            self.current = self.stretches.next();
        }
    }
}

impl Stretch {
    /// After how many seconds of `length` its integral is `count`, which is from 0 to the whole integral.
    fn reaches(self, count: f64, length: f64) -> f64 {
        if count <= 0.0 {
            return 0.0;
        }
        // The root of from·t + slope/2·t² = count in the form that loses no digits where the slope is small.
        let slope = (self.to - self.from) / length;
        let root = (self.from * self.from + 2.0 * slope * count).max(0.0).sqrt();
        (2.0 * count / (self.from + root)).min(length)
    }
}

/// The finest that a schedule knows; some minutes of rounding apart, no clock keeps more.
pub(super) fn whole_nanoseconds(seconds: f64) -> Duration {
    // The cast takes what is negative to 0, and what is too large to the largest.
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_profile_are_refused_with_what_to_write() {
        for text in
            ["", "x", "10,", ",10", "10..", "..10", "1...5", "5.", "nan", "inf", "10-20", "10 20", "1e"]
        {
            let refused = text.parse::<Profile>();
            assert!(matches!(refused, Err(ScheduleError::NotANumber { .. })), "{text}: {refused:?}");
        }
        for text in ["-1", "10..-1", "1000001", "1e400", "10,1e7"] {
            assert!(matches!(text.parse::<Profile>(), Err(ScheduleError::OutOfBounds { .. })), "{text}");
        }
        for text in ["0", "0..0", "0,0"] {
            assert_eq!(text.parse::<Profile>(), Err(ScheduleError::Nothing), "{text}");
        }
        let many = vec!["1"; MOST_STRETCHES + 1].join(",");
        assert_eq!(many.parse::<Profile>(), Err(ScheduleError::TooManyStretches { found: 1_001 }));
        assert!(Profile::constant(f64::NAN).is_err() && Profile::constant(f64::INFINITY).is_err());
        assert_eq!(
            "ten".parse::<Profile>().unwrap_err().to_string(),
            "`ten` is no number; write one such as `50`, a ramp `10..100`, or steps `10,20,40`"
        );
    }

    #[test]
    fn profiles_are_written_as_they_are_read() {
        for (text, written, mean, peak) in [
            ("50", "50", 50.0, 50.0),
            ("10..100", "10..100", 55.0, 100.0),
            ("10, 20, 60", "10,20,60", 30.0, 60.0),
            ("0..50,50,50..0", "0..50,50,50..0", 100.0 / 3.0, 50.0),
            ("0.5", "0.5", 0.5, 0.5),
            ("1e6", "1000000", 1e6, 1e6),
        ] {
            let profile: Profile = text.parse().unwrap();
            assert_eq!(profile.to_string(), written);
            assert_eq!(profile.to_string().parse(), Ok(profile.clone()));
            assert_eq!((profile.mean(), profile.peak()), (mean, peak), "{text}");
        }
    }

    #[test]
    fn counts_are_reached_where_the_integral_has_them() {
        let times = |text: &str, counts: &[f64]| -> Vec<Option<f64>> {
            let profile = text.parse().unwrap();
            let mut inverse = Inverse::new(&profile, Duration::from_secs(12));
            counts.iter().map(|count| inverse.time(*count).map(|time| time.as_secs_f64())).collect()
        };
        assert_eq!(times("2", &[0.0, 1.0, 23.5, 24.0]), [Some(0.0), Some(0.5), Some(11.75), None]);
        // Up to t it is t²/2 of 0..12, and 12t - t²/2 of 12..0.
        assert_eq!(times("0..12", &[0.0, 2.0, 50.0, 72.0]), [Some(0.0), Some(2.0), Some(10.0), None]);
        assert_eq!(times("12..0", &[22.0, 70.0, 71.9999999, 73.0])[..2], [Some(2.0), Some(10.0)]);
        // Nothing happens in the middle.
        assert_eq!(times("1,0,1", &[3.0, 4.0, 5.0, 8.0]), [Some(3.0), Some(8.0), Some(9.0), None]);
    }
}
