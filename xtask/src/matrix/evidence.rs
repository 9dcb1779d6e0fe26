//! The evidence that goes with a matrix: for each failure of each target, what was asked and what crossed the wire.
//!
//! Owns how much of a report is kept for the repository: enough to see that a failure is true, and no more.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::Ground;
use super::peer::Peer;

/// Lines of a wire log: so many from its beginning, and from its end.
const FIRST_LINES: usize = 5;
const LAST_LINES: usize = 4;
/// Characters of a line, and of a command.
const LONGEST_LINE: usize = 420;
const LONGEST_COMMAND: usize = 1_000;

/// Writes a page beside the document, from the report of a server.
///
/// # Errors
/// When the report cannot be read, or the page not be written.
pub(super) fn write(ground: &Ground, peer: &Peer, report: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(report).with_context(|| report.display().to_string())?;
    let report: Value = serde_json::from_str(&text).with_context(|| report.display().to_string())?;
    let folder = ground.document.with_extension("");
    fs::create_dir_all(&folder)?;
    let place = folder.join(format!("{}.md", peer.name));
    fs::write(&place, page(&report, Sides::Server)).with_context(|| place.display().to_string())
}

/// Whose failures a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sides {
    /// A server's: broken MUSTs, each with the exchange that shows it.
    Server,
    /// A client's: broken SHOULDs too, each with what it was sent first, and what it said in the end.
    Client,
}

/// A page of a report's failures.
pub(crate) fn page(report: &Value, sides: Sides) -> String {
    let member = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or_default();
    let (start, verdicts): (&str, &[&str]) = match sides {
        Sides::Server => ("been sent", &["FAIL"]),
        Sides::Client => ("come", &["FAIL", "NON-STRICT"]),
    };
    let mut page = format!(
        "# {}: failures, and what crossed the wire\n\nJudged on {}. Times are in milliseconds from when the request had \
         {start}; of long logs the beginning and the end are kept.\n",
        member("target_name"),
        member("started_at"),
    );
    let cases = report.get("cases").and_then(Value::as_array);
    for case in cases
        .into_iter()
        .flatten()
        .filter(|case| case.get("verdict").and_then(Value::as_str).is_some_and(|one| verdicts.contains(&one)))
    {
        failure(&mut page, case, sides);
    }
    page
}

fn failure(page: &mut String, case: &Value, sides: Sides) {
    let member = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "\n## {}\n\n{}\n\nSeen: `{}`\n",
        member("slug"),
        member("requirement"),
        inline(member("seen"))
    );
    for clause in case.get("clauses").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| clause.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ =
            write!(page, "\nClause: {}, {}: `{}`\n", part("source"), part("place"), inline(part("quote")));
    }
    let evidence = case.get("evidence").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (Some(first), Some(last)) = (evidence.first(), evidence.last()) else { return };
    exchange_shown(page, first);
    if sides == Sides::Client && evidence.len() > 1 {
        exchange_shown(page, last);
    }
}

fn exchange_shown(page: &mut String, exchange: &Value) {
    let curl = exchange.get("curl").and_then(Value::as_str).unwrap_or_default();
    let _ = write!(page, "\n```text\n{}\n\n", shortened(curl, LONGEST_COMMAND));
    let wire = exchange.get("wire").and_then(Value::as_array).cloned().unwrap_or_default();
    let left_out = wire.len().saturating_sub(FIRST_LINES + LAST_LINES);
    for (index, entry) in wire.iter().enumerate() {
        if left_out > 0 && index == FIRST_LINES {
            let _ = writeln!(page, "           … {left_out} lines …");
        }
        if left_out == 0 || index < FIRST_LINES || index >= wire.len() - LAST_LINES {
            let _ = writeln!(page, "{}", line(entry));
        }
    }
    page.push_str("```\n");
}

fn line(entry: &Value) -> String {
    let text = entry.get("text").and_then(Value::as_str).unwrap_or_default();
    let arrow = match entry.get("direction").and_then(Value::as_str) {
        Some("sent") => "→",
        Some("received") => "←",
        _ => "·",
    };
    let at = entry.get("at_ms").and_then(Value::as_f64).unwrap_or_default();
    format!("{at:>10.3} {arrow} {}", shortened(text, LONGEST_LINE))
}

/// Within a pair of back quotes, on one line.
fn inline(text: &str) -> String {
    text.replace('`', "'").replace(['\r', '\n'], " ")
}

fn shortened(text: &str, characters: usize) -> String {
    let mut shown: String = text.replace("```", "'''").chars().take(characters).collect();
    if text.chars().count() > characters {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_each_failure_with_its_wire_log() {
        let entry =
            |direction: &str, at: f64, text: &str| json!({"direction": direction, "at_ms": at, "text": text});
        let mut wire = vec![entry("sent", -0.5, "POST / HTTP/1.1\\r\\n")];
        wire.extend((0..10).map(|index| entry("received", f64::from(index), "data: {}")));
        let report = json!({"target_name": "a server 1.0", "started_at": "2026-01-01T00:00:00Z", "cases": [
            {"slug": "sse.utf8", "verdict": "PASS"},
            {"slug": "sse.done-once", "verdict": "FAIL", "requirement": "One.", "seen": "no `[DONE]`",
             "clauses": [{"source": "a", "place": "b", "quote": "c"}], "evidence": [{"curl": "curl x", "wire": wire}]},
        ]});
        let page = page(&report, Sides::Server);
        assert!(page.starts_with("# a server 1.0: failures"), "{page}");
        assert!(
            !page.contains("sse.utf8") && page.contains("## sse.done-once\n\nOne.\n\nSeen: `no '[DONE]'`"),
            "{page}"
        );
        assert!(page.contains("    -0.500 → POST / HTTP/1.1\\r\\n\n"), "{page}");
        assert!(page.contains("           … 2 lines …\n     6.000 ← data: {}"), "{page}");
    }
}
