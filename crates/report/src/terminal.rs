//! What a person reads at the end of a run, in ten seconds.
//!
//! Owns the order: target, failures, what could not be judged, sections, and the sentence that says it all last, where
//! the eye rests. Lines fit [`WIDTH`] columns; commands alone are never broken, so that they can be copied. Refuses to
//! know whether there is a terminal: the caller chooses the [`Style`].

mod failures;
mod sections;
mod style;

pub use style::Style;

use crate::duration::duration;
use crate::verdicts::{CaseVerdict, Verdict, Verdicts};
use crate::visible::{one_line, shortened, visible};
use crate::wrapping::{columns, fitted, wrapped};
use style::Ink;

/// Columns of a line, commands aside.
pub const WIDTH: usize = 100;
/// Columns of the words before what they say: `  expected  `.
const LABEL: usize = 12;

/// Characters of the target, which may be a program on a command line.
const LONGEST_TARGET: usize = 300;

/// The whole view of a run.
pub fn render(verdicts: &Verdicts, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    head(&mut page, verdicts);
    failures::write(&mut page, verdicts);
    sections::write(&mut page, verdicts);
    page.gap();
    page.labelled("cases", &counts(verdicts), Ink::Plain);
    let ink = if verdicts.is_sound() { Ink::Good } else { Ink::Bad };
    page.line(&style.paint(&verdicts.conclusion(), ink));
    page.text
}

/// A line for a case that has just been judged, for a run in progress.
pub fn progress_line(case: &CaseVerdict, style: Style) -> String {
    let verdict = case.verdict;
    let start = format!("{} {:14} ", verdict.symbol(), verdict.name());
    let text = match verdict {
        Verdict::Pass => case.slug.clone(),
        _ => format!("{}  {}", case.slug, one_line(&case.seen)),
    };
    let text = fitted(&one_line(&text), WIDTH.saturating_sub(columns(&start)));
    format!("{}{text}", style.paint(&start, Ink::of(verdict)))
}

/// Every verdict that occurs with its number, what holds first.
fn counts(verdicts: &Verdicts) -> String {
    let order =
        std::iter::once(Verdict::Pass).chain(Verdict::ALL.into_iter().filter(|v| *v != Verdict::Pass));
    let counts = order.filter_map(|verdict| {
        let number = verdicts.cases.iter().filter(|case| case.verdict == verdict).count();
        (number > 0).then(|| format!("{number} {}", verdict.name()))
    });
    let counts =
        [format!("{} in {}", verdicts.cases.len(), duration(verdicts.duration_ms))].into_iter().chain(counts);
    counts.collect::<Vec<_>>().join(" · ")
}

fn head(page: &mut Page, verdicts: &Verdicts) {
    let target = match &verdicts.target_name {
        Some(name) => format!("{name}, {}", verdicts.target),
        None => verdicts.target.clone(),
    };
    page.labelled("target", &shortened(&target, LONGEST_TARGET), Ink::Strong);
    let findings = verdicts.findings.iter().map(|finding| format!("{} {}", finding.name, finding.value));
    let findings: Vec<_> = findings.collect();
    if !findings.is_empty() {
        page.labelled("found", &findings.join(" · "), Ink::Plain);
    }
}

/// Lines, as they are added.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    /// Adds a line as it is.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An empty line between two parts.
    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A word and what it says, which hangs beside it.
    fn labelled(&mut self, label: &str, text: &str, ink: Ink) {
        let mut label = label;
        for line in wrapped(&visible(text), WIDTH - LABEL) {
            let start = self.style.paint(&format!("{label:>9}"), Ink::Faint);
            let line = format!("{start}   {}", self.style.paint(&line, ink));
            self.line(line.trim_end());
            label = "";
        }
    }
}
