//! Why an answer ends before its time, and in which words that is told.
//!
//! Owns the reasons, their codes, and the moment at which the server itself ends an answer. It refuses to know how an
//! answer is written.

use std::io;
use std::time::Duration;

use tokio::time::sleep_until;

use crate::closing::{Closing, Phase};
use crate::dozing::Dozing;
use crate::error_response::time_over;
use crate::journal::Ended;
use crate::limits::Deadline;
use crate::observation::Observation;

/// Why the server ends an answer before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakOff {
    /// The server goes down.
    ServerStops,
    /// The request has taken this long, which is the limit.
    TimeOver(Duration),
    /// The backend's stream of events ended without its end.
    EndedEarly,
    /// The backend's stream panicked.
    Panicked,
    /// Whoever the backend passes on broke off.
    SourceBrokeOff,
    /// Whoever the backend passes on fell silent.
    SourceTimedOut,
}

impl BreakOff {
    /// Of a source whose frames ended with this error.
    pub(crate) fn of_source(error: &io::Error) -> BreakOff {
        match error.kind() {
            io::ErrorKind::TimedOut => BreakOff::SourceTimedOut,
            _ => BreakOff::SourceBrokeOff,
        }
    }

    /// What a client is told of it: for a person, and a stable word for programs.
    pub(crate) fn words(self) -> (String, &'static str) {
        match self {
            BreakOff::ServerStops => ("The server is going down.".to_owned(), "server_stopping"),
            BreakOff::TimeOver(limit) => (time_over(limit), "request_timeout"),
            BreakOff::EndedEarly => ("The answer broke off.".to_owned(), "stream_ended_early"),
            BreakOff::Panicked => {
                ("The server has a bug, and this answer met it.".to_owned(), "internal_error")
            }
            BreakOff::SourceBrokeOff => {
                ("The upstream broke its answer off before the end.".to_owned(), "upstream_broke_off")
            }
            BreakOff::SourceTimedOut => {
                ("The upstream fell silent in the middle of its answer.".to_owned(), "upstream_timeout")
            }
        }
    }
}

/// When the server itself ends an answer.
pub(crate) type Cut = Dozing<BreakOff>;

/// Resolves when the server goes down or the request's time is over, and has the observation foresee that end.
pub(crate) fn cut(mut closing: Closing, deadline: Deadline, observation: Observation) -> Cut {
    Dozing::new(async move {
        let (why, ended) = tokio::select! {
            () = closing.reached(Phase::Cut) => (BreakOff::ServerStops, Ended::ServerStopped),
            () = sleep_until(deadline.at) => (BreakOff::TimeOver(deadline.limit), Ended::TimedOut),
        };
        observation.foresee(ended);
        why
    })
}
