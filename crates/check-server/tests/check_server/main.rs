//! The judge before servers that mean it ill: whatever they do, a run ends in bounded time, with a verdict on every
//! case, and none of them blames the judge.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use interference_catalogue::{Pattern, Selection};
use interference_check_server::{Judge, PreflightError, Target, Wishes, cases};
use interference_report::Verdict;
use interference_wire::{Limits, Responder};
use tokio::net::TcpListener;

/// How long the servers may be silent.
const SILENCE: Duration = Duration::from_millis(200);
/// What a run is given; no case begins later.
const LONGEST_RUN: Duration = Duration::from_secs(5);
/// How long the cases that run then take to come to an end, with megabytes to read and no optimisation.
const LAST_CASES: Duration = Duration::from_secs(20);

/// Serves every connection by this, and judges that by every case; gives the verdicts, unless the judge finds nothing to
/// judge.
async fn judge<F>(serve: impl Fn(Responder) -> F + Send + 'static) -> Result<Vec<Verdict>, PreflightError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let verdicts = judge_by(Selection::default(), serve).await?;
    assert_eq!(verdicts.len(), cases().count());
    Ok(verdicts)
}

/// The same by some cases.
async fn judge_by<F>(
    selection: Selection,
    serve: impl Fn(Responder) -> F + Send + 'static,
) -> Result<Vec<Verdict>, PreflightError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(Responder::new(stream)));
        }
    });
    let judge = Judge {
        target: Target::parse(&url, None, Vec::new()).unwrap(),
        selection,
        wishes: Wishes::default(),
        jobs: 4,
        silence: SILENCE,
        longest_run: LONGEST_RUN,
        evidence_of_all: false,
        repeat: String::new(),
    };
    let began = Instant::now();
    let judgement = judge.run(|_| {}, |_| {}).await;
    let took = began.elapsed();
    server.abort();
    assert!(took < LONGEST_RUN + LAST_CASES, "the run took {took:?}");
    let judgement = judgement?;
    let faults = judgement.cases.iter().filter(|case| case.verdict == Verdict::HarnessError);
    let told: Vec<String> = faults.map(|case| format!("{}: {}", case.slug, case.seen)).collect();
    assert_eq!(told, Vec::<String>::new());
    Ok(judgement.cases.iter().map(|case| case.verdict).collect())
}

/// Reads the request, and answers every one with these bytes.
async fn answer(mut responder: Responder, bytes: &'static [u8]) {
    drop(responder.read_request(&Limits::default()).await);
    if responder.write(bytes).await.is_ok() {
        responder.close().await;
    }
}

/// A plain chat, whoever is asked.
const CHAT: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"A tree."},"finish_reason":"stop"}]}"#;

/// An answer of JSON, whole.
fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An error of a server that knows its form.
fn refusal(status: &str, message: &str) -> String {
    let error = format!(
        r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}"#
    );
    json(status, &error)
}

/// Judges a server that answers each request, by its first line and its body, in this way, by one case.
async fn judge_answers(
    case: &str,
    answer: impl Fn(&str, &str) -> String + Send + Sync + 'static,
) -> Result<Verdict, PreflightError> {
    let answer = Arc::new(answer);
    let serve = move |mut responder: Responder| {
        let answer = Arc::clone(&answer);
        async move {
            let request = responder.read_request(&Limits::default()).await;
            let line = request.head.map(|head| [head.method.as_slice(), &head.target].join(&b' '));
            let line = String::from_utf8(line.unwrap_or_default()).unwrap();
            let body = String::from_utf8_lossy(&request.received.body).into_owned();
            if responder.write(answer(&line, &body).as_bytes()).await.is_ok() {
                responder.close().await;
            }
        }
    };
    let selection = Selection { only: vec![Pattern::new(case)], ..Selection::default() };
    Ok(judge_by(selection, serve).await?[0])
}

/// Writes these bytes again and again until the client goes.
async fn endless(mut responder: Responder, head: &'static [u8], again: Vec<u8>, pause: Duration) {
    drop(responder.read_request(&Limits::default()).await);
    let mut written = responder.write(head).await;
    while written.is_ok() {
        written = responder.write(&again).await;
        if written.is_ok() && !pause.is_zero() {
            written = responder.wait_until(tokio::time::Instant::now() + pause).await;
        }
    }
}

fn passed(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| **verdict == Verdict::Pass).count()
}

#[tokio::test]
async fn a_server_that_never_answers() {
    let verdicts = judge(|responder| async move {
        let _ = responder.peer_gone().await;
    })
    .await
    .unwrap();
    assert_eq!(passed(&verdicts), 0);
}

#[tokio::test]
async fn a_server_that_closes_at_once() {
    let verdicts = judge(|responder| responder.close()).await.unwrap();
    assert_eq!(passed(&verdicts), 0);
}

#[tokio::test]
async fn a_server_that_resets() {
    let verdicts = judge(|responder| async move { responder.reset() }).await.unwrap();
    assert_eq!(passed(&verdicts), 0);
}

#[tokio::test]
async fn a_page_for_everything() {
    const PAGE: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Hello.</h1>";
    judge(|responder| answer(responder, PAGE)).await.unwrap();
}

#[tokio::test]
async fn a_redirect_for_everything() {
    const REDIRECT: &[u8] = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v1/\r\nContent-Length: 0\r\n\r\n";
    judge(|responder| answer(responder, REDIRECT)).await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_protocol() {
    const PREFACE: &[u8] =
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00";
    let verdicts = judge(|responder| answer(responder, PREFACE)).await.unwrap();
    assert_eq!(passed(&verdicts), 0);
}

#[tokio::test]
async fn a_head_without_an_end() {
    let line = [b"X-Again: ".as_slice(), &[b'a'; 4096], b"\r\n"].concat();
    let verdicts =
        judge(move |responder| endless(responder, b"HTTP/1.1 200 OK\r\n", line.clone(), Duration::ZERO))
            .await
            .unwrap();
    assert_eq!(passed(&verdicts), 0);
}

#[tokio::test]
async fn a_stream_without_an_end() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let event = br#"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    let events = [event.as_slice(), b"\n\n"].concat().repeat(500);
    judge(move |responder| endless(responder, HEAD, events.clone(), Duration::ZERO)).await.unwrap();
}

#[tokio::test]
async fn a_body_that_drips() {
    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{";
    judge(move |responder| endless(responder, HEAD, b" ".to_vec(), SILENCE / 2)).await.unwrap();
}

/// What clients have left keeps a server busy for longer than it may be silent else: that is no server that is down.
#[tokio::test]
async fn a_server_that_is_busy_for_a_while_is_well_in_the_end() {
    let busy_for = Arc::new(AtomicU32::new(2));
    let serve = move |mut responder: Responder| {
        let busy_for = Arc::clone(&busy_for);
        async move {
            let request = responder.read_request(&Limits::default()).await;
            let body = String::from_utf8_lossy(&request.received.body).into_owned();
            // The chats at the end are the only ones of so few tokens.
            let at_the_end = body.contains("\"messages\"") && body.contains("\"max_tokens\":8");
            if at_the_end && busy_for.load(Ordering::Relaxed) > 0 {
                busy_for.fetch_sub(1, Ordering::Relaxed);
                let until = tokio::time::Instant::now() + 2 * SILENCE;
                if responder.wait_until(until).await.is_err() {
                    return;
                }
            }
            if responder.write(json("200 OK", CHAT).as_bytes()).await.is_ok() {
                responder.close().await;
            }
        }
    };
    let selection = Selection { only: vec![Pattern::new("life.healthy-after")], ..Selection::default() };
    assert_eq!(judge_by(selection, serve).await.unwrap(), [Verdict::Pass]);
}

/// A gateway may have no key for the provider of the first model that it lists.
#[tokio::test]
async fn a_model_that_is_locked_is_not_the_only_one() {
    let answer = |models: &'static str| {
        move |line: &str, body: &str| match line {
            "GET /v1/models" => json("200 OK", models),
            _ if body.contains("\"open\"") => json("200 OK", CHAT),
            _ => refusal("401 Unauthorized", "no key for this provider"),
        }
    };
    let both = answer(r#"{"object":"list","data":[{"id":"locked"},{"id":"open"}]}"#);
    assert_eq!(judge_answers("life.healthy-after", both).await.unwrap(), Verdict::Pass);
    let all = answer(r#"{"object":"list","data":[{"id":"locked"},{"id":"closed"}]}"#);
    let error = judge_answers("life.healthy-after", all).await.unwrap_err();
    assert!(matches!(error, PreflightError::Locked { .. }), "{error}");
}

/// A 404 of the router says nothing about a model, however well it is formed.
#[tokio::test]
async fn a_server_that_looks_for_no_model_has_not_missed_an_unknown_one() {
    let answer = |retrieves: bool| {
        move |line: &str, _: &str| match line {
            "GET /v1/models" => json("200 OK", r#"{"object":"list","data":[{"id":"m"}]}"#),
            "GET /v1/models/m" if retrieves => json("200 OK", r#"{"id":"m"}"#),
            _ if line.starts_with("GET") => refusal("404 Not Found", "not found"),
            _ => json("200 OK", CHAT),
        }
    };
    assert_eq!(judge_answers("models.unknown", answer(true)).await.unwrap(), Verdict::Pass);
    assert_eq!(judge_answers("models.unknown", answer(false)).await.unwrap(), Verdict::Unsupported);
}

#[tokio::test]
async fn a_server_that_keeps_nothing_has_not_obeyed_store_false() {
    const RESPONSE: &str = r#"{"id":"resp_KEPT","object":"response","status":"completed","output":[]}"#;
    let answer = |keeps: bool| {
        move |line: &str, body: &str| match line {
            "GET /v1/responses/resp_kept" if keeps => json("200 OK", RESPONSE),
            _ if line.starts_with("GET") => refusal("404 Not Found", "not found"),
            "POST /v1/responses" => {
                let kept = if body.contains("\"store\":true") { "kept" } else { "gone" };
                json("200 OK", &RESPONSE.replace("KEPT", kept))
            }
            _ => json("200 OK", CHAT),
        }
    };
    assert_eq!(judge_answers("responses.store-false", answer(true)).await.unwrap(), Verdict::Pass);
    assert_eq!(judge_answers("responses.store-false", answer(false)).await.unwrap(), Verdict::Unsupported);
}

/// A template may need long for tools; what is read for longer is not held back.
#[tokio::test]
async fn a_prompt_of_tools_that_takes_its_time_is_no_buffer() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let serve = |mut responder: Responder| async move {
        let request = responder.read_request(&Limits::default()).await;
        let body = String::from_utf8_lossy(&request.received.body).into_owned();
        let began = tokio::time::Instant::now();
        let reading = if body.contains("\"tools\"") { SILENCE * 3 / 4 } else { Duration::ZERO };
        let pieces: u32 = if body.contains("\"max_tokens\":1,") { 1 } else { 48 };
        if !body.contains("\"stream\":true") {
            if responder.write(json("200 OK", CHAT).as_bytes()).await.is_ok() {
                responder.close().await;
            }
            return;
        }
        let chunk = |delta: &str, reason: &str| {
            format!(
                "data: {{\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                 \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n"
            )
        };
        let mut written = responder.write(HEAD).await;
        for piece in 0..pieces {
            let at = began + reading + piece / 6 * Duration::from_millis(4);
            if written.is_ok() {
                written = responder.wait_until(at).await;
            }
            if written.is_ok() {
                written = responder.write(chunk(r#"{"content":"a"}"#, "null").as_bytes()).await;
            }
        }
        let end = chunk("{}", "\"stop\"") + "data: [DONE]\n\n";
        if written.is_ok() && responder.write(end.as_bytes()).await.is_ok() {
            responder.close().await;
        }
    };
    let selection = Selection { only: vec![Pattern::new("sse.incremental")], ..Selection::default() };
    assert_eq!(judge_by(selection, serve).await.unwrap(), [Verdict::Pass]);
}
