//! What can go wrong with one try at one upstream, and how it is told.
//!
//! Owns the kinds of failures, what each says about whether the request was carried out, and the words. It refuses to
//! know what is done about a failure.

use std::io;
use std::time::Duration;

use http::StatusCode;
use interference_backend::{Refusal, UpstreamCode, UpstreamFailure};
use interference_client::ClientError;

use crate::connection::{HeadProblem, LONGEST_HEAD, MOST_HEADERS, MOST_INTERIM, Problem, Unanswered};

/// A try that brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) done: Done,
    /// What happened, behind "The upstream … ".
    pub(crate) told: String,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No connection.
    Unreachable,
    /// No connection, or no head, in time.
    TimedOut,
    /// The connection ended before the head.
    BrokeOff,
    /// What came is no head.
    NotHttp,
}

/// What the upstream may have done with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing: no byte of it was sent.
    Nothing,
    /// Anything.
    Perhaps,
}

/// The tries that one request has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) count: u32,
    pub(crate) took: Duration,
}

impl Failure {
    /// There was no connection.
    pub(crate) fn connecting(error: &ClientError) -> Failure {
        let kind = match error {
            ClientError::Unreachable { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
                FailureKind::TimedOut
            }
            _ => FailureKind::Unreachable,
        };
        let hint = error.hint().map(|hint| format!(" {hint}")).unwrap_or_default();
        Failure { kind, done: Done::Nothing, told: format!("cannot be reached. {error}{hint}") }
    }

    /// No head came in time.
    pub(crate) fn silent(after: Duration) -> Failure {
        Failure {
            kind: FailureKind::TimedOut,
            done: Done::Perhaps,
            told: format!("did not begin its answer within {after:?}."),
        }
    }

    /// The connection ended before the head, or what came is none.
    pub(crate) fn before_head(unanswered: &Unanswered) -> Failure {
        let (kind, told) = match &unanswered.problem {
            Problem::Ended => (FailureKind::BrokeOff, "ended the connection before it answered.".to_owned()),
            Problem::Io(error) => {
                (FailureKind::BrokeOff, format!("ended the connection before it answered ({error})."))
            }
            Problem::NoHead(HeadProblem::TooLarge) => {
                let told = format!(
                    "sent a head of more than {LONGEST_HEAD} bytes, or with more than {MOST_HEADERS} headers."
                );
                (FailureKind::NotHttp, told)
            }
            Problem::NoHead(HeadProblem::Interim) => {
                let told = format!("sent more than {MOST_INTERIM} interim answers, and none behind them.");
                (FailureKind::NotHttp, told)
            }
            Problem::NoHead(HeadProblem::NotHttp(told)) => {
                let told = format!(
                    "does not speak HTTP/1.1 ({told}). Check its port, and whether it wants `https://`."
                );
                (FailureKind::NotHttp, told)
            }
        };
        let done = if unanswered.is_written { Done::Perhaps } else { Done::Nothing };
        Failure { kind, done, told }
    }

    /// The head is of a status behind which no answer comes.
    pub(crate) fn no_final_status(status: StatusCode) -> Failure {
        let told = format!("answered with status {}, which nobody asked for.", status.as_u16());
        Failure { kind: FailureKind::NotHttp, done: Done::Perhaps, told }
    }

    /// What the client is told. `base_url` has no secrets.
    pub(crate) fn refusal(&self, upstream: &str, base_url: &str, tries: Tries) -> Refusal {
        let (code, failure) = match self.kind {
            FailureKind::Unreachable => (UpstreamCode::Unreachable, UpstreamFailure::Broken),
            FailureKind::TimedOut => (UpstreamCode::TimedOut, UpstreamFailure::TooSlow),
            FailureKind::BrokeOff => (UpstreamCode::BrokeOff, UpstreamFailure::Broken),
            FailureKind::NotHttp => (UpstreamCode::NotHttp, UpstreamFailure::Broken),
        };
        let message = format!("The upstream `{upstream}` ({base_url}) {} {tries}", self.told);
        Refusal::Upstream { message, code: code.name(), failure }
    }
}

impl std::fmt::Display for Tries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        match self.count {
            1 => write!(formatter, "It was tried once, for {seconds:.2} s."),
            count => write!(formatter, "{count} tries took {seconds:.2} s."),
        }
    }
}

/// Nobody is asked for now.
pub(crate) fn nobody_left(names: &[&str], wait: Duration) -> Refusal {
    // The time may have come while the request was refused.
    let retry_after_seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
    let named: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Refusal::Upstream {
        message: format!(
            "No upstream can be asked now: {} failed too often, or took no more requests. Try again in \
             {retry_after_seconds} s.",
            named.join(", ")
        ),
        code: UpstreamCode::NobodyLeft.name(),
        failure: UpstreamFailure::NobodyLeft { retry_after_seconds },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_who_what_and_how_long() {
        let failure = Failure::silent(Duration::from_millis(1500));
        let once = Tries { count: 1, took: Duration::from_millis(1501) };
        let refusal = failure.refusal("a", "http://localhost:1/v1", once);
        assert_eq!(
            refusal,
            Refusal::Upstream {
                message: "The upstream `a` (http://localhost:1/v1) did not begin its answer within 1.5s. It was tried \
                          once, for 1.50 s."
                    .to_owned(),
                code: "upstream_timeout",
                failure: UpstreamFailure::TooSlow,
            }
        );
    }

    #[test]
    fn waits_are_rounded_up() {
        let Refusal::Upstream { message, failure, .. } =
            nobody_left(&["a", "b"], Duration::from_millis(1200))
        else {
            panic!()
        };
        assert_eq!(failure, UpstreamFailure::NobodyLeft { retry_after_seconds: 2 });
        assert!(message.contains("`a`, `b`") && message.ends_with("Try again in 2 s."), "{message}");
        let Refusal::Upstream { failure, .. } = nobody_left(&["a"], Duration::ZERO) else { panic!() };
        assert_eq!(failure, UpstreamFailure::NobodyLeft { retry_after_seconds: 1 });
    }
}
