//! Bugs in embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::mutant::{Asked, Fails, MEANT, Mutant, Told};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "as-they-are-ready",
        "vectors are numbered in the order in which workers finish",
        &[Fails("embeddings.order", MEANT)],
    )
    .tell(|asked, told| {
        on_data(asked, told, |data| {
            data.reverse();
            renumber(data, |position| json!(position));
        });
    }),
    Mutant::new("each-is-the-first", "every vector has the index 0", &[Fails("embeddings.order", MEANT)])
        .tell(|asked, told| on_data(asked, told, |data| renumber(data, |_| json!(0)))),
    Mutant::new(
        "last-input-alone",
        "a vector for the last input of several",
        &[
            Fails("embeddings.order", MEANT),
            Fails("embeddings.usage", "the others are not counted either"),
            Fails("embeddings.token-arrays", "the other array is left out too"),
        ],
    )
    .ask(|asked| {
        on_input(asked, |input| {
            if let Some(last) =
                input.as_array().and_then(|inputs| inputs.last()).filter(|last| !last.is_number())
            {
                *input = last.clone();
            }
        });
    }),
    Mutant::new(
        "base64-ignored",
        "vectors are arrays, whatever was asked for",
        &[Fails("embeddings.base64", MEANT)],
    )
    .ask(|asked| {
        if asked.is_for("/embeddings") {
            asked.edit(|body| _ = body.shift_remove("encoding_format"));
        }
    }),
    Mutant::new("big-endian", "numbers in base64 are big-endian", &[Fails("embeddings.base64", MEANT)])
        .tell(|asked, told| each_base64(asked, told, |numbers| numbers.flat_map(f32::to_be_bytes).collect())),
    Mutant::new("double-precision", "numbers in base64 have 64 bits", &[Fails("embeddings.base64", MEANT)])
        .tell(|asked, told| {
            each_base64(asked, told, |numbers| {
                numbers.flat_map(|number| f64::from(number).to_le_bytes()).collect()
            });
        }),
    Mutant::new(
        "buffer-used-again",
        "all vectors of an answer are encoded from the buffer of the first",
        &[Fails("embeddings.base64", MEANT)],
    )
    .tell(|asked, told| {
        on_data(asked, told, |data| {
            let first = data.first().map(|entry| entry["embedding"].clone()).filter(Value::is_string);
            if let Some(first) = first {
                data.iter_mut().for_each(|entry| entry["embedding"] = first.clone());
            }
        });
    }),
    Mutant::new("nothing-counted", "usage is there, and zero", &[Fails("embeddings.usage", MEANT)]).tell(
        |asked, told| {
            if asked.is_for("/embeddings") && told.is_success() {
                told.edit(|body| body["usage"] = json!({"prompt_tokens": 0, "total_tokens": 0}));
            }
        },
    ),
    Mutant::new("no-usage", "usage is left out", &[Fails("embeddings.usage", MEANT)]).tell(|asked, told| {
        if asked.is_for("/embeddings") && told.is_success() {
            told.edit(|body| _ = body.as_object_mut().map(|body| body.shift_remove("usage")));
        }
    }),
    Mutant::new("dimensions-ignored", "dimensions are passed over", &[Fails("embeddings.dimensions", MEANT)])
        .ask(|asked| {
            if asked.is_for("/embeddings") {
                asked.edit(|body| _ = body.shift_remove("dimensions"));
            }
        }),
    Mutant::new("empty-taken", "an empty input has a vector", &[Fails("embeddings.empty", MEANT)]).ask(
        |asked| {
            on_input(asked, |input| {
                if *input == json!("") || *input == json!([]) {
                    *input = json!(" ");
                }
            });
        },
    ),
    Mutant::new(
        "each-token-a-text",
        "tokens are taken for texts of digits",
        &[Fails("embeddings.token-arrays", MEANT)],
    )
    .ask(|asked| {
        on_input(asked, |input| {
            for entry in input.as_array_mut().into_iter().flatten().filter(|entry| entry.is_number()) {
                *entry = json!(entry.to_string());
            }
        });
    }),
    Mutant::new(
        "padding-in-vectors",
        "what fills up a batch reaches the vectors behind the second",
        &[Fails("embeddings.same-input-same-vector", MEANT)],
    )
    .tell(|asked, told| {
        on_data(asked, told, |data| {
            for entry in data.iter_mut().skip(2) {
                entry["embedding"].as_array_mut().into_iter().for_each(|vector| vector.rotate_left(1));
            }
        });
    }),
];

fn on_input(asked: &mut Asked, edit: impl FnOnce(&mut Value)) {
    if asked.is_for("/embeddings") {
        asked.edit(|body| {
            if let Some(input) = body.get_mut("input") {
                edit(input);
            }
        });
    }
}

fn on_data(asked: &Asked, told: &mut Told, edit: impl FnOnce(&mut Vec<Value>)) {
    if asked.is_for("/embeddings") && told.is_success() {
        told.edit(|body| {
            if let Some(data) = body.get_mut("data").and_then(Value::as_array_mut) {
                edit(data);
            }
        });
    }
}

fn renumber(data: &mut [Value], index: impl Fn(usize) -> Value) {
    data.iter_mut().enumerate().for_each(|(position, entry)| entry["index"] = index(position));
}

/// Other bytes for the numbers of each vector that is a string.
fn each_base64(asked: &Asked, told: &mut Told, bytes: impl Fn(&mut dyn Iterator<Item = f32>) -> Vec<u8>) {
    on_data(asked, told, |data| {
        for entry in data {
            let decoded = entry["embedding"].as_str().and_then(|text| STANDARD.decode(text).ok());
            if let Some(decoded) = decoded {
                let (numbers, _) = decoded.as_chunks::<4>();
                let encoded = bytes(&mut numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                entry["embedding"] = json!(STANDARD.encode(encoded));
            }
        }
    });
}
