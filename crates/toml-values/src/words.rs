//! Names and values in the words of messages.

use toml::de::DeValue;

/// How much of a name or a value is repeated, in characters.
const LONGEST_VALUE: usize = 60;

/// `a, b and c`; `none` for nothing.
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

/// A text that is short enough to be repeated: 60 characters, and `…` where there were more.
pub fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_VALUE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// What a value is, with its article.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_and_cut() {
        assert_eq!(
            [listed(&[]), listed(&["a"]), listed(&["a", "b", "c"])],
            ["none", "a", "a, b and c"].map(str::to_owned)
        );
        let long = "é".repeat(LONGEST_VALUE);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}x")), format!("{long}…"));
    }
}
