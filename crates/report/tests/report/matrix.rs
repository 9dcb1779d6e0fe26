//! Runs side by side.

use interference_report::{Level, Verdict, Verdicts, matrix};

use crate::sample::{self, HOSTILE};

/// Another target, which was asked for other cases too.
fn another() -> Verdicts {
    let mut verdicts = sample::document(vec![
        sample::case("sse.content-type", Level::Must, Verdict::Fail, "text/html"),
        sample::case("sse.utf8", Level::Must, Verdict::Pass, ""),
        sample::case("tools.arguments-string", Level::Must, Verdict::Pass, ""),
    ]);
    verdicts.target_name = Some("another | server".to_owned());
    verdicts
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(matrix::markdown(&[sample::rich(), another()]));
}

#[test]
fn no_text_of_a_target_means_anything_in_markdown() {
    let mut verdicts = sample::rich();
    verdicts.target_name = Some(HOSTILE.to_owned());
    let text = matrix::markdown(&[verdicts]);
    for (place, character) in text.char_indices().filter(|(_, character)| "<`".contains(*character)) {
        assert!(text[..place].ends_with('\\'), "{character} at {place}: {text}");
    }
    let header = text.lines().find(|line| line.starts_with("| case |")).unwrap();
    assert_eq!(header.replace("\\|", "").matches('|').count(), 4, "{header}");
}

#[test]
fn every_cell_that_is_a_link_leads_to_what_was_seen() {
    let page = matrix::html(&[sample::rich(), another()]).unwrap();
    let links: Vec<_> = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), 11);
    for link in links {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    assert_eq!(page.matches(">not there<").count(), 14 * 2 - 15);
}
