//! The page: its three files, and the catalogue as it shows it.
//!
//! Owns what is served at `/` and beside it. The page loads nothing from elsewhere, and its browser is told to refuse
//! if it tried. Refuses to know clients and verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use interference_catalogue::Named;
use interference_report::html::STYLE;
use serde_json::{Value, json};

use super::reply::Reply;
use crate::case::Case;
use crate::cases::{CATALOGUE, first};
use crate::judge::exam_environment;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the page may load, and who may frame it: itself, and nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page, by its name; the page itself has none.
pub(super) fn file(name: &str) -> Reply {
    let reply = match name {
        "page.css" => Reply::new("text/css; charset=utf-8", format!("{STYLE}{CSS}")),
        "page.js" => Reply::new("text/javascript; charset=utf-8", SCRIPT),
        _ => Reply::new("text/html; charset=utf-8", HTML).with("Content-Security-Policy", POLICY),
    };
    reply.with("Cache-Control", "no-cache")
}

/// The catalogue, and the environment of a client.
pub(super) fn catalogue(served: &[&'static Case], timeout: Duration) -> Value {
    let variables = |case: &Case| -> BTreeMap<&'static str, String> {
        exam_environment("", case, timeout)
            .into_iter()
            .filter(|(name, _)| *name != "OPENAI_BASE_URL")
            .collect()
    };
    let ordinary = variables(first());
    let told = |case: &&'static Case| {
        let own = variables(case).into_iter().filter(|(name, _)| !ordinary.contains_key(name));
        json!({
            "slug": case.slug, "level": case.level.word(), "requirement": case.requirement,
            "served": case.served, "sound": case.sound, "environment": own.collect::<BTreeMap<_, _>>(),
        })
    };
    let groups = CATALOGUE.iter().map(|group| {
        let cases: Vec<Value> = served.iter().filter(|case| case.section() == group.name).map(told).collect();
        json!({"name": group.name, "title": group.title, "cases": cases})
    });
    let groups: Vec<Value> = groups.filter(|group| group["cases"] != json!([])).collect();
    json!({"environment": ordinary, "groups": groups})
}
