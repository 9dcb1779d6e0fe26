//! The white space of JSON.
//!
//! Takes a text that is known to be JSON, and writes the same values with white space of its own: none, or lines and
//! indentation. Every other byte stays as it is, the spelling of numbers and of strings, the order of members, and
//! members that are there twice, so that the way back loses nothing. Refuses to know what the values mean.

/// How far each level is indented.
const INDENTATION: &str = "  ";

/// How many times as long as a text its indented form may be.
const MOST_TIMES_LONGER: usize = 8;

/// How much longer it may be in any case, in bytes: 64 KiB.
const ALWAYS_LONGER: usize = 64 * 1024;

/// The text without white space between its values.
pub(crate) fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for token in Tokens(json) {
        text.push_str(token);
    }
    text
}

/// The text with a line for each member and item, the later ones indented by `depth` levels at least; none where it
/// would be much longer, as that of long lists deep inside is.
pub(crate) fn indented(json: &str, mut depth: usize) -> Option<String> {
    let most = json.len().saturating_mul(MOST_TIMES_LONGER).saturating_add(ALWAYS_LONGER);
    let mut text = String::with_capacity(json.len() * 2);
    let mut tokens = Tokens(json).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                text.push_str(token);
                match tokens.next_if(|next| matches!(*next, "}" | "]")) {
                    Some(closing) => text.push_str(closing),
                    None => {
                        depth += 1;
                        new_line(&mut text, depth);
                    }
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push_str(token);
            }
            "," => {
                text.push_str(token);
                new_line(&mut text, depth);
            }
            ":" => text.push_str(": "),
            _ => text.push_str(token),
        }
        if text.len() > most {
            return None;
        }
    }
    Some(text)
}

/// Begins a line at a depth.
pub(crate) fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    for _ in 0..depth {
        text.push_str(INDENTATION);
    }
}

/// The signs, strings and plain words of a JSON text, without the white space between them.
struct Tokens<'t>(&'t str);

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        let length = match text.as_bytes().first()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => string_length(text.as_bytes()),
            _ => text.find([' ', '\t', '\n', '\r', '{', '}', '[', ']', ',', ':', '"']).unwrap_or(text.len()),
        };
        let (token, rest) = text.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

/// The length of the string that the text begins with, its quotation marks included.
fn string_length(text: &[u8]) -> usize {
    let mut position = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(position..).unwrap_or_default()) {
        position += found + 1;
        if text[position - 1] == b'"' {
            return position;
        }
        position += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn white_space_alone_changes() {
        let json = " {\"a\" : [1.0, 1e+2,\n{}, [ ]], \"b\\\" :\": \"\\u00e9 \\/ , }\",\"a\":null } ";
        assert_eq!(compact(json), r#"{"a":[1.0,1e+2,{},[]],"b\" :":"\u00e9 \/ , }","a":null}"#);
        assert_eq!(
            indented(json, 1).unwrap(),
            "{\n    \"a\": [\n      1.0,\n      1e+2,\n      {},\n      []\n    ],\n    \"b\\\" :\": \
             \"\\u00e9 \\/ , }\",\n    \"a\": null\n  }"
        );
    }

    #[test]
    fn lines_that_would_be_indentation_above_all_are_not_made() {
        let list =
            |depth: usize| format!("{}{}{}", "[".repeat(depth), "1,".repeat(50_000), "]".repeat(depth));
        assert!(indented(&list(5), 0).is_some());
        assert_eq!(indented(&list(100), 0), None);
    }

    proptest! {
        #[test]
        fn no_text_is_lost_or_trips_it(text in "[\\[\\]{}:,\"\\\\ \na1é]{0,40}") {
            let compacted = compact(&text);
            prop_assert_eq!(compact(&compacted), compacted.as_str());
            prop_assert_eq!(compact(&indented(&text, 0).unwrap()), compacted);
        }
    }
}
