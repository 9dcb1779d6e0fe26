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
    const BODY: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"A tree."},"finish_reason":"stop"}]}"#;
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
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
            let answer = format!("{head} {}\r\n\r\n{BODY}", BODY.len());
            if responder.write(answer.as_bytes()).await.is_ok() {
                responder.close().await;
            }
        }
    };
    let selection = Selection { only: vec![Pattern::new("life.healthy-after")], ..Selection::default() };
    assert_eq!(judge_by(selection, serve).await.unwrap(), [Verdict::Pass]);
}
