//! Sound variants: other legal forms of the same answers, which must fail nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::mutant::{End, Framing, Mutant, Piece, Told};

pub(super) const VARIANTS: &[Mutant] = &[
    Mutant::new("as-it-is", "the proxy alone", &[]),
    Mutant::new("crlf", "lines of streams end with CRLF", &[])
        .tell(|_, told| each_event(told, |text| text.replace('\n', "\r\n"))),
    Mutant::new("carriage-returns", "lines of streams end with CR alone", &[])
        .tell(|_, told| each_event(told, |text| text.replace('\n', "\r"))),
    Mutant::new("no-space", "no space behind the colon of a field", &[])
        .tell(|_, told| each_event(told, |text| text.replacen("data: ", "data:", 1))),
    Mutant::new("comments", "a comment before each event", &[])
        .tell(|_, told| each_event(told, |text| format!(": alive\n\n{text}"))),
    Mutant::new("comment-inside", "a comment inside each event", &[])
        .tell(|_, told| each_event(told, |text| format!(":\n{text}"))),
    Mutant::new("blank-lines", "several blank lines between events", &[])
        .tell(|_, told| each_event(told, |text| format!("\n{text}\n"))),
    Mutant::new("named-events", "chunks are events of the standard's own name", &[]).tell(|asked, told| {
        if asked.is_chat() {
            each_event(told, |text| format!("event: message\n{text}"));
        }
    }),
    Mutant::new("responses-end-with-done", "streams of responses end with [DONE] too", &[]).tell(
        |asked, told| {
            if asked.is_for("/responses") && told.is_stream() {
                told.pieces.push(Piece::new("data: [DONE]\n\n"));
            }
        },
    ),
    Mutant::new("closing-connections", "each answer is the last on its connection", &[])
        .tell(|_, told| told.end = End::ThenClose),
    Mutant::new("until-the-close", "the end of the connection is the end of each answer", &[])
        .tell(|_, told| told.framing = Framing::Close),
    Mutant::new("streams-by-length", "a stream has its length in front, and goes out piece by piece", &[])
        .tell(|_, told| {
            if told.is_stream() {
                told.framing = Framing::Length;
            }
        }),
    Mutant::new("whole-answers-in-chunks", "answers that are no stream come in chunks too", &[])
        .tell(|_, told| told.framing = Framing::Chunked),
    Mutant::new("a-byte-at-a-time", "each byte of the first events is a chunk of its own", &[]).tell(
        |_, told| {
            if told.is_stream() {
                let pieces = std::mem::take(&mut told.pieces);
                for (index, piece) in pieces.into_iter().enumerate() {
                    if index >= 3 {
                        told.pieces.push(piece);
                        continue;
                    }
                    let bytes = piece.bytes.iter().map(|byte| Piece::new([*byte]));
                    told.pieces.extend(bytes);
                }
            }
        },
    ),
    Mutant::new("unknown-members", "objects have members that the API does not name", &[]).tell(|_, told| {
        let add = |value: &mut Value| {
            if let Value::Object(object) = value
                && !object.contains_key("error")
            {
                object.insert("x_timings".to_owned(), json!({"prompt_ms": 1.5}));
            }
        };
        told.edit(add);
        told.edit_events(|_, value| add(value));
    }),
    Mutant::new("unknown-headers", "answers have headers of their own, and more than one cookie", &[]).tell(
        |_, told| {
            told.headers.push(("x-timing".to_owned(), "1".to_owned()));
            told.headers.push(("set-cookie".to_owned(), "a=1".to_owned()));
            told.headers.push(("set-cookie".to_owned(), "b=2".to_owned()));
        },
    ),
    Mutant::new("header-spelling", "headers are spelled in capitals", &[]).tell(|_, told| {
        for (name, _) in &mut told.headers {
            *name = name.to_ascii_uppercase();
        }
    }),
    Mutant::new("charset", "content types name their charset, in capitals", &[]).tell(|_, told| {
        let kind = told.header("content-type").map(|kind| kind.split(';').next().unwrap_or(kind).to_owned());
        if let Some(kind) = kind {
            told.set_header("content-type", &format!("{}; charset=UTF-8", kind.replace("text/", "Text/")));
        }
    }),
    Mutant::new("other-order", "the members of objects stand in another order", &[]).tell(|_, told| {
        told.edit(reverse);
        told.edit_events(|_, value| reverse(value));
    }),
    Mutant::new("escaped", "what is not ASCII is escaped in JSON", &[]).tell(|_, told| {
        if told.is_stream() {
            each_event(told, escape);
        } else if told.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            let text = String::from_utf8_lossy(&told.body()).into_owned();
            told.pieces = vec![Piece::new(escape(text))];
        }
    }),
    Mutant::new("pretty", "whole answers are printed with indentation", &[]).tell(|_, told| {
        if let Ok(body) = serde_json::from_slice::<Value>(&told.body())
            && let Ok(pretty) = serde_json::to_vec_pretty(&body)
        {
            told.pieces = vec![Piece::new(pretty)];
        }
    }),
    Mutant::new("service-tier", "the tier of service is told", &[]).tell(|asked, told| {
        if !asked.is_chat() || asked.header("x-interference").is_some() {
            return;
        }
        let change = |value: &mut Value| {
            if let Value::Object(object) = value
                && object.contains_key("choices")
            {
                object.insert("service_tier".to_owned(), json!("default"));
            }
        };
        told.edit(change);
        told.edit_events(|_, value| change(value));
    }),
    Mutant::new("late-head", "the head of a stream is late", &[]).tell(|asked, told| {
        if asked.is_chat() && asked.is_streamed() {
            told.head_pause = Duration::from_millis(50);
        }
    }),
    Mutant::new("end-token-without-bytes", "the token that ends an answer is listed, without bytes", &[])
        .tell(|_, told| {
            told.edit(|body| {
                let tokens = body.pointer_mut("/choices/0/logprobs/content").and_then(Value::as_array_mut);
                if let Some(tokens) = tokens {
                    let end = json!({"token": "<end>", "logprob": -0.1, "bytes": null, "top_logprobs": []});
                    tokens.push(end);
                }
            });
        }),
];

fn each_event(told: &mut Told, edit: impl Fn(String) -> String) {
    if told.is_stream() {
        for piece in &mut told.pieces {
            piece.bytes = edit(String::from_utf8_lossy(&piece.bytes).into_owned()).into_bytes();
        }
    }
}

/// All members of all objects in the reverse order.
fn reverse(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = std::mem::take(object).into_iter().collect();
            members.reverse();
            members.iter_mut().for_each(|(_, member)| reverse(member));
            object.extend(members);
        }
        Value::Array(elements) => elements.iter_mut().for_each(reverse),
        _ => {}
    }
}

/// As many languages print JSON by default.
fn escape(text: String) -> String {
    let mut units = [0; 2];
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}
