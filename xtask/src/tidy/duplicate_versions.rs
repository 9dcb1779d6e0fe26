//! One version of each package, unless a reason is given.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, TextFile};
use crate::metadata::Package;

const RULE: &str = "duplicate-versions";

/// Packages that may be there in several versions, and why. An entry that is no longer needed is a finding too.
pub(super) const ACCEPTED: &[(&str, &str)] = &[
    ("base64", "tokenizers (through spm_precompiled) stays on 0.13, sqlx on 0.22; hf-hub's ureq is newer"),
    ("block-buffer", "comes with the versions of digest"),
    ("cpufeatures", "comes with the versions of sha2"),
    ("crypto-common", "comes with the versions of digest"),
    ("digest", "comes with the versions of sha2"),
    ("fancy-regex", "tokenizers stays on 0.14, jsonschema (for tests alone) is newer"),
    ("getrandom", "ring stays on 0.2, rand 0.9 on 0.3; tempfile is newer"),
    ("hashbrown", "sqlx stays on 0.16, indexmap is newer"),
    ("nom", "tokenizers (through spm_precompiled) stays on 7, hdrhistogram is newer"),
    ("r-efi", "comes with the versions of getrandom, for UEFI alone"),
    ("rand", "hf-hub and tokenizers stay on 0.9, proptest is newer"),
    ("rand_core", "comes with the versions of rand"),
    ("sha2", "sqlx stays on 0.10"),
    ("syn", "derive macros move to 3 one by one"),
    ("windows-sys", "ring stays on 0.52"),
];

/// A finding for every package in several versions without a reason, and for every reason without such a package.
pub(super) fn check(lock_file: &TextFile, foreign: &[Package], accepted: &[(&str, &str)]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in foreign {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);

    let unexplained = versions.iter().filter(|(name, _)| !accepted.iter().any(|(listed, _)| listed == *name));
    let unexplained = unexplained.map(|(name, versions)| {
        let wanted = format!("name = \"{name}\"");
        let versions: Vec<_> = versions.iter().copied().collect();
        let message = format!("{name} is there in several versions: {}", versions.join(", "));
        lock_file.finding(lock_file.line_where(|line| line == wanted), RULE, message)
    });
    let stale = accepted.iter().filter(|(name, _)| !versions.contains_key(name));
    let stale = stale.map(|(name, _)| {
        lock_file.finding(
            1,
            RULE,
            format!("{name} is there once, or not at all: its entry in the list is stale"),
        )
    });
    unexplained.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    fn findings(accepted: &[(&str, &str)]) -> Vec<String> {
        let packages = [("a", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0")]
            .map(|(name, version)| Package::named(name, version));
        let lock_file = text_file("Cargo.lock", "name = \"a\"\nname = \"b\"\nname = \"b\"\n");
        check(&lock_file, &packages, accepted).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn two_versions_need_a_reason() {
        assert_eq!(
            findings(&[]),
            ["Cargo.lock:2: duplicate-versions: b is there in several versions: 1.0.0, 2.0.0"]
        );
        assert_eq!(findings(&[("b", "because")]), [""; 0]);
    }

    #[test]
    fn a_stale_reason_is_a_finding() {
        let findings = findings(&[("a", "once upon a time"), ("b", "because")]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].ends_with("its entry in the list is stale"));
    }
}
