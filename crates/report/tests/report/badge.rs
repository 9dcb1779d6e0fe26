//! The badge.

use interference_report::{Level, Verdict, badge};
use roxmltree::Document;

use crate::sample;

#[test]
fn a_badge_of_a_run_with_everything() {
    insta::assert_snapshot!(badge::render(&sample::rich()));
}

#[test]
fn its_colour_follows_from_what_was_judged() {
    let colour_and_text = |level, verdict, counted| {
        let mut verdicts = sample::document(vec![sample::case("sse.utf8", level, verdict, "")]);
        verdicts.level = counted;
        let badge = badge::render(&verdicts);
        let badge = Document::parse(&badge).unwrap();
        let fill = badge.descendants().filter_map(|node| node.attribute("fill")).nth(1).unwrap();
        (fill.to_owned(), badge.root_element().attribute("aria-label").unwrap().to_owned())
    };
    let expect = |fill: &str, text: &str| (fill.to_owned(), format!("interference: {text}"));
    let (must, should) = (Level::Must, Level::Should);
    assert_eq!(colour_and_text(must, Verdict::Pass, must), expect("#2e7d32", "1/1 MUST"));
    assert_eq!(colour_and_text(must, Verdict::Fail, must), expect("#c62828", "0/1 MUST"));
    assert_eq!(colour_and_text(must, Verdict::Inconclusive, must), expect("#616161", "0/0 MUST"));
    assert_eq!(colour_and_text(should, Verdict::NonStrict, must), expect("#616161", "0/0 MUST"));
    assert_eq!(
        colour_and_text(should, Verdict::NonStrict, should),
        expect("#c62828", "0/0 MUST, 0/1 SHOULD")
    );
}
