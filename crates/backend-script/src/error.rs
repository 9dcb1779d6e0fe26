//! What is wrong with a script, told so that it can be found: file, line, column, the line itself, and a caret.
//!
//! Owns how problems look. It refuses to know what a script may say, and what becomes of one that is refused.

use std::fmt;
use std::ops::Range;

use interference_toml_values::{Lines, Place, Problems, Told};

/// How many problems of a script are told; more are counted.
pub use interference_toml_values::MOST_PROBLEMS;

/// How much of a line is shown, in characters.
const LONGEST_EXCERPT: usize = 100;

/// How much of a line is shown before what is marked, where the line is longer than that.
const BEFORE_THE_MARK: usize = 40;

/// Why there is no script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{file_name}: the script cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file_name: String,
        /// What the operating system says.
        reason: String,
    },
    /// The file is larger than a script may be.
    #[error("{file_name}: the script is larger than {bytes_max} bytes")]
    TooLarge {
        /// The file.
        file_name: String,
        /// The bound.
        bytes_max: usize,
    },
    /// The file says what no script can say. At least one problem, in the order of the file.
    #[error("{}", told(problems, *untold))]
    Invalid {
        /// What is wrong, at most [`MOST_PROBLEMS`].
        problems: Vec<Problem>,
        /// How many more there are.
        untold: usize,
    },
}

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file_name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The line, cut where it is long, without its end.
    pub excerpt: String,
    /// Which characters of the excerpt are meant.
    pub mark: Range<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file_name, line, column, message, excerpt, mark } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(mark.start);
        let carets = "^".repeat(mark.len().max(1));
        writeln!(formatter, "{file_name}:{line}:{column}: {message}")?;
        writeln!(formatter, " {number} | {excerpt}")?;
        write!(formatter, " {margin} | {indent}{carets}")
    }
}

fn told(problems: &[Problem], untold: usize) -> String {
    let mut text = problems.iter().map(Problem::to_string).collect::<Vec<String>>().join("\n");
    if untold > 0 {
        text.push_str(&format!("\nand {untold} more"));
    }
    text
}

/// A script's text with its name.
pub(crate) struct Source<'t> {
    file_name: &'t str,
    lines: Lines<'t>,
}

impl<'t> Source<'t> {
    /// The text of this file.
    pub(crate) fn new(file_name: &'t str, text: &'t str) -> Source<'t> {
        Source { file_name, lines: Lines::of(text) }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.line(offset)
    }

    /// The error that problems come to.
    pub(crate) fn error(&self, problems: Problems) -> ScriptError {
        let Told { problems, untold } = problems.told();
        let problems = problems.into_iter().map(|(span, message)| self.problem(&span, message));
        ScriptError::Invalid { problems: problems.collect(), untold }
    }

    /// A problem at these bytes. A span over several lines is marked in its first.
    fn problem(&self, span: &Range<usize>, message: String) -> Problem {
        let Place { line, column } = self.lines.place(span.start);
        let line_text = self.lines.text_of_line(span.start);
        let before = column - 1;
        let is_long = line_text.chars().count() > LONGEST_EXCERPT;
        let first = if is_long { before.saturating_sub(BEFORE_THE_MARK) } else { 0 };
        let excerpt = line_text.chars().skip(first).take(LONGEST_EXCERPT).map(visible).collect();
        let mark = before - first..(before - first + self.lines.width(span)).min(LONGEST_EXCERPT);
        Problem { file_name: self.file_name.to_owned(), line, column, message, excerpt, mark }
    }
}

/// A character that takes one column and controls no terminal.
fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        other if other.is_control() => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        Source::new("a.toml", text).problem(&span, "wrong".to_owned()).to_string()
    }

    #[test]
    fn a_problem_shows_its_line() {
        assert_eq!(shown("a = 1\nbé = 2\n", 10..11), "a.toml:2:4: wrong\n 2 | bé = 2\n   |    ^");
        assert_eq!(shown("a\tb", 2..3), "a.toml:1:3: wrong\n 1 | a b\n   |   ^");
        assert_eq!(shown("", 0..0), "a.toml:1:1: wrong\n 1 | \n   | ^");
        assert_eq!(shown("a = [\n1]", 4..8), "a.toml:1:5: wrong\n 1 | a = [\n   |     ^");
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let text = format!("{}wen = 1", "x".repeat(500));
        let expected =
            format!("a.toml:1:501: wrong\n 1 | {}wen = 1\n   | {}^^^", "x".repeat(40), " ".repeat(40));
        assert_eq!(shown(&text, 500..503), expected);
    }
}
