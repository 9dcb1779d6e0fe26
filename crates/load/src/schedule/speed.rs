//! How fast a trace is played.

use std::str::FromStr;
use std::time::Duration;

use super::ScheduleError;

/// What a speed may be.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// How fast a trace is played: `2x` is twice as fast as it was recorded. From 0.01x to 1000x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// As it was recorded: `1x`.
    pub const RECORDED: Speed = Speed(1.0);

    /// How many times as fast as it was recorded.
    pub fn factor(self) -> f64 {
        self.0
    }

    /// A time of the trace at this speed.
    pub(super) fn shorten(self, time: Duration) -> Duration {
        if self == Speed::RECORDED {
            return time;
        }
        // At the slowest speed a time of 5,000 million years would be too long.
        Duration::try_from_secs_f64(time.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}

impl FromStr for Speed {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Speed, ScheduleError> {
        let factor = text.strip_suffix('x').and_then(|factor| factor.parse().ok());
        let factor = factor.filter(|factor| SPEEDS.contains(factor));
        factor.map(Speed).ok_or_else(|| ScheduleError::Speed { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_speed_are_refused() {
        for text in ["", "x", "2", "0x", "-1x", "0.001x", "1001x", "nanx", "infx", "2 x", "x2"] {
            assert_eq!(text.parse::<Speed>(), Err(ScheduleError::Speed { text: text.to_owned() }));
        }
    }

    #[test]
    fn a_speed_shortens_times() {
        let shortened = |speed: &str, time| speed.parse::<Speed>().unwrap().shorten(time);
        let second = Duration::from_secs(1);
        assert_eq!(shortened("4x", second), Duration::from_millis(250));
        assert_eq!(shortened("0.5x", second), Duration::from_secs(2));
        assert_eq!(shortened("1x", Duration::from_nanos(3)), Duration::from_nanos(3));
        assert_eq!(shortened("0.01x", Duration::MAX), Duration::MAX);
        assert_eq!("1x".parse(), Ok(Speed::RECORDED));
    }
}
