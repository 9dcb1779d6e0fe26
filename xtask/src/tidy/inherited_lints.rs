//! Every crate takes the workspace's lints, `missing_docs` among them.

use super::{Finding, TextFile};

/// One finding when the manifest does not say `[lints]` and `workspace = true`.
pub(super) fn check(manifest: &TextFile) -> Option<Finding> {
    let mut lines = manifest.text.lines().map(str::trim);
    let inherited = lines.any(|line| line == "[lints]")
        && lines.take_while(|line| !line.starts_with('[')).any(|line| line == "workspace = true");
    (!inherited)
        .then(|| manifest.finding(1, "inherited-lints", "`[lints]` with `workspace = true` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    #[test]
    fn a_crate_that_opts_out_is_found() {
        assert_eq!(check(&text_file("Cargo.toml", "[lints]\nworkspace = true\n")), None);
        assert!(check(&text_file("Cargo.toml", "[package]\nname = \"x\"\n")).is_some());
        assert!(check(&text_file("Cargo.toml", "[lints]\n[dependencies.x]\nworkspace = true\n")).is_some());
    }
}
