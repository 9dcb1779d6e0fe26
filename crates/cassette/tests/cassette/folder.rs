//! Files and their order.

use std::fs;
use std::path::Path;
use std::sync::Barrier;

use interference_cassette::{Folder, Outcome, Redaction, WriteError, read_folder};

use crate::sample;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn names_follow_each_other_and_tell_of_the_request() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("made/on/the/way");
    let folder = Folder::open(&path, Redaction::default()).unwrap();
    let mut cassette = sample::chat();
    assert_eq!(folder.write(&cassette).unwrap().name, "000001-post-chat-completions.json");
    fs::rename(path.join("000001-post-chat-completions.json"), path.join("000041-a_poem.json")).unwrap();
    cassette.request.path = format!("/Files/ü/../{}", "a".repeat(100));
    let slug = format!("post-files-{}", "a".repeat(49));
    let folder = Folder::open(&path, Redaction::default()).unwrap();
    assert_eq!(folder.write(&cassette).unwrap().name, format!("000042-{slug}.json"));
    fs::rename(path.join("000041-a_poem.json"), path.join("999999-a_poem.json")).unwrap();
    let folder = Folder::open(&path, Redaction::default()).unwrap();
    cassette.request.path = "/".to_owned();
    let last = folder.write(&cassette).unwrap();
    assert_eq!(last.name, "1000000-post.json");

    let found = read_folder(&path).unwrap();
    assert!(found.problems.is_empty());
    let in_order: Vec<&str> = found.recordings.iter().map(|recording| recording.name.as_str()).collect();
    assert_eq!(in_order, [&format!("000042-{slug}.json"), "999999-a_poem.json", "1000000-post.json"]);
    assert_eq!(found.recordings[2], last);
}

#[test]
fn files_that_are_written_at_once_each_have_their_number() {
    let place = tempfile::tempdir().unwrap();
    // Two folders, as two processes would have.
    let folders = [(); 2].map(|()| Folder::open(place.path(), Redaction::default()).unwrap());
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (folder, barrier) = (&folders[number % 2], &barrier);
            scope.spawn(move || {
                barrier.wait();
                folder.write(&sample::chat()).unwrap();
            });
        }
    });
    let expected: Vec<String> =
        (1..=8).map(|number| format!("{number:06}-post-chat-completions.json")).collect();
    assert_eq!(names(place.path()), expected);
}

#[test]
fn the_folder_is_listed_again_when_a_name_is_taken() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let number = || folder.write(&sample::chat()).unwrap().name[..6].parse::<u32>().unwrap();
    let put = |name: &str| fs::write(place.path().join(name), "{}").unwrap();
    assert_eq!(number(), 1);
    put("000009-get.json");
    assert_eq!(number(), 2);
    put("000003-post-chat-completions.json");
    assert_eq!(number(), 10);
}

#[test]
fn good_files_are_read_beside_bad_ones_and_unfinished_ones_are_none() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let first = folder.write(&sample::chat()).unwrap();
    let text = sample::chat().to_json();
    let write = |name: &str, text: &str| fs::write(place.path().join(name), text).unwrap();
    write("000002-cut.json", &text[..300]);
    write("000003-later.json", "{\"interference_cassette\": 7}");
    write(".unfinished-abc", &text[..10]);
    write(".hidden.json", "{");
    write("README.md", "Recordings of the poem.");
    fs::create_dir(place.path().join("000004.json")).unwrap();
    let folder = Folder::open(place.path(), Redaction::default()).unwrap();
    let last = folder.write(&sample::chat()).unwrap();
    assert_eq!(last.name, "000005-post-chat-completions.json");

    let found = read_folder(place.path()).unwrap();
    assert_eq!(found.recordings, [first, last]);
    let folder = place.path().display().to_string();
    let problems: Vec<String> =
        found.problems.iter().map(|problem| problem.to_string().replace(&folder, "F")).collect();
    assert_eq!(
        problems,
        [
            "F/000002-cut.json: it is cut off (line 12, column 3): EOF while parsing a list",
            "F/000003-later.json: it is a cassette of version 7, and this release reads version 1; a later release \
             of interference reads it",
            "F/000004.json is no regular file",
        ]
    );
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(place.path().join("cassettes"), Redaction::default()).unwrap();
    let mut backward = sample::chat();
    let Outcome::Answered(answer) = &mut backward.outcome else { unreachable!() };
    answer.reads.reverse();
    let error = folder.write(&backward).unwrap_err();
    assert!(error.to_string().contains("times go backwards"), "{error}");
    assert_eq!(names(folder.path()), [""; 0]);

    fs::remove_dir(folder.path()).unwrap();
    assert!(matches!(folder.write(&sample::chat()), Err(WriteError::Refused { .. })));
    let error = read_folder(folder.path()).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("the folder {} cannot be read: ", folder.path().display()))
    );
    fs::write(folder.path(), "").unwrap();
    assert!(Folder::open(folder.path(), Redaction::default()).is_err());
}
