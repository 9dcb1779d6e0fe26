//! Files of runs of load, and kinds of documents that are told apart.

use std::fs;

use interference_report::load::comparison::{self, compare};
use interference_report::load::{Format, LoadReport};
use interference_report::merge::{self, Documents};
use interference_report::{Output, ReportError};

use super::sample::{self, Traffic};

#[test]
fn every_format_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let report = sample::report(&Traffic { requests: 20, ..Traffic::default() });
    for format in Format::ALL {
        let output: Output<Format> =
            format!("{format}={}", folder.path().join(format.name()).display()).parse().unwrap();
        output.write(&report).unwrap();
        assert_eq!(fs::read_to_string(&output.path).unwrap(), format.render(&report).unwrap());
    }
    let comparison = compare(&report, &report);
    for format in comparison::Format::ALL {
        let output = Output { format, path: folder.path().join(format.name()) };
        output.write(&comparison).unwrap();
        assert_eq!(fs::read_to_string(&output.path).unwrap(), format.render(&comparison).unwrap());
    }
}

#[test]
fn a_format_is_one_of_the_kind_of_document() {
    let told = |error: ReportError| (error.to_string(), error.hint());
    let expect = |message: &str, hint: &str| (message.to_owned(), hint.to_owned());
    assert_eq!(
        told("junit=a".parse::<Output<Format>>().unwrap_err()),
        expect(
            "there is no format `junit` for a run of load",
            "formats are json, csv, html, text; as in `--report html=report.html`"
        )
    );
    assert_eq!(
        told("csv=a".parse::<Output<comparison::Format>>().unwrap_err()),
        expect(
            "there is no format `csv` for a comparison",
            "formats are json, html, text; as in `--report html=report.html`"
        )
    );
    assert!(matches!("html".parse::<Output<Format>>(), Err(ReportError::NotAnOutput { .. })));
}

#[test]
fn kinds_are_told_by_the_member_format_and_never_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let report = sample::report(&Traffic { requests: 20, ..Traffic::default() });
    fs::write(path("load.json"), report.to_json().unwrap()).unwrap();
    fs::write(path("verdicts.json"), interference_report::json::render(&crate::sample::rich()).unwrap())
        .unwrap();
    fs::write(path("other.json"), "{\"format\": \"moon-1\"}").unwrap();
    let read = |names: &[&str]| merge::read(&names.iter().map(|name| path(name)).collect::<Vec<_>>());
    assert_eq!(
        read(&["load.json", "load.json"]).unwrap(),
        Documents::Load(vec![report.clone(), report.clone()])
    );
    assert!(matches!(read(&["verdicts.json"]), Ok(Documents::Verdicts(_))));
    let told = |names: &[&str]| {
        let error = read(names).unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string().replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(
        told(&["load.json", "verdicts.json"]),
        "verdicts.json is a document of verdicts, and load.json is one of load: they cannot be told of together"
    );
    assert_eq!(
        told(&["other.json"]),
        "other.json is no document of verdicts or load: its `format` is `moon-1`, not `interference-verdicts-1` or \
         `interference-load-1`"
    );
    assert_eq!(merge::read_load(&path("load.json")).unwrap(), report);
    assert!(merge::read_load(&path("verdicts.json")).is_err());
    let whole = LoadReport::merge(vec![report.clone(), report]).unwrap_err();
    assert!(ReportError::Merge { source: whole }.hint().contains("report compare"));
}
