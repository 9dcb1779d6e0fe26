//! Durations as text: `500ms`, `1.5s`, `2m`.
//!
//! Owns both directions; whatever is written is read back as the same duration. Whole microseconds are the finest
//! there is, since no clock of a sender keeps more.

use std::time::Duration;

/// The longest duration that a plan may name: 1 hour.
pub const DURATION_MAX: Duration = Duration::from_secs(60 * 60);

/// The units, with their microseconds, the largest first.
const UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// The digits that a number may have before and after its point, each.
const DIGITS_MAX: usize = 10;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("is no duration; write a number and one of the units us, ms, s, m and h, such as \"500ms\"")]
    Form,
    /// A part of a microsecond.
    #[error("is finer than a microsecond; round it")]
    TooFine,
    /// More than [`DURATION_MAX`].
    #[error("is longer than an hour; write \"1h\" or less")]
    TooLong,
}

/// Reads a duration: a decimal number, directly followed by `us`, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// The text has another form, is finer than a microsecond, or longer than [`DURATION_MAX`].
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unit_start =
        text.find(|character: char| character.is_ascii_alphabetic()).ok_or(DurationError::Form)?;
    let (number, unit) = text.split_at(unit_start);
    let (_, unit_micros) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError::Form)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(DurationError::Form),
        None => (number, ""),
    };
    let digits_only = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits_only {
        return Err(DurationError::Form);
    }
    if fraction.len() > DIGITS_MAX {
        return Err(DurationError::TooFine);
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS_MAX {
        return Err(DurationError::TooLong);
    }
    let value = |digits: &str| digits.bytes().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let scaled = (value(whole) * scale + value(fraction)) * u128::from(*unit_micros);
    if scaled % scale != 0 {
        return Err(DurationError::TooFine);
    }
    let duration = u64::try_from(scaled / scale).map(Duration::from_micros);
    duration.ok().filter(|duration| *duration <= DURATION_MAX).ok_or(DurationError::TooLong)
}

/// Writes a duration of whole microseconds, in the largest unit that needs no fraction.
pub(crate) fn write_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let fitting =
        UNITS.iter().find(|(_, unit_micros)| micros > 0 && micros.is_multiple_of(u128::from(*unit_micros)));
    match fitting {
        Some((unit, unit_micros)) => format!("{}{unit}", micros / u128::from(*unit_micros)),
        None => "0s".to_owned(),
    }
}

/// A duration of so many seconds, in whole microseconds. What is below 0 is 0, and what no duration can hold is
/// `at_most`.
pub(crate) fn from_seconds(seconds: f64, at_most: Duration) -> Duration {
    let micros = (seconds * 1e6).round();
    if micros >= at_most.as_micros() as f64 {
        return at_most;
    }
    // The cast takes what is below 0, or no number, to 0.
    Duration::from_micros(micros as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_and_fractions_are_read() {
        for (text, micros) in [
            ("0s", 0),
            ("1us", 1),
            ("500ms", 500_000),
            ("1.5s", 1_500_000),
            ("0.25ms", 250),
            ("2m", 120_000_000),
            ("1h", 3_600_000_000),
            ("00001s", 1_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "5", "s", "5 s", "-1s", ".5s", "5.s", "1e3s", "5S", "5min", "１s", "1s "] {
            assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
        }
        assert_eq!(parse_duration("0.5us"), Err(DurationError::TooFine));
        assert_eq!(parse_duration("0.00000000001s"), Err(DurationError::TooFine));
        assert_eq!(parse_duration("61m"), Err(DurationError::TooLong));
        assert_eq!(parse_duration("99999999999999999999h"), Err(DurationError::TooLong));
    }

    #[test]
    fn seconds_become_whole_microseconds_within_bounds() {
        assert_eq!(from_seconds(0.000_001_4, DURATION_MAX), Duration::from_micros(1));
        assert_eq!(from_seconds(-1.0, DURATION_MAX), Duration::ZERO);
        assert_eq!(from_seconds(f64::NAN, DURATION_MAX), Duration::ZERO);
        assert_eq!(from_seconds(f64::INFINITY, DURATION_MAX), DURATION_MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in 0_u64..=3_600_000_000) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&write_duration(duration)), Ok(duration));
        }
    }
}
