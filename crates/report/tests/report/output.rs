//! Files, and the documents that are read from them.

use std::fs;

use interference_report::merge::{self, Documents};
use interference_report::{Format, Output, ReportError};

use crate::sample;

fn output(text: &str) -> Result<Output, ReportError> {
    text.parse()
}

#[test]
fn an_output_is_a_format_and_a_path() {
    for format in Format::ALL {
        let read = output(&format!("{format}=some=where.txt")).unwrap();
        assert_eq!(read, Output { format, path: "some=where.txt".into() });
    }
    let told = |text| {
        let error = output(text).unwrap_err();
        (error.to_string(), error.hint())
    };
    let hint = "formats are json, junit, sarif, html, badge, matrix, matrix-md, baseline, text; as in `--report \
                html=report.html`";
    assert_eq!(told("pdf=a"), ("there is no format `pdf` for verdicts".to_owned(), hint.to_owned()));
    for wrong in ["html", "=a", "html="] {
        assert_eq!(told(wrong), (format!("`{wrong}` is not FORMAT=PATH"), hint.to_owned()));
    }
}

#[test]
fn every_format_is_written_and_nothing_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("new").join("folder");
    for format in Format::ALL {
        let output = Output { format, path: place.join(format.name()) };
        output.write(&[sample::rich()]).unwrap();
        assert_eq!(fs::read_to_string(&output.path).unwrap(), format.render(&[sample::rich()]).unwrap());
    }
    assert_eq!(fs::read_dir(&place).unwrap().count(), Format::ALL.len());
}

#[test]
fn formats_take_as_many_documents_as_they_say() {
    let two = [sample::rich(), sample::rich()];
    for format in Format::ALL {
        assert_eq!(format.render(&two).is_ok(), format.takes_several(), "{format}");
        if !format.takes_several() {
            assert_eq!(
                format.render(&two).unwrap_err().to_string(),
                format!("`{format}` tells of one document, and there are 2")
            );
        }
    }
}

#[test]
fn a_file_that_is_there_is_replaced_whole_or_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, "before").unwrap();
    let mut endless = sample::rich();
    Output { format: Format::Json, path: path.clone() }
        .write(&[endless.clone(), endless.clone()])
        .unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    endless.command = "another".to_owned();
    Output { format: Format::Json, path: path.clone() }.write(&[endless.clone()]).unwrap();
    assert_eq!(merge::read(&[&path]).unwrap(), Documents::Verdicts(vec![endless]));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_stay_devices() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
    fs::write(&file, "before").unwrap();
    symlink(&file, &link).unwrap();
    let badge = |path: &std::path::Path| Output { format: Format::Badge, path: path.to_owned() };
    badge(&link).write(&[sample::rich()]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with("<svg"));
    assert_ne!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "others may read it");
    badge("/dev/null".as_ref()).write(&[sample::rich()]).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let told = |error: ReportError| error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER");
    let output = Output { format: Format::Badge, path: folder.path().into() };
    assert!(told(output.write(&[sample::rich()]).unwrap_err()).starts_with("FOLDER cannot be written: "));

    let good = folder.path().join("good.json");
    let bad = folder.path().join("bad.json");
    fs::write(&good, Format::Json.render(&[sample::rich()]).unwrap()).unwrap();
    fs::write(&bad, "{").unwrap();
    let read = |name: &str| -> Result<Documents, ReportError> {
        merge::read(&[good.clone(), folder.path().join(name)])
    };
    assert_eq!(read("good.json").unwrap(), Documents::Verdicts(vec![sample::rich(), sample::rich()]));
    assert!(told(read("bad.json").unwrap_err()).starts_with("FOLDER/bad.json is no JSON: "));
    assert!(told(read("none.json").unwrap_err()).starts_with("FOLDER/none.json cannot be read: "));
    fs::write(&bad, [0xff]).unwrap();
    assert!(told(read("bad.json").unwrap_err()).starts_with("FOLDER/bad.json cannot be read: invalid utf-8"));
}
