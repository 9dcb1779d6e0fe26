//! Who has stdout: what a command prints of its run, or one report.
//!
//! Two documents one behind the other are none, so that a command line that asks for two of them is wrong.

use interference_report::Output;

use crate::failure::{Failure, WRONG_USAGE};

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
    /// Two documents are to stand there.
    pub(crate) fn of<F>(outputs: &[Output<F>], json: bool) -> Result<Stdout, Failure> {
        let reports = outputs.iter().filter(|output| output.is_to_stdout()).count();
        match reports + usize::from(json) {
            0 | 1 if reports == 0 => Ok(Stdout::Own),
            1 => Ok(Stdout::Report),
            _ => {
                let message = "two documents cannot both go to stdout";
                let hint = "give all but one a file: `--report FORMAT=FILE`";
                Err(Failure::new(WRONG_USAGE, message, hint))
            }
        }
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
    }
}
