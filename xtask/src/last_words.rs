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
        let line = plain(line);
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

/// Without the colours that some programs use wherever they write: an escape, a bracket, and all up to a letter.
fn plain(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(
            part.trim_start_matches(|sign: char| !sign.is_ascii_alphabetic()).get(1..).unwrap_or_default(),
        );
    }
    plain
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
    fn colours_are_left_out() {
        let mut words = LastWords::default();
        for line in ["\x1b[1;31mred\x1b[0m and [plain]", "\x1b[0m", "cut \x1b[1;3"] {
            words.hear(line);
        }
        assert_eq!(words.quoted(), "red and [plain] / cut");
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let mut words = LastWords::default();
        words.hear(&"ä".repeat(MOST_CHARACTERS + 1));
        assert_eq!(words.quoted(), "ä".repeat(MOST_CHARACTERS));
    }
}
