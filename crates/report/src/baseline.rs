//! A baseline: the failures of a target that are known, so that only others are news.
//!
//! One slug on each line, then perhaps `# reason`; empty lines, and lines that begin with `#`, say nothing. An entry that
//! has become untrue is a failure too: a baseline shrinks as its target gets better.

use std::collections::BTreeSet;
use std::path::Path;

use crate::adding::add;
use crate::error::ReportError;
use crate::text_file::read_text;
use crate::verdicts::{Verdict, Verdicts};
use crate::visible::{one_line, shortened};

/// Bytes of a baseline.
pub const LONGEST_BASELINE: usize = 1024 * 1024;
/// Mistakes of a baseline that are told at once.
const MOST_PROBLEMS: usize = 20;
/// Characters of a reason that is written.
const LONGEST_REASON: usize = 120;
/// How like two names must be, from 0 to 1, for one to be suggested for the other.
const LEAST_LIKENESS: f64 = 0.8;
/// Characters of an unknown slug that are repeated.
const LONGEST_QUOTE: usize = 60;

/// The slugs of failures that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    slugs: BTreeSet<String>,
}

/// Why a text is no baseline. Follows on the name of a file: each problem is `LINE: what is wrong`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// It is longer than [`LONGEST_BASELINE`].
    #[error("has {bytes} bytes; a baseline has at most {LONGEST_BASELINE}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Lines that are no entries, the first ones.
    #[error("{}", problems.join("\n"))]
    Entries {
        /// One text each, with its line: `line 3: there is no case `sse.done`; did you mean `sse.done-last`?`
        problems: Vec<String>,
    },
}

impl Baseline {
    /// Reads a baseline from its file, as [`Baseline::parse`] does.
    ///
    /// # Errors
    /// [`ReportError::Read`], [`ReportError::TooLong`] and [`ReportError::Baseline`].
    pub fn read(path: &Path, known: &[&str]) -> Result<Baseline, ReportError> {
        let text = read_text(path, LONGEST_BASELINE as u64)?;
        Baseline::parse(&text, known)
            .map_err(|source| ReportError::Baseline { path: path.to_owned(), source })
    }

    /// Reads a baseline; `known` are the slugs of all cases, also of those that are not run.
    ///
    /// # Errors
    /// [`BaselineError`] tells the first lines, up to 20, that name no case, or one that was named before.
    pub fn parse(text: &str, known: &[&str]) -> Result<Baseline, BaselineError> {
        if text.len() > LONGEST_BASELINE {
            return Err(BaselineError::TooLong { bytes: text.len() });
        }
        let mut baseline = Baseline::default();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if problems.len() == MOST_PROBLEMS {
                break;
            }
            let slug = line.split('#').next().unwrap_or_default().trim();
            if slug.is_empty() {
                continue;
            }
            if !known.contains(&slug) {
                problems.push(format!("line {}: {}", index + 1, unknown(slug, known)));
            } else if !baseline.slugs.insert(slug.to_owned()) {
                problems.push(format!("line {}: `{slug}` is listed twice", index + 1));
            }
        }
        if problems.is_empty() { Ok(baseline) } else { Err(BaselineError::Entries { problems }) }
    }

    /// Marks what is known, finds what is stale, and counts anew.
    ///
    /// An entry is stale when its case holds (PASS). What was not run, did not show or is not there says nothing about it.
    pub fn apply(&self, verdicts: &mut Verdicts) {
        for case in &mut verdicts.cases {
            case.in_baseline = self.slugs.contains(&case.slug);
        }
        let stale = verdicts.cases.iter().filter(|case| case.in_baseline && case.verdict == Verdict::Pass);
        verdicts.stale_baseline = stale.map(|case| case.slug.clone()).collect();
        verdicts.recount();
    }
}

/// The failures of a run that count at its level, as a baseline for the next; what was seen is the reason.
pub fn render(verdicts: &Verdicts) -> String {
    let mut text = format!("# Known failures of {}\n", one_line(verdicts.called()));
    let failures: Vec<_> = verdicts.cases.iter().filter(|case| verdicts.counts(case)).collect();
    let widest = failures.iter().map(|case| case.slug.chars().count()).max().unwrap_or(0);
    for case in failures {
        let reason = one_line(&case.seen);
        let line = format!("{:widest$}  # {}", case.slug, shortened(&reason, LONGEST_REASON));
        add!(text, "{}\n", line.trim_end_matches([' ', '#']));
    }
    text
}

fn unknown(slug: &str, known: &[&str]) -> String {
    let quoted = one_line(&shortened(slug, LONGEST_QUOTE));
    match nearest(slug, known) {
        Some(nearest) => format!("there is no case `{quoted}`; did you mean `{nearest}`?"),
        None => format!("there is no case `{quoted}`"),
    }
}

/// The known slug that is most like this one, if any is; the beginning counts for more than the end.
fn nearest<'a>(slug: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |candidate: &&'a str| (strsim::jaro_winkler(slug, candidate), *candidate);
    let most_alike = known.iter().map(likeness).max_by(|(one, _), (other, _)| one.total_cmp(other));
    most_alike.filter(|(likeness, _)| *likeness >= LEAST_LIKENESS).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["sse.done-last", "sse.done-once", "sse.utf8", "chunk.object"];

    #[test]
    fn entries_have_reasons_or_none() {
        let text =
            "# of the nightly build\n\nsse.utf8 # issue 12 # and 13\n  chunk.object\r\nsse.done-last#x\n";
        let slugs = ["chunk.object", "sse.done-last", "sse.utf8"].map(str::to_owned);
        assert_eq!(Baseline::parse(text, &KNOWN), Ok(Baseline { slugs: slugs.into() }));
        assert_eq!(Baseline::parse("", &KNOWN), Ok(Baseline::default()));
    }

    #[test]
    fn every_wrong_line_is_told_with_the_nearest_slug() {
        let error =
            Baseline::parse("sse.done-lsat\nsse.utf8\nsse.utf8 # again\nchunkobject", &KNOWN).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1: there is no case `sse.done-lsat`; did you mean `sse.done-last`?\n\
             line 3: `sse.utf8` is listed twice\n\
             line 4: there is no case `chunkobject`; did you mean `chunk.object`?"
        );
        assert_eq!(Baseline::parse("a.b", &[]).unwrap_err().to_string(), "line 1: there is no case `a.b`");
    }

    #[test]
    fn a_name_that_is_like_none_is_not_explained() {
        assert_eq!(nearest("sse.dune-last", &KNOWN), Some("sse.done-last"));
        assert_eq!(nearest("sse.done", &KNOWN), Some("sse.done-once"));
        assert_eq!(nearest("weather", &KNOWN), None);
    }

    #[test]
    fn a_file_is_not_read_beyond_the_bound() {
        let error = Baseline::read(Path::new("/dev/zero"), &KNOWN).unwrap_err();
        assert_eq!(error.to_string(), format!("/dev/zero is longer than {LONGEST_BASELINE} bytes"));
    }

    #[test]
    fn a_baseline_has_a_bound() {
        let text = "#".repeat(LONGEST_BASELINE + 1);
        assert_eq!(Baseline::parse(&text, &KNOWN), Err(BaselineError::TooLong { bytes: text.len() }));
        assert!(Baseline::parse(&text[1..], &KNOWN).is_ok());
    }
}
