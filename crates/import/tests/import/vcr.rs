//! VCR.py's recordings.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use http::{HeaderMap, Method};
use interference_backend::{Backend, ReplyBody, Request, Strictness};
use interference_backend_replay::{ReplayBackend, ReplayOptions};
use interference_cassette::{Cassette, End, Outcome, RecordedAnswer, Recording};
use interference_import::{Imported, Made, import};

use crate::source;

/// What a file of this text becomes.
fn from(text: &str) -> (Vec<Cassette>, Vec<String>) {
    let Imported { made, left_out, .. } = import(vec![source("c.yaml", text)], None).unwrap();
    let cassettes = match made {
        Some(Made::Cassettes(cassettes)) => cassettes,
        None => Vec::new(),
        Some(Made::Script { text, .. }) => panic!("{text}"),
    };
    (cassettes, left_out.iter().map(ToString::to_string).collect())
}

fn answer(cassette: &Cassette) -> &RecordedAnswer {
    match &cassette.outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}

/// The pieces of its body.
fn reads(cassette: &Cassette) -> Vec<&str> {
    answer(cassette).reads.iter().map(|read| std::str::from_utf8(&read.bytes).unwrap()).collect()
}

/// PyYAML writes texts without quotes that a newer YAML has for numbers.
#[test]
fn headers_keep_their_letters() {
    let (cassettes, told) = from(
        "interactions:\n- request: {method: GET, uri: 'https://a/v1/models'}\n  response:\n    \
         body: {string: '{}'}\n    headers:\n      X-Build: [12345e67]\n      X-Mode: 0o17\n      X-Count: [7]\n    \
         status: {code: 200, message: OK}\n",
    );
    let headers = &answer(&cassettes[0]).headers;
    let header = |name: &str| headers[name].to_str().unwrap();
    assert_eq!(
        (header("x-build"), header("x-mode"), header("x-count")),
        ("12345e67", "0o17", "7"),
        "{told:?}"
    );
}

#[test]
fn an_interaction_is_a_cassette() {
    let (cassettes, told) = from(
        r#"
interactions:
- request:
    body: '{"model":"gpt-4o","messages":[{"role":"user","content":"héllo"}]}'
    headers:
      Accept: [application/json]
      X-Team: blue
    method: POST
    uri: https://api.openai.com/v1/chat/completions?a=b
  response:
    body: {string: '{"id": "chatcmpl-1"}'}
    headers:
      Content-Type: [application/json]
      Date: ['Thu, 26 Nov 2026 09:30:00 GMT']
      Set-Cookie: [a=1, b=2]
      Transfer-Encoding: [chunked]
      content-length: ['3']
    status: {code: 200, message: OK}
version: 1
"#,
    );
    assert_eq!(told, [""; 0]);
    let [cassette] = cassettes.as_slice() else { panic!("{cassettes:?}") };
    assert_eq!(cassette.upstream.as_deref(), Some("api.openai.com"));
    assert_eq!(cassette.recorded_at, UNIX_EPOCH + Duration::from_secs(1_795_685_400));
    let request = &cassette.request;
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/chat/completions"));
    assert_eq!(request.query.as_deref(), Some("a=b"));
    assert_eq!(request.headers["x-team"], "blue");
    assert_eq!(request.body, r#"{"model":"gpt-4o","messages":[{"role":"user","content":"héllo"}]}"#);
    let answer = answer(cassette);
    assert_eq!((answer.status.as_u16(), answer.end), (200, End::Complete));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    assert!(
        !answer.headers.contains_key("transfer-encoding") && !answer.headers.contains_key("content-length")
    );
    assert_eq!(reads(cassette), [r#"{"id": "chatcmpl-1"}"#]);
}

#[test]
fn each_event_of_a_stream_is_a_read_at_the_beginning() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"data: {}\n\ndata: [DONE]\n\n").unwrap();
    let compressed = STANDARD.encode(gzip.finish().unwrap());
    let (cassettes, told) = from(&format!(
        r#"
interactions:
- request: {{body: null, headers: {{}}, method: GET, uri: http://localhost:8000/api/v1/models}}
  response:
    body:
      string: !!binary |
        {compressed}
    headers: {{content-type: [text/event-stream; charset=utf-8], Content-Encoding: [gzip]}}
    status: {{code: 200, message: OK}}
"#
    ));
    assert_eq!(
        told,
        [
            "c.yaml:3: interaction 1: `request.uri` is changed: `/api/v1` is taken for the base of the address",
            "c.yaml:3: interaction 1: `response.body` is changed: it has no times: 2 reads, one for each event, all at \
             0 ms",
        ]
    );
    assert_eq!(cassettes[0].request.path, "/models");
    assert_eq!(reads(&cassettes[0]), ["data: {}\n\n", "data: [DONE]\n\n"]);
    assert!(answer(&cassettes[0]).reads.iter().all(|read| read.at == Duration::ZERO));
    assert!(!answer(&cassettes[0]).headers.contains_key("content-encoding"));
}

#[test]
fn bodies_are_kept_in_many_ways() {
    for (body, headers, expected) in [
        ("body: {string: plain}", "", "plain"),
        ("body: plain", "", "plain"),
        ("body: {string: !!binary cGxhaW4=}", "", "plain"),
        ("body: {base64_string: cGxhaW4=}", "", "plain"),
        ("body: {string: ''}", "", ""),
        ("content: plain, http_version: HTTP/1.1", "", "plain"),
        ("parsed_body: {a: [1, null]}", "", r#"{"a":[1,null]}"#),
        // Decompressed by the recorder, which left the header.
        ("body: {string: plain}", "content-encoding: [gzip]", "plain"),
        ("body: {string: !!binary eJwryEnMzAMABkgCFQ==}", "content-encoding: [deflate]", "plain"),
    ] {
        let text = format!(
            "interactions:\n- request: {{method: GET, uri: /v1/models}}\n  response: {{{body}, headers: {{{headers}}}, status_code: 200}}\n"
        );
        let (cassettes, told) = from(&text);
        assert_eq!(told, [""; 0], "{text}");
        assert_eq!(reads(&cassettes[0]).concat(), expected, "{text}");
        assert!(!answer(&cassettes[0]).headers.contains_key("content-encoding"));
    }
}

#[test]
fn what_cannot_be_a_cassette_is_left_out() {
    let (cassettes, told) = from(
        r#"
interactions:
- request: {method: GET, uri: /v1/models}
- request: {method: 'G T', uri: /v1/models}
  response: {status: {code: 200}}
- request: {method: GET, uri: /v1/models}
  response: {status: {code: 99}}
- request: {method: GET, uri: /v1/models}
  response: {status: {code: 200}, body: {string: [1]}}
- request: {method: GET, uri: /v1/models}
  response: {status: {code: 200}, body: {string: !!binary H4sIAAAA}, headers: {content-encoding: gzip}}
- request: {method: GET, uri: /v1/models}
  response: {status: {code: 200}, body: {string: !!binary H4s!}}
- request: {method: GET, uri: /v1/models, cookies: x}
  response: {status: {code: 200}, body: {string: a}, headers: {content-encoding: br, 'a b': c}}
  recorded_at: now
"#,
    );
    assert_eq!(cassettes.len(), 1);
    assert_eq!(
        told,
        [
            "c.yaml:3: interaction 1: left out: it has no `response`",
            "c.yaml:4: interaction 2: left out: `request.method` is no method of HTTP",
            "c.yaml:6: interaction 3: left out: `response.status.code` is no status of HTTP",
            "c.yaml:8: interaction 4: left out: its body is neither text nor bytes",
            "c.yaml:10: interaction 5: left out: its body cannot be decompressed: unexpected end of file",
            "c.yaml:12: interaction 6: left out: there is `!!binary` in it that is no base64: Invalid symbol 33, offset 3.",
            "c.yaml:14: interaction 7: `request.cookies` is left out: there is nothing like it",
            "c.yaml:14: interaction 7: `response.headers.a b` is left out: it is no header of HTTP",
            "c.yaml:14: interaction 7: `response.body` is changed: it stays compressed with br, in one read",
            "c.yaml:14: interaction 7: `recorded_at` is left out: there is nothing like it",
        ]
    );
}

#[test]
fn json_is_read_as_well() {
    let (cassettes, told) = from(
        r#"{"version": 1, "interactions": [{"request": {"method": "POST", "uri": "https://host/v1/embeddings", "body": "{\"input\":\"\ud83d\ude00\"}",
        "headers": {}}, "response": {"status": {"code": 429, "message": "Too Many"}, "headers": {}, "body": {"string": "{}"}}}]}"#,
    );
    assert_eq!(told, [""; 0]);
    assert_eq!(cassettes[0].request.body, "{\"input\":\"😀\"}");
    assert_eq!(answer(&cassettes[0]).status.as_u16(), 429);
}

#[tokio::test]
async fn what_was_recorded_answers_again() {
    let (cassettes, _) = from(
        r#"
interactions:
- request: {method: POST, uri: https://api.example/v1/chat/completions, body: '{"model": "a", "stream": true}'}
  response: {status: {code: 200}, headers: {Content-Type: text/event-stream}, body: {string: "data: 1\n\ndata: 2\n\n"}}
- request: {method: POST, uri: https://api.example/v1/chat/completions, body: '{"model": "b"}'}
  response: {status: {code: 429}, headers: {Retry-After: '3'}, body: {string: '{"error": {}}'}}
"#,
    );
    let recordings =
        cassettes.into_iter().map(|cassette| Recording { name: "recording".to_owned(), cassette });
    let backend = ReplayBackend::new("recordings", recordings, ReplayOptions::default());
    let ask = |body: &'static str| {
        backend.answer(Request {
            method: Method::POST,
            path: "/chat/completions".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            strictness: Strictness::NameIgnored,
        })
    };
    let stream = ask(r#"{"stream": true, "model": "a"}"#).await.unwrap();
    let ReplyBody::Frames(frames) = stream.body else { panic!("{:?}", stream.body) };
    let frames: Vec<Bytes> = frames.map(Result::unwrap).collect().await;
    assert_eq!(frames, ["data: 1\n\n", "data: 2\n\n"]);
    let refused = ask(r#"{"model": "b"}"#).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].as_bytes()), (429, &b"3"[..]));
    assert!(ask(r#"{"model": "c"}"#).await.is_err());
}
