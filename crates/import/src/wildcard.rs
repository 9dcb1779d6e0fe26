//! Patterns with `*`, made of what other formats match names with.
//!
//! Owns which texts and regular expressions have such a pattern. It refuses to know what the names name.

/// The pattern of all that contain a text; none where the text has a `*` itself.
pub(crate) fn containing(text: &str) -> Option<String> {
    literal(text).map(|text| format!("*{text}*"))
}

/// The pattern of exactly this text; none where it has a `*` itself.
pub(crate) fn literal(text: &str) -> Option<String> {
    (!text.contains('*')).then(|| text.to_owned())
}

/// The pattern that matches what a regular expression matches; none where there is none. Texts, `.*`, `^` in front and
/// a `$` behind have one. A name has no line feeds, which `.*` would not match.
pub(crate) fn of_regex(regex: &str) -> Option<String> {
    let (starts, rest) = match regex.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, regex),
    };
    let (ends, rest) = match rest.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => (true, rest),
        _ => (false, rest),
    };
    let mut pattern = String::from(if starts { "" } else { "*" });
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => match characters.next() {
                Some('*') => pattern.push('*'),
                _ => return None,
            },
            '\\' => match characters.next() {
                Some(escaped) if escaped.is_ascii_punctuation() && escaped != '*' => pattern.push(escaped),
                _ => return None,
            },
            plain if plain.is_alphanumeric() || "-_/: @,".contains(plain) => pattern.push(plain),
            _ => return None,
        }
    }
    if !ends {
        pattern.push('*');
    }
    Some(pattern)
}

/// The text that a regular expression alone matches; none where it matches others, too.
pub(crate) fn text_of_regex(regex: &str) -> Option<String> {
    of_regex(regex).filter(|pattern| !pattern.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_patterns() {
        assert_eq!(containing("gpt-4").as_deref(), Some("*gpt-4*"));
        assert_eq!(containing("a*b"), None);
        assert_eq!(literal("a*b"), None);
    }

    #[test]
    fn simple_regular_expressions_have_patterns() {
        for (regex, pattern) in [
            ("gpt", "*gpt*"),
            ("^gpt-4", "gpt-4*"),
            ("mini$", "*mini"),
            ("^gpt-.*-mini$", "gpt-*-mini"),
            (r"^gpt-3\.5$", "gpt-3.5"),
            (r"\$$", "*$"),
            (r"\$", "*$*"),
        ] {
            assert_eq!(of_regex(regex).as_deref(), Some(pattern), "{regex}");
        }
        for regex in ["gpt-3.5", "a|b", "[ab]", "a+", "(?i)gpt", r"\d", r"\*", "a.", "a$b", "ab*"] {
            assert_eq!(of_regex(regex), None, "{regex}");
        }
        assert_eq!(text_of_regex("^clock$").as_deref(), Some("clock"));
        assert_eq!(text_of_regex("clock"), None);
    }
}
