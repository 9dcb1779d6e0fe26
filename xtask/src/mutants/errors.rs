//! Bugs in what is refused, and how.

use serde_json::{Value, json};

use super::KEY;
use super::mutant::{Asked, End, Fails, Framing, MEANT, Mutant, Piece, Told};

const SAME_PARSER: &str = "the same parser";
const SAME_GUARD: &str = "the same guard";
/// Longer bodies are not for a chat.
const LARGE_BYTES: usize = 1 << 20;
/// Deeper than any request.
const DEEP: usize = 1_000;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "status-for-a-code",
        "error.code is the status, a number",
        &[Fails("errors.envelope", MEANT)],
    )
    .tell(|asked, told| on_errors(asked, told, |error, status| error["code"] = json!(status))),
    Mutant::new("no-param", "the envelope has no param", &[Fails("errors.envelope", MEANT)]).tell(
        |asked, told| {
            on_errors(asked, told, |error, _| {
                if let Value::Object(error) = error {
                    error.remove("param");
                }
            });
        },
    ),
    Mutant::new(
        "errors-as-plain-text",
        "errors of whole answers go out with the framework's default content type",
        &[Fails("errors.json-type", MEANT)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && !asked.is_streamed() && told.status >= 400 {
            told.set_header("content-type", "text/plain");
        }
    }),
    Mutant::new(
        "parser-error-is-500",
        "what the parser cannot read comes up as an exception",
        &[Fails("errors.bad-json", MEANT), Fails("errors.deep-json", SAME_PARSER)],
    )
    .tell(|asked, told| {
        if asked.is_chat() && asked.method == "POST" && asked.json().is_null() {
            *told = Told::error(500, "Expecting value: line 1 column 1");
        }
    }),
    Mutant::new(
        "bytes-replaced",
        "bytes that are no UTF-8 are replaced before the parser sees them",
        &[Fails("errors.strict-json", MEANT)],
    )
    .ask(|asked| asked.body = String::from_utf8_lossy(&asked.body).into_owned().into_bytes()),
    Mutant::new(
        "any-model",
        "one model is loaded, and answers to every name",
        &[Fails("errors.unknown-model", MEANT)],
    )
    .ask(|asked| {
        if asked.is_chat() {
            asked.edit(|body| {
                if body
                    .get("model")
                    .is_some_and(|model| model.as_str().is_some_and(|name| name.starts_with("no-")))
                {
                    body.insert("model".to_owned(), json!("scripted"));
                }
            });
        }
    }),
    Mutant::new(
        "key-optional",
        "a key is looked at only if there is one",
        &[Fails("errors.no-key", MEANT), Fails("errors.key-for-models", SAME_GUARD)],
    )
    .ask(|asked| {
        if asked.header("authorization").is_none() {
            asked.headers.push(("authorization".to_owned(), format!("Bearer {KEY}")));
        }
    }),
    Mutant::new(
        "any-key",
        "that there is a key is looked at, and not which",
        &[Fails("errors.wrong-key", MEANT), Fails("errors.key-for-models", SAME_GUARD)],
    )
    .ask(|asked| {
        for (name, value) in &mut asked.headers {
            if name.eq_ignore_ascii_case("authorization") {
                *value = format!("Bearer {KEY}");
            }
        }
    }),
    Mutant::new(
        "key-in-the-message",
        "the message says which key is not taken",
        &[Fails("errors.key-not-echoed", MEANT)],
    )
    .tell(|asked, told| {
        let key = asked.header("authorization").unwrap_or_default().to_owned();
        if told.status == 401 && !key.is_empty() {
            told.edit(|body| body["error"]["message"] = json!(format!("No such key: {key}.")));
        }
    }),
    Mutant::new(
        "refusal-as-a-stream",
        "a streamed request that is refused gets its error as an event, with the right status",
        &[
            Fails("errors.stream-request-invalid", MEANT),
            Fails("errors.envelope", "an event is no JSON body"),
            Fails("errors.json-type", "nor has it the type of one"),
        ],
    )
    .tell(|asked, told| {
        if asked.is_chat() && asked.is_streamed() && matches!(told.status, 400 | 404) {
            let error = String::from_utf8_lossy(&told.body()).into_owned();
            told.set_header("content-type", "text/event-stream");
            told.pieces = vec![Piece::new(format!("data: {error}\n\n"))];
            told.framing = Framing::Chunked;
        }
    }),
    Mutant::new(
        "prompt-cut-in-silence",
        "what does not fit into the context is dropped from the beginning",
        &[Fails("errors.context-overflow", MEANT)],
    )
    .ask(|asked| {
        if asked.is_chat() && (10_000..LARGE_BYTES).contains(&asked.body.len()) {
            let kept: Vec<String> = (59_400..=60_000).map(|number: u32| number.to_string()).collect();
            asked.edit(|body| {
                body.insert("messages".to_owned(), json!([{"role": "user", "content": kept.join(" ")}]));
            });
        }
    }),
    Mutant::new(
        "no-such-method-is-no-such-path",
        "the router knows pairs of method and path",
        &[Fails("errors.method", MEANT)],
    )
    .tell(|_, told| {
        if told.status == 405 {
            *told = Told::error(404, "Not found");
        }
    }),
    Mutant::new(
        "page-not-found",
        "an unknown path gets the framework's page",
        &[Fails("errors.path", MEANT)],
    )
    .tell(|asked, told| {
        if told.status == 404 && asked.path.contains("no-such-path") {
            told.set_header("content-type", "text/html");
            told.pieces = vec![Piece::new("<html><h1>Not Found</h1></html>")];
        }
    }),
    Mutant::new(
        "no-retry-after",
        "a busy server does not say when to come back",
        &[Fails("errors.retry-after", MEANT)],
    )
    .tell(|_, told| told.remove_header("retry-after")),
    Mutant::new(
        "any-content-type",
        "a body is JSON whatever its type says",
        &[Fails("errors.content-type", MEANT)],
    )
    .ask(|asked| {
        for (name, value) in &mut asked.headers {
            if name.eq_ignore_ascii_case("content-type") {
                "application/json".clone_into(value);
            }
        }
    }),
    Mutant::new(
        "large-body-is-dropped",
        "a body past the bound ends the connection",
        &[Fails("errors.too-large", MEANT)],
    )
    .tell(|asked, told| {
        if asked.body.len() > LARGE_BYTES {
            *told = Told::error(500, "request entity too large");
            told.end = End::ThenClose;
        }
    }),
    Mutant::new(
        "wrong-types-mean-the-default",
        "a value of another type is as good as none",
        &[
            Fails("errors.wrong-types", MEANT),
            Fails("errors.stream-request-invalid", "one of its requests has such a value"),
        ],
    )
    .ask(|asked| {
        if asked.is_chat() {
            asked.edit(|body| body.retain(|name, value| name != "temperature" || value.is_number()));
        }
    }),
    Mutant::new(
        "parser-recurses",
        "the parser fails at deep nesting, and nobody catches that",
        &[Fails("errors.deep-json", MEANT)],
    )
    .tell(|asked, told| {
        if is_deep(asked) {
            *told = Told::error(500, "maximum recursion depth exceeded");
        }
    }),
    Mutant::new(
        "key-by-its-beginning",
        "a key is compared as far as the right one goes",
        &[Fails("errors.wrong-key", MEANT)],
    )
    .ask(|asked| {
        for (name, value) in &mut asked.headers {
            if name.eq_ignore_ascii_case("authorization") && value.starts_with(&format!("Bearer {KEY}")) {
                *value = format!("Bearer {KEY}");
            }
        }
    }),
    Mutant::new("no-key-is-403", "who brings no key is forbidden", &[Fails("errors.no-key", MEANT)]).tell(
        |asked, told| {
            if asked.header("authorization").is_none() && told.status == 401 {
                told.status = 403;
            }
        },
    ),
    Mutant::new(
        "key-in-a-comment",
        "streams begin with what the server knows of the request",
        &[Fails("errors.key-not-echoed", MEANT)],
    )
    .tell(|asked, told| {
        if told.is_stream() {
            let key = asked.header("authorization").unwrap_or_default();
            told.pieces.insert(0, Piece::new(format!(": {key}\n\n")));
        }
    }),
    Mutant::new(
        "first-value-of-the-body",
        "the parser stops behind the first value of a body",
        &[Fails("errors.strict-json", MEANT)],
    )
    .ask(|asked| {
        let first = serde_json::Deserializer::from_slice(&asked.body).into_iter::<Value>().next();
        if let Some(Ok(first)) = first.filter(|_| asked.is_chat()) {
            asked.set_json(&first);
        }
    }),
];

/// Whether a body has more brackets than any request.
pub(super) fn is_deep(asked: &Asked) -> bool {
    asked.body.len() < LARGE_BYTES && asked.body.iter().filter(|byte| **byte == b'[').count() > DEEP
}

/// The error of a chat that is refused, and the status.
fn on_errors(asked: &Asked, told: &mut Told, edit: impl FnOnce(&mut Value, u16)) {
    let status = told.status;
    if asked.is_chat() && status >= 400 {
        told.edit(|body| edit(&mut body["error"], status));
    }
}
