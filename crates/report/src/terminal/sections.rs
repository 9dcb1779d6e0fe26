//! A line for each section: its counts, and a strip with a symbol for each of its cases.

use super::style::Ink;
use super::{Page, WIDTH};
use crate::counting::{Section, sections};
use crate::verdicts::{Verdict, Verdicts};
use crate::visible::one_line;
use crate::wrapping::{columns, fitted};

/// Columns of a section's name.
const WIDEST_NAME: usize = 20;
/// Cases of a strip.
const LONGEST_STRIP: usize = 40;

/// The table; where every case holds, a paragraph.
pub(super) fn write(page: &mut Page, verdicts: &Verdicts) {
    let sections = sections(&verdicts.cases);
    if sections.is_empty() {
        return;
    }
    page.gap();
    if verdicts.cases.iter().all(|case| case.verdict == Verdict::Pass) {
        let named = sections.iter().map(|section| format!("{} {}", section.name, section.cases.len()));
        return page.labelled("sections", &named.collect::<Vec<_>>().join(" · "), Ink::Plain);
    }
    let names: Vec<_> = sections.iter().map(|section| fitted(&one_line(section.name), WIDEST_NAME)).collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0).max("section".len());
    let head = format!("{:widest$}  pass  fail  non-strict  other", "section");
    page.line(&page.style.paint(&head, Ink::Faint));
    for (name, section) in names.iter().zip(&sections) {
        let line = row(page, section);
        page.line(&format!("{name}{}{line}", " ".repeat(widest - columns(name))));
    }
}

fn row(page: &Page, section: &Section<'_>) -> String {
    let (pass, fail) = (section.count(Verdict::Pass), section.count(Verdict::Fail));
    let non_strict = section.count(Verdict::NonStrict);
    let other = section.cases.len() - pass - fail - non_strict;
    let number = |number: usize, width: usize, ink: Ink| {
        let ink = if number == 0 { Ink::Faint } else { ink };
        page.style.paint(&format!("{number:width$}"), ink)
    };
    let shown = section.cases.iter().take(LONGEST_STRIP);
    let strip = shown.map(|case| page.style.paint(&case.verdict.symbol().to_string(), Ink::of(case.verdict)));
    let more = if section.cases.len() > LONGEST_STRIP { "…" } else { "" };
    format!(
        "{}{}{}{}   {}{more}",
        number(pass, 6, Ink::Plain),
        number(fail, 6, Ink::Bad),
        number(non_strict, 12, Ink::Doubtful),
        number(other, 7, Ink::Plain),
        strip.collect::<String>()
    )
}

// The widest line that there can be fits.
const _: () = assert!(WIDEST_NAME + 6 + 6 + 12 + 7 + 3 + LONGEST_STRIP < WIDTH);
