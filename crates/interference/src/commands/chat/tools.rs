//! The functions that `--tools` offers to a model.
//!
//! An array of objects, in which nothing else is looked at: what a tool may be, the server judges.

use std::fs::File;
use std::io::Read;

use serde_json::{Map, Value};

/// A file of tools, at most, in bytes: our own server takes no larger request.
const LONGEST_FILE: u64 = 16 << 20;

/// The member `tools` of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tools(pub(super) Vec<Map<String, Value>>);

/// Tools as they may be given: a JSON array, or `@FILE`.
///
/// # Errors
/// When the file cannot be read, or it is no array of objects.
pub(super) fn parse(given: &str) -> Result<Tools, String> {
    let text = match given.strip_prefix('@') {
        Some(path) => read(path)?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text)
        .map(Tools)
        .map_err(|error| format!("expected a JSON array of objects, as the API has it: {error}"))
}

fn read(path: &str) -> Result<String, String> {
    let unreadable = |error| format!("the file {path} cannot be read: {error}");
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(format!("the file {path} is longer than {LONGEST_FILE} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn tools_are_taken_as_they_are() {
        let text = r#"[{"type":"function","function":{"name":"f","parameters":{"b":1.0,"a":2}}},{}]"#;
        let Tools(tools) = parse(text).unwrap();
        assert_eq!(serde_json::to_string(&tools).unwrap(), text);

        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        assert_eq!(parse(&format!("@{}", file.path().display())).unwrap(), Tools(tools));
    }

    #[test]
    fn anything_but_an_array_of_objects_is_refused() {
        for given in ["", "{}", "null", "[1]", "[[]]", "[{}", "[{}] []"] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("expected a JSON array of objects"), "{given}: {error}");
        }
        let error = parse("@no/such/file").unwrap_err();
        assert!(error.starts_with("the file no/such/file cannot be read"), "{error}");
    }
}
