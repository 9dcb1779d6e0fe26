//! `--list`: the catalogue, and what it costs.

use std::io::{self, Write};

use interference_catalogue::Selection;
use interference_check_server::{Case, Company, cases, cost};
use interference_report::Level;
use serde_json::{Value, json};

/// Prints the cases that are selected, as lines or as JSON.
///
/// # Errors
/// stdout takes nothing.
pub(super) fn print(selection: &Selection, as_json: bool) -> anyhow::Result<()> {
    let cases = selection.judged(cases());
    let mut stdout = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut stdout, &listing(selection))?;
        writeln!(stdout)?;
        return Ok(());
    }
    let mut section = "";
    for case in &cases {
        if case.section() != section {
            section = case.section();
            writeln!(stdout, "{section}")?;
        }
        writeln!(stdout, "  {:<32} {:<6} {}", case.slug, level(case), case.requirement)?;
    }
    let (requests, tokens) = cost(selection);
    writeln!(
        stdout,
        "{} cases: at most {requests} requests and {tokens} tokens of answers, less where cases share an answer",
        cases.len()
    )?;
    Ok(())
}

fn listing(selection: &Selection) -> Value {
    let (requests, tokens) = cost(selection);
    let cases: Vec<Value> = selection.judged(cases()).into_iter().map(one).collect();
    json!({"requests": requests, "tokens": tokens, "cases": cases})
}

fn one(case: &Case) -> Value {
    let clauses: Vec<Value> = case
        .clauses
        .iter()
        .map(|clause| json!({"source": clause.source.name(), "place": clause.place, "quote": clause.quote}))
        .collect();
    json!({
        "slug": case.slug,
        "section": case.section(),
        "level": level(case).to_lowercase(),
        "requirement": case.requirement,
        "trigger": case.trigger,
        "clauses": clauses,
        "runs_alone": case.company != Company::Others,
        "requests": case.cost.requests,
        "tokens": case.cost.tokens,
    })
}

fn level(case: &Case) -> &'static str {
    match case.level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    }
}
