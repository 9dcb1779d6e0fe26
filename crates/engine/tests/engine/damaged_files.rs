//! A small sound file, damaged in many places and cut at every byte: always an error that names the place.

use std::fmt::Write as _;
use std::path::Path;

use super::small_model::{SmallModel, Value};
use super::*;

/// What is done to a sound file; its name is what is wrong afterwards.
type Damage = (&'static str, fn(&mut SmallModel));

fn small_options() -> EngineOptions {
    EngineOptions { threads: NonZeroUsize::new(1), ..EngineOptions::default() }
}

/// What loading these bytes comes to: nothing, or an error without the file's name.
fn load(path: &Path, bytes: &[u8]) -> Result<Engine, String> {
    std::fs::write(path, bytes).unwrap();
    Engine::load(path, &small_options()).map_err(|error| {
        let (error, name) = (error.to_string(), path.display().to_string());
        error.strip_prefix(&format!("the model file {name} ")).expect("the file is named").to_owned()
    })
}

/// A line for each case: what was done, and what the engine says of it.
fn complaints(cases: &[Damage]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.gguf");
    let mut lines = String::new();
    for (name, damage) in cases {
        let mut model = SmallModel::new();
        damage(&mut model);
        let outcome = load(&path, &model.encode()).map_or_else(|error| error, |_| "LOADS".to_owned());
        writeln!(lines, "{name}:\n    {outcome}").unwrap();
    }
    lines
}

#[test]
fn a_small_model_loads_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let engine = load(&folder.path().join("small.gguf"), &SmallModel::new().encode()).unwrap();
    let prompt = engine.render_chat(&user("a tree"), &[]).unwrap();
    assert_eq!(prompt[0], 1, "{prompt:?}");
    assert!(prompt.contains(&12), "the merges work: {prompt:?}");
    let answer = Answer::of(&engine, request(prompt, 5, Sampling::GREEDY));
    assert!(answer.tokens.len() == 5 || answer.finish == FinishReason::EndOfTurn, "{answer:?}");
}

/// The fuzzer starts from the same file.
#[test]
fn the_fuzzers_seed_is_the_small_model() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/model-file/small.gguf");
    let small = SmallModel::new().encode();
    if std::env::var_os("INTERFERENCE_UPDATE_SEEDS").is_some() {
        std::fs::write(seed, &small).unwrap();
    }
    assert!(std::fs::read(seed).unwrap() == small, "set INTERFERENCE_UPDATE_SEEDS to write {seed} anew");
}

#[test]
fn a_file_cut_at_any_byte_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    let whole = SmallModel::new().encode();
    for length in 0..whole.len() {
        let error = load(&path, &whole[..length]).map(|_| ()).unwrap_err();
        let names_the_place = error.starts_with("is truncated: ") || error.starts_with("is not a GGUF file");
        assert!(names_the_place, "cut at {length}: {error}");
    }
}

/// Any byte of the head may be another: whatever comes of it, it is an error or a model.
#[test]
fn a_file_with_any_byte_changed_is_an_error_or_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let whole = SmallModel::new().encode();
    let head = whole.len() - 4_500;
    let (mut errors, mut models) = (0, 0);
    for position in 0..head {
        for change in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] ^= change;
            match load(&path, &bytes) {
                Ok(_) => models += 1,
                Err(error) => {
                    errors += 1;
                    assert!(error.len() < 1_000 && !error.contains(char::is_control), "{position}: {error}");
                }
            }
        }
    }
    assert!(errors > 3 * models, "{errors} errors, {models} models");
}

#[test]
fn a_damaged_head_or_table_says_where() {
    let cases: &[Damage] = &[
        ("another format", |model| model.magic = *b"GGML"),
        ("the other byte order", |model| model.version = 3_u32.swap_bytes()),
        ("a version from before", |model| model.version = 1),
        ("more tensors than the file has room for", |model| model.tensor_count = Some(u64::MAX)),
        ("more values than the file has room for", |model| model.value_count = Some(1 << 60)),
        ("a tensor too few", |model| model.tensor_count = Some(10)),
        ("a tensor too many", |model| model.tensor_count = Some(12)),
        ("a value too many", |model| model.value_count = Some(22)),
        ("more values than any model has", |model| {
            let (entry, count) = ((String::new(), Value::Bool(true)), 70_000);
            model.metadata = vec![entry; count];
        }),
        ("a key twice", |model| model.metadata.push(("general.name".to_owned(), Value::U32(1)))),
        ("a long key", |model| model.metadata[0].0 = "x".repeat(257)),
        ("a key that moves the cursor", |model| model.metadata[0].0 = "\u{1b}[2J".to_owned()),
        ("a value of unknown type", |model| model.set("general.name", Value::Raw(13, vec![0; 8]))),
        ("a truth value of 2", |model| model.set("general.name", Value::Raw(7, vec![2]))),
        ("a text that is not UTF-8", |model| {
            model.set("general.name", Value::Raw(8, vec![1, 0, 0, 0, 0, 0, 0, 0, 0xff]));
        }),
        ("a text longer than the file", |model| {
            model.set("general.name", Value::Raw(8, vec![0xff; 8]));
        }),
        ("a list longer than the file", |model| {
            model.set("general.name", Value::Raw(9, [vec![8, 0, 0, 0], vec![0xff; 8]].concat()));
        }),
        ("a list of unknown type", |model| model.set("general.name", Value::Raw(9, vec![77; 12]))),
        ("a list longer than any model's", |model| {
            let length = (1_u64 << 22) + 1;
            let head = [vec![0, 0, 0, 0], length.to_le_bytes().to_vec()].concat();
            model.set("general.name", Value::Raw(9, [head, vec![0; length as usize]].concat()));
        }),
        ("lists in lists in lists in lists in lists", |model| {
            let list = |inside: Vec<u8>| [vec![9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], inside].concat();
            model.set("general.name", Value::Raw(9, list(list(list(list(list(vec![0; 12])))))));
        }),
        ("an alignment of 48", |model| model.set("general.alignment", Value::U32(48))),
        ("a tensor twice", |model| model.tensors.push(model.tensors[1].clone())),
        ("a tensor with a long name", |model| model.tensors[0].name = "x".repeat(300)),
        ("a tensor without dimensions", |model| model.tensors[3].dimensions.clear()),
        ("a tensor of five dimensions", |model| model.tensors[3].dimensions = vec![32; 5]),
        ("a dimension of zero", |model| model.tensors[3].dimensions[1] = 0),
        ("a tensor larger than any file", |model| model.tensors[3].dimensions = vec![1 << 40; 2]),
        ("a tensor larger than this file", |model| model.tensors[3].dimensions[1] = 1 << 30),
        ("a row that ends inside a block", |model| model.tensors[3].dimensions = vec![48, 16]),
        ("a tensor of unknown type", |model| model.tensors[3].kind = 999),
        ("a tensor behind the end", |model| model.tensors[3].offset = Some(1 << 40)),
        ("a tensor at the end of all numbers", |model| model.tensors[3].offset = Some(u64::MAX - 31)),
        ("a tensor out of line", |model| model.tensors[3].offset = Some(33)),
        ("a tensor on another", |model| model.tensors[4].offset = model.tensors[3].offset.or(Some(256))),
    ];
    insta::assert_snapshot!(complaints(cases));
}

#[test]
fn metadata_that_cannot_be_says_which() {
    let cases: &[Damage] = &[
        ("no architecture", |model| model.remove("general.architecture")),
        ("an architecture that is a number", |model| model.set("general.architecture", Value::U32(1))),
        ("an architecture of many lines", |model| {
            model.set("general.architecture", Value::Text("llama\n\u{7}".repeat(100_000)));
        }),
        ("a name that is a number", |model| model.set("general.name", Value::U32(1))),
        ("no layer count", |model| model.remove("llama.block_count")),
        ("no layers", |model| model.set("llama.block_count", Value::U32(0))),
        ("4 billion layers", |model| model.set("llama.block_count", Value::U32(u32::MAX))),
        ("a layer too many", |model| model.set("llama.block_count", Value::U32(2))),
        ("minus one layer", |model| model.set("llama.block_count", Value::I32(-1))),
        ("no context", |model| model.set("llama.context_length", Value::U32(0))),
        ("an endless context", |model| model.set("llama.context_length", Value::U32(u32::MAX))),
        ("no width", |model| model.set("llama.embedding_length", Value::U32(0))),
        ("a width that is no whole block", |model| {
            model.set("llama.embedding_length", Value::U32(48));
            model.set("llama.attention.key_length", Value::U32(8));
        }),
        ("a width of half a gigabyte", |model| model.set("llama.embedding_length", Value::U32(1 << 29))),
        ("another width", |model| model.set("llama.embedding_length", Value::U32(64))),
        ("no heads", |model| model.set("llama.attention.head_count", Value::U32(0))),
        ("more heads than width", |model| model.set("llama.attention.head_count", Value::U32(64))),
        ("heads that the others do not divide", |model| {
            model.set("llama.attention.head_count_kv", Value::U32(3));
        }),
        ("more key heads than heads", |model| model.set("llama.attention.head_count_kv", Value::U32(8))),
        ("a million heads of a million values", |model| {
            model.set("llama.attention.head_count", Value::U32(1 << 20));
            model.set("llama.attention.head_count_kv", Value::U32(1 << 20));
            model.set("llama.attention.key_length", Value::U32(1 << 20));
        }),
        ("heads of 12", |model| model.set("llama.attention.key_length", Value::U32(12))),
        ("values of another size than keys", |model| {
            model.set("llama.attention.value_length", Value::U32(16));
        }),
        ("more turned than a head has", |model| model.set("llama.rope.dimension_count", Value::U32(10))),
        ("an odd number turned", |model| model.set("llama.rope.dimension_count", Value::U32(7))),
        ("a rotary base that is not a number", |model| {
            model.set("llama.rope.freq_base", Value::F32(f32::NAN));
        }),
        ("a negative rotary base", |model| model.set("llama.rope.freq_base", Value::F32(-10_000.0))),
        ("an infinite rotary base", |model| model.set("llama.rope.freq_base", Value::F32(f32::INFINITY))),
        ("no epsilon", |model| model.remove("llama.attention.layer_norm_rms_epsilon")),
        ("an epsilon that is not a number", |model| {
            model.set("llama.attention.layer_norm_rms_epsilon", Value::F32(f32::NAN));
        }),
        ("a negative epsilon", |model| {
            model.set("llama.attention.layer_norm_rms_epsilon", Value::F32(-1e-5));
        }),
        ("scaled positions", |model| {
            model.set("llama.rope.scaling.type", Value::Text("yarn".to_owned()));
        }),
        ("experts", |model| model.set("llama.expert_count", Value::U32(8))),
        ("another vocabulary size", |model| model.set("llama.vocab_size", Value::U32(14))),
    ];
    insta::assert_snapshot!(complaints(cases));
}

#[test]
fn a_tensor_or_a_tokenizer_that_cannot_be_says_which() {
    let cases: &[Damage] = &[
        ("no embedding", |model| drop(model.tensors.remove(0))),
        ("an embedding too short", |model| model.tensor("token_embd.weight").dimensions[1] = 12),
        ("a matrix turned around", |model| {
            model.tensor("blk.0.attn_k.weight").dimensions = vec![64, 8];
        }),
        ("a norm in half precision", |model| model.tensor("output_norm.weight").kind = 1),
        ("a tensor that nobody asks for", |model| {
            let mut bias = model.tensors[1].clone();
            "blk.0.attn_q.bias".clone_into(&mut bias.name);
            model.tensors.push(bias);
        }),
        ("no tokens", |model| model.remove("tokenizer.ggml.tokens")),
        ("an empty vocabulary", |model| {
            model.remove("llama.vocab_size");
            model.set("tokenizer.ggml.tokens", Value::Texts(Vec::new()));
        }),
        ("tokens that are numbers", |model| {
            model.set("tokenizer.ggml.tokens", Value::Numbers(vec![1; 13]));
        }),
        ("a token twice", |model| {
            let tokens = (0..13).map(|id: u32| id.min(11).to_string()).collect();
            model.set("tokenizer.ggml.tokens", Value::Texts(tokens));
        }),
        ("a token type too few", |model| {
            model.set("tokenizer.ggml.token_type", Value::Numbers(vec![1; 12]));
        }),
        ("token types that are texts", |model| {
            model.set("tokenizer.ggml.token_type", Value::Texts(vec!["1".to_owned(); 13]));
        }),
        ("no merges", |model| model.remove("tokenizer.ggml.merges")),
        ("a merge of one", |model| {
            model.set("tokenizer.ggml.merges", Value::Texts(vec!["tree".repeat(1_000)]));
        }),
        ("a merge of what is no token", |model| {
            model.set("tokenizer.ggml.merges", Value::Texts(vec!["x y".to_owned()]));
        }),
        ("a merge into what is no token", |model| {
            model.set("tokenizer.ggml.merges", Value::Texts(vec!["a tree".to_owned()]));
        }),
        ("an end that is no token", |model| model.set("tokenizer.ggml.eos_token_id", Value::U32(13))),
        ("a beginning that is no token", |model| {
            model.set("tokenizer.ggml.bos_token_id", Value::U32(u32::MAX));
        }),
        ("an end of turn below zero", |model| model.set("tokenizer.ggml.eot_token_id", Value::I32(-1))),
        ("a beginning that is asked for by a number", |model| {
            model.set("tokenizer.ggml.add_bos_token", Value::U32(1));
        }),
        ("another kind of tokenizer", |model| {
            model.set("tokenizer.ggml.model", Value::Text("llama".to_owned()));
        }),
        ("another pre-tokenizer", |model| {
            model.set("tokenizer.ggml.pre", Value::Text("qwen2".to_owned()));
        }),
        ("a template that is a number", |model| model.set("tokenizer.chat_template", Value::U32(1))),
        ("a template that breaks off", |model| {
            model.set("tokenizer.chat_template", Value::Text("{% for".to_owned()));
        }),
        ("a huge template", |model| {
            model.set("tokenizer.chat_template", Value::Text("x".repeat(2 << 20)));
        }),
    ];
    insta::assert_snapshot!(complaints(cases));
}

/// A context that no memory could hold is cut, and pages are counted as they are first used.
#[test]
fn the_longest_context_costs_nothing_until_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = SmallModel::new();
    model.set("llama.context_length", Value::U32(1 << 24));
    let engine = load(&folder.path().join("long.gguf"), &model.encode()).unwrap();
    assert_eq!(engine.model().context_length, 1 << 24);
    let answer = Answer::of(&engine, request(vec![3, 4], 3, Sampling::GREEDY));
    assert!(answer.tokens.len() <= 3);
}
