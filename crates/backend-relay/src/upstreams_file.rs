//! A file of upstreams: TOML to a list of them, or to all that is wrong with it.
//!
//! Owns the form of the file, and where each of its problems stands. Keys are never in it: `env:NAME` and `@FILE` say
//! where they are. It refuses to know what becomes of the upstreams.

mod values;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use interference_toml_values::{Lines, Node, Place, Problems, Told, known_are, listed};
use secrecy::SecretString;
use toml::de::DeTable;

use crate::upstream::{
    LARGEST_WEIGHT, MOST_FALLBACKS, MOST_PATTERNS, MOST_RETRIES, MOST_UPSTREAMS, check_name, check_pattern,
};
use crate::{RelayError, Upstream, UpstreamTimeouts};
use values::{count_of, duration};

/// How long a file of upstreams may be, in bytes.
pub const LONGEST_FILE: usize = 1024 * 1024;

/// How many problems of a file are told one by one.
pub use interference_toml_values::MOST_PROBLEMS;

/// How long a file with a key may be, in bytes.
const LONGEST_KEY_FILE: usize = 4096;

const KEYS: [&str; 11] = [
    "name",
    "url",
    "key",
    "pass_client_keys",
    "models",
    "weight",
    "fallback",
    "connect_timeout",
    "first_byte_timeout",
    "between_bytes_timeout",
    "retries",
];

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file.
    pub file_name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file_name, self.line, self.column, self.message)
    }
}

/// Reads a file of upstreams, in its order. `environment` looks up the variables of keys; a key that is `@FILE` is read
/// from that file, whose path is relative to the folder of this one. `known` are upstreams that there are besides: their
/// names may be fall-backs.
///
/// # Errors
/// [`RelayError::Unreadable`]; [`RelayError::File`] with at most [`MOST_PROBLEMS`], and the number of the others.
pub fn read_upstreams_file(
    path: &Path,
    environment: impl Fn(&str) -> Option<String>,
    known: &[Upstream],
) -> Result<Vec<Upstream>, RelayError> {
    let file_name = path.display().to_string();
    let text = read_bounded(path, LONGEST_FILE)
        .map_err(|reason| RelayError::Unreadable { file_name: file_name.clone(), reason })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let key_file = |name: &str| read_bounded(&folder.join(name), LONGEST_KEY_FILE);
    read(&text, &file_name, &KeyPlaces { environment: &environment, file: &key_file }, known)
}

fn read_bounded(path: &Path, bytes_max: usize) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let bound = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() > bytes_max {
        return Err(format!("it is longer than {bytes_max} bytes"));
    }
    Ok(text)
}

/// Where keys are looked for.
struct KeyPlaces<'k> {
    environment: &'k dyn Fn(&str) -> Option<String>,
    file: &'k dyn Fn(&str) -> Result<String, String>,
}

fn read(
    text: &str,
    file_name: &str,
    keys: &KeyPlaces<'_>,
    known: &[Upstream],
) -> Result<Vec<Upstream>, RelayError> {
    let mut problems = Problems::new(known_are);
    let document = problems.document(text);
    let upstreams = document.map(|document| upstreams(document.get_ref(), keys, known, &mut problems));
    match upstreams {
        Some(upstreams) if problems.is_empty() => Ok(upstreams),
        _ => Err(wrong(file_name, text, problems)),
    }
}

fn wrong(file_name: &str, text: &str, problems: Problems) -> RelayError {
    let lines = Lines::of(text);
    let Told { problems, untold } = problems.told();
    let told = problems.into_iter().map(|(span, message)| {
        let Place { line, column } = lines.place(span.start);
        FileProblem { file_name: file_name.to_owned(), line, column, message }
    });
    RelayError::File { problems: told.collect(), untold }
}

fn upstreams(
    document: &DeTable<'_>,
    keys: &KeyPlaces<'_>,
    known: &[Upstream],
    problems: &mut Problems,
) -> Vec<Upstream> {
    problems.check_keys(document, "a file of upstreams", &["upstream"]);
    let tables = match document.get("upstream") {
        Some(node) => problems.array(node, "upstream").unwrap_or_default(),
        None => {
            problems.add(0..0, "there is no upstream; begin one with `[[upstream]]`");
            return Vec::new();
        }
    };
    if let Some(surplus) = tables.get(MOST_UPSTREAMS) {
        problems.add(surplus.span(), format!("{MOST_UPSTREAMS} upstreams are the most"));
        return Vec::new();
    }
    let read: Vec<_> = tables.iter().filter_map(|node| UpstreamTable::read(node, keys, problems)).collect();
    for (index, table) in read.iter().enumerate() {
        table.check_names(index, &read, known, problems);
    }
    read.into_iter().map(|table| table.upstream).collect()
}

/// One `[[upstream]]`, with the places of what others are compared with.
struct UpstreamTable<'n, 'i> {
    upstream: Upstream,
    name: Option<&'n Node<'i>>,
    fallbacks: &'n [Node<'i>],
}

impl<'n, 'i> UpstreamTable<'n, 'i> {
    fn read(
        node: &'n Node<'i>,
        keys: &KeyPlaces<'_>,
        problems: &mut Problems,
    ) -> Option<UpstreamTable<'n, 'i>> {
        let table = problems.table(node, "upstream")?;
        problems.check_keys(table, "an upstream", &KEYS);
        for required in ["name", "url"] {
            if !table.contains_key(required) {
                problems.add(node.span(), format!("the upstream has no `{required}`"));
            }
        }
        let name = table.get("name");
        let mut upstream = Upstream::new(name.and_then(|node| named(node, problems)).unwrap_or_default(), "");
        if let Some((node, url)) = table.get("url").and_then(|node| Some((node, problems.text(node, "url")?)))
        {
            upstream.base_url = url.to_owned();
            if let Err(RelayError::BaseUrl { source, .. }) = upstream.target() {
                problems.add(node.span(), source.to_string());
            }
        }
        upstream.key = table.get("key").and_then(|node| key(node, keys, problems));
        let passes = table.get("pass_client_keys");
        upstream.pass_client_keys = passes
            .and_then(|node| problems.boolean(node, "pass_client_keys", "a boolean"))
            .unwrap_or_default();
        upstream.models = table.get("models").map(|node| patterns(node, problems)).unwrap_or_default();
        let count = |key: &str, low, high, otherwise, problems: &mut Problems| {
            table.get(key).and_then(|node| count_of(node, key, low..=high, problems)).unwrap_or(otherwise)
        };
        upstream.weight = count("weight", 1, LARGEST_WEIGHT, upstream.weight, problems);
        upstream.retries = count("retries", 0, MOST_RETRIES, upstream.retries, problems);
        upstream.timeouts = timeouts(table, problems);
        let fallbacks = table.get("fallback").and_then(|node| problems.array(node, "fallback"));
        let fallbacks = fallbacks.unwrap_or_default();
        if let Some(surplus) = fallbacks.get(MOST_FALLBACKS) {
            problems.add(surplus.span(), format!("{MOST_FALLBACKS} fall-backs are the most"));
        }
        let texts = fallbacks.iter().filter_map(|node| problems.text(node, "fallback"));
        upstream.fallbacks = texts.map(str::to_owned).collect();
        Some(UpstreamTable { upstream, name, fallbacks })
    }

    /// Notes a name that was there before, and fall-backs that are no other upstream.
    fn check_names(
        &self,
        index: usize,
        all: &[UpstreamTable<'_, '_>],
        known: &[Upstream],
        problems: &mut Problems,
    ) {
        let own = self.upstream.name.as_str();
        if let Some(node) = self.name
            && !own.is_empty()
            && all[..index].iter().any(|other| other.upstream.name == own)
        {
            problems.add(node.span(), format!("another upstream is named `{own}`"));
        }
        for node in self.fallbacks {
            let Some(fallback) = node.get_ref().as_str() else { continue };
            let names =
                known.iter().chain(all.iter().map(|table| &table.upstream)).map(|one| one.name.as_str());
            let others: Vec<&str> = names.filter(|name| !name.is_empty() && *name != own).collect();
            if !others.contains(&fallback) {
                let others = listed(&others);
                problems.add(node.span(), format!("`{fallback}` is no other upstream; others are {others}"));
            }
        }
    }
}

fn named(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    let name = problems.text(node, "name")?;
    match check_name(name) {
        Ok(()) => Some(name.to_owned()),
        Err(problem) => {
            problems.add(node.span(), format!("`name`: {problem}"));
            None
        }
    }
}

/// A key that is somewhere else.
fn key(node: &Node<'_>, keys: &KeyPlaces<'_>, problems: &mut Problems) -> Option<SecretString> {
    let text = problems.text(node, "key")?;
    let found = if let Some(variable) = text.strip_prefix("env:") {
        (keys.environment)(variable).ok_or_else(|| format!("the variable `{variable}` is not set"))
    } else if let Some(file) = text.strip_prefix('@') {
        (keys.file)(file).map_err(|reason| format!("`{file}` cannot be read: {reason}"))
    } else {
        // What stands there may be the key itself.
        Err("a key does not belong into this file; write \"env:NAME\" or \"@FILE\"".to_owned())
    };
    let found = found.and_then(|found| match found.trim() {
        "" => Err("there is no key in it".to_owned()),
        key if key.bytes().any(|byte| byte.is_ascii_control()) => {
            Err("the key has a character that no header can carry, such as a line end".to_owned())
        }
        key => Ok(SecretString::from(key)),
    });
    found.map_err(|problem| problems.add(node.span(), format!("`key`: {problem}"))).ok()
}

fn patterns(node: &Node<'_>, problems: &mut Problems) -> Vec<String> {
    let entries = problems.array(node, "models").unwrap_or_default();
    if let Some(surplus) = entries.get(MOST_PATTERNS) {
        problems.add(surplus.span(), format!("{MOST_PATTERNS} patterns are the most"));
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for entry in entries {
        let Some(pattern) = problems.text(entry, "models") else { continue };
        match check_pattern(pattern) {
            Ok(()) => patterns.push(pattern.to_owned()),
            Err(problem) => problems.add(entry.span(), format!("`models`: {problem}")),
        }
    }
    patterns
}

fn timeouts(table: &DeTable<'_>, problems: &mut Problems) -> UpstreamTimeouts {
    let mut read = |key: &str, otherwise: Duration| {
        table.get(key).and_then(|node| duration(node, key, problems)).unwrap_or(otherwise)
    };
    let defaults = UpstreamTimeouts::default();
    UpstreamTimeouts {
        connect: read("connect_timeout", defaults.connect),
        first_byte: read("first_byte_timeout", defaults.first_byte),
        between_bytes: read("between_bytes_timeout", defaults.between_bytes),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read_here(text: &str) -> Result<Vec<Upstream>, String> {
        read_beside(text, &[])
    }

    fn read_beside(text: &str, known: &[Upstream]) -> Result<Vec<Upstream>, String> {
        let environment = |name: &str| (name == "KEY").then(|| "from-variable".to_owned());
        let file = |name: &str| match name {
            "key.txt" => Ok("from-file\n".to_owned()),
            "two.txt" => Ok("one\ntwo\n".to_owned()),
            _ => Err("not there".to_owned()),
        };
        let keys = KeyPlaces { environment: &environment, file: &file };
        read(text, "u.toml", &keys, known).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_file_is_read() {
        let upstreams = read_here(
            r#"
            [[upstream]]
            name = "a"
            url = "https://example.org/v1"
            key = "env:KEY"
            models = ["gpt-*", "o3"]
            weight = 2
            fallback = ["b"]
            connect_timeout = "2s"
            first_byte_timeout = "1m"
            between_bytes_timeout = "500ms"
            retries = 0

            [[upstream]]
            name = "b"
            url = "http://localhost:8000/v1"
            key = "@key.txt"

            [[upstream]]
            name = "c"
            url = "http://localhost:8001/v1"
            pass_client_keys = true
            "#,
        );
        let upstreams = upstreams.unwrap();
        let key = |index: usize| upstreams[index].key.as_ref().unwrap().expose_secret();
        assert_eq!((key(0), key(1)), ("from-variable", "from-file"));
        let a = &upstreams[0];
        assert_eq!((a.name.as_str(), a.base_url.as_str()), ("a", "https://example.org/v1"));
        assert_eq!((&a.models[..], a.weight), (&["gpt-*".to_owned(), "o3".to_owned()][..], 2));
        assert_eq!((&a.fallbacks[..], a.retries), (&["b".to_owned()][..], 0));
        let timeouts = UpstreamTimeouts {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(60),
            between_bytes: Duration::from_millis(500),
        };
        assert_eq!(a.timeouts, timeouts);
        assert!(!a.pass_client_keys && upstreams[2].pass_client_keys);
        let b = &upstreams[1];
        assert_eq!((b.weight, b.retries, b.timeouts), (1, 2, UpstreamTimeouts::default()));
    }

    #[test]
    fn all_problems_are_told_with_their_places() {
        let problems = read_here(
            r#"upstreams = 1
[[upstream]]
name = "a/b"
url = "localhost:8000"
key = "sk-secret"
models = ["*-mini", 1]
weight = 0
fallback = ["c"]
connect_timeout = "2"
retries = "x"
[[upstream]]
name = "c"
key = "env:OTHER"
fallback = ["c"]
[[upstream]]
name = "c"
url = "http://localhost"
key = "@two.txt"
between_bytes_timeout = "0s"
"#,
        );
        let expected = "\
u.toml:1:1: unknown key `upstreams` in a file of upstreams; known are upstream
u.toml:3:8: `name`: a name is made of letters, digits, `-`, `_` and `.`, and begins with a letter or a digit
u.toml:4:7: The base URL `localhost:8000` cannot be used: it must begin with `http://` or `https://`.
u.toml:5:7: `key`: a key does not belong into this file; write \"env:NAME\" or \"@FILE\"
u.toml:6:11: `models`: `*` may stand at the end of a pattern only
u.toml:6:21: `models` must be a string, not an integer
u.toml:7:10: `weight` must be from 1 to 1000
u.toml:9:19: `connect_timeout` is no duration; write a number and one of the units us, ms, s, m and h, such as \"500ms\"
u.toml:10:11: `retries` must be a whole number, not a string
u.toml:11:1: the upstream has no `url`
u.toml:13:7: `key`: the variable `OTHER` is not set
u.toml:14:13: `c` is no other upstream; others are none
u.toml:16:8: another upstream is named `c`
u.toml:18:7: `key`: the key has a character that no header can carry, such as a line end
u.toml:19:25: `between_bytes_timeout` must be longer than nothing";
        assert_eq!(problems.unwrap_err(), expected);
    }

    #[test]
    fn of_many_problems_the_rest_is_counted() {
        let wrong = "[[upstream]]\nname = \"a\"\nurl = \"http://localhost\"\npass_client_keys = 1\n";
        // Each has one problem, and all but the first the same name.
        let told = read_here(&wrong.repeat(40)).unwrap_err();
        assert_eq!(told.lines().count(), MOST_PROBLEMS + 1);
        assert!(
            told.starts_with("u.toml:4:20: `pass_client_keys` must be a boolean, not an integer\n"),
            "{told}"
        );
        assert!(told.ends_with("\nand 29 more"), "{told}");
        let surplus = vec!["\"b\""; MOST_FALLBACKS + 1].join(",");
        let text =
            format!("[[upstream]]\nname = \"a\"\nurl = \"http://localhost\"\nfallback = [{surplus}]\n");
        assert!(read_here(&text).unwrap_err().contains("32 fall-backs are the most"));
    }

    #[test]
    fn a_fallback_may_be_an_upstream_of_the_command_line() {
        let text =
            "[[upstream]]\nname = \"local\"\nurl = \"http://localhost:8000/v1\"\nfallback = [\"openai\"]\n";
        let openai = Upstream::new("openai", "https://api.openai.com/v1");
        assert_eq!(read_beside(text, &[openai]).unwrap()[0].fallbacks, ["openai"]);
        assert_eq!(
            read_here(text).unwrap_err(),
            "u.toml:4:13: `openai` is no other upstream; others are none"
        );
    }

    #[test]
    fn what_is_no_file_of_upstreams_is_told() {
        assert_eq!(
            read_here("").unwrap_err(),
            "u.toml:1:1: there is no upstream; begin one with `[[upstream]]`"
        );
        assert!(read_here("[[upstream]]\nname = \"é\" \"").unwrap_err().starts_with("u.toml:2:"));
        assert_eq!(
            read_here("upstream = 1").unwrap_err(),
            "u.toml:1:12: `upstream` must be an array, not an integer"
        );
        assert!(matches!(
            read_upstreams_file(Path::new("/nowhere/u.toml"), |_| None, &[]),
            Err(RelayError::Unreadable { .. })
        ));
    }
}
