//! What a person reads at the end of a run of load, in ten seconds.
//!
//! Owns the order: what was done, whether its numbers can be trusted, what came of it, and the sentence that says it all
//! last, where the eye rests. Refuses to know whether there is a terminal: the caller chooses the [`Style`].

mod tables;

use super::document::{Basis, LoadReport};
use super::figure::{Figure, RunFigure};
use super::number::{amount, counted, grouped, percent};
use super::sentences;
use crate::duration::duration;
use crate::terminal::{Ink, Page, Style};
use crate::visible::shortened;

/// Characters of a text that somebody else chose.
const LONGEST_TEXT: usize = 300;
/// Reasons against a certificate that are told; the other forms have all.
const MOST_OBJECTIONS: usize = 8;

/// The whole view of a run.
pub fn render(report: &LoadReport, style: Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, report);
    page.gap();
    certificate(&mut page, report);
    page.gap();
    outcome(&mut page, report);
    tables::measures(&mut page, report);
    tables::errors(&mut page, report);
    tables::objectives(&mut page, report);
    tables::series(&mut page, report);
    page.gap();
    let ink = if report.met() && report.certified() { Ink::Good } else { Ink::Bad };
    for line in crate::wrapping::wrapped(&sentences::conclusion(report), style.columns()) {
        page.line(&style.paint(&line, ink));
    }
    page.into_text()
}

fn head(page: &mut Page, report: &LoadReport) {
    let mut target = match &report.target_name {
        Some(name) => format!("{name}, {}", report.target),
        None => report.target.clone(),
    };
    if let Some(model) = &report.model {
        target.push_str(&format!(", model {model}"));
    }
    page.labelled("target", &shortened(&target, LONGEST_TEXT), Ink::Strong);
    page.labelled("plan", &shortened(&sentences::plan(&report.plan), LONGEST_TEXT), Ink::Plain);
    if !report.shards.is_empty() {
        page.labelled("shards", &shortened(&sentences::shards(&report.shards), LONGEST_TEXT), Ink::Plain);
    }
    for note in &report.notes {
        page.labelled("note", &shortened(note, LONGEST_TEXT), Ink::Doubtful);
    }
}

fn certificate(page: &mut Page, report: &LoadReport) {
    let objections = report.objections();
    if report.certified() {
        page.line(&page.style.paint("CERTIFIED", Ink::Good));
    } else {
        let why = "NOT CERTIFIED: these numbers are not to be trusted";
        page.line(&page.style.paint(why, Ink::Bad));
        for objection in objections.iter().take(MOST_OBJECTIONS) {
            page.labelled("✗", objection, Ink::Bad);
        }
        if objections.len() > MOST_OBJECTIONS {
            let more = objections.len() - MOST_OBJECTIONS;
            page.labelled(
                "",
                &format!("and {more} reasons more; `--report html=FILE` has them all"),
                Ink::Plain,
            );
        }
        if report.certificates.is_empty() {
            page.labelled("✗", "the tester did not measure itself", Ink::Bad);
        }
    }
    let told = sentences::own_error(report);
    page.labelled("own error", &told, Ink::Plain);
}

fn outcome(page: &mut Page, report: &LoadReport) {
    let counts = &report.measurements.counts;
    let number = |figure| report.number(Figure::Run(figure)).unwrap_or(0.0);
    let goodput = number(RunFigure::ValidGoodputRatio);
    let good = format!(
        "{}: {} of {} sound to the end{}",
        percent(goodput),
        grouped(counts.good),
        counted(counts.scheduled, "request", "requests"),
        if report.slo.is_empty() { "" } else { " and within the SLO" }
    );
    page.labelled("goodput", &good, Ink::Strong);
    let rate = format!(
        "{} requests/s, {} of them good, in {}",
        amount(number(RunFigure::RequestsPerSecond)),
        amount(number(RunFigure::GoodputRequestsPerSecond)),
        duration(report.duration_ms)
    );
    page.labelled("rate", &rate, Ink::Plain);
    let mut tokens = format!(
        "{} a second out and {} in, by {} chunks a second",
        amount(number(RunFigure::CompletionTokensPerSecond)),
        amount(number(RunFigure::PromptTokensPerSecond)),
        amount(number(RunFigure::ChunksPerSecond))
    );
    if counts.without_usage > 0 {
        let without = counted(counts.without_usage, "answer", "answers");
        tokens.push_str(&format!("; {without} told no usage, so that their tokens are not counted"));
    }
    page.labelled("tokens", &tokens, Ink::Plain);
    let (late, ink) = sentences::late(report);
    page.labelled("late", &late, ink);
    if counts.reconnected > 0 {
        let anew = counted(counts.reconnected, "request was", "requests were");
        let told = format!("{anew} sent anew: the server had just closed their idle connections");
        page.labelled("stale", &told, Ink::Plain);
    }
    let basis = match report.basis {
        Basis::Scheduled => "latencies count from when a request was to be sent",
        Basis::Sent => "latencies count from when a request was sent",
    };
    page.labelled("basis", basis, Ink::Faint);
}
