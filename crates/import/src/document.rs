//! A file of somebody else as a list of entries.
//!
//! Owns which language a file is written in, and how its format is found out. It refuses to know what entries say.

use crate::json;
use crate::notes::{Extent, LeftOut, Origin, visible};
use crate::tree::{Member, Node, Value};
use crate::yaml::{self, YamlError};
use crate::{Format, Source};

/// How long a file may be, in bytes: 4 MiB. Reading hostile YAML takes many times as much.
pub const LONGEST_SOURCE: usize = 4 * 1024 * 1024;

/// How many entries a file may have.
pub const MOST_ENTRIES: usize = 100_000;

/// A file whose format is known.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) format: Format,
    /// In the order of the file.
    entries: Vec<Node>,
    /// What stands beside the list of entries.
    others: Vec<Member>,
}

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Json,
    Yaml,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it is left out.
    pub(crate) fn read(source: Source, format: Option<Format>) -> Result<Document, LeftOut> {
        let Source { name, text } = source;
        if text.len() > LONGEST_SOURCE {
            let reason = format!("it has more than {LONGEST_SOURCE} bytes; split it");
            return Err(LeftOut::file(&name, None, reason));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let (language, root) = parse(text).map_err(|error| {
            LeftOut::file(&name, Some(error.line), format!("column {}: {}", error.column, error.message))
        })?;
        let Some(format) = format.or_else(|| detect(language, &root)) else {
            let reason = "it is of no format that is known: it has neither `fixtures` nor `interactions`";
            return Err(LeftOut::file(&name, None, reason.to_owned()));
        };
        let list = list_of(format);
        match entries(root, list) {
            Some((entries, _)) if entries.len() > MOST_ENTRIES => {
                let reason = format!("it has more than {MOST_ENTRIES} {list}; split it");
                Err(LeftOut::file(&name, None, reason))
            }
            Some((entries, others)) => Ok(Document { name, format, entries, others }),
            None => Err(LeftOut::file(&name, None, format!("a file of {format} has a list of `{list}`"))),
        }
    }

    /// What is said of the file as a whole, which goes nowhere. The version of the format is nothing else.
    pub(crate) fn others(&self) -> impl Iterator<Item = LeftOut> {
        self.others.iter().filter(|(name, _)| name != "version").map(|(name, node)| LeftOut {
            file: self.name.clone(),
            line: node.line,
            entry: None,
            extent: Extent::Part(visible(name)),
            reason: "it stands beside the entries".to_owned(),
        })
    }

    /// The entries, each with what it is called.
    pub(crate) fn into_entries(self, noun: &'static str) -> impl Iterator<Item = (Origin, Node)> {
        let Document { name, entries, .. } = self;
        entries.into_iter().enumerate().map(move |(position, node)| {
            (Origin { file: name.clone(), line: node.line, noun, number: position + 1 }, node)
        })
    }
}

/// JSON is YAML but for some escapes, so it is tried first; what is JSON and too heavy is not tried again.
fn parse(text: &str) -> Result<(Language, Node), YamlError> {
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::read(text).map(|root| (Language::Yaml, root));
    }
    let error = match json::read(text) {
        Ok(root) => return Ok((Language::Json, root)),
        Err(error) => error,
    };
    if !error.is_data()
        && let Ok(root) = yaml::read(text)
    {
        return Ok((Language::Yaml, root));
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    Err(YamlError { line: error.line(), column: error.column(), message })
}

fn detect(language: Language, root: &Node) -> Option<Format> {
    if root.get("interactions").is_some() {
        return Some(Format::Vcr);
    }
    root.get("fixtures")?;
    Some(match language {
        Language::Json => Format::Aimock,
        Language::Yaml => Format::Llmposter,
    })
}

/// What the list of a format's entries is called.
fn list_of(format: Format) -> &'static str {
    match format {
        Format::Aimock | Format::Llmposter => "fixtures",
        Format::Vcr => "interactions",
    }
}

/// The list of entries, and what stands beside it.
fn entries(root: Node, list: &str) -> Option<(Vec<Node>, Vec<Member>)> {
    let Value::Members(mut members) = root.value else { return None };
    let position = members.iter().position(|(name, _)| name == list)?;
    match members.remove(position).1.value {
        Value::List(entries) => Some((entries, members)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, format: Option<Format>) -> Result<(Format, usize), String> {
        let source = Source { name: "file".to_owned(), text: text.to_owned() };
        match Document::read(source, format) {
            Ok(document) => Ok((document.format, document.entries.len())),
            Err(left_out) => Err(left_out.to_string()),
        }
    }

    #[test]
    fn the_format_is_found_out() {
        assert_eq!(read("\u{feff}{\"fixtures\": [{}]}", None), Ok((Format::Aimock, 1)));
        assert_eq!(read("fixtures:\n- {}\n- {}\n", None), Ok((Format::Llmposter, 2)));
        assert_eq!(read("interactions: []\nversion: 1\n", None), Ok((Format::Vcr, 0)));
        assert_eq!(read("{\"interactions\": [{}]}", None), Ok((Format::Vcr, 1)));
        assert_eq!(read("{fixtures: []}", None), Ok((Format::Llmposter, 0)));
        assert_eq!(read("{\"fixtures\": []}", Some(Format::Llmposter)), Ok((Format::Llmposter, 0)));
    }

    #[test]
    fn entries_are_bounded() {
        let fixtures = |count: usize| format!("{{\"fixtures\": [{}0]}}", "0,".repeat(count - 1));
        assert_eq!(read(&fixtures(MOST_ENTRIES), None), Ok((Format::Aimock, MOST_ENTRIES)));
        assert_eq!(
            read(&fixtures(MOST_ENTRIES + 1), None).unwrap_err(),
            "file: left out: it has more than 100000 fixtures; split it"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_out() {
        assert_eq!(
            read("{\"fixtures\": [}", None).unwrap_err(),
            "file:1: left out: column 15: expected value"
        );
        assert!(read("a: 1\na: 2", None).unwrap_err().starts_with("file:2: left out: column 1: the key"));
        assert!(read("a: 1", None).unwrap_err().contains("of no format that is known"));
        assert_eq!(
            read("{\"fixtures\": \"./here\"}", None).unwrap_err(),
            "file: left out: a file of aimock has a list of `fixtures`"
        );
    }
}
