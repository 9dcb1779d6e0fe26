//! Names to the client what of its request was passed over.

use http::{HeaderName, HeaderValue};

/// The header that does.
pub(crate) const IGNORED: HeaderName = HeaderName::from_static("x-interference-ignored");

/// How many names it has at most; `...` stands for the rest.
const MOST_NAMES: usize = 16;

/// How long a name in it is at most, in characters.
const LONGEST_NAME: usize = 64;

/// Its value; none when nothing was passed over.
pub(crate) fn value(ignored: &[String]) -> Option<HeaderValue> {
    if ignored.is_empty() {
        return None;
    }
    let mut names: Vec<String> = ignored.iter().take(MOST_NAMES).map(|name| header_safe(name)).collect();
    if ignored.len() > MOST_NAMES {
        names.push("...".to_owned());
    }
    // Cannot fail, since the names were made safe; if it did, the answer would still be worth having.
    HeaderValue::try_from(names.join(", ")).ok()
}

/// A name as it can stand in a list in a header: what else it has is replaced, and it is not long.
fn header_safe(name: &str) -> String {
    let is_safe = |character: char| character.is_ascii_alphanumeric() || "_-.[]".contains(character);
    let characters = name.chars().map(|character| if is_safe(character) { character } else { '?' });
    characters.take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_few() {
        let names: Vec<String> =
            ["plain", "messages[].mood", "evil\r\nset-cookie: a", "été, b"].map(str::to_owned).into();
        assert_eq!(value(&names).unwrap(), "plain, messages[].mood, evil??set-cookie??a, ?t???b");
        assert_eq!(value(&vec!["x".repeat(1000); 100]).unwrap().len(), 16 * (64 + 2) + 3);
        assert_eq!(value(&[]), None);
    }
}
