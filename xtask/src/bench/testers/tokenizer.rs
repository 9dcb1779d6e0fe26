//! A tokenizer for testers that insist on one: words, of which it knows a few.
//!
//! It lies in a folder as the hub has it, so that nothing has to be fetched. Nothing that is measured depends on it: the
//! prompt is given, and tokens are counted by the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Map, Value, json};

/// What is asked.
pub(super) const PROMPT: &str = "write a poem about a tree";

const UNKNOWN: &str = "[UNK]";
/// An address on this machine at which nobody listens: the discard port.
const NOBODY: &str = "http://127.0.0.1:9";

/// Writes it into a folder of this one, and says which.
pub(super) fn write(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.join("tokenizer");
    let settings = json!({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": UNKNOWN});
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("tokenizer.json"), model().to_string()))
        .and_then(|()| std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()))
        .with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Has a program that would ask the hub for this or that ask nobody instead.
pub(super) fn keep_at_home(command: &mut Command) {
    command.envs([("HF_ENDPOINT", NOBODY), ("HF_HUB_DISABLE_TELEMETRY", "1"), ("DO_NOT_TRACK", "1")]);
}

fn model() -> Value {
    let mut words: Vec<&str> = PROMPT.split(' ').collect();
    words.sort_unstable();
    words.dedup();
    let words = std::iter::once(UNKNOWN).chain(words).enumerate();
    let vocabulary: Map<String, Value> = words.map(|(id, word)| (word.to_owned(), id.into())).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_prompt_has_a_number_of_its_own() {
        let expected = json!({"[UNK]": 0, "a": 1, "about": 2, "poem": 3, "tree": 4, "write": 5});
        assert_eq!(model()["model"]["vocab"], expected);
    }
}
