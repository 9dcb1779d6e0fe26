//! Answers whose pieces are the times of their writes.

use std::time::{Duration, Instant};

use interference_backend::Backend;
use interference_backend_script::{MOST_PIECES, Script};
use interference_wire::{ClockAnchor, monotonic_nanos};

use crate::exchange::{backend, chat, request, said, saying, streamed, whole};

const FIVE: &str = "[[rule]]\nanswer = { timestamps = 5 }\n";

fn stamps(text: &str) -> Vec<u64> {
    assert!(text.ends_with(' '), "{text}");
    text.split_ascii_whitespace().map(|stamp| stamp.parse().unwrap()).collect()
}

/// The texts of the chunks of a stream that have one, and the data of the last before the end.
async fn pieces(script: &str, members: &str) -> (Vec<String>, String) {
    let reply =
        chat(&backend(script), &saying("a", &format!(r#""stream":true{members}"#)), &[]).await.unwrap();
    let data = streamed(reply).await;
    let text = |data: &String| {
        let chunk: serde_json::Value = serde_json::from_str(data).ok()?;
        chunk["choices"][0]["delta"]["content"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    (data.iter().filter_map(text).collect(), data[data.len() - 2].clone())
}

#[tokio::test]
async fn each_piece_is_the_time_of_its_write() {
    let paced = FIVE.replace("= 5", "= 5, latency = { between_tokens = \"2ms\" }");
    let before = monotonic_nanos();
    let (pieces, _) = pieces(&paced, "").await;
    let after = monotonic_nanos();
    let stamps: Vec<u64> = pieces.iter().flat_map(|piece| stamps(piece)).collect();
    assert_eq!((pieces.len(), stamps.len()), (5, 5));
    assert!(before <= stamps[0] && stamps[4] <= after, "{before} {stamps:?} {after}");
    // The last is made when it is due, 8 ms from the request. A timer is no more than a millisecond early.
    assert!(stamps[4] >= before + 7_000_000, "{stamps:?}");
    assert!(stamps.is_sorted());
}

#[tokio::test]
async fn they_are_of_the_clock_that_testers_read() {
    let anchor = ClockAnchor::take();
    let (before, text, after) = (Instant::now(), said(&backend(FIVE), "a", &[]).await, Instant::now());
    let slack = Duration::from_millis(1);
    for stamp in stamps(&text) {
        assert!(
            anchor.nanos_at(before - slack) <= stamp && stamp <= anchor.nanos_at(after + slack),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_whole_answer_has_as_many() {
    let text = said(&backend(FIVE), "a", &[]).await;
    let stamps = stamps(&text);
    assert!(stamps.len() == 5 && stamps.is_sorted(), "{text}");
    // Also behind another part, and counted as pieces.
    let script = "[[rule]]\nanswer = { timestamps = 2, reasoning = \"h i\" }\n";
    let json = whole(chat(&backend(script), &saying("a", ""), &[]).await.unwrap());
    assert!(
        json.contains(r#""reasoning_content":"h i""#) && json.contains(r#""completion_tokens":4"#),
        "{json}"
    );
}

#[tokio::test]
async fn a_completion_has_them_as_well() {
    let body = r#"{"model":"m","prompt":"a"}"#;
    let reply = backend(FIVE).answer(request("/completions", body, &[])).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&whole(reply)).unwrap();
    assert_eq!(stamps(json["choices"][0]["text"].as_str().unwrap()).len(), 5);
    let body = r#"{"model":"m","prompt":"a","stream":true}"#;
    let data = streamed(backend(FIVE).answer(request("/completions", body, &[])).await.unwrap()).await;
    let texts = data.iter().filter_map(|data| {
        let chunk: serde_json::Value = serde_json::from_str(data).ok()?;
        chunk["choices"][0]["text"].as_str().filter(|text| !text.is_empty()).map(|text| stamps(text).len())
    });
    assert_eq!(texts.collect::<Vec<_>>(), [1; 5]);
}

#[tokio::test]
async fn a_limit_of_tokens_is_one_of_stamps() {
    let (pieces, last) = pieces(FIVE, r#","max_tokens":3"#).await;
    assert_eq!(pieces.len(), 3);
    assert!(last.contains(r#""finish_reason":"length""#), "{last}");
    let json = whole(chat(&backend(FIVE), &saying("a", r#""max_tokens":3"#), &[]).await.unwrap());
    assert!(
        json.contains(r#""completion_tokens":3"#) && json.contains(r#""finish_reason":"length""#),
        "{json}"
    );
}

#[test]
fn a_wrong_number_is_told_with_its_place() {
    let error = |answer: &str| match Script::parse(&format!("[[rule]]\nanswer = {{ {answer} }}\n"), "a.toml")
    {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let range = format!("from 1 to {MOST_PIECES}");
    for (answer, place, reason) in [
        ("timestamps = 0", "a.toml:2:25: ", range.as_str()),
        ("timestamps = -1", "a.toml:2:25: ", range.as_str()),
        ("timestamps = 300000", "a.toml:2:25: ", range.as_str()),
        ("timestamps = \"5\"", "a.toml:2:25: ", "a string"),
        ("timestamps = 1.5", "a.toml:2:25: ", "a float"),
        ("text = \"a\", timestamps = 5", "a.toml:2:24: ", "of one kind"),
        ("timestamps = 5, error = { status = 500, message = \"a\" }", "a.toml:2:28: ", "of one kind"),
    ] {
        let error = error(answer);
        assert!(error.starts_with(place) && error.contains(reason), "{answer}: {error}");
    }
    assert_eq!(error("timestamps = 1"), "nothing is wrong");
}

#[test]
fn stamps_count_among_the_pieces_of_all_answers() {
    let half = MOST_PIECES / 2;
    let rule = |count: usize| {
        format!("[[rule]]\nwhen.turn = {}\nanswer = {{ timestamps = {count} }}\n", count % 7 + 1)
    };
    assert!(Script::parse(&[rule(half), rule(half - 1)].concat(), "a.toml").is_ok());
    let error = Script::parse(&[rule(half), rule(half + 1)].concat(), "a.toml").unwrap_err().to_string();
    assert!(error.contains(&format!("more than {MOST_PIECES} pieces")), "{error}");
}
