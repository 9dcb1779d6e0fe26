//! What clients are told of an upstream: somebody else who answers.
//!
//! Owns the words, which a relay says and a recording repeats. Refuses to know who is asked, and when one of them is
//! right.

use http::HeaderName;

/// The header in which an answer names who gave it.
pub const UPSTREAM_HEADER: HeaderName = HeaderName::from_static("x-interference-upstream");

/// Why an upstream did not answer, for programs: the code of [`Refusal::Upstream`](crate::Refusal::Upstream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamCode {
    /// There is no connection to it.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// It ended the connection before its answer began.
    BrokeOff,
    /// What it answered is no HTTP.
    NotHttp,
    /// Nobody is asked for now, since too much has failed.
    NobodyLeft,
    /// The request has been here before.
    Loop,
}

impl UpstreamCode {
    /// Every code.
    pub const ALL: [UpstreamCode; 6] = [
        UpstreamCode::Unreachable,
        UpstreamCode::TimedOut,
        UpstreamCode::BrokeOff,
        UpstreamCode::NotHttp,
        UpstreamCode::NobodyLeft,
        UpstreamCode::Loop,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            UpstreamCode::Unreachable => "upstream_unreachable",
            UpstreamCode::TimedOut => "upstream_timeout",
            UpstreamCode::BrokeOff => "upstream_broke_off",
            UpstreamCode::NotHttp => "upstream_not_http",
            UpstreamCode::NobodyLeft => "no_upstream_left",
            UpstreamCode::Loop => "upstream_loop",
        }
    }
}
