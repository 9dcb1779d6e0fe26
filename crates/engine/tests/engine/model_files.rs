//! Files that are no model, or not one that this engine can run.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use super::*;

/// The head of the real file, with some of its bytes changed; behind it, in place of the weights, zeros.
fn changed_head(folder: &Path, name: &str, from: &[u8], to: &[u8]) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut head = Vec::new();
    let real = File::open(model_path()).unwrap();
    let length = real.metadata().unwrap().len();
    real.take(1_785_664).read_to_end(&mut head).unwrap();
    let place = head.windows(from.len()).position(|window| window == from).expect("the head has it");
    head[place..place + to.len()].copy_from_slice(to);
    let path = folder.join(name);
    let mut file = File::create(&path).unwrap();
    file.write_all(&head).unwrap();
    file.set_len(length).unwrap();
    path
}

fn complaint(path: &Path) -> String {
    let error = Engine::load(path, &EngineOptions::default()).map(|_| ()).unwrap_err().to_string();
    let name = path.display().to_string();
    error.strip_prefix(&format!("the model file {name} ")).expect("the file is named").to_owned()
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let changed =
        |name: &str, from: &[u8], to: &[u8]| complaint(&changed_head(folder.path(), name, from, to));
    insta::assert_snapshot!(
        changed("architecture", b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0mamba"),
        @"has the architecture `mamba`; supported: `llama`"
    );
    insta::assert_snapshot!(
        changed("pre-tokenizer", b"\x06\0\0\0\0\0\0\0smollm", b"\x06\0\0\0\0\0\0\0qwen99"),
        @"has the pre-tokenizer `qwen99`; supported: gpt-2, smollm"
    );
    insta::assert_snapshot!(
        changed("tokenizer", b"\x04\0\0\0\0\0\0\0gpt2", b"\x04\0\0\0\0\0\0\0bert"),
        @"has a tokenizer of kind `bert`; supported: `gpt2` (byte-level byte-pair encoding)"
    );
    insta::assert_snapshot!(
        changed("tensor", b"blk.7.ffn_up.weight", b"blk.7.ffn_xx.weight"),
        @"has no tensor `blk.7.ffn_up.weight`"
    );
    insta::assert_snapshot!(
        changed("missing", b"general.architecture", b"general.architektur1"),
        @"has no metadata `general.architecture`"
    );
    insta::assert_snapshot!(
        changed("metadata", b"llama.block_count", b"llama.brick_count"),
        @"has metadata `llama.brick_count`, which is not supported"
    );
}

/// The real file with another type written at a matrix of four-bit weights.
fn changed_type(folder: &Path, name: &str, columns: u64, rows: u64, number: u32) -> PathBuf {
    let entry = |number: u32| {
        let shape = [2_u32.to_le_bytes().as_slice(), &columns.to_le_bytes(), &rows.to_le_bytes()].concat();
        [name.as_bytes(), &shape, &number.to_le_bytes()].concat()
    };
    changed_head(folder, &format!("type {number}"), &entry(3), &entry(number))
}

#[test]
fn a_weight_format_that_is_not_supported_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused =
        |number| complaint(&changed_type(folder.path(), "blk.7.ffn_down.weight", 1_536, 576, number));
    insta::assert_snapshot!(refused(23), @"has tensor `blk.7.ffn_down.weight` of type IQ4_XS; supported: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K");
    insta::assert_snapshot!(refused(10), @"has tensor `blk.7.ffn_down.weight` of type Q2_K; supported: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K");
    // A width that is no multiple of a K format's 256 columns.
    insta::assert_snapshot!(complaint(&changed_type(folder.path(), "blk.7.ffn_up.weight", 576, 1_536, 12)), @"is damaged: tensor `blk.7.ffn_up.weight` at byte 1784203 has rows of 576 weights, no multiple of 256 as Q4_K needs");
}

#[test]
fn a_file_that_is_cut_or_foreign_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, "<!doctype html>").unwrap();
    insta::assert_snapshot!(complaint(&path), @r#"is not a GGUF file: it begins with "<!do", not with "GGUF""#);
    std::fs::write(&path, "").unwrap();
    insta::assert_snapshot!(complaint(&path), @r#"is not a GGUF file: it begins with "", not with "GGUF""#);

    let whole = changed_head(folder.path(), "cut.gguf", b"GGUF", b"GGUF");
    File::options().write(true).open(&whole).unwrap().set_len(50_000_000).unwrap();
    let complaint_of_cut = complaint(&whole);
    assert!(complaint_of_cut.starts_with("is truncated: tensor `"), "{complaint_of_cut}");
    assert!(complaint(folder.path()).starts_with("cannot be read: "));
    assert!(complaint(&folder.path().join("absent")).starts_with("cannot be read: "));
}

/// Weights of zero are a model, too: its values are finite, and its answers are those of equal logits.
#[test]
fn a_model_of_zeros_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed_head(folder.path(), "zeros.gguf", b"GGUF", b"GGUF");
    let engine = Engine::load(&path, &EngineOptions::default()).unwrap();
    let answer = Answer::of(&engine, request(vec![30, 31], 3, Sampling::GREEDY));
    // Token 0 is the first of equals, and ends the turn.
    assert_eq!((answer.tokens.len(), answer.finish), (0, FinishReason::EndOfTurn));
}
