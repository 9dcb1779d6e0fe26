//! How a judge gets on, on stderr: a bar on a terminal, and nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use interference_report::{CaseVerdict, Finding, Verdict};

use crate::talk::{is_quiet, say};

const BAR: &str = "[{bar:30}] {pos}/{len} {msg}";

/// The progress of a run.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many cases; `beginning` says what comes before the first.
    pub(crate) fn new(cases: usize, beginning: &'static str) -> Progress {
        if is_quiet() || !std::io::stderr().is_terminal() {
            return Progress { bar: None };
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(u64::try_from(cases).unwrap_or(u64::MAX)).with_style(style);
        bar.set_message(beginning);
        bar.tick();
        Progress { bar: Some(bar) }
    }

    /// What was found out beforehand: the finding of this name is said, where no bar shows that something goes on.
    pub(crate) fn found(&self, findings: &[Finding], name: &str) {
        let finding = findings.iter().find(|finding| finding.name == name);
        if let (None, Some(finding)) = (&self.bar, finding) {
            say(&format!("judging with the {name} {}", finding.value));
        }
    }

    /// A case has come to its verdict.
    pub(crate) fn done(&self, verdict: &CaseVerdict) {
        let Some(bar) = &self.bar else { return };
        bar.inc(1);
        bar.set_message(verdict.slug.clone());
        if matches!(verdict.verdict, Verdict::Fail | Verdict::HarnessError) {
            bar.println(format!("{} {}: {}", verdict.verdict.name(), verdict.slug, verdict.seen));
        }
    }

    /// The bar goes.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
