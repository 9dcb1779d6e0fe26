//! What can be wrong with what is to be asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use interference_cassette::FolderError;

use super::problems::Problems;
use super::{Endpoint, LONGEST_PROMPT, LONGEST_THINKING, MOST_SHARED_TEXTS, MOST_TURNS};

/// Why there is no work. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// The name of no endpoint.
    #[error("`{text}` is none of the endpoints chat, completions, responses and embeddings")]
    UnknownEndpoint {
        /// What was there.
        text: String,
    },
    /// A text that is no length of prompts.
    #[error(
        "`{text}` is no number of tokens; write one from 1 to {LONGEST_PROMPT} such as `512`, two such as `100..900`, or \
         `normal(512,64)`"
    )]
    NotALength {
        /// What was there.
        text: String,
    },
    /// Extra members that cannot be used.
    #[error(
        "the extra members cannot be used: {reason}; write a JSON object such as `{{\"temperature\": 0}}`"
    )]
    Extra {
        /// What is wrong with them.
        reason: String,
    },
    /// Nobody says which model is to be asked.
    #[error("no model is named, and requests that are made up need one; name it with `-m`")]
    NoModel,
    /// Answers of no tokens.
    #[error("answers of at most 0 tokens are none; write 1 or more")]
    Limit,
    /// Answers that neither the model nor a limit ends.
    #[error("answers that go on to their limit need one; say how many tokens they may have")]
    NoLimit,
    /// Something is asked for that an endpoint does not have.
    #[error(
        "requests for {} have no use for {what}; leave that out, or ask another endpoint",
        endpoint.name()
    )]
    NotOfEndpoint {
        /// What it is.
        what: &'static str,
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// A number of turns that no conversation has.
    #[error("{turns} turns are not from 1 to {MOST_TURNS}")]
    Turns {
        /// How many.
        turns: u32,
    },
    /// Too long a pause between turns.
    #[error("{} s between two turns are more than {} s", pause.as_secs_f64(), LONGEST_THINKING.as_secs())]
    Thinking {
        /// How long.
        pause: Duration,
    },
    /// A number of shared beginnings that there cannot be.
    #[error("{texts} shared beginnings are not from 1 to {MOST_SHARED_TEXTS}")]
    SharedTexts {
        /// How many.
        texts: u32,
    },
    /// Prompts that are shorter than any prompt.
    #[error(
        "prompts of {tokens} tokens cannot be had: a prompt of {made_of} has {shortest} on this server; write {shortest} or \
         more"
    )]
    PromptTooShort {
        /// How many tokens they would have.
        tokens: u32,
        /// What the shortest is made of.
        made_of: &'static str,
        /// How many tokens it has.
        shortest: u32,
    },
    /// The server's usage does not tell how many tokens words make.
    #[error("prompts cannot be made to measure: {}; send a file of requests instead", told(probes))]
    Unscaled {
        /// Words, and the tokens that the server counted for them.
        probes: Vec<(u32, u64)>,
    },
    /// A trace tells lengths of prompts, and nobody knows how many tokens words make.
    #[error("the trace tells the lengths of prompts in tokens, which have to be measured by probes first")]
    NoScale,
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file has mistakes.
    #[error("{problems}")]
    File {
        /// Which, by line.
        problems: Problems,
    },
    /// A file has no request.
    #[error("{file} has no request in it; write one on each line")]
    Empty {
        /// The file, as it was named.
        file: String,
    },
    /// A folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No cassette of a folder can be sent.
    #[error("{} has no cassette that can be sent{}", path.display(), first_of(left_out))]
    NothingRecorded {
        /// The folder.
        path: PathBuf,
        /// What is wrong with those that are there.
        left_out: Vec<String>,
    },
}

/// `for 16 words the server counts 7 tokens, for 512 words 7`
fn told(probes: &[(u32, u64)]) -> String {
    let [(words, tokens), others @ ..] = probes else { return "no probe was answered".to_owned() };
    let others = others.iter().map(|(words, tokens)| format!(", for {words} words {tokens}"));
    format!("for {words} words the server counts {tokens} tokens{}", others.collect::<String>())
}

/// `: a.json: it has no body, and 3 more`
fn first_of(left_out: &[String]) -> String {
    match left_out {
        [] => "; record some with `serve --record`".to_owned(),
        [only] => format!(": {only}"),
        [first, others @ ..] => format!(": {first}; and {} more", others.len()),
    }
}
