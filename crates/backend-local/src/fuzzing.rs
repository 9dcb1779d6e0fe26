//! A door for the fuzzer in `fuzz/`, to the parser of calls, which is nobody else's business.
//!
//! Behind the feature `fuzzing`; no part of the crate's interface, and changed without notice.

use std::fmt::Write as _;

use crate::tool_calls::format::Format;
use crate::tool_calls::parser::{CallParser, Said};

/// What is read off these pieces of a model's text, in the form with this number: texts and calls, as one text that
/// does not depend on the pieces. There are the functions `grow` and `rest`.
pub fn read_calls<'piece>(form: u32, pieces: impl IntoIterator<Item = &'piece str>) -> String {
    const MOST_CALLS: u32 = 8;
    let format = match form % 4 {
        0 => Format::Hermes,
        1 => Format::Llama,
        2 => Format::Mistral,
        _ => Format::Explained,
    };
    let names = vec!["grow".to_owned(), "rest".to_owned()];
    let mut parser = CallParser::new(format, names, MOST_CALLS, |index| index.to_string());
    let mut told = String::new();
    let mut write = |said: Vec<Said>| {
        for said in said {
            // Writing to a string cannot fail.
            let _ = match said {
                Said::Text(text) => told.write_str(&text),
                Said::Call { index, id, name } => write!(told, "\u{0}{index} {id} {name} "),
                Said::Arguments { fragment, .. } => told.write_str(&fragment),
            };
        }
    };
    for piece in pieces {
        write(parser.push(piece));
    }
    write(parser.finish());
    told
}
