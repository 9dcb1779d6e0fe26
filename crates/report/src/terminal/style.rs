//! Colours of a terminal, or none.

use super::WIDTH;
use crate::verdicts::Verdict;

/// Whether a view has colours, and how wide it is. Whoever prints it asks `NO_COLOR`, and the terminal, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
    columns: usize,
}

/// Columns that a view needs at least: in fewer, nothing stands beside anything else.
const LEAST_COLUMNS: usize = 60;

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Doubtful,
    Judge,
}

impl Ink {
    /// The ink of a verdict.
    pub(crate) fn of(verdict: Verdict) -> Ink {
        match verdict {
            Verdict::Fail => Ink::Bad,
            Verdict::HarnessError => Ink::Judge,
            Verdict::NonStrict | Verdict::Inconclusive => Ink::Doubtful,
            Verdict::Unsupported | Verdict::NotApplicable | Verdict::Skip => Ink::Faint,
            Verdict::Pass => Ink::Good,
        }
    }

    /// The parameters of "select graphic rendition" (ECMA-48, 8.3.117).
    fn parameters(self) -> &'static str {
        match self {
            Ink::Plain => "",
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Doubtful => "33",
            Ink::Judge => "1;35",
        }
    }
}

impl Style {
    /// Text alone, of [`WIDTH`] columns.
    pub const PLAIN: Style = Style { coloured: false, columns: WIDTH };
    /// With the colours of the terminal's own palette.
    pub const COLOURED: Style = Style { coloured: true, columns: WIDTH };

    /// The same on a terminal of so many columns; no wider than before.
    #[must_use]
    pub fn within(self, columns: usize) -> Style {
        Style { columns: columns.clamp(LEAST_COLUMNS, WIDTH), ..self }
    }

    /// Columns of a line, commands and tables aside.
    pub(crate) fn columns(self) -> usize {
        self.columns
    }

    /// The text in this ink; it must not have escape sequences of its own.
    pub(crate) fn paint(self, text: &str, ink: Ink) -> String {
        if !self.coloured || ink == Ink::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", ink.parameters())
    }
}
