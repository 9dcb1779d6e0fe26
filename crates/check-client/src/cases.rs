//! The catalogue, group by group.
//!
//! Each file has the cases of one group: data first, in the order in which they are told, and below it what is served,
//! and the oracles.

mod chunks;
mod ends;
mod errors;
mod framing;
mod retry;
mod sizes;
mod stream;
mod time;
mod tools;
mod types;

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;

use crate::case::{Case, Outcome, Tools, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{TEXT, beginning_text};
pub(crate) use time::longest_run;

/// A group of the catalogue.
#[derive(Debug)]
pub struct Group {
    /// What its slugs begin with.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its cases.
    pub cases: &'static [Case],
}

/// Every group, in the order in which they are told.
pub static CATALOGUE: &[Group] = &[
    stream::GROUP,
    framing::GROUP,
    sizes::GROUP,
    ends::GROUP,
    errors::GROUP,
    types::GROUP,
    chunks::GROUP,
    tools::GROUP,
    time::GROUP,
    retry::GROUP,
];

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CATALOGUE.iter().flat_map(|group| group.cases)
}

/// The ordinary stream, which shows whether a client can be examined at all.
pub(crate) fn first() -> &'static Case {
    &stream::GROUP.cases[0]
}

/// How a sound account reads where the answer is to be survived.
const WHOLE: &str = "the whole text, and no error";

/// How a sound account reads where the answer is broken.
const TYPED_ERROR: &str = "a typed error, with no text but what had arrived";

/// How a sound account reads where the answer may be taken or refused.
const WHOLE_OR_TYPED_ERROR: &str = "the whole text and no error, or a typed error with a beginning of it";

const INCOMPLETE: Clause = Clause::rfc9112(
    "section 8",
    "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the encoding has not been received.",
);

const DONE_ENDS: Clause = Clause::openai(
    "CreateCompletionRequest.stream",
    "with the stream terminated by a `data: [DONE]` message",
);

const TYPED_ERRORS: Clause =
    Clause::python("README, Handling errors", "All errors inherit from `openai.APIError`.");

/// Pieces of the ordinary answer that come before it breaks off, or an error comes.
const BEFORE: usize = 3;

/// A case without tools, whose answer is to be survived: the whole ordinary text is required.
const fn survived(
    slug: &'static str,
    level: Level,
    requirement: &'static str,
    clauses: &'static [Clause],
    served: &'static str,
    answer: fn(Turn) -> Vec<Step>,
) -> Case {
    let (sound, tools) = (WHOLE, Tools::None);
    Case { slug, level, requirement, clauses, served, sound, tools, answer, oracle: whole_poem }
}

/// The same, whose answer is broken behind its third piece: a typed error is required.
const fn broken(
    slug: &'static str,
    level: Level,
    requirement: &'static str,
    clauses: &'static [Clause],
    served: &'static str,
    answer: fn(Turn) -> Vec<Step>,
) -> Case {
    let survived = survived(slug, level, requirement, clauses, served, answer);
    Case { sound: TYPED_ERROR, oracle: |seen| after(seen, BEFORE), ..survived }
}

/// The whole ordinary answer is required.
fn whole_poem(seen: &Seen) -> Outcome {
    Ok(told(seen.whole(TEXT)?))
}

/// The whole ordinary answer, or a typed error.
fn poem_or_typed_error(seen: &Seen) -> Outcome {
    Ok(told(seen.whole_or_typed_error(TEXT)?))
}

/// A typed error is required, after so many pieces of the ordinary answer.
fn after(seen: &Seen, pieces: usize) -> Outcome {
    Ok(told(seen.typed_error(&beginning_text(pieces))?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use interference_catalogue::Named;

    use super::*;

    #[test]
    fn every_case_is_told_apart_and_every_must_quotes_a_clause() {
        let mut slugs = BTreeSet::new();
        for group in CATALOGUE {
            for case in group.cases {
                assert!(slugs.insert(case.slug), "{} stands twice", case.slug);
                assert_eq!(case.section(), group.name);
                assert!(case.requirement.ends_with('.') && case.served.ends_with('.'), "{}", case.slug);
                let quotes = case.clauses.iter().any(|clause| !clause.quote.is_empty());
                assert!(case.level == Level::Should || quotes, "{} quotes nothing", case.slug);
            }
        }
    }
}
