//! JUnit XML, which CI systems show: a suite for each section, a test for each case.
//!
//! Keeps to the elements of Jenkins' schema and to their order, with the `message` of `skipped` that its later versions
//! have. A case that the baseline lists is skipped and not failed, so that a known failure turns nothing red; a stale entry
//! of the baseline fails in a suite of its own.

use crate::adding::add;
use crate::counting::{Section, sections};
use crate::verdicts::{CaseVerdict, Direction, Exchange, Verdict, Verdicts};
use crate::visible::{one_line, shortened};
use crate::xml::Escaped;

/// Characters of a message, which is what lists of tests show; the text below it has everything.
const LONGEST_MESSAGE: usize = 300;

/// What a test has come to, in the words of JUnit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Broken,
    Skipped,
}

/// The suites of all documents. Of several, each suite's name begins with its target.
pub fn render(documents: &[Verdicts]) -> String {
    let mut text =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"interference\">\n".to_owned();
    for verdicts in documents {
        let prefix = match documents {
            [_] => String::new(),
            _ => format!("{}: ", verdicts.called()),
        };
        for section in sections(&verdicts.cases) {
            suite(&mut text, verdicts, &prefix, &section);
        }
        stale(&mut text, verdicts, &prefix);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, verdicts: &Verdicts, prefix: &str, section: &Section<'_>) {
    let count = |outcome| section.cases.iter().filter(|case| outcome_of(verdicts, case) == outcome).count();
    let duration_ms: f64 = section.cases.iter().map(|case| case.duration_ms).sum();
    add!(
        text,
        "  <testsuite name=\"{}{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\" \
         timestamp=\"{}\">\n",
        Escaped(prefix),
        Escaped(section.name),
        section.cases.len(),
        count(Outcome::Failed),
        count(Outcome::Broken),
        count(Outcome::Skipped),
        seconds(duration_ms),
        Escaped(&verdicts.started_at),
    );
    properties(text, verdicts);
    for case in &section.cases {
        test(text, verdicts, prefix, case);
    }
    text.push_str("  </testsuite>\n");
}

fn properties(text: &mut String, verdicts: &Verdicts) {
    let own = [("target", &verdicts.target), ("command", &verdicts.command)];
    let own = own.map(|(name, value)| (name, value.as_str()));
    let name = verdicts.target_name.as_deref().map(|name| ("target_name", name));
    let found = verdicts.findings.iter().map(|finding| (finding.name.as_str(), finding.value.as_str()));
    text.push_str("    <properties>\n");
    for (name, value) in own.into_iter().chain(name).chain(found) {
        add!(text, "      <property name=\"{}\" value=\"{}\"/>\n", Escaped(name), Escaped(value));
    }
    text.push_str("    </properties>\n");
}

fn test(text: &mut String, verdicts: &Verdicts, prefix: &str, case: &CaseVerdict) {
    add!(
        text,
        "    <testcase classname=\"{}{}\" name=\"{}\" time=\"{}\"",
        Escaped(prefix),
        Escaped(&case.section),
        Escaped(&case.slug),
        seconds(case.duration_ms)
    );
    let outcome = outcome_of(verdicts, case);
    if outcome == Outcome::Passed && case.evidence.is_empty() {
        text.push_str("/>\n");
        return;
    }
    text.push_str(">\n");
    let verdict = case.verdict.name();
    let listed = if case.in_baseline { " (in the baseline)" } else { "" };
    let seen = one_line(&case.seen);
    let message = format!("{verdict}{listed}: {}", shortened(&seen, LONGEST_MESSAGE));
    let message = Escaped(&message);
    match outcome {
        Outcome::Passed => {}
        Outcome::Skipped => add!(text, "      <skipped message=\"{message}\"/>\n"),
        Outcome::Failed => {
            let story = story(case);
            add!(
                text,
                "      <failure type=\"{verdict}\" message=\"{message}\">{}</failure>\n",
                Escaped(&story)
            );
        }
        Outcome::Broken => {
            let story = story(case);
            add!(text, "      <error type=\"{verdict}\" message=\"{message}\">{}</error>\n", Escaped(&story));
        }
    }
    if !case.evidence.is_empty() {
        let log: String = case.evidence.iter().map(wire_log).collect();
        add!(text, "      <system-out>{}</system-out>\n", Escaped(&log));
    }
    text.push_str("    </testcase>\n");
}

fn stale(text: &mut String, verdicts: &Verdicts, prefix: &str) {
    let number = verdicts.stale_baseline.len();
    if number == 0 {
        return;
    }
    let prefix = Escaped(prefix);
    add!(
        text,
        "  <testsuite name=\"{prefix}baseline\" tests=\"{number}\" failures=\"{number}\" errors=\"0\" skipped=\"0\">\n"
    );
    for slug in &verdicts.stale_baseline {
        let slug = Escaped(slug);
        add!(text, "    <testcase classname=\"{prefix}baseline\" name=\"{slug} is stale\" time=\"0.000\">\n");
        add!(
            text,
            "      <failure type=\"STALE\" message=\"{slug} is in the baseline and holds: remove its line\"/>\n"
        );
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n");
}

fn outcome_of(verdicts: &Verdicts, case: &CaseVerdict) -> Outcome {
    match case.verdict {
        Verdict::Pass => Outcome::Passed,
        Verdict::HarnessError => Outcome::Broken,
        _ if verdicts.is_unexpected(case) => Outcome::Failed,
        _ => Outcome::Skipped,
    }
}

/// What a failure says below its message.
fn story(case: &CaseVerdict) -> String {
    let mut story = format!("{}\nexpected: {}\nseen: {}\n", case.requirement, case.expected, case.seen);
    for clause in &case.clauses {
        add!(story, "clause: {}\n", clause.in_words());
    }
    add!(story, "repeat: {}", case.repeat);
    story
}

fn wire_log(exchange: &Exchange) -> String {
    let mut log = format!("{}\n{}\n", exchange.title, exchange.curl);
    for entry in &exchange.wire {
        let direction = match entry.direction {
            Direction::Sent => '>',
            Direction::Received => '<',
            Direction::Event => '*',
        };
        add!(log, "{:10.1} ms {direction} {:>8}  {}\n", entry.at_ms, entry.offset, entry.text);
    }
    log
}

fn seconds(milliseconds: f64) -> String {
    format!("{:.3}", milliseconds.max(0.0) / 1000.0)
}
