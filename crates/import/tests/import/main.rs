//! Whole files of others, and what they become.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is wrong")]

mod aimock;
mod any_file;
mod llmposter;
mod vcr;

use interference_backend_script::Script;
use interference_import::{Format, ImportError, Imported, Made, Source, import};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

/// What a file of this text becomes: the script, which was read again, and what is told.
fn imported(name: &str, text: &str, format: Option<Format>) -> (String, Vec<String>) {
    let Imported { made, left_out, .. } = import(vec![source(name, text)], format).unwrap();
    let script = match made {
        Some(Made::Script { text, rules }) => {
            Script::parse(&text, "script.toml").unwrap();
            assert_eq!(rules, text.matches("[[rule]]\n").count());
            text
        }
        Some(Made::Cassettes(_)) => panic!("cassettes"),
        None => String::new(),
    };
    (script, left_out.iter().map(ToString::to_string).collect())
}

#[test]
fn files_of_one_format_become_one_script() {
    let fixture = |word: &str| {
        format!(
            "{{\"fixtures\": [{{\"match\": {{\"userMessage\": \"{word}\"}}, \"response\": {{\"content\": \"{word}\"}}}}]}}"
        )
    };
    let sources =
        vec![source("a.json", &fixture("sun")), source("b.json", "{"), source("c.json", &fixture("rain"))];
    let Imported { made, left_out, .. } = import(sources, None).unwrap();
    let Some(Made::Script { text, rules: 2 }) = made else { panic!("{made:?}") };
    assert!(text.find("\"a.json 1\"").unwrap() < text.find("\"c.json 1\"").unwrap(), "{text}");
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].to_string().starts_with("b.json:1: left out: column 1: EOF"), "{}", left_out[0]);
}

#[test]
fn formats_do_not_mix() {
    let sources = vec![source("a.json", "{\"fixtures\": []}"), source("b.yaml", "interactions: []")];
    let error = import(sources, None).unwrap_err();
    assert!(matches!(error, ImportError::Mixed { .. }));
    assert_eq!(
        error.to_string(),
        "a.json is a file of aimock, and b.yaml one of vcr; import each format by itself"
    );
}

#[test]
fn what_stands_beside_the_entries_is_told() {
    let (_, told) = imported("a.json", "{\"$schema\": \"x\", \"version\": 1, \"fixtures\": []}", None);
    assert_eq!(told, ["a.json: `$schema` is left out: it stands beside the entries"]);
    let Imported { made, left_out, .. } = import(vec![source("a", "fixtures: 3")], None).unwrap();
    assert_eq!((made, left_out.len()), (None, 1));
}

#[test]
fn formats_have_names() {
    assert_eq!("vcr".parse::<Format>().unwrap(), Format::Vcr);
    assert_eq!(
        "ruby".parse::<Format>().unwrap_err().to_string(),
        "there is no format `ruby`; known are aimock, llmposter, vcr"
    );
}
