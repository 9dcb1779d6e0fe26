//! The list of servers at the end of the document: which there were, in which version, and which could not be judged.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::peer::Peer;

/// What became of a server.
#[derive(Debug)]
pub(super) struct Entry {
    /// The server.
    pub(super) peer: &'static Peer,
    /// What became of it.
    pub(super) outcome: Outcome,
}

/// Whether there is a report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is one, on this version.
    Judged {
        /// As the package says it.
        version: String,
    },
    /// There is none.
    NotRun {
        /// In a few words, without anything of this machine.
        reason: String,
        /// With every cause.
        whole: String,
    },
}

impl Entry {
    /// The version that was judged, or why none was.
    pub(super) fn of(peer: &'static Peer, judged: anyhow::Result<String>) -> Entry {
        let outcome = match judged {
            Ok(version) => Outcome::Judged { version },
            Err(error) => Outcome::NotRun { reason: error.to_string(), whole: format!("{error:#}") },
        };
        Entry { peer, outcome }
    }
}

/// Adds the list to a document.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn append(document: &Path, entries: &[&Entry]) -> anyhow::Result<()> {
    let whole = fs::read_to_string(document).map(|text| format!("{}\n\n{}", text.trim_end(), list(entries)));
    whole.and_then(|text| fs::write(document, text)).with_context(|| document.display().to_string())
}

fn list(entries: &[&Entry]) -> String {
    let mut list = "## The servers\n\n\
        An *engine* answers with the default model of this project, from the same file. A *gateway* stands in front of \
        this project's own server with that model. A *mock* answers with a text that it was told. Each name leads to \
        the failures of that server, with what crossed the wire.\n\n\
        Every mock, this project's too, is told one text for whatever is asked: it calls no tool, writes no JSON, and \
        is there under every model's name. What breaks MUSTs of `tools`, `structured`, `errors.unknown-model`, \
        `models.unknown` and `responses.function-call-items` by that is what a mock was told, and not what it is: with \
        a rule for each of these requests, as the proof of the judge gives this project's script, no case fails. \
        Limits, stop strings and `n` can be kept whatever the text is.\n\n\
        | server | version | kind | licence | what it is |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for Entry { peer, outcome } in entries {
        let version = match outcome {
            Outcome::Judged { version } => version.clone(),
            Outcome::NotRun { reason, .. } => format!("not run: {reason}"),
        };
        let title = match outcome {
            Outcome::Judged { .. } => format!("[{}](matrix/{}.md)", peer.title, peer.name),
            Outcome::NotRun { .. } => peer.title.to_owned(),
        };
        let cells = [title.as_str(), &version, peer.role.name(), peer.licence, peer.description];
        list.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    list
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::matrix::peers;

    #[test]
    fn servers_that_were_not_run_are_listed_with_the_reason_alone() {
        let judged = Entry::of(peers::by_name("interference").unwrap(), Ok("1.2.3".to_owned()));
        let failed = anyhow!("/a/path of this machine").context("it did not start");
        let not_run = Entry::of(peers::by_name("llama-cpp").unwrap(), Err(failed));
        let list = list(&[&judged, &not_run]);
        let rows: Vec<&str> = list.lines().skip_while(|line| !line.starts_with("| [")).collect();
        assert!(
            rows[0].starts_with(
                "| [interference](matrix/interference.md) | 1.2.3 | engine | MIT OR Apache-2.0 | "
            ),
            "{list}"
        );
        assert!(rows[1].starts_with("| llama.cpp | not run: it did not start | engine | MIT | "), "{list}");
        assert_eq!(
            not_run.outcome,
            Outcome::NotRun {
                reason: "it did not start".to_owned(),
                whole: "it did not start: /a/path of this machine".to_owned()
            }
        );
    }
}
