//! How a run gets on, on stderr: a line that changes on a terminal, and nothing elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use interference_load::{Live, Run};
use interference_report::load::Histogram;

use crate::talk::is_quiet;

/// From one look to the next.
const LOOKING: Duration = Duration::from_millis(500);
/// The percentiles are of so many looks.
const REMEMBERED: usize = 10;
/// With a bar where there is room for it beside the figures.
const WIDE_LINE: &str = "[{bar:24}] {wide_msg}";
const LINE: &str = "{wide_msg}";
/// Columns of a wide terminal.
const WIDE: u16 = 110;

/// A view of a run that goes on.
pub(super) struct Watching {
    /// Only on a terminal.
    view: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watching {
    /// Looks at a run until [`Watching::end`].
    pub(super) fn begin(run: &Run, lasts: Duration) -> Watching {
        if is_quiet() || !std::io::stderr().is_terminal() {
            return Watching { view: None };
        }
        let (live, start) = (Arc::clone(&run.live), run.start);
        let (stop, stopped) = channel();
        let view = std::thread::spawn(move || {
            let wide = Term::stderr().size_checked().is_none_or(|(_, columns)| columns >= WIDE);
            let bar = bar(lasts, wide);
            let before = (Instant::now(), 0);
            let mut view = View { live, bar, wide, start, lasts, before, recent: Vec::new() };
            while stopped.recv_timeout(LOOKING) == Err(RecvTimeoutError::Timeout) {
                view.look();
            }
            view.bar.finish_and_clear();
        });
        Watching { view: Some((stop, view)) }
    }

    /// The line goes.
    pub(super) fn end(self) {
        if let Some((stop, view)) = self.view {
            drop(stop);
            // A view that panicked has nothing more to show.
            let _ = view.join();
        }
    }
}

fn bar(lasts: Duration, wide: bool) -> ProgressBar {
    let line = if wide { WIDE_LINE } else { LINE };
    let style = ProgressStyle::with_template(line).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)).with_style(style)
}

struct View {
    live: Arc<Live>,
    bar: ProgressBar,
    /// Whether there is room for more words.
    wide: bool,
    start: Instant,
    lasts: Duration,
    /// When it looked before, and how many had ended.
    before: (Instant, u64),
    recent: Vec<Histogram>,
}

impl View {
    fn look(&mut self) {
        let now = self.live.snapshot();
        let ended = now.completed + now.errors;
        let seconds = self.before.0.elapsed().as_secs_f64().max(1e-3);
        let rate = ended.saturating_sub(self.before.1) as f64 / seconds;
        self.before = (Instant::now(), ended);
        self.recent.push(self.live.take_recent());
        if self.recent.len() > REMEMBERED {
            self.recent.remove(0);
        }
        let mut first_content = Histogram::new();
        self.recent.iter().for_each(|recent| first_content.merge(recent));
        let told = |quantile| match first_content.quantile(quantile) {
            Some(micros) => format!("{:.0}", micros as f64 / 1e3),
            None => "–".to_owned(),
        };
        let since = Instant::now().saturating_duration_since(self.start);
        self.bar.set_position(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        self.bar.set_message(format!(
            "{:.0} of {:.0} s · {rate:.1}/s · {} in flight · {} sound, {} failed · {}p50 {}, p99 {} ms",
            since.min(self.lasts).as_secs_f64(),
            self.lasts.as_secs_f64(),
            now.in_flight,
            now.completed,
            now.errors,
            if self.wide { "first content " } else { "" },
            told(0.5),
            told(0.99),
        ));
    }
}
