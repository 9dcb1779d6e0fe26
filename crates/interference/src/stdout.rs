//! stdout, and the files of reports: who has stdout, what is printed there, and how it looks.
//!
//! Two documents one behind the other are none, so that a command line that asks for two of them is wrong.

use std::io::Write;
use std::path::Path;

use console::Term;
use interference_report::terminal::Style;
use interference_report::{Output, ReportError};

use crate::failure::{Failure, WRONG_USAGE, may_colour};

/// What stands on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// What the command prints of itself, for people or with `--json`.
    Own,
    /// A report, and nothing else.
    Report,
}

impl Stdout {
    /// Whose it is, of what a command line asks for.
    ///
    /// # Errors
    /// Two documents are to stand there, or in one file, or one in a place that is no file.
    pub(crate) fn of<F>(outputs: &[Output<F>], json: bool) -> Result<Stdout, Failure> {
        check_files(outputs)?;
        let reports = outputs.iter().filter(|output| output.is_to_stdout()).count();
        match (reports, json) {
            (0, _) => Ok(Stdout::Own),
            (1, false) => Ok(Stdout::Report),
            _ => {
                let message = "two documents cannot both go to stdout";
                let hint = "give all but one a file: `--report FORMAT=FILE`";
                Err(Failure::new(WRONG_USAGE, message, hint))
            }
        }
    }
}

/// Whether each report has a file of its own.
///
/// # Errors
/// Two have one, or a place is a folder.
fn check_files<F>(outputs: &[Output<F>]) -> Result<(), Failure> {
    let mut files: Vec<&Path> = Vec::new();
    for output in outputs.iter().filter(|output| !output.is_to_stdout()) {
        let place = output.path.display();
        if output.path.is_dir() {
            let message = format!("{place} is a folder, and no report can be written there");
            return Err(Failure::new(WRONG_USAGE, message, "name a file in it"));
        }
        // What is no regular file, such as `/dev/null`, takes several.
        if files.contains(&output.path.as_path()) && (output.path.is_file() || !output.path.exists()) {
            let message = format!("two reports cannot both go to {place}");
            return Err(Failure::new(WRONG_USAGE, message, "give each a file of its own"));
        }
        files.push(&output.path);
    }
    Ok(())
}

/// Prints a text.
///
/// # Errors
/// stdout takes nothing more.
pub(crate) fn print(text: &str) -> Result<(), ReportError> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|source| ReportError::Stdout { source })
}

/// How a view looks there.
pub(crate) fn style() -> Style {
    let terminal = Term::stdout();
    let style = if may_colour(&std::io::stdout()) { Style::COLOURED } else { Style::PLAIN };
    match terminal.size_checked() {
        Some((_, columns)) => style.within(columns.into()),
        None => style,
    }
}

#[cfg(test)]
mod tests {
    use interference_report::Format;

    use super::*;

    #[test]
    fn stdout_has_one_document() {
        let outputs = |reports: &[&str]| -> Vec<Output<Format>> {
            reports.iter().map(|report| report.parse().unwrap()).collect()
        };
        let of = |reports: &[&str], json| Stdout::of(&outputs(reports), json).ok();
        assert_eq!(of(&[], false), Some(Stdout::Own));
        assert_eq!(of(&["html=a.html"], true), Some(Stdout::Own));
        assert_eq!(of(&["html=a.html", "junit=-"], false), Some(Stdout::Report));
        assert_eq!(of(&["junit=-"], true), None);
        assert_eq!(of(&["junit=-", "html=-"], false), None);
        assert_eq!(of(&["html=a.html", "junit=a.html"], false), None);
        assert_eq!(of(&["html=/"], false), None);
    }
}
