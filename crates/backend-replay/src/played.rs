//! Which recordings are played.
//!
//! Owns the line between an answer that is worth to be had again and what passes: a failure, an overload, an answer that
//! broke off or that its client did not wait for. Refuses to know how recordings are found.

use http::StatusCode;
use interference_cassette::{End, Outcome};

/// Which recordings are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Played {
    /// All of them: nobody else answers, and a failure is as good to test against as an answer.
    #[default]
    Everything,
    /// Whole answers whose status is below 500 and not 429. Of the others, somebody else can be asked again: they would
    /// be answered from for good, and what they tell of has passed.
    WhatLasts,
}

impl Played {
    /// Whether this is played.
    pub(crate) fn includes(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Played::Everything, _) => true,
            (Played::WhatLasts, Outcome::Failed(_)) => false,
            (Played::WhatLasts, Outcome::Answered(answer)) => {
                let passes =
                    answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
                answer.end == End::Complete && !passes
            }
        }
    }
}
