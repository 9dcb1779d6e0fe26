//! The comparison as Markdown, for a page in a repository.

use std::fmt::{self, Display, Formatter, Write};

use super::grid::{Block, blocks, counts};
use crate::adding::add;
use crate::verdicts::{Verdict, Verdicts};
use crate::visible::{one_line, shortened};

/// Characters of a reason.
const LONGEST_REASON: usize = 300;

/// A table of targets, one for each section, and every failure with its reason.
pub fn render(documents: &[Verdicts]) -> String {
    let mut text = "# Matrix\n\n".to_owned();
    let legend = Verdict::ALL.map(|verdict| format!("{} {}", verdict.symbol(), verdict.meaning()));
    add!(text, "{}. An empty cell: the case was not there.\n\n", legend.join("; "));
    targets(&mut text, documents);
    for block in blocks(documents) {
        section(&mut text, documents, &block);
    }
    failures(&mut text, documents);
    text
}

fn targets(text: &mut String, documents: &[Verdicts]) {
    text.push_str("| target | judged by | on | verdicts |\n| --- | --- | --- | --- |\n");
    for verdicts in documents {
        let counts: Vec<_> =
            counts(verdicts).iter().map(|(verdict, n)| format!("{n} {}", verdict.name())).collect();
        add!(
            text,
            "| {} | {} {} | {} | {} |\n",
            Plain(verdicts.called()),
            Plain(&verdicts.tool.name),
            Plain(&verdicts.tool.version),
            Plain(&verdicts.started_at),
            counts.join(", ")
        );
    }
}

fn section(text: &mut String, documents: &[Verdicts], block: &Block<'_>) {
    add!(text, "\n## {}\n\n| case | |", Plain(block.section));
    for verdicts in documents {
        add!(text, " {} |", Plain(verdicts.called()));
    }
    add!(text, "\n| --- | --- |{}\n", " :-: |".repeat(documents.len()));
    for row in &block.rows {
        add!(text, "| {} | {} |", Plain(row.slug), row.level.word());
        for cell in &row.cells {
            match cell {
                Some(case) => add!(text, " {} |", case.verdict.symbol()),
                None => text.push_str(" |"),
            }
        }
        text.push('\n');
    }
}

fn failures(text: &mut String, documents: &[Verdicts]) {
    text.push_str("\n## Failures\n");
    for verdicts in documents {
        add!(text, "\n### {}\n\n", Plain(verdicts.called()));
        let failures: Vec<_> = verdicts.cases.iter().filter(|case| case.verdict == Verdict::Fail).collect();
        if failures.is_empty() {
            text.push_str("None.\n");
        }
        for case in failures {
            add!(text, "- **{}**: {}\n", Plain(&case.slug), Plain(&shortened(&case.seen, LONGEST_REASON)));
        }
    }
}

/// A text that means nothing to Markdown, HTML included, in one line.
struct Plain<'a>(&'a str);

impl Display for Plain<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for character in one_line(self.0).chars() {
            if "\\`*_[]<>|&~#!$".contains(character) {
                formatter.write_char('\\')?;
            }
            formatter.write_char(character)?;
        }
        Ok(())
    }
}
