//! Whole files of others, and what they become.

mod llmposter;

use interference_backend_script::Script;
use interference_import::{Imported, Made, Source, import};

/// What a file of this text becomes: the script, which was read again, and what is told.
fn imported(name: &str, text: &str) -> (String, Vec<String>) {
    let source = Source { name: name.to_owned(), text: text.to_owned() };
    let Imported { made, left_out } = import(vec![source], None).unwrap();
    let script = match made {
        Some(Made::Script { text, .. }) => {
            Script::parse(&text, "script.toml").unwrap();
            text
        }
        Some(Made::Cassettes(_)) | None => String::new(),
    };
    (script, left_out.iter().map(ToString::to_string).collect())
}
