//! What is tried again, how often, and when.
//!
//! Nothing is that could have brought text: a request that was refused for the moment, or that reached nobody. What the
//! server says about the time is honoured within a bound; past it, its refusal is the outcome.

use std::time::{Duration, SystemTime};

use super::bug::{Bug, Manner, Variant};
use super::failure::{Failure, Kind};

const MOST_RETRIES: u32 = 2;
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const USUAL_WAIT: Duration = Duration::from_millis(200);

/// The wait before the next try; `None` if there is none.
pub(super) fn wait_before_next(failure: &Failure, retries: u32, manner: Manner) -> Option<Duration> {
    if retries >= MOST_RETRIES || manner.is(Variant::NeverRetries) || !is_for_the_moment(failure, manner) {
        return None;
    }
    Some(failure.wait.unwrap_or(USUAL_WAIT)).filter(|wait| *wait <= LONGEST_WAIT)
}

fn is_for_the_moment(failure: &Failure, manner: Manner) -> bool {
    match failure.kind {
        Kind::Unreached | Kind::Status(429 | 500..=599) => true,
        Kind::Status(_) => manner.has(Bug::EveryStatusRetried),
        Kind::Reset | Kind::CutChunks | Kind::ShortBody | Kind::Incomplete => {
            manner.has(Bug::BrokenStreamsRetried)
        }
        _ => false,
    }
}

/// How long a refusal asks to be left alone; `None` if it does not say, or not in a way that is known.
pub(super) fn wait_asked_for<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
    manner: Manner,
) -> Option<Duration> {
    if !manner.has(Bug::RetryAfterMillisecondsIgnored)
        && let Some(milliseconds) = header("retry-after-ms").and_then(number)
    {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let value = header("retry-after")?;
    if let Some(seconds) = number(value) {
        let seconds = if manner.has(Bug::RetryAfterSecondsAreShort) { seconds / 1000.0 } else { seconds };
        return Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|_| !manner.has(Bug::RetryAfterSecondsIgnored));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    date.duration_since(now).ok().filter(|_| !manner.has(Bug::RetryAfterDateIgnored))
}

fn number(value: &str) -> Option<f64> {
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &'static str) -> Option<Duration> {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        wait_asked_for(|other| (other == name).then_some(value), now, Manner::default())
    }

    #[test]
    fn a_server_may_say_when_in_three_ways() {
        assert_eq!(asked("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(asked("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(asked("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(asked("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"), Some(Duration::from_secs(3)));
    }

    #[test]
    fn what_is_no_wait_is_none() {
        let past = "Sun, 06 Nov 1994 08:49:30 GMT";
        for (name, value) in
            [("retry-after", "-1"), ("retry-after", "soon"), ("retry-after", past), ("retry-after-ms", "NaN")]
        {
            assert_eq!(asked(name, value), None, "{value}");
        }
    }

    #[test]
    fn only_what_passes_is_tried_again_and_only_twice() {
        let wait = |kind, retries| wait_before_next(&Failure::new(kind, ""), retries, Manner::default());
        for kind in [Kind::Unreached, Kind::Status(429), Kind::Status(503)] {
            assert_eq!(wait(kind, 0), Some(USUAL_WAIT), "{kind:?}");
            assert_eq!(wait(kind, 1), Some(USUAL_WAIT), "{kind:?}");
            assert_eq!(wait(kind, 2), None, "{kind:?}");
        }
        for kind in [Kind::Status(400), Kind::Reset, Kind::CutChunks, Kind::Timeout, Kind::Incomplete] {
            assert_eq!(wait(kind, 0), None, "{kind:?}");
        }
    }

    #[test]
    fn a_wait_has_a_bound() {
        let mut failure = Failure::new(Kind::Status(429), "");
        failure.wait = Some(LONGEST_WAIT);
        assert_eq!(wait_before_next(&failure, 0, Manner::default()), Some(LONGEST_WAIT));
        failure.wait = Some(LONGEST_WAIT + Duration::from_millis(1));
        assert_eq!(wait_before_next(&failure, 0, Manner::default()), None);
    }
}
