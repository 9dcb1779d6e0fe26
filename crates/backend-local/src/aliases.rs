//! The model names that clients send by habit, and the rule by which a name reaches the local model.

use interference_backend::alias_covers;

/// Names that stand for the local model, so that a program written for the API needs no change. A `*` at the end
/// stands for anything. The first ones are covered by the patterns; people look for them in the table.
pub const HABITUAL_NAMES: [&str; 14] = [
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-*",
    "gpt-4o-mini",
    "gpt-4o",
    "gpt-4*",
    "gpt-5*",
    "gpt-*",
    "chatgpt-*",
    "o1*",
    "o3*",
    "o4*",
    "davinci-002",
    "babbage-002",
    "text-embedding-*",
];

/// Whether the name is one of [`HABITUAL_NAMES`].
pub fn is_habitual_name(name: &str) -> bool {
    HABITUAL_NAMES.iter().any(|alias| alias_covers(alias, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_are_known_and_other_names_are_not() {
        for name in [
            "gpt-3.5-turbo",
            "gpt-4o-mini-2024-07-18",
            "gpt-oss",
            "chatgpt-4o-latest",
            "o3-mini",
            "text-embedding-3-small",
        ] {
            assert!(is_habitual_name(name), "{name}");
        }
        for name in ["", "gpt", "claude-3", "my-gpt-4", "GPT-4o"] {
            assert!(!is_habitual_name(name), "{name}");
        }
    }
}
