//! The end of what a program says, kept while it says it.
//!
//! Where a program fails, its own last lines tell more than its status. Refuses to know which program it is, and what
//! its lines mean.

use std::collections::VecDeque;

/// Lines that are kept.
const MOST_LINES: usize = 5;
/// Characters of a line that are kept.
const MOST_CHARACTERS: usize = 300;

/// The last lines that are not empty.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    lines: VecDeque<String>,
}

impl LastWords {
    /// One more line.
    pub(crate) fn hear(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(MOST_CHARACTERS).collect());
    }

    /// All in one line, for an error.
    pub(crate) fn quoted(&self) -> String {
        if self.lines.is_empty() {
            return "nothing".to_owned();
        }
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_empty_ones_are_not() {
        let mut words = LastWords::default();
        assert_eq!(words.quoted(), "nothing");
        for line in ["1", "2", "", " 3", "4 ", "5", "  ", "6"] {
            words.hear(line);
        }
        assert_eq!(words.quoted(), "2 / 3 / 4 / 5 / 6");
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let mut words = LastWords::default();
        words.hear(&"ä".repeat(MOST_CHARACTERS + 1));
        assert_eq!(words.quoted(), "ä".repeat(MOST_CHARACTERS));
    }
}
