//! What the commands of both judges have in common: which cases, which reports, and what is told in the end.
//!
//! Owns the arguments that both take, the document around the verdicts, and the exit code. Refuses to know whom a judge
//! judges.

pub(crate) mod listing;
pub(crate) mod progress;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use interference_catalogue::{Named, Pattern, Selection};
use interference_report::terminal;
use interference_report::{
    Baseline, CaseVerdict, FORMAT, Finding, Level, Output, Summary, Tool, Verdicts, json,
};

use crate::failure::{Failure, TEST_FAILED, TOOL_FAILED, WRONG_USAGE};
use crate::stdout::{self, Stdout};

/// What both judges take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct JudgingArguments {
    /// Judge only these: a slug, a section, or a pattern with `*` (repeatable)
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Leave these out (repeatable)
    #[arg(long, value_name = "PATTERN")]
    skip: Vec<String>,
    /// Print the cases, what they rest on and what they do, and run none
    #[arg(long, conflicts_with_all = ["baseline", "reports"])]
    pub(crate) list: bool,
    /// Print the document of verdicts as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Known failures, one slug a line: they do not count, and one that has become sound counts as a failure
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// A report besides: json, junit, sarif, html, badge, matrix, matrix-md, baseline or text, and its file (repeatable)
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    reports: Vec<String>,
    /// From which level on a broken requirement makes the run fail
    #[arg(long, value_enum, default_value_t = CountedLevel::Must)]
    level: CountedLevel,
    /// Which cases bring their evidence
    #[arg(long, value_enum, default_value_t = Evidence::NotPassed)]
    evidence: Evidence,
    /// What to call the one that is judged in reports, such as `llama.cpp b6100`
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// `--level`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CountedLevel {
    /// Broken MUSTs alone
    Must,
    /// Broken SHOULDs too
    Should,
}

/// `--evidence`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Evidence {
    /// Those that are not passed
    NotPassed,
    /// All
    All,
}

/// The way from verdicts to whoever wants to know of them; all that can be wrong with it is found before a judge begins.
pub(crate) struct Telling {
    arguments: JudgingArguments,
    outputs: Vec<Output>,
    stdout: Stdout,
    baseline: Option<Baseline>,
    began: SystemTime,
}

/// What a run has come to.
pub(crate) struct Found {
    /// The command that was run, without what is secret.
    pub(crate) command: String,
    /// Who was judged.
    pub(crate) target: String,
    pub(crate) findings: Vec<Finding>,
    pub(crate) cases: Vec<CaseVerdict>,
}

impl JudgingArguments {
    /// Which cases; `verb` is the judge's.
    ///
    /// # Errors
    /// A pattern fits none.
    pub(crate) fn selection<'a, C: Named + 'a>(
        &self,
        cases: impl IntoIterator<Item = &'a C>,
        verb: &str,
    ) -> anyhow::Result<Selection> {
        let patterns = |given: &[String]| given.iter().map(Pattern::new).collect();
        let selection = Selection { only: patterns(&self.only), skip: patterns(&self.skip) };
        if let Some(stray) = selection.strays(cases).first() {
            let message = format!("no case is called `{}`", stray.as_str());
            let hint = format!("`interference {verb} --list` names them all");
            return Err(Failure::new(WRONG_USAGE, message, hint).into());
        }
        Ok(selection)
    }

    /// Whether cases that pass bring their evidence too.
    pub(crate) fn evidence_of_all(&self) -> bool {
        self.evidence == Evidence::All
    }

    /// Opens what the verdicts will be told with.
    ///
    /// # Errors
    /// A report cannot be made of one run, two are to go to stdout, or the baseline cannot be read or names unknown cases.
    pub(crate) fn telling<'a, C: Named + 'a>(
        &self,
        cases: impl IntoIterator<Item = &'a C>,
    ) -> anyhow::Result<Telling> {
        let outputs = self.reports.iter().map(|report| report.parse()).collect::<Result<Vec<Output>, _>>()?;
        for output in &outputs {
            output.format.accept(1)?;
        }
        let stdout = Stdout::of(&outputs, self.json)?;
        let known: Vec<&str> = cases.into_iter().map(Named::slug).collect();
        let baseline = self.baseline.as_deref().map(|path| Baseline::read(path, &known)).transpose()?;
        Ok(Telling { arguments: self.clone(), outputs, stdout, baseline, began: SystemTime::now() })
    }
}

impl Telling {
    /// Writes the reports, prints the verdicts, and fails if they do, or as `unfit` has it: why what was judged could not
    /// be looked at as it should.
    ///
    /// # Errors
    /// What was judged is broken, nothing could be judged, the judge failed, or something cannot be written.
    pub(crate) fn tell(self, found: Found, unfit: Option<Failure>) -> anyhow::Result<()> {
        self.write(&[self.document(found)], unfit)
    }

    /// The same with the documents of several targets. A report that tells of one is written for each, and its file
    /// then has the target in its name.
    ///
    /// # Errors
    /// Those of [`Telling::tell`].
    pub(crate) fn tell_all(&self, documents: &[Verdicts]) -> anyhow::Result<()> {
        self.write(documents, None)
    }

    fn write(&self, documents: &[Verdicts], unfit: Option<Failure>) -> anyhow::Result<()> {
        // Whatever cannot be written, the rest is.
        let mut written = Ok(());
        for output in &self.outputs {
            if output.format.accept(documents.len()).is_ok() {
                written = written.and(output.write(documents));
                continue;
            }
            for document in documents {
                let path = path_of_one(&output.path, document.called());
                let output = Output { format: output.format, path };
                written = written.and(output.write(std::slice::from_ref(document)));
            }
        }
        let printed = match self.stdout {
            Stdout::Own => documents.iter().try_for_each(|document| print(document, self.arguments.json)),
            Stdout::Report => Ok(()),
        };
        written?;
        // That nobody reads to the end, as in `| head -1`, makes nothing sound.
        conclude(documents, unfit)?;
        printed
    }

    /// The document around verdicts, with what the baseline says of them.
    pub(crate) fn document(&self, found: Found) -> Verdicts {
        let duration = self.began.elapsed().unwrap_or_default();
        let mut verdicts = Verdicts {
            format: FORMAT.to_owned(),
            tool: Tool { name: "interference".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            command: found.command,
            target: found.target,
            target_name: self.arguments.name.clone(),
            started_at: humantime::format_rfc3339_seconds(self.began).to_string(),
            duration_ms: (duration.as_secs_f64() * 1e3).round(),
            level: match self.arguments.level {
                CountedLevel::Must => Level::Must,
                CountedLevel::Should => Level::Should,
            },
            findings: found.findings,
            summary: Summary::default(),
            stale_baseline: Vec::new(),
            cases: found.cases,
        };
        verdicts.recount();
        if let Some(baseline) = &self.baseline {
            baseline.apply(&mut verdicts);
        }
        verdicts
    }
}

fn print(verdicts: &Verdicts, as_json: bool) -> anyhow::Result<()> {
    let text =
        if as_json { json::render(verdicts)? + "\n" } else { terminal::render(verdicts, stdout::style()) };
    Ok(stdout::print(&text)?)
}

fn conclude(documents: &[Verdicts], unfit: Option<Failure>) -> anyhow::Result<()> {
    let errors: usize = documents.iter().map(|verdicts| verdicts.summary.harness_error).sum();
    if errors > 0 {
        let message = format!("{errors} cases could not be judged by a fault of this program");
        return Err(Failure::new(TOOL_FAILED, message, "what was seen names it; it is worth a report").into());
    }
    let unsound = documents.iter().filter(|verdicts| !verdicts.is_sound()).map(|verdicts| match documents {
        [only] => only.conclusion(),
        _ => format!("{}: {}", verdicts.called(), verdicts.conclusion()),
    });
    let unsound: Vec<String> = unsound.collect();
    if !unsound.is_empty() {
        let hint = "each failure names the command that repeats it";
        return Err(Failure::new(TEST_FAILED, unsound.join("; "), hint).into());
    }
    if let Some(failure) = unfit {
        return Err(failure.into());
    }
    if documents.iter().all(|verdicts| is_without_verdict(&verdicts.summary)) {
        let called: Vec<&str> = documents.iter().map(Verdicts::called).collect();
        let message = format!("nothing could be judged of {}", called.join(", "));
        let hint = "each case tells what stood in its way; `--evidence all` shows what came";
        return Err(Failure::new(TOOL_FAILED, message, hint).into());
    }
    Ok(())
}

/// Where no case has come to a verdict, and some were to, that nothing is broken says nothing.
fn is_without_verdict(summary: &Summary) -> bool {
    summary.inconclusive > 0 && summary.inconclusive + summary.skip == summary.total
}

/// Where the report about one of several targets goes: `check.html` becomes `check-NAME.html`. stdout stays stdout.
fn path_of_one(path: &Path, name: &str) -> PathBuf {
    if path == Path::new("-") {
        return path.to_owned();
    }
    let mut file = path.file_stem().unwrap_or_default().to_owned();
    file.push(format!("-{name}"));
    if let Some(ending) = path.extension() {
        file.push(".");
        file.push(ending);
    }
    path.with_file_name(file)
}

/// As a shell takes it, in one line: what acts on a terminal, line feeds first, is spelled as `$'\\n'` has it (POSIX.1-2024,
/// section 2.2.4).
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._~:/@%+=,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = "$'".to_owned();
    for character in text.chars() {
        match character {
            '\'' | '\\' => word.extend(['\\', character]),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            '\r' => word.push_str("\\r"),
            // Three digits, so that none that follows is taken for one of them.
            _ if character.is_control() => {
                let bytes = character.to_string().into_bytes();
                word.extend(bytes.iter().map(|byte| format!("\\{byte:03o}")));
            }
            _ => word.push(character),
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_line_and_means_itself() {
        assert_eq!(shell_word("http://localhost:1337/v1"), "http://localhost:1337/v1");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word("it's\n\t\u{1b}7\\ \u{85}é"), r"$'it\'s\n\t\0337\\ \302\205é'");
    }
}
