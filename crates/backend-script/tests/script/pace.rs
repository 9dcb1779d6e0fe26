//! When pieces come, on a clock that the test turns.

use std::time::Duration;

use futures::StreamExt;
use interference_backend::ReplyBody;
use interference_sse::Event;
use tokio::time::Instant;

use crate::exchange::{backend, chat, saying, whole};

/// When each event comes, in milliseconds from the request, with `pause` behind each one that is read.
async fn times(script: &str, members: &str, pause: Duration) -> Vec<u128> {
    let start = Instant::now();
    let backend = backend(script);
    let reply = chat(&backend, &saying("a", &format!(r#""stream":true{members}"#)), &[]).await.unwrap();
    let ReplyBody::Events(mut events) = reply.body else { panic!("no stream") };
    let mut times = Vec::new();
    while let Some(Event::Data { .. }) = events.next().await {
        times.push(start.elapsed().as_millis());
        tokio::time::advance(pause).await;
    }
    times
}

const PACED: &str = "latency = { first_token = \"200ms\", between_tokens = \"20ms\" }\n\
                     [[rule]]\nanswer = { text = \"a b c\" }\n";

#[tokio::test(start_paused = true)]
async fn pieces_come_when_they_are_due() {
    assert_eq!(times(PACED, "", Duration::ZERO).await, [0, 200, 220, 240, 240, 240]);
    // All choices of a piece come together.
    assert_eq!(
        times(PACED, r#","n":2"#, Duration::ZERO).await,
        [0, 0, 200, 200, 220, 220, 240, 240, 240, 240, 240]
    );
    assert_eq!(times(PACED, r#","max_tokens":1"#, Duration::ZERO).await, [0, 200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_does_not_move_the_schedule() {
    assert_eq!(times(PACED, "", Duration::from_millis(15)).await, [0, 200, 220, 240, 255, 270]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_latency_of_its_own() {
    let script = PACED
        .replace("\"a b c\"", "\"a b c\", latency = { between_tokens = { recorded = [\"1ms\", \"5ms\"] } }");
    assert_eq!(times(&script, "", Duration::ZERO).await, [0, 0, 1, 6, 6, 6]);
    let none = PACED.lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(times(&none, "", Duration::ZERO).await, [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_takes_the_whole_time() {
    let start = Instant::now();
    let reply = chat(&backend(PACED), &saying("a", ""), &[]).await.unwrap();
    assert!(whole(reply).contains("a b c"));
    assert_eq!(start.elapsed().as_millis(), 240);
    let error = "latency.first_token = \"3s\"\n[[rule]]\nanswer.error = { status = 500, message = \"a\" }\n";
    let start = Instant::now();
    chat(&backend(error), &saying("a", ""), &[]).await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 3_000);
}

#[tokio::test(start_paused = true)]
async fn drawn_times_are_the_same_for_the_same_seed() {
    let script = "latency.between_tokens = { distribution = \"exponential\", mean = \"50ms\" }\n\
                  [[rule]]\nanswer = { text = \"a b c d e f\" }\n";
    let first = times(script, r#","seed":7"#, Duration::ZERO).await;
    assert_eq!(first, times(script, r#","seed":7"#, Duration::ZERO).await);
    assert_ne!(first, times(script, r#","seed":8"#, Duration::ZERO).await);
}
