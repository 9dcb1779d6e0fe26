//! Why there is no relay: everything that can be wrong with its description.

use interference_client::ClientError;

use crate::upstream::MOST_UPSTREAMS;
use crate::upstreams_file::FileProblem;

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// An argument is no `NAME=URL`.
    #[error("`{given}` is no upstream: {problem}. Write NAME=URL, as in `openai=https://api.openai.com/v1`.")]
    Argument {
        /// The argument, without a password.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name cannot be that of an upstream.
    #[error("`{name}` cannot be the name of an upstream: {problem}.")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The URL or the key of an upstream cannot be used.
    #[error("upstream `{upstream}`: {source}")]
    BaseUrl {
        /// The upstream.
        upstream: String,
        /// What is wrong.
        source: Box<ClientError>,
    },
    /// Two upstreams have the same name.
    #[error("Two upstreams are named `{name}`. Names tell upstreams apart: rename one.")]
    SameName {
        /// The name.
        name: String,
    },
    /// Nobody to pass anything on to, or too many.
    #[error("There are {count} upstreams. A relay needs from 1 to {MOST_UPSTREAMS}.")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A fall-back is not there.
    #[error(
        "upstream `{upstream}`: the fall-back `{fallback}` is no other upstream. There are: {}.", known.join(", ")
    )]
    UnknownFallback {
        /// The upstream.
        upstream: String,
        /// What it falls back to.
        fallback: String,
        /// All upstreams.
        known: Vec<String>,
    },
    /// A pattern, a weight or a number of retries is out of bounds.
    #[error("upstream `{upstream}`: {problem}.")]
    Setting {
        /// The upstream.
        upstream: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Nothing to verify certificates with.
    #[error("{0}")]
    Roots(Box<ClientError>),
    /// The file of upstreams cannot be read.
    #[error("{file_name}: the file of upstreams cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file_name: String,
        /// What the system says, or which bound it exceeds.
        reason: String,
    },
    /// The file of upstreams is wrong. At least one problem, in the order of the file.
    #[error("{}", told(problems, *untold))]
    File {
        /// What is wrong, at most [`MOST_PROBLEMS`](crate::MOST_PROBLEMS).
        problems: Vec<FileProblem>,
        /// How many more there are.
        untold: usize,
    },
}

fn told(problems: &[FileProblem], untold: usize) -> String {
    let mut lines: Vec<String> = problems.iter().map(FileProblem::to_string).collect();
    if untold > 0 {
        lines.push(format!("and {untold} more"));
    }
    lines.join("\n")
}
