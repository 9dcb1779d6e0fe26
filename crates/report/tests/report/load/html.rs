//! The page of a run, and that of a comparison.

use interference_report::load::comparison::{self, compare};
use interference_report::load::{LoadReport, Measurements, html};
use roxmltree::Document;

use super::sample::{self, Traffic};
use super::terminal::hostile;
use crate::sample::HOSTILE;

/// How often each kind of tag opens. Text that became markup would change it.
fn tags(page: &str) -> Vec<(String, usize)> {
    let names = page
        .split('<')
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect::<String>());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.chunk_by(|a, b| a == b).map(|same| (same[0].clone(), same.len())).collect()
}

fn harmless() -> LoadReport {
    let text = hostile().to_json().unwrap();
    LoadReport::from_json(&text.replace(serde_json::to_string(HOSTILE).unwrap().trim_matches('"'), "x"))
        .unwrap()
}

fn pages(report: &LoadReport) -> [String; 2] {
    [html::render(report).unwrap(), comparison::html::render(&compare(report, report)).unwrap()]
}

#[test]
fn what_a_target_says_is_no_markup() {
    for (page, plain) in pages(&hostile()).iter().zip(pages(&harmless())) {
        assert!(page.contains("&#60;script&#62;alert(1)"));
        assert!(!page.contains("<img") && !page.contains("<script"));
        assert!(!page.contains(['\u{1b}', '\u{202e}', '\0']));
        assert_eq!(tags(page), tags(&plain));
    }
}

#[test]
fn a_page_loads_nothing() {
    for page in pages(&sample::rich()) {
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none';"), "{page}");
        for loading in ["src=\"", "@import", "url(", "<link", "<script", "{%", "{{"] {
            assert!(!page.contains(loading), "{loading}");
        }
    }
}

#[test]
fn every_picture_is_well_formed_and_told_in_words_and_figures() {
    let mut bare = sample::rich();
    bare.measurements = Measurements::default();
    let few = sample::report(&Traffic { requests: 1, ..Traffic::default() });
    for (report, expected) in [(sample::rich(), 9), (hostile(), 9), (bare, 2), (few, 7)] {
        let page = html::render(&report).unwrap();
        let pictures =
            page.split("<svg class=\"chart\"").skip(1).map(|rest| rest.split("</svg>").next().unwrap());
        let mut seen = 0;
        for picture in pictures {
            let text = format!("<svg{picture}</svg>");
            let parsed = Document::parse(&text).unwrap();
            let root = parsed.root_element();
            assert_eq!(root.attribute("role"), Some("img"));
            assert!(root.attribute("aria-label").is_some_and(|label| !label.is_empty()));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            let labels = root.descendants().filter(|node| node.attribute("class") == Some("label"));
            assert_eq!(labels.filter(|label| label.text().is_some()).count(), 2, "both axes are labelled");
            seen += 1;
        }
        assert_eq!(seen, expected, "{}", report.target);
    }
    let page = html::render(&sample::rich()).unwrap();
    for figures in
        ["Figures of every interval", "Figures of the series", "Figures of these answers", "Measures"]
    {
        assert!(page.contains(figures), "{figures}");
    }
    assert_eq!(page.matches("<g class=\"answer").count(), 2 * 240);
}

#[test]
fn what_counts_against_a_run_is_in_sight() {
    let page = html::render(&sample::rich()).unwrap();
    for told in [
        "Not certified: these numbers are not to be trusted",
        "the tester stood still for 21.7 ms during the run",
        "7 requests were sent more than 5 ms after their time",
        "not all of the run is here: 2/3 is missing",
        "missed",
        "http_500",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let mut certified = sample::rich();
    certified.certificates.truncate(1);
    assert!(html::render(&certified).unwrap().contains("✓ Certified."));
}
