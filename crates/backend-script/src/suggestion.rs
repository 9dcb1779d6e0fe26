//! What somebody may have meant who wrote a name that is not known.

use interference_toml_values::known_are;

/// How many edits apart two names may be for one to be suggested for the other.
const MOST_EDITS: usize = 2;

/// How long a name may be to be compared, in characters.
const LONGEST_NAME: usize = 64;

/// `; did you mean …?` for the nearest of the known names, or nothing.
pub(crate) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    if name.chars().count() > LONGEST_NAME {
        return String::new();
    }
    let near = known.into_iter().filter(|known| known.len() <= LONGEST_NAME * 4).filter_map(|known| {
        let edits = strsim::osa_distance(name, known);
        // Of a short name, most edits would leave nothing.
        (edits <= MOST_EDITS && edits * 2 <= name.chars().count()).then_some((edits, known))
    });
    near.min().map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}

/// The same for a key, or all that are known there.
pub(crate) fn nearest_or_known(name: &str, known: &[&str]) -> String {
    match did_you_mean(name, known.iter().copied()) {
        hint if hint.is_empty() => known_are(name, known),
        hint => hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(did_you_mean("wen", ["name", "when", "then"]), "; did you mean `when`?");
        assert_eq!(did_you_mean("txet", ["text", "turn"]), "; did you mean `text`?");
        assert_eq!(did_you_mean("colour", ["text", "turn"]), "");
        assert_eq!(did_you_mean("", ["text", "as"]), "");
        assert_eq!(did_you_mean("c", ["a"]), "");
        assert_eq!(did_you_mean(&"x".repeat(1000), ["text"]), "");
    }
}
