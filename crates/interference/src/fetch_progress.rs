//! The progress of a model's download, on stderr.
//!
//! A bar when stderr is a terminal, else one line for each source that is tried. It uses no colour, so that there is
//! none to switch off.

use std::io::IsTerminal;

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use interference_model_store::FetchProgress;

use crate::talk::{is_quiet, say};

const BAR: &str = "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";

/// Shows on stderr how a fetch gets on.
#[derive(Debug, Default)]
pub(crate) struct StderrProgress {
    /// Only between `begin` and `finish`, and only on a terminal.
    bar: Option<ProgressBar>,
}

impl FetchProgress for StderrProgress {
    fn begin(&mut self, source: &str, total_bytes: u64) {
        if is_quiet() || !std::io::stderr().is_terminal() {
            return self.note(&format!("fetching {} from: {source}", DecimalBytes(total_bytes)));
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total_bytes).with_style(style).with_message(source.to_owned());
        bar.tick();
        self.bar = Some(bar);
    }

    fn advance(&mut self, position_bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position_bytes);
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn note(&mut self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(message)),
            None => say(message),
        }
    }
}
