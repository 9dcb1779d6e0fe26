//! How a run gets on, on stderr: a bar on a terminal, and nothing elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use interference_report::{CaseVerdict, Finding, Verdict};

use crate::talk::{is_quiet, say};

const BAR: &str = "[{bar:30}] {pos}/{len} {msg}";

/// The progress of a run.
#[derive(Debug)]
pub(super) struct Progress {
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many cases.
    pub(super) fn new(cases: usize) -> Progress {
        if is_quiet() || !std::io::stderr().is_terminal() {
            return Progress { bar: None };
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(u64::try_from(cases).unwrap_or(u64::MAX)).with_style(style);
        bar.set_message("finding out what the server is");
        bar.tick();
        Progress { bar: Some(bar) }
    }

    /// What the server is.
    pub(super) fn found(&self, findings: &[Finding]) {
        if self.bar.is_none() {
            let model = findings.iter().find(|finding| finding.name == "model");
            say(&format!("judging with the model {}", model.map_or("", |finding| finding.value.as_str())));
        }
    }

    /// A case has come to its verdict.
    pub(super) fn done(&self, verdict: &CaseVerdict) {
        let Some(bar) = &self.bar else { return };
        bar.inc(1);
        bar.set_message(verdict.slug.clone());
        if matches!(verdict.verdict, Verdict::Fail | Verdict::HarnessError) {
            bar.println(format!("{} {}: {}", verdict.verdict.name(), verdict.slug, verdict.seen));
        }
    }

    /// The bar goes.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
