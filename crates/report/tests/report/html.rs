//! The page of a run, and the page that compares runs: whatever a target says, it is text.

use interference_report::{Verdicts, html, matrix};
use proptest::prelude::*;

use crate::sample::{self, HOSTILE};

/// The sample, in which every text that may come from outside is a hostile one.
fn hostile() -> Verdicts {
    let mut verdicts = sample::rich();
    let hostile = || HOSTILE.to_owned();
    verdicts.command = hostile();
    verdicts.target = hostile();
    verdicts.target_name = Some(hostile());
    verdicts.started_at = hostile();
    verdicts.tool.name = hostile();
    verdicts.tool.version = hostile();
    verdicts.stale_baseline = vec![hostile()];
    verdicts.findings.iter_mut().for_each(|finding| (finding.name, finding.value) = (hostile(), hostile()));
    for case in &mut verdicts.cases {
        for text in [
            &mut case.slug,
            &mut case.section,
            &mut case.requirement,
            &mut case.trigger,
            &mut case.expected,
            &mut case.seen,
            &mut case.repeat,
        ] {
            *text = hostile();
        }
        for clause in &mut case.clauses {
            (clause.source, clause.place, clause.quote) = (hostile(), hostile(), hostile());
        }
        for exchange in &mut case.evidence {
            (exchange.title, exchange.curl) = (hostile(), hostile());
            exchange.wire.iter_mut().for_each(|entry| entry.text = hostile());
        }
    }
    verdicts
}

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

fn harmless() -> Verdicts {
    let text = serde_json::to_string(&hostile()).unwrap();
    Verdicts::from_json(&text.replace(serde_json::to_string(HOSTILE).unwrap().trim_matches('"'), "x"))
        .unwrap()
}

#[test]
fn what_a_target_says_is_no_markup() {
    for page in [html::render(&hostile()).unwrap(), matrix::html(&[hostile(), hostile()]).unwrap()] {
        assert!(page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"));
        assert!(!page.contains("<img") && !page.contains("<script>alert"));
        assert!(!page.contains(['\u{1b}', '\u{202e}', '\0']));
    }
    assert_eq!(tags(&html::render(&hostile()).unwrap()), tags(&html::render(&harmless()).unwrap()));
    assert_eq!(tags(&matrix::html(&[hostile()]).unwrap()), tags(&matrix::html(&[harmless()]).unwrap()));
}

#[test]
fn a_page_loads_nothing() {
    let pages = [html::render(&sample::rich()).unwrap(), matrix::html(&[sample::rich()]).unwrap()];
    for page in pages {
        assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none';"), "{page}");
        for loading in ["src=\"", "@import", "url(", "<link"] {
            assert!(!page.contains(loading), "{loading}");
        }
    }
}

#[test]
fn failures_come_first_and_open() {
    let page = html::render(&sample::rich()).unwrap();
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is not there"));
    assert!(place("id=\"sse.done-last\" open") < place("id=\"sse.content-type\">"));
    assert!(place("id=\"chunk.role-once-first\" open") < place("id=\"sse.cache-control\">"));
    assert_eq!(page.matches("\" open>").count(), 3);
    assert!(
        page.contains("2 MUSTs broken, 1 stale entry in the baseline, the judge itself failed in 1 case")
    );
    assert!(page.contains("<td class=\"number long\">+1204.0</td>"));
    assert_eq!(page.matches("<rect x=").count(), 12 + 8, "a cell for each case, a bar for each line");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_document_is_a_page(verdicts in crate::generated::verdicts()) {
        let page = html::render(&verdicts).unwrap();
        prop_assert_eq!(page.matches("<details ").count(), verdicts.cases.len());
        prop_assert!(matrix::html(&[verdicts]).is_ok());
    }
}
