//! Imports point down: binary, tools, middle, ground.
//!
//! Dependencies of every kind count, those of tests and build scripts too. A few crates of one layer may see each
//! other, and a few that could see each other by their layers must not; both are listed with a reason.

use super::{Finding, TextFile};
use crate::metadata::Package;

const RULE: &str = "layers";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Ground,
    Middle,
    Tool,
    Binary,
}

/// Every crate of the workspace; the tool of the developers, xtask, sees none of them.
const LAYERS: &[(&str, Layer)] = &[
    ("interference", Layer::Binary),
    ("interference-server", Layer::Tool),
    ("interference-check-server", Layer::Tool),
    ("interference-check-client", Layer::Tool),
    ("interference-load", Layer::Tool),
    ("interference-import", Layer::Tool),
    ("interference-backend", Layer::Middle),
    ("interference-backend-local", Layer::Middle),
    ("interference-backend-script", Layer::Middle),
    ("interference-backend-responses", Layer::Middle),
    ("interference-backend-relay", Layer::Middle),
    ("interference-backend-replay", Layer::Middle),
    ("interference-faults", Layer::Middle),
    ("interference-client", Layer::Middle),
    ("interference-report", Layer::Middle),
    ("interference-catalogue", Layer::Middle),
    ("interference-target", Layer::Middle),
    ("interference-engine", Layer::Ground),
    ("interference-api-types", Layer::Ground),
    ("interference-sse", Layer::Ground),
    ("interference-wire", Layer::Ground),
    ("interference-cassette", Layer::Ground),
    ("interference-model-store", Layer::Ground),
    ("interference-toml-values", Layer::Ground),
    ("xtask", Layer::Ground),
];

/// Imports within a layer that are meant: a backend is made of the trait, a reply may bring a plan of
/// faults, the relay asks as a client does (and reads durations as plans of faults have them), and a catalogue tells
/// its clauses as reports have them.
const BESIDE: &[(&str, &str)] = &[
    ("interference-backend-local", "interference-backend"),
    ("interference-backend-script", "interference-backend"),
    ("interference-backend-responses", "interference-backend"),
    ("interference-backend", "interference-faults"),
    ("interference-backend-script", "interference-faults"),
    ("interference-backend-relay", "interference-backend"),
    ("interference-backend-relay", "interference-client"),
    ("interference-backend-relay", "interference-faults"),
    ("interference-backend-replay", "interference-backend"),
    ("interference-catalogue", "interference-report"),
];

/// Imports downward that are not meant, and why.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("interference-check-server", "interference-api-types", "a judge does not share its defendant's code"),
    ("interference-check-server", "interference-client", "a judge does not share its defendant's code"),
    ("interference-check-server", "interference-sse", "a judge does not share its defendant's code"),
    ("interference-check-client", "interference-api-types", "the examiner writes literal bytes"),
    ("interference-check-client", "interference-client", "a judge does not share its defendant's code"),
    ("interference-check-client", "interference-sse", "the examiner writes literal bytes"),
    ("interference-server", "interference-engine", "the server knows no model files"),
    ("interference-server", "interference-backend-local", "the server knows backends by their trait alone"),
];

/// A finding for every dependency on a crate of this workspace that does not point down.
pub(super) fn check(package: &Package, manifest: &TextFile) -> Vec<Finding> {
    let Some(own) = layer(&package.name) else {
        let line = manifest.line_where(|line| line.starts_with("name"));
        return vec![manifest.finding(line, RULE, format!("{} has no layer", package.name))];
    };
    let findings = package.dependencies.iter().filter_map(|dependency| {
        let message = objection(&package.name, own, &dependency.name)?;
        let line = manifest.line_where(|line| {
            line.strip_prefix(&dependency.name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        });
        Some(manifest.finding(line, RULE, message))
    });
    findings.collect()
}

fn objection(importer: &str, own: Layer, imported: &str) -> Option<String> {
    let other = layer(imported)?;
    if let Some((.., reason)) = FORBIDDEN.iter().find(|(from, to, _)| (*from, *to) == (importer, imported)) {
        return Some(format!("{importer} must not import {imported}: {reason}"));
    }
    let meant = own > other || BESIDE.contains(&(importer, imported));
    (!meant).then(|| format!("{importer} ({own:?}) imports {imported} ({other:?}), which is not below it"))
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|(listed, _)| *listed == name).map(|(_, layer)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;
    use crate::tidy::text_file;

    fn findings(importer: &str, imported: &[&str]) -> Vec<String> {
        let package = Package {
            dependencies: imported.iter().map(|name| Dependency { name: (*name).to_owned() }).collect(),
            ..Package::named(importer, "1.0.0")
        };
        let lines: Vec<_> = imported.iter().map(|name| format!("{name}.workspace = true\n")).collect();
        let manifest = text_file("Cargo.toml", format!("[dependencies]\n{}", lines.concat()));
        check(&package, &manifest).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn imports_point_down() {
        assert_eq!(
            findings("interference-backend-local", &["interference-backend", "interference-engine"]),
            [""; 0]
        );
        assert_eq!(
            findings("interference-engine", &["interference-sse-more", "interference-server", "serde"]),
            [
                "Cargo.toml:3: layers: interference-engine (Ground) imports interference-server (Tool), which is not \
              below it"
            ]
        );
    }

    #[test]
    fn tools_do_not_import_each_other() {
        assert_eq!(findings("interference-load", &["interference-server"]).len(), 1);
    }

    #[test]
    fn a_judge_shares_no_code() {
        assert_eq!(findings("interference-check-server", &["interference-wire"]), [""; 0]);
        assert!(
            findings("interference-check-server", &["interference-sse"])[0].ends_with("defendant's code")
        );
    }

    #[test]
    fn a_new_crate_needs_a_layer() {
        assert_eq!(
            findings("interference-new", &[]),
            ["Cargo.toml:1: layers: interference-new has no layer"]
        );
    }
}
