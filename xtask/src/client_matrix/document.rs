//! `docs/client-matrix.md`: clients and cases as a table of harms, and the reason of each.

use std::fmt::Write;

use serde_json::Value;

use super::Examined;
use super::reasons::{Reasons, text, unsound};

const INTRODUCTION: &str = "# Client matrix

Which stream breaks which client, and how: what [`interference check-client`](check-client.md) has found with the
clients of [`clients/`](../clients), each in the version that its lock file names. `cargo xtask client-matrix` makes this
page. [The cases](client-cases.md) say what is served and what is sound.

A cell names the harm: **bold** where a MUST is broken, plain where a SHOULD is. *Silent loss*: something is missing, and
nothing says so. *Invention*: something is reported that was not sent, or twice. *Wrong exception*: an error that is none
of the client's own escapes. *Refusal*: an error where the answer was whole. *Hang*: it did not end in time. *Retry*: it
asked again too soon, or at all. *Unbounded*: it took in all that came. ✓: sound.
";

/// The whole page.
pub(super) fn page(examined: &[Examined], reasons: &Reasons) -> String {
    let mut page = INTRODUCTION.to_owned();
    clients(&mut page, examined);
    table(&mut page, examined);
    for one in examined {
        why(&mut page, one, reasons);
    }
    page
}

fn clients(page: &mut String, examined: &[Examined]) {
    page.push_str("\n| client | examined on | sound | MUSTs broken | SHOULDs broken |\n| --- | --- | --: | --: | --: |\n");
    for Examined { client, report } in examined {
        let number = |verdict: &str| {
            report.pointer(&format!("/summary/{verdict}")).and_then(Value::as_u64).unwrap_or_default()
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "| [{} {}](client-matrix/{}.md) | {} | {} | {} | {} |",
            client.title,
            client.version,
            client.name,
            text(report, "started_at"),
            number("PASS"),
            number("FAIL"),
            number("NON-STRICT"),
        );
    }
}

fn table(page: &mut String, examined: &[Examined]) {
    let names: Vec<String> =
        examined.iter().map(|one| format!("{} {}", one.client.title, one.client.version)).collect();
    let _ = writeln!(page, "\n| case | | {} |", names.join(" | "));
    let _ = writeln!(page, "| --- | --- |{}", " --- |".repeat(examined.len()));
    let Some(first) = examined.first() else { return };
    for case in first.report.get("cases").and_then(Value::as_array).into_iter().flatten() {
        let slug = text(case, "slug");
        let cells: Vec<String> = examined.iter().map(|one| cell(&one.report, slug)).collect();
        let _ =
            writeln!(page, "| `{slug}` | {} | {} |", text(case, "level").to_uppercase(), cells.join(" | "));
    }
}

fn cell(report: &Value, slug: &str) -> String {
    let cases = report.get("cases").and_then(Value::as_array).into_iter().flatten();
    let Some(case) = cases.into_iter().find(|case| text(case, "slug") == slug) else { return String::new() };
    let harm = text(case, "seen").split(':').next().unwrap_or_default();
    match text(case, "verdict") {
        "PASS" => "✓".to_owned(),
        "FAIL" => format!("**{harm}**"),
        "NON-STRICT" => harm.to_owned(),
        other => other.to_owned(),
    }
}

fn why(page: &mut String, Examined { client, report }: &Examined, reasons: &Reasons) {
    let _ = writeln!(page, "\n## {} {}\n", client.title, client.version);
    let mut lines = 0;
    for case in unsound(report) {
        let slug = text(case, "slug");
        let reason = reasons.of(client.name, slug).unwrap_or("not looked into yet");
        let _ = writeln!(page, "- `{slug}`: {reason}");
        lines += 1;
    }
    if lines == 0 {
        page.push_str("Sound in every case.\n");
    }
}
