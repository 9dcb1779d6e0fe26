//! Rust source without its comments, strings and characters, line for line.
//!
//! Enough of Rust's lexical rules that a word in a comment or a string is not taken for code; no parser.

/// The text with comments and the insides of literals removed. Lines keep their numbers.
pub(super) fn code_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let in_word = code.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_');
        let length = match character {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest, '"'),
            'r' | 'b' | 'c' if !in_word && raw_string(rest) > 0 => raw_string(rest),
            '\'' if is_character(rest) => quoted(rest, '\''),
            _ => 0,
        };
        if length == 0 {
            code.push(character);
            rest = &rest[character.len_utf8()..];
        } else {
            let (skipped, following) = rest.split_at(length);
            code.extend(skipped.chars().filter(|character| *character == '\n'));
            code.push(' ');
            rest = following;
        }
    }
    code
}

/// The length of a block comment, with the comments inside it.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, _) in text.char_indices() {
        if text[index..].starts_with("/*") {
            depth += 1;
        } else if text[..index].ends_with("*/") && index > 2 {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        }
    }
    text.len()
}

/// The length of a literal between two quotes, with its escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string (`r"…"`, `br#"…"#`), or 0 where there is none.
fn raw_string(text: &str) -> usize {
    let after_prefix = text.trim_start_matches(['b', 'c']);
    let Some(after_r) = after_prefix.strip_prefix('r') else { return 0 };
    let inside = after_r.trim_start_matches('#');
    if !inside.starts_with('"') {
        return 0;
    }
    let hashes = "#".repeat(after_r.len() - inside.len());
    let opening = text.len() - inside.len() + 1;
    text[opening..].find(&format!("\"{hashes}")).map_or(text.len(), |end| opening + end + 1 + hashes.len())
}

/// Whether a single quote begins a character rather than a lifetime.
fn is_character(text: &str) -> bool {
    let mut following = text.chars().skip(1);
    match following.next() {
        Some('\\') => true,
        Some(_) => following.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_lines_stay() {
        let cases = [
            ("a // b\nc", "a  \nc"),
            ("a /* b\n /* c */ d */ e", "a \n  e"),
            (r#"f("a \" b", c)"#, "f( , c)"),
            ("f(r#\"a \" b\"#, c)", "f( , c)"),
            ("f(br\"a\", '\"', b'\\'', 'x')", "f( ,  , b ,  )"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("var\"x\"", "var "),
            ("\"unterminated", " "),
        ];
        for (text, code) in cases {
            assert_eq!(code_text(text), code, "{text}");
        }
    }
}
