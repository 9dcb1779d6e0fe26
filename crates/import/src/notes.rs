//! What did not come along, and why.
//!
//! Owns the list, and how an entry of it reads. It refuses to know any format.

use std::fmt;

/// How much is told of a file's own words, in characters.
pub const LONGEST_NOTE: usize = 400;

/// How much is listed of what did not come along; more is counted.
pub const MOST_NOTES: usize = 10_000;

/// Something that a file says and what was made of it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1, where the format's reader tells it.
    pub line: Option<usize>,
    /// The entry, such as `fixture 3`; none where the file as a whole is meant.
    pub entry: Option<String>,
    /// How much of it.
    pub extent: Extent,
    /// Why, and what stands in its place if anything does.
    pub reason: String,
}

/// How much of a file, or of an entry of it, is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What this leads to, such as `match.temperature`.
    Part(String),
    /// Nothing; it comes along as something else.
    Changed(String),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { file, line, entry, extent, reason } = self;
        formatter.write_str(file)?;
        if let Some(line) = line {
            write!(formatter, ":{line}")?;
        }
        if let Some(entry) = entry {
            write!(formatter, ": {entry}")?;
        }
        match extent {
            Extent::Whole => write!(formatter, ": left out: {reason}"),
            Extent::Part(path) => write!(formatter, ": `{path}` is left out: {reason}"),
            Extent::Changed(path) => write!(formatter, ": `{path}` is changed: {reason}"),
        }
    }
}

/// What did not come along, within a bound.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) told: Vec<LeftOut>,
    /// How many more there are.
    pub(crate) untold: usize,
}

impl Listing {
    /// Lists or counts one.
    pub(crate) fn push(&mut self, left_out: LeftOut) {
        if self.told.len() < MOST_NOTES {
            self.told.push(left_out);
        } else {
            self.untold += 1;
        }
    }
}

/// What a file says, made harmless for a terminal, and cut where it is long.
pub(crate) fn visible(text: &str) -> String {
    let harmless = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut visible: String = text.chars().take(LONGEST_NOTE).map(harmless).collect();
    if text.chars().nth(LONGEST_NOTE).is_some() {
        visible.push('…');
    }
    visible
}

/// Why an entry cannot come along at all, for a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) String);

/// The entry that something was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    /// `fixture` or `interaction`.
    pub(crate) noun: &'static str,
    /// From 1.
    pub(crate) number: usize,
}

impl Origin {
    /// Says that it is left out.
    pub(crate) fn left_out(&self, extent: Extent, reason: String) -> LeftOut {
        let entry = Some(format!("{} {}", self.noun, self.number));
        let extent = match extent {
            Extent::Whole => Extent::Whole,
            Extent::Part(path) => Extent::Part(visible(&path)),
            Extent::Changed(path) => Extent::Changed(visible(&path)),
        };
        LeftOut { file: self.file.clone(), line: self.line, entry, extent, reason: visible(&reason) }
    }
}

impl LeftOut {
    /// A file that is left out.
    pub(crate) fn file(file: &str, line: Option<usize>, reason: String) -> LeftOut {
        let reason = visible(&reason);
        LeftOut { file: file.to_owned(), line, entry: None, extent: Extent::Whole, reason }
    }
}

/// What is noted of one entry.
#[derive(Debug)]
pub(crate) struct Notes<'o> {
    origin: &'o Origin,
    listing: &'o mut Listing,
}

impl<'o> Notes<'o> {
    /// Notes about this entry, which go to the end of the listing.
    pub(crate) fn new(origin: &'o Origin, listing: &'o mut Listing) -> Notes<'o> {
        Notes { origin, listing }
    }

    /// That it is left out.
    pub(crate) fn whole(&mut self, reason: impl Into<String>) {
        self.listing.push(self.origin.left_out(Extent::Whole, reason.into()));
    }

    /// That a part of it is left out.
    pub(crate) fn part(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.listing.push(self.origin.left_out(Extent::Part(path.into()), reason.into()));
    }

    /// That a part of it comes along as something else.
    pub(crate) fn changed(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.listing.push(self.origin.left_out(Extent::Changed(path.into()), reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_is_bounded() {
        let mut listing = Listing::default();
        for _ in 0..MOST_NOTES + 2 {
            listing.push(LeftOut::file("a.json", None, String::new()));
        }
        assert_eq!((listing.told.len(), listing.untold), (MOST_NOTES, 2));
    }

    #[test]
    fn the_words_of_a_file_do_no_harm() {
        let origin = Origin { file: "a.json".to_owned(), line: None, noun: "fixture", number: 1 };
        let left_out = origin.left_out(Extent::Part("a\u{1b}[2J".to_owned()), "é".repeat(500));
        let expected =
            format!("a.json: fixture 1: `a\u{fffd}[2J` is left out: {}…", "é".repeat(LONGEST_NOTE));
        assert_eq!(left_out.to_string(), expected);
    }
}
