//! `cargo xtask tidy`: the house rules that no compiler knows.
//!
//! A rule is a module with a function from texts to findings; what is read from disk is read here, once. A public
//! item without a doc comment is rustc's to find (`missing_docs`): the rule here is that no crate opts out.

mod allow_attributes;
mod code_text;
mod duplicate_versions;
mod file_length;
mod inherited_lints;
mod layers;
mod licences;
mod unsafe_places;

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

use crate::metadata::Metadata;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the workspace, with `/`.
    path: String,
    /// Counted from 1.
    line: usize,
    rule: &'static str,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}

/// A text file of the project.
#[derive(Debug)]
struct TextFile {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
}

impl TextFile {
    fn finding(&self, line: usize, rule: &'static str, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule, message: message.into() }
    }

    /// The number of the first line that satisfies `wanted`, or 1.
    fn line_where(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.text.lines().position(wanted).map_or(1, |index| index + 1)
    }
}

/// Applies every rule, prints what each found, and fails if that is anything.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = Metadata::read()?;
    let mut findings = find(&metadata)?;
    findings.sort();
    let mut stdout = std::io::stdout().lock();
    for finding in &findings {
        writeln!(stdout, "{finding}")?;
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("the house rules are broken in {count} places"),
    }
}

fn find(metadata: &Metadata) -> anyhow::Result<Vec<Finding>> {
    let root = &metadata.workspace_root;
    let lock_file = read(root, &root.join("Cargo.lock"))?;
    let foreign: Vec<_> = metadata.foreign().cloned().collect();
    let mut findings = duplicate_versions::check(&lock_file, &foreign, duplicate_versions::ACCEPTED);
    findings.extend(licences::check(&lock_file, &foreign));
    for package in metadata.members() {
        let manifest = read(root, &package.manifest_path)?;
        findings.extend(layers::check(package, &manifest));
        findings.extend(inherited_lints::check(&manifest));
        let folder = package.manifest_path.parent().context("a manifest without a folder")?;
        for file in rust_files(root, folder)? {
            findings.extend(file_length::check(&file));
            findings.extend(unsafe_places::check(&file));
            findings.extend(allow_attributes::check(&file));
        }
    }
    Ok(findings)
}

fn rust_files(root: &Path, folder: &Path) -> anyhow::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(root, &path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(read(root, &path)?);
        }
    }
    Ok(files)
}

fn read(root: &Path, path: &Path) -> anyhow::Result<TextFile> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
    Ok(TextFile { path: relative, text })
}

#[cfg(test)]
fn text_file(path: &str, text: impl Into<String>) -> TextFile {
    TextFile { path: path.to_owned(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let finding = text_file("src/lib.rs", "one\ntwo").finding(2, "rule", "what is wrong");
        assert_eq!(finding.to_string(), "src/lib.rs:2: rule: what is wrong");
    }
}
