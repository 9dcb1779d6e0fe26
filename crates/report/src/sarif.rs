//! SARIF 2.1.0, which code scanning shows: a run for each document, a rule for each case, a result for each failure.
//!
//! The fingerprint of a result is its slug, so that a failure stays the same one from run to run, whatever was seen of
//! it. What the baseline lists is a result with a suppression.

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::ReportError;
use crate::verdicts::{CaseVerdict, Clause, Level, Verdict, Verdicts};
use crate::visible::visible;

/// The log, with a line feed at its end.
///
/// # Errors
/// [`ReportError::Unwritable`] where JSON cannot say a number.
pub fn render(documents: &[Verdicts]) -> Result<String, ReportError> {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": documents.iter().map(run).collect::<Vec<_>>(),
    });
    let unwritable =
        |error: serde_json::Error| ReportError::Unwritable { form: "SARIF", reason: error.to_string() };
    let mut text = serde_json::to_string_pretty(&log).map_err(unwritable)?;
    text.push('\n');
    Ok(text)
}

fn run(verdicts: &Verdicts) -> Value {
    let cases = verdicts.cases.iter();
    let results = cases.clone().enumerate().filter_map(|(index, case)| result(verdicts, case, index));
    json!({
        "tool": { "driver": {
            "name": visible(&verdicts.tool.name),
            "version": visible(&verdicts.tool.version),
            "rules": cases.map(rule).collect::<Vec<_>>(),
        }},
        "automationDetails": { "id": category(verdicts) },
        "invocations": [invocation(verdicts)],
        "results": results.collect::<Vec<_>>(),
    })
}

/// What tells runs of one target from those of another: all before the last slash (SARIF 2.1.0, section 3.17.3).
fn category(verdicts: &Verdicts) -> String {
    format!("interference/{}/", visible(verdicts.called()))
}

fn rule(case: &CaseVerdict) -> Value {
    json!({
        "id": visible(&case.slug),
        "shortDescription": { "text": visible(&case.requirement) },
        "fullDescription": { "text": visible(&format!("{} Brought about by: {}", case.requirement, case.trigger)) },
        "help": { "text": visible(&help(case)) },
        "defaultConfiguration": { "level": match case.level {
            Level::Must => Severity::Error,
            Level::Should => Severity::Warning,
        }},
        "properties": { "tags": [visible(&case.section)] },
    })
}

fn help(case: &CaseVerdict) -> String {
    let clauses = case.clauses.iter().map(Clause::in_words);
    let parts = [format!("Expected: {}", case.expected)].into_iter().chain(clauses);
    parts.chain([format!("Repeat with: {}", case.repeat)]).collect::<Vec<_>>().join("\n")
}

/// SARIF's levels (section 3.27.10), those that are used.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
}

fn result(verdicts: &Verdicts, case: &CaseVerdict, rule_index: usize) -> Option<Value> {
    let level = match case.verdict {
        Verdict::Fail => Severity::Error,
        Verdict::NonStrict => Severity::Warning,
        _ => return None,
    };
    let suppression =
        json!({ "kind": "external", "status": "accepted", "justification": "listed in the baseline" });
    Some(json!({
        "ruleId": visible(&case.slug),
        "ruleIndex": rule_index,
        "level": level,
        "message": { "text": visible(&format!("{} Seen: {}", case.requirement, case.seen)) },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri(&verdicts.target) } } }],
        "partialFingerprints": { "interferenceSlug/v1": visible(&case.slug) },
        "suppressions": if case.in_baseline { vec![suppression] } else { Vec::new() },
    }))
}

/// How the run went; that the judge has failed in a case is a notification, and no result about the target.
fn invocation(verdicts: &Verdicts) -> Value {
    let failures = verdicts.cases.iter().filter(|case| case.verdict == Verdict::HarnessError);
    let notifications = failures.map(|case| {
        json!({
            "level": Severity::Error,
            "message": { "text": visible(&case.seen) },
            "associatedRule": { "id": visible(&case.slug) },
        })
    });
    let notifications: Vec<_> = notifications.collect();
    json!({
        "executionSuccessful": notifications.is_empty(),
        "commandLine": visible(&verdicts.command),
        "startTimeUtc": verdicts.started_at,
        "toolExecutionNotifications": notifications,
    })
}

/// The target as a URI reference (RFC 3986, section 4.1); a command of a client has characters that none may have.
fn uri(target: &str) -> String {
    let mut uri = String::with_capacity(target.len());
    for (place, byte) in target.bytes().enumerate() {
        let follows = target.as_bytes().get(place + 1..place + 3).unwrap_or_default();
        let escapes = byte == b'%' && follows.len() == 2 && follows.iter().all(u8::is_ascii_hexdigit);
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => uri.push(char::from(byte)),
            _ if escapes || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte) => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_target_is_a_uri() {
        assert_eq!(uri("http://[::1]:8080/v%31?a=b"), "http://[::1]:8080/v%31?a=b");
        assert_eq!(uri("python 100%.py %4"), "python%20100%25.py%20%254");
        assert_eq!(uri("python \"größer\".py"), "python%20%22gr%C3%B6%C3%9Fer%22.py");
    }
}
