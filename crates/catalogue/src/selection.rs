//! Which cases of a catalogue are meant.
//!
//! Owns patterns and what they select. Knows of a case only what it is called.

/// What has a slug: a case of a catalogue.
pub trait Named {
    /// Its name, which never changes, with that of its section before the dot: `sse.done-last`.
    fn slug(&self) -> &'static str;

    /// Its section: what the slug has before its dot.
    fn section(&self) -> &'static str {
        section_of(self.slug())
    }
}

/// What a slug has before its dot.
pub(crate) fn section_of(slug: &str) -> &str {
    slug.split_once('.').map_or(slug, |(section, _)| section)
}

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
        self.0 == section_of(slug) || fits(&self.0, slug)
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
    /// The cases that are told of, in their order.
    pub fn told<'a, C: Named>(&self, cases: impl IntoIterator<Item = &'a C>) -> Vec<&'a C> {
        cases.into_iter().filter(|case| self.tells(case.slug())).collect()
    }

    /// The cases that are judged, in their order.
    pub fn judged<'a, C: Named>(&self, cases: impl IntoIterator<Item = &'a C>) -> Vec<&'a C> {
        cases.into_iter().filter(|case| self.tells(case.slug()) && !self.skips(case.slug())).collect()
    }

    /// Whether a case is told of.
    fn tells(&self, slug: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| pattern.fits(slug))
    }

    /// Whether a case is left out.
    pub fn skips(&self, slug: &str) -> bool {
        self.skip.iter().any(|pattern| pattern.fits(slug))
    }

    /// The patterns that fit no case, which are mistakes as a rule.
    pub fn strays<'a, C: Named + 'a>(&self, cases: impl IntoIterator<Item = &'a C>) -> Vec<&Pattern> {
        let slugs: Vec<&str> = cases.into_iter().map(Named::slug).collect();
        let stray = |pattern: &&Pattern| !slugs.iter().any(|slug| pattern.fits(slug));
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
