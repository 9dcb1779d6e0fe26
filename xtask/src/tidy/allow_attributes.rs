//! Lints are expected with a reason, never allowed: an `expect` that is no longer needed is told, an `allow` stays.

use super::code_text::code_text;
use super::{Finding, TextFile};

/// A finding for every `#[allow(…)]` and `#![allow(…)]`.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let code = code_text(&file.text);
    let found = code.lines().enumerate().filter(|(_, line)| {
        let line = line.replace(' ', "");
        line.contains("#[allow(") || line.contains("#![allow(")
    });
    found
        .map(|(index, _)| {
            file.finding(
                index + 1,
                "allow-attributes",
                "use `#[expect(…, reason = \"…\")]` instead of `allow`",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    #[test]
    fn attributes_are_found_and_mentions_are_not() {
        let file = text_file(
            "a.rs",
            "#![allow(dead_code)]\n// #[allow(x)]\nlet s = \"#[allow(x)]\";\n#[expect(x)]\n",
        );
        let lines: Vec<_> = check(&file).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1]);
    }
}
