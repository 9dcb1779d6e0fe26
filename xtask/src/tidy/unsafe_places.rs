//! `unsafe` only where it pays: in the engine's kernels and its memory map.

use super::code_text::code_text;
use super::{Finding, TextFile};

/// Folders and files that may hold `unsafe`.
const PLACES: &[&str] = &["crates/engine/src/kernels/", "crates/engine/src/gguf/memory_map.rs"];

/// A finding for every line with the word `unsafe` elsewhere.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    if PLACES.iter().any(|place| file.path.starts_with(place)) {
        return Vec::new();
    }
    let code = code_text(&file.text);
    let found = code.lines().enumerate().filter(|(_, line)| words(line).any(|word| word == "unsafe"));
    let message = format!("`unsafe` belongs into {}", PLACES.join(", "));
    found.map(|(index, _)| file.finding(index + 1, "unsafe-places", &message)).collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !(character.is_alphanumeric() || character == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    const TEXT: &str = "// unsafe\n#[expect(unsafe_code)]\nlet x = unsafe { y };\n";

    #[test]
    fn it_is_found_outside_its_places_only() {
        let finding = check(&text_file("crates/server/src/lib.rs", TEXT));
        assert_eq!(finding.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
        assert_eq!(check(&text_file("crates/engine/src/kernels/avx2.rs", TEXT)), []);
    }
}
