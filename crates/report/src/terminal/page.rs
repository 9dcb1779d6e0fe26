//! Lines of a view, of bounded width: words in one column, and what they say in another.

use super::style::{Ink, Style};
use crate::visible::visible;
use crate::wrapping::wrapped;

/// Columns of the words before what they say: `  expected  `.
pub(crate) const LABEL: usize = 12;

/// Lines, as they are added.
pub(crate) struct Page {
    text: String,
    pub(crate) style: Style,
}

impl Page {
    /// Without a line.
    pub(crate) fn new(style: Style) -> Page {
        Page { text: String::new(), style }
    }

    /// What it has come to.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Adds a line as it is.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An empty line between two parts.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A word and what it says, which hangs beside it.
    pub(crate) fn labelled(&mut self, label: &str, text: &str, ink: Ink) {
        let mut label = label;
        for line in wrapped(&visible(text), self.style.columns() - LABEL) {
            let start = self.style.paint(&format!("{label:>9}"), Ink::Faint);
            let line = format!("{start}   {}", self.style.paint(&line, ink));
            self.line(line.trim_end());
            label = "";
        }
    }
}
