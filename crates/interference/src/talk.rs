//! What the program says beside its data: on stderr, unless `-q` asks for errors only.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, by `main`.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on nothing is said.
pub(crate) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether nothing is to be said.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Says a line. A closed stderr is no reason to stop.
pub(crate) fn say(message: &str) {
    if !is_quiet() {
        drop(writeln!(std::io::stderr().lock(), "{message}"));
    }
}

/// So many of what this noun names, in words: `1 case`, `2 cases`, `2 entries`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}
