//! Bugs in log probabilities.

use serde_json::{Value, json};

use super::mutant::{Fails, MEANT, Mutant, Piece, Told};

const SAME_FORM: &str = "streams have the same entries";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "logprobs-without-bytes",
        "the member bytes is left out",
        &[Fails("logprobs.shape", MEANT), Fails("logprobs.streamed", SAME_FORM)],
    )
    .tell(|_, told| {
        each_entry(told, |entry| {
            entry.as_object_mut().map(|entry| entry.remove("bytes"));
        });
    }),
    Mutant::new(
        "whole-answers-without-logprobs",
        "whole answers have no log probabilities",
        &[Fails("logprobs.shape", MEANT)],
    )
    .tell(|asked, told| {
        if !asked.is_chat() {
            return;
        }
        told.edit(|body| {
            for choice in choices(body) {
                choice["logprobs"] = Value::Null;
            }
        });
    }),
    Mutant::new(
        "minus-infinity",
        "the logarithm of nothing is written as Python writes it",
        &[Fails("logprobs.shape", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && !told.is_stream() {
            told.pieces = vec![with_minus_infinity(&told.body())];
        }
    }),
    Mutant::new(
        "minus-infinity-streamed",
        "chunks have the logarithm of nothing as Python writes it",
        &[Fails("logprobs.streamed", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && told.is_stream() {
            for piece in &mut told.pieces {
                *piece = with_minus_infinity(&piece.bytes);
            }
        }
    }),
    Mutant::new(
        "alternatives-with-the-chosen-one",
        "the chosen token is counted beside the alternatives, not among them",
        &[Fails("logprobs.count", MEANT)],
    )
    .tell(|asked, told| {
        let most = asked.json().get("top_logprobs").and_then(Value::as_u64).unwrap_or_default();
        each_entry(told, |entry| {
            let chosen =
                json!({"token": entry["token"], "logprob": entry["logprob"], "bytes": entry["bytes"]});
            if let Some(alternatives) = entry["top_logprobs"].as_array_mut() {
                alternatives.resize(usize::try_from(most).unwrap_or_default() + 1, chosen);
            }
        });
    }),
    Mutant::new(
        "probabilities-of-tokens",
        "probabilities are told, not their logarithms",
        &[Fails("logprobs.count", MEANT)],
    )
    .tell(|_, told| each_entry(told, |entry| each_value(entry, f64::exp))),
    Mutant::new(
        "common-logarithms",
        "the logarithms are to the base of ten",
        &[Fails("logprobs.count", MEANT)],
    )
    .tell(|_, told| each_entry(told, |entry| each_value(entry, |value| value / std::f64::consts::LN_10))),
    Mutant::new(
        "bytes-of-ascii-alone",
        "the bytes are those of the token's text in another encoding, where it has characters beyond ASCII",
        &[Fails("logprobs.bytes-join", MEANT), Fails("logprobs.streamed", SAME_FORM)],
    )
    .tell(|_, told| {
        each_entry(told, |entry| {
            let text = entry["token"].as_str().unwrap_or_default();
            if !text.is_ascii() {
                entry["bytes"] = json!("\u{FFFD}".as_bytes());
            }
        });
    }),
    Mutant::new(
        "end-token-with-logprobs",
        "the token that ends the answer has an entry, too",
        &[Fails("logprobs.bytes-join", MEANT)],
    )
    .tell(|_, told| {
        told.edit(|body| {
            for choice in choices(body) {
                if let Some(entries) = choice.pointer_mut("/logprobs/content").and_then(Value::as_array_mut) {
                    let token = "<|im_end|>";
                    entries.push(
                        json!({"token": token, "logprob": 0, "bytes": token.as_bytes(), "top_logprobs": []}),
                    );
                }
            }
        });
    }),
    Mutant::new(
        "top-logprobs-alone",
        "top_logprobs without logprobs is taken and ignored",
        &[Fails("logprobs.top-needs-logprobs", MEANT)],
    )
    .ask(|asked| {
        asked.edit(|body| {
            if body.get("logprobs") != Some(&Value::Bool(true)) {
                body.remove("top_logprobs");
            }
        });
    }),
    Mutant::new(
        "streams-without-logprobs",
        "streams have no log probabilities",
        &[Fails("logprobs.streamed", MEANT)],
    )
    .tell(|_, told| {
        told.edit_choices(|_, choice| {
            choice.as_object_mut().map(|choice| choice.remove("logprobs"));
        });
    }),
    Mutant::new(
        "cumulative-logprobs",
        "each chunk repeats the entries of the chunks before",
        &[Fails("logprobs.streamed", MEANT)],
    )
    .tell(|_, told| {
        let mut before: Vec<Value> = Vec::new();
        told.edit_choices(|_, choice| {
            if let Some(entries) = choice.pointer_mut("/logprobs/content").and_then(Value::as_array_mut) {
                before.append(entries);
                entries.clone_from(&before);
            }
        });
    }),
    Mutant::new(
        "no-list-of-no-alternatives",
        "without top_logprobs the tokens have no list of alternatives",
        &[Fails("logprobs.shape", MEANT)],
    )
    .tell(|asked, told| {
        if asked.json().get("top_logprobs").is_none() {
            told.edit(|body| {
                let tokens = body.pointer_mut("/choices/0/logprobs/content").and_then(Value::as_array_mut);
                for token in tokens.into_iter().flatten().filter_map(Value::as_object_mut) {
                    token.remove("top_logprobs");
                }
            });
        }
    }),
];

/// JSON in which every log probability is what no JSON has.
fn with_minus_infinity(json: &[u8]) -> Piece {
    Piece::new(String::from_utf8_lossy(json).replace("\"logprob\":-", "\"logprob\":-Infinity,\"was\":-"))
}

fn choices(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten()
}

/// Changes each entry of the content's log probabilities, whole and streamed.
fn each_entry(told: &mut Told, mut edit: impl FnMut(&mut Value)) {
    let mut each = |choice: &mut Value| {
        let entries = choice.pointer_mut("/logprobs/content").and_then(Value::as_array_mut);
        entries.into_iter().flatten().for_each(&mut edit);
    };
    told.edit(|body| choices(body).for_each(&mut each));
    told.edit_choices(|_, choice| each(choice));
}

/// Changes the values of an entry and its alternatives.
fn each_value(entry: &mut Value, change: impl Fn(f64) -> f64) {
    let change = |token: &mut Value| {
        if let Some(value) = token["logprob"].as_f64() {
            token["logprob"] = json!(change(value));
        }
    };
    change(entry);
    entry["top_logprobs"].as_array_mut().into_iter().flatten().for_each(change);
}
