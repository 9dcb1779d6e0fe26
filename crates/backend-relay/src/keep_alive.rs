//! How long an upstream keeps a connection without a request, where it says so.
//!
//! Owns the reading of `Keep-Alive: timeout=5, max=100` (RFC 2068 section 19.7.1 has the header, its parameters are those
//! that servers send). It refuses to know what is done with a connection.

use std::time::Duration;

use http::HeaderMap;

/// How much sooner than its upstream we leave a connection: what was sent just before the end may arrive after it.
const MARGIN: Duration = Duration::from_secs(1);

/// The `timeout` of a head, in whole seconds. The shortest, if there are several.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("keep-alive").iter().filter_map(|value| value.to_str().ok());
    let parameters =
        values.flat_map(|value| value.split(',')).filter_map(|parameter| parameter.split_once('='));
    let timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    timeouts
        .filter_map(|(_, seconds)| seconds.trim().parse::<u32>().ok())
        .min()
        .map(|seconds| Duration::from_secs(seconds.into()))
}

/// For how long a connection is used that its upstream closes after this timeout.
pub(crate) fn leave_after(timeout: Duration) -> Duration {
    timeout.saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<u64> {
        let headers =
            values.iter().map(|value| (http::HeaderName::from_static("keep-alive"), value.parse().unwrap()));
        timeout(&headers.collect()).map(|timeout| timeout.as_secs())
    }

    #[test]
    fn the_timeout_is_read_wherever_it_stands() {
        assert_eq!(of(&["timeout=5"]), Some(5));
        assert_eq!(of(&["max=100, Timeout = 2"]), Some(2));
        assert_eq!(of(&["timeout=9", "max=3,timeout=4"]), Some(4));
    }

    #[test]
    fn what_is_no_number_of_seconds_says_nothing() {
        for nothing in
            ["", "5", "timeout", "timeout=", "timeout=-1", "timeout=soon", "max=100", "timeout=1.5"]
        {
            assert_eq!(of(&[nothing]), None, "{nothing}");
        }
        assert_eq!(of(&[]), None);
    }
}
