//! What grammars in Lark's language may hold, as far as their text shows it; their parser tells the rest. Knows nothing
//! of JSON schemas.

/// Brackets that are open at one time, in a grammar: its parser calls itself for each.
const DEEPEST: usize = 200;
/// What would bring in another language, with bounds of its own, or change the rules for all of a grammar.
const DIRECTIVES: [(&str, &str); 2] =
    [("%json", "ask for a JSON schema instead"), ("%llguidance", "leave it out")];

/// Looks at a grammar in Lark's language.
///
/// # Errors
/// What in it is not supported.
pub(super) fn check(grammar: &str) -> Result<(), String> {
    if let Some((directive, advice)) = DIRECTIVES.iter().find(|(directive, _)| grammar.contains(directive)) {
        return Err(format!("`{directive}` is not supported within it; {advice}"));
    }
    let mut open = 0_usize;
    for byte in grammar.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > DEEPEST {
            return Err(format!("more than {DEEPEST} brackets are open at one place"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_where_they_are_open() {
        let brackets = |count: usize| format!("start: {}\"a\"{}", "(".repeat(count), ")".repeat(count));
        assert_eq!(check(&brackets(DEEPEST)), Ok(()));
        assert_eq!(check(&brackets(DEEPEST).repeat(3)), Ok(()));
        assert!(check(&brackets(DEEPEST + 1)).unwrap_err().contains("brackets"));
    }

    #[test]
    fn directives_that_go_around_the_bounds_are_refused() {
        assert!(check("start: %json {}").unwrap_err().contains("`%json`"));
        assert!(check("%llguidance {}\nstart: \"a\"").unwrap_err().contains("`%llguidance`"));
        assert_eq!(check("start: \"a\"\n%ignore / /"), Ok(()));
    }
}
