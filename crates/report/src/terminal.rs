//! What a person reads at the end of a run, in ten seconds.
//!
//! Owns the order: target, failures, what could not be judged, sections, and the sentence that says it all last, where
//! the eye rests. Lines fit the columns of the style, [`WIDTH`] at most, as far as tables do; commands alone are never
//! broken, so that they can be copied. Refuses to know whether there is a terminal: the caller chooses the [`Style`].

mod failures;
mod page;
mod sections;
mod style;

pub(crate) use page::{LABEL, Page};
pub(crate) use style::Ink;
pub use style::Style;

use crate::duration::duration;
use crate::verdicts::{CaseVerdict, Verdict, Verdicts};
use crate::visible::{one_line, shortened};
use crate::wrapping::{columns, fitted};

/// Columns of a line, commands aside.
pub const WIDTH: usize = 100;

/// Characters of the target, which may be a program on a command line.
const LONGEST_TARGET: usize = 300;

/// The whole view of a run.
pub fn render(verdicts: &Verdicts, style: Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, verdicts);
    failures::write(&mut page, verdicts);
    sections::write(&mut page, verdicts);
    page.gap();
    page.labelled("cases", &counts(verdicts), Ink::Plain);
    let ink = if verdicts.is_sound() { Ink::Good } else { Ink::Bad };
    page.line(&style.paint(&verdicts.conclusion(), ink));
    page.into_text()
}

/// A line for a case that has just been judged, for a run in progress.
pub fn progress_line(case: &CaseVerdict, style: Style) -> String {
    let verdict = case.verdict;
    let start = format!("{} {:14} ", verdict.symbol(), verdict.name());
    let text = match verdict {
        Verdict::Pass => case.slug.clone(),
        _ => format!("{}  {}", case.slug, one_line(&case.seen)),
    };
    let text = fitted(&one_line(&text), style.columns().saturating_sub(columns(&start)));
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
