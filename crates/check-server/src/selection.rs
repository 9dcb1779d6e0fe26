//! Which cases of the catalogue are judged.
//!
//! Owns patterns and what they select, and what that costs. Knows no server.

use crate::case::{Case, Cost};
use crate::preflight::PREFLIGHT_COST;
use crate::sections::cases;

/// Which cases are judged: a slug, or a pattern in which `*` stands for anything; a section's name alone means all of
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern.
    pub fn new(pattern: impl Into<String>) -> Pattern {
        Pattern(pattern.into())
    }

    /// Whether a slug fits.
    pub fn fits(&self, slug: &str) -> bool {
        let section = slug.split_once('.').map_or(slug, |(section, _)| section);
        self.0 == section || fits(&self.0, slug)
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text fits a pattern in which `*` stands for anything. Each piece between two stars is taken where it first
/// stands, which leaves the most for those behind it.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = text.strip_prefix(first).and_then(|left| left.strip_suffix(last)) else {
        return false;
    };
    middle.split('*').all(|piece| match left.split_once(piece) {
        Some((_, behind)) => {
            left = behind;
            true
        }
        None => false,
    })
}

/// Which cases are judged. Those that are left out by `skip` get the verdict SKIP; those that `only` does not name are
/// not told of.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these; all if empty.
    pub only: Vec<Pattern>,
    /// Not these.
    pub skip: Vec<Pattern>,
}

impl Selection {
    /// The cases that are told of.
    pub fn cases(&self) -> Vec<&'static Case> {
        let told =
            |case: &&Case| self.only.is_empty() || self.only.iter().any(|pattern| pattern.fits(case.slug));
        cases().filter(told).collect()
    }

    /// The cases that are judged.
    pub fn judged(&self) -> Vec<&'static Case> {
        self.cases().into_iter().filter(|case| !self.skips(case)).collect()
    }

    /// What they ask of a server at most, the preflight included: requests, and tokens of answers. Less where cases share
    /// an answer, more where the server refuses something or is busy, and is asked another way or again.
    pub fn cost(&self) -> (u64, u64) {
        let judged = self.judged();
        let sum = |of: fn(&Case) -> u32| -> u64 { judged.iter().map(|case| u64::from(of(case))).sum() };
        let Cost { requests, tokens } = PREFLIGHT_COST;
        (
            sum(|case| case.cost.requests) + u64::from(requests),
            sum(|case| case.cost.tokens) + u64::from(tokens),
        )
    }

    /// Whether a case is left out.
    pub fn skips(&self, case: &Case) -> bool {
        self.skip.iter().any(|pattern| pattern.fits(case.slug))
    }

    /// The patterns that fit no case, which are mistakes as a rule.
    pub fn strays(&self) -> Vec<&Pattern> {
        let stray = |pattern: &&Pattern| !cases().any(|case| pattern.fits(case.slug));
        self.only.iter().chain(&self.skip).filter(stray).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_slugs_sections_and_anything_between() {
        for (pattern, slug, expected) in [
            ("sse", "sse.done-last", true),
            ("sse.*", "sse.done-last", true),
            ("*.done-*", "sse.done-last", true),
            ("sse.done", "sse.done-last", false),
            ("ss", "sse.done-last", false),
            ("*", "sse.done-last", true),
            ("s*s*e*", "sse.done-last", true),
            ("sse.*last*last", "sse.done-last", false),
            ("**", "sse.done-last", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(slug), expected, "{pattern} {slug}");
        }
    }
}
