//! When a run begins, on the clock of the wall: what several machines can agree on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{LONGEST_WAIT, ScheduleError};

/// Reads when to begin: RFC 3339 in UTC (`2030-01-31T12:00:00Z`), seconds since 1970 (with fractions, if need be), or
/// from `now` on (`+5s`, `+1m 30s`).
///
/// # Errors
/// [`ScheduleError::NotAStart`]; [`ScheduleError::StartIsOver`] for one before `now`; and
/// [`ScheduleError::StartTooFar`] for one more than [`LONGEST_WAIT`] ahead.
pub fn parse_start(text: &str, now: SystemTime) -> Result<SystemTime, ScheduleError> {
    let start = read(text.trim(), now).ok_or_else(|| ScheduleError::NotAStart { text: text.to_owned() })?;
    match start.duration_since(now) {
        Ok(ahead) if ahead > LONGEST_WAIT => Err(ScheduleError::StartTooFar { ahead }),
        Ok(_) => Ok(start),
        Err(over) => Err(ScheduleError::StartIsOver { ago: over.duration() }),
    }
}

fn read(text: &str, now: SystemTime) -> Option<SystemTime> {
    if let Some(wait) = text.strip_prefix('+') {
        return now.checked_add(humantime::parse_duration(wait).ok()?);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number {
        return humantime::parse_rfc3339(text).ok();
    }
    let seconds = text.parse::<f64>().ok()?;
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-11-26T06:00:00Z
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_764_136_800)
    }

    #[test]
    fn texts_that_are_no_start_are_refused() {
        for text in [
            "",
            "soon",
            "+",
            "+5",
            "+-5s",
            "5s",
            "-5",
            "1.2.3",
            "nan",
            "2025-11-26",
            "2025-11-26T07:00:00",
            "2025-11-26T07:00:00+02:00",
            "2025-13-26T07:00:00Z",
            "99999999999999999999999999",
            "+99999999999999999999s",
        ] {
            let refused = parse_start(text, now());
            assert!(matches!(refused, Err(ScheduleError::NotAStart { .. })), "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_start_is_neither_over_nor_far_away() {
        let told = |text| parse_start(text, now()).unwrap_err().to_string();
        assert_eq!(
            told("2025-11-26T05:59:57.500Z"),
            "the start was 2.5 s ago; a machine that begins late would not send what the others think it sends: choose \
             a later one for all of them"
        );
        assert!(
            told("1764136800000")
                .starts_with("the start is in 1762372663200 s, and at most 86400 s are waited")
        );
        assert!(matches!(parse_start("+25h", now()), Err(ScheduleError::StartTooFar { .. })));
    }

    #[test]
    fn all_forms_name_the_same_moment() {
        let expected = Ok(now() + Duration::from_millis(90_500));
        for text in ["2025-11-26T06:01:30.500Z", "1764136890.5", "+1m 30s 500ms", " +90500ms"] {
            assert_eq!(parse_start(text, now()), expected, "{text}");
        }
        assert_eq!(parse_start("+0s", now()), Ok(now()));
    }
}
