//! Colours of a terminal, or none.

use crate::verdicts::Verdict;

/// Whether a view has colours. Whoever prints it asks `NO_COLOR`, and whether there is a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With the colours of the terminal's own palette.
    Coloured,
}

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
    /// The text in this ink; it must not have escape sequences of its own.
    pub(crate) fn paint(self, text: &str, ink: Ink) -> String {
        match self {
            Style::Coloured if ink != Ink::Plain && !text.trim().is_empty() => {
                format!("\x1b[{}m{text}\x1b[0m", ink.parameters())
            }
            _ => text.to_owned(),
        }
    }
}
