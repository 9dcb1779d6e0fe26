//! JUnit XML, read by an XML parser and held against what Jenkins' schema allows.

use interference_report::{Level, Verdict, junit};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::{generated, sample};

/// The elements that are used, with the attributes that they must have, and the children that they may.
const ELEMENTS: [(&str, &[&str], &[&str]); 8] = [
    ("testsuites", &["name"], &["testsuite"]),
    ("testsuite", &["name", "tests", "failures", "errors", "skipped"], &["properties", "testcase"]),
    ("properties", &[], &["property"]),
    ("property", &["name", "value"], &[]),
    ("testcase", &["name", "classname", "time"], &["skipped", "failure", "error", "system-out"]),
    ("skipped", &["message"], &[]),
    ("failure", &["type", "message"], &[]),
    ("error", &["type", "message"], &[]),
];
const MORE_ATTRIBUTES: [(&str, &str); 2] = [("testsuite", "time"), ("testsuite", "timestamp")];

fn check(node: Node<'_, '_>) {
    let name = node.tag_name().name();
    if name == "system-out" {
        return assert_eq!(node.attributes().count() + node.children().filter(Node::is_element).count(), 0);
    }
    let (_, attributes, children) =
        ELEMENTS.iter().find(|element| element.0 == name).unwrap_or_else(|| panic!("{name} is not allowed"));
    for attribute in *attributes {
        assert!(node.has_attribute(*attribute), "{name} needs {attribute}");
    }
    for attribute in node.attributes() {
        let pair = (name, attribute.name());
        assert!(attributes.contains(&pair.1) || MORE_ATTRIBUTES.contains(&pair), "{pair:?} is not allowed");
    }
    for child in node.children().filter(Node::is_element) {
        assert!(children.contains(&child.tag_name().name()), "{name} has a {}", child.tag_name().name());
        check(child);
    }
}

/// Numbers of a suite's attributes, and the same counted.
fn counts(suite: Node<'_, '_>) -> [(usize, usize); 4] {
    let with = |name| suite.descendants().filter(|node| node.has_tag_name(name)).count();
    [("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")]
        .map(|(attribute, element)| (suite.attribute(attribute).unwrap().parse().unwrap(), with(element)))
}

fn hold(text: &str) {
    let document = Document::parse(text).unwrap();
    check(document.root_element());
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        for (told, counted) in counts(suite) {
            assert_eq!(told, counted, "{text}");
        }
    }
}

#[test]
fn a_run_with_everything() {
    let text = junit::render(&[sample::rich()]);
    hold(&text);
    insta::assert_snapshot!(text);
}

#[test]
fn several_runs_have_their_own_suites() {
    let mut other = sample::rich();
    other.target_name = Some("other & sons".to_owned());
    let text = junit::render(&[sample::rich(), other]);
    hold(&text);
    let document = Document::parse(&text).unwrap();
    let names = document.descendants().filter(|node| node.has_tag_name("testsuite"));
    let names: Vec<_> = names.filter_map(|node| node.attribute("name")).collect();
    assert!(names.contains(&"example-server 2.4: sse") && names.contains(&"other & sons: sse"), "{names:?}");
}

#[test]
fn a_should_fails_where_shoulds_count() {
    let mut verdicts =
        sample::document(vec![sample::case("sse.cache-control", Level::Should, Verdict::NonStrict, "-")]);
    assert!(junit::render(&[verdicts.clone()]).contains("<skipped message=\"NON-STRICT: -\"/>"));
    verdicts.level = Level::Should;
    assert!(junit::render(&[verdicts]).contains("<failure type=\"NON-STRICT\" message=\"NON-STRICT: -\">"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_sound_xml_and_comes_back(verdicts in generated::verdicts()) {
        let text = junit::render(std::slice::from_ref(&verdicts));
        hold(&text);
        let document = Document::parse(&text).unwrap();
        let stories = document.descendants().filter(|node| node.has_tag_name("failure"));
        let stories: Vec<_> = stories.filter_map(|node| node.text()).collect();
        for case in verdicts.cases.iter().filter(|case| verdicts.is_unexpected(case)) {
            let told = format!("seen: {}\n", case.seen);
            let is_plain = case.seen.chars().all(|character| character.is_ascii_graphic());
            let comes_back = stories.iter().any(|story| story.contains(&told));
            prop_assert!(!is_plain || comes_back, "{}", told);
        }
    }
}
