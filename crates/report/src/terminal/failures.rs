//! What has failed, with all that is needed to look into it; and what could not be judged, with the reason.

use super::style::Ink;
use super::{LABEL, Page};
use crate::verdicts::{CaseVerdict, Verdict, Verdicts};
use crate::visible::{one_line, shortened};
use crate::wrapping::{columns, fitted, wrapped};

/// Failures that are told in full; the others get a line each.
const MOST_DETAILED: usize = 20;
/// Characters of one text of a failure; the other forms have all of it.
const LONGEST_TEXT: usize = 600;
/// Clauses that a failure quotes.
const MOST_CLAUSES: usize = 3;

/// Writes every part that a run has something for.
pub(super) fn write(page: &mut Page, verdicts: &Verdicts) {
    let mut unexpected: Vec<_> = verdicts.cases.iter().filter(|case| verdicts.is_unexpected(case)).collect();
    unexpected.sort_by_key(|case| case.verdict);
    let (detailed, brief) = unexpected.split_at(unexpected.len().min(MOST_DETAILED));
    for case in detailed {
        page.gap();
        in_full(page, case);
    }
    if !brief.is_empty() {
        page.gap();
        page.line(&format!("And {} more; `--report html=FILE` has all of each:", brief.len()));
        in_brief(page, brief);
    }
    in_brief_under(page, "The judge itself failed:", &with(verdicts, Verdict::HarnessError));
    stale(page, &verdicts.stale_baseline);
    let known = |case: &&CaseVerdict| verdicts.counts(case) && case.in_baseline;
    in_brief_under(page, "Known by the baseline:", &verdicts.cases.iter().filter(known).collect::<Vec<_>>());
    let uncounted = |case: &&CaseVerdict| case.verdict == Verdict::NonStrict && !verdicts.counts(case);
    let uncounted: Vec<_> = verdicts.cases.iter().filter(uncounted).collect();
    in_brief_under(page, "Good practice that is not kept, which `--level should` counts:", &uncounted);
    for verdict in [Verdict::Inconclusive, Verdict::Unsupported, Verdict::NotApplicable] {
        by_reason(page, verdict, &with(verdicts, verdict));
    }
}

fn with(verdicts: &Verdicts, verdict: Verdict) -> Vec<&CaseVerdict> {
    verdicts.cases.iter().filter(|case| case.verdict == verdict).collect()
}

fn in_full(page: &mut Page, case: &CaseVerdict) {
    let verdict = page.style.paint(case.verdict.name(), Ink::of(case.verdict));
    let slug = page.style.paint(&one_line(&case.slug), Ink::Strong);
    page.line(&format!("{verdict}  {slug}"));
    page.labelled("", &case.requirement, Ink::Plain);
    // Where a case has nothing more precise, it is the requirement again.
    if case.expected != case.requirement {
        page.labelled("expected", &shortened(&case.expected, LONGEST_TEXT), Ink::Plain);
    }
    page.labelled("seen", &shortened(&case.seen, LONGEST_TEXT), Ink::of(case.verdict));
    for clause in case.clauses.iter().take(MOST_CLAUSES) {
        page.labelled("clause", &shortened(&clause.in_words(), LONGEST_TEXT), Ink::Plain);
    }
    let label = page.style.paint(&format!("{:>9}", "repeat"), Ink::Faint);
    page.line(&format!("{label}   {}", one_line(&case.repeat)));
}

fn in_brief_under(page: &mut Page, title: &str, cases: &[&CaseVerdict]) {
    if !cases.is_empty() {
        page.gap();
        page.line(title);
        in_brief(page, cases);
    }
}

/// A line for each: the slugs in one column, what was seen in another.
fn in_brief(page: &mut Page, cases: &[&CaseVerdict]) {
    let width = page.style.columns();
    let widest = cases.iter().map(|case| columns(&one_line(&case.slug))).max().unwrap_or(0).min(width / 2);
    for case in cases {
        let slug = fitted(&one_line(&case.slug), widest);
        let padding = " ".repeat(widest - columns(&slug));
        let seen = fitted(&one_line(&case.seen), width - widest - 6);
        let symbol = page.style.paint(&case.verdict.symbol().to_string(), Ink::of(case.verdict));
        page.line(format!("  {symbol} {slug}{padding}  {seen}").trim_end());
    }
}

fn stale(page: &mut Page, slugs: &[String]) {
    if slugs.is_empty() {
        return;
    }
    page.gap();
    page.line("Stale in the baseline: these hold now, so their lines are to be removed:");
    for slug in slugs {
        page.line(&fitted(&format!("  {}", one_line(slug)), page.style.columns()));
    }
}

/// Cases of one verdict; those with the same reason stand together.
fn by_reason(page: &mut Page, verdict: Verdict, cases: &[&CaseVerdict]) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for case in cases {
        match reasons.iter_mut().find(|(reason, _)| *reason == case.seen) {
            Some((_, slugs)) => slugs.push(&case.slug),
            None => reasons.push((&case.seen, vec![&case.slug])),
        }
    }
    if reasons.is_empty() {
        return;
    }
    page.gap();
    page.line(&format!("{}: {}", page.style.paint(verdict.name(), Ink::of(verdict)), verdict.meaning()));
    for (reason, slugs) in reasons {
        let reason = shortened(reason, LONGEST_TEXT / 3).into_owned();
        let text = one_line(&format!("{}: {reason}", slugs.join(", ")));
        for (index, line) in wrapped(&text, page.style.columns() - LABEL).iter().enumerate() {
            page.line(&format!("{}{line}", if index == 0 { "  " } else { "      " }));
        }
    }
}
