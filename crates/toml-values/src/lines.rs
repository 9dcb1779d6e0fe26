//! Where in a text an offset is.

use std::ops::Range;

/// The lines of a text. Offsets are in bytes; one within a character, or behind the end, is taken for the nearest before it
/// that is none.
#[derive(Debug, Clone)]
pub struct Lines<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

/// A place in a text, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl<'t> Lines<'t> {
    /// The lines of this text.
    pub fn of(text: &'t str) -> Lines<'t> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(end, _)| end + 1);
        Lines { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The line of an offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The place of an offset.
    pub fn place(&self, offset: usize) -> Place {
        let line = self.line(floor_boundary(self.text, offset));
        let start = self.starts[line - 1];
        // Within an end of two bytes it is behind the line, too.
        let offset = offset.min(start + self.text_of_line(start).len());
        let column = self.text[start..floor_boundary(self.text, offset)].chars().count() + 1;
        Place { line, column }
    }

    /// The line that an offset is in, without its end.
    pub fn text_of_line(&self, offset: usize) -> &'t str {
        let start = self.starts[self.line(floor_boundary(self.text, offset)) - 1];
        self.text[start..].lines().next().unwrap_or("")
    }

    /// How many characters a span has in its first line, at least one.
    pub fn width(&self, span: &Range<usize>) -> usize {
        let start = floor_boundary(self.text, span.start);
        let line_end = self.starts[self.line(start) - 1] + self.text_of_line(start).len();
        let end = floor_boundary(self.text, span.end.max(start)).min(line_end);
        self.text.get(start..end).map_or(0, |text| text.chars().count()).max(1)
    }
}

/// The nearest boundary of a character at or before an offset.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|position| text.is_char_boundary(*position)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_a_line_and_a_column() {
        let text = "a = 1\nbé = 2\r\n";
        let lines = Lines::of(text);
        for (offset, line, column, line_text) in [
            (0, 1, 1, "a = 1"),
            (5, 1, 6, "a = 1"),
            (6, 2, 1, "bé = 2"),
            (8, 2, 2, "bé = 2"),
            (9, 2, 3, "bé = 2"),
            (13, 2, 7, "bé = 2"),
            (14, 2, 7, "bé = 2"),
            (text.len(), 3, 1, ""),
            (1_000, 3, 1, ""),
        ] {
            assert_eq!(lines.place(offset), Place { line, column }, "{offset}");
            assert_eq!(lines.text_of_line(offset), line_text, "{offset}");
        }
        assert_eq!(Lines::of("").place(0), Place { line: 1, column: 1 });
    }

    #[test]
    fn a_span_is_as_wide_as_in_its_first_line() {
        let lines = Lines::of("é = [\n1]");
        for (span, width) in [(0..2, 1), (0..4, 3), (5..9, 1), (0..9, 5), (3..3, 1), (100..200, 1)] {
            assert_eq!(lines.width(&span), width, "{span:?}");
        }
    }
}
