//! Every package of others comes under a licence that fits ours.

use spdx::{Expression, ParseMode};

use super::{Finding, TextFile};
use crate::metadata::Package;

const RULE: &str = "licences";

/// Licences that ask for no more than being named, or bind nothing but their own files (MPL-2.0).
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A finding for every package whose licence is missing, unreadable or not accepted.
pub(super) fn check(lock_file: &TextFile, foreign: &[Package]) -> Vec<Finding> {
    let findings = foreign.iter().filter_map(|package| {
        let message = match &package.license {
            None => "names no licence".to_owned(),
            Some(expression) => match Expression::parse_mode(expression, ParseMode::LAX) {
                Err(error) => {
                    format!("has the licence `{expression}`, which cannot be read: {}", error.reason)
                }
                Ok(parsed) if parsed.evaluate(is_accepted) => return None,
                Ok(_) => format!("has the licence `{expression}`, which is not accepted"),
            },
        };
        let name = format!("name = \"{}\"", package.name);
        let line = lock_file.line_where(|line| line == name);
        Some(lock_file.finding(line, RULE, format!("{} {} {message}", package.name, package.version)))
    });
    findings.collect()
}

fn is_accepted(requirement: &spdx::LicenseReq) -> bool {
    requirement.license.id().is_some_and(|licence| ACCEPTED.contains(&licence.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::text_file;

    fn finding(licence: Option<&str>) -> Option<String> {
        let package = Package { license: licence.map(str::to_owned), ..Package::named("x", "1.0.0") };
        let lock_file = text_file("Cargo.lock", "[[package]]\nname = \"x\"\n");
        check(&lock_file, &[package]).first().map(Finding::to_string)
    }

    #[test]
    fn expressions_are_evaluated() {
        for accepted in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
            assert_eq!(finding(Some(accepted)), None, "{accepted}");
        }
        assert_eq!(
            finding(Some("MIT AND GPL-3.0")).unwrap(),
            "Cargo.lock:2: licences: x 1.0.0 has the licence `MIT AND GPL-3.0`, which is not accepted"
        );
    }

    #[test]
    fn no_licence_and_nonsense_are_findings() {
        assert!(finding(None).unwrap().ends_with("names no licence"));
        assert!(finding(Some("as you like")).unwrap().contains("cannot be read"));
    }
}
