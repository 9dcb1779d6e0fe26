//! Streams and whole answers of every endpoint, sound and broken, whole and in pieces.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use Endpoint::{Chat, Completions, Embeddings, Responses};

const ROLE: &str =
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
const SECOND: &str = r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#;
const THOUGHT: &str = r#"{"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"h"}}]}"#;
const CALL: &str =
    r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}"#;
const REFUSAL: &str = r#"{"choices":[{"index":null,"delta":{"refusal":"no"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const SECOND_STOP: &str = r#"{"choices":[{"index":1,"delta":null,"finish_reason":"length"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
const NULL_USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":null},"error":null,"object":null}"#;
const ERROR: &str = r#"{"error":{"message":"x"}}"#;
const BARE_ERROR: &str = r#"{"object":"error","message":"x"}"#;
const DONE: &str = "[DONE]";

const WORD: &str = r#"{"choices":[{"index":0,"text":"a","finish_reason":null}]}"#;
const WORD_STOP: &str = r#"{"choices":[{"index":0,"text":"","finish_reason":"length"}],"usage":null}"#;

const CREATED: &str =
    r#"{"type":"response.created","response":{"status":"in_progress","usage":null,"output":[]}}"#;
const DELTA: &str = r#"{"type":"response.output_text.delta","delta":"a"}"#;
const SUMMARY: &str = r#"{"type":"response.reasoning_summary_text.delta","delta":"h"}"#;
const COMPLETED: &str =
    r#"{"type":"response.completed","response":{"usage":{"input_tokens":7,"output_tokens":3}}}"#;
const INCOMPLETE: &str = r#"{"type":"response.incomplete","response":{"usage":null}}"#;
const FAILED: &str = r#"{"type":"response.failed","response":{"status":"failed"}}"#;
const RESPONSE_ERROR: &str = r#"{"type":"error","message":"x"}"#;

fn body(events: &[&str]) -> String {
    events.iter().map(|data| format!("data: {data}\n\n")).collect()
}

fn stream(endpoint: Endpoint, bytes: &[u8]) -> Result<Heard, Failure> {
    let at = Instant::now();
    let mut reader = AnswerReader::of_stream(endpoint, true);
    reader.take(bytes, at);
    let (heard, ended) = reader.finish(at);
    ended.map(|()| heard)
}

fn whole(endpoint: Endpoint, text: &str) -> Result<Heard, Failure> {
    let at = Instant::now();
    let mut reader = AnswerReader::of_whole(endpoint, true);
    reader.take(text.as_bytes(), at);
    let (heard, ended) = reader.finish(at);
    ended.map(|()| heard)
}

/// What is told of a sound stream whose events come a millisecond apart: when the first reasoning, the first content and
/// each chunk came, the text, the tokens of the answer, and whether its length ended it.
type Told = (Option<u64>, Option<u64>, Vec<u64>, String, Option<u64>, bool);

fn told(endpoint: Endpoint, events: &[&str]) -> Told {
    let start = Instant::now();
    let mut reader = AnswerReader::of_stream(endpoint, true);
    for (position, data) in (0..).zip(events) {
        reader.take(body(&[data]).as_bytes(), start + Duration::from_millis(position));
    }
    let (heard, ended) = reader.finish(start);
    assert_eq!(ended, Ok(()), "{events:?}");
    let millis = |at: Instant| u64::try_from((at - start).as_millis()).unwrap();
    (
        heard.first_reasoning.map(millis),
        heard.first_content.map(millis),
        heard.chunks.into_iter().map(millis).collect(),
        heard.text.unwrap(),
        heard.usage.map(|usage| usage.completion_tokens),
        heard.ended_by_length,
    )
}

#[test]
fn every_fault_of_a_stream_has_its_kind() {
    let cases: [(Endpoint, &[&str], Failure); 25] = [
        (Chat, &[], Failure::NoDone),
        (Chat, &[DONE], Failure::NoFinishReason),
        (Chat, &[ROLE, TEXT], Failure::NoFinishReason),
        (Chat, &[TEXT, DONE], Failure::NoFinishReason),
        (Chat, &[TEXT, SECOND, STOP, DONE], Failure::NoFinishReason),
        (Chat, &[TEXT, STOP], Failure::NoDone),
        (Chat, &[TEXT, STOP, DONE, USAGE], Failure::AfterDone),
        (Chat, &[TEXT, STOP, DONE, DONE], Failure::AfterDone),
        (Chat, &[TEXT, ERROR, DONE], Failure::ErrorEvent),
        (Chat, &[BARE_ERROR], Failure::ErrorEvent),
        (Chat, &["{"], Failure::MalformedEvent),
        (Chat, &["{}"], Failure::MalformedEvent),
        (Chat, &[r#"{"choices":null}"#], Failure::MalformedEvent),
        (Chat, &[r#"{"choices":[{"delta":{"content":1}}]}"#], Failure::MalformedEvent),
        (Completions, &[WORD, DONE], Failure::NoFinishReason),
        (Completions, &[WORD, WORD_STOP], Failure::NoDone),
        (Completions, &[WORD, ERROR], Failure::ErrorEvent),
        (Completions, &["null"], Failure::MalformedEvent),
        (Responses, &[CREATED, DELTA], Failure::NoDone),
        (Responses, &[DELTA, DONE], Failure::MalformedEvent),
        (Responses, &[DELTA, FAILED], Failure::ResponseFailed),
        (Responses, &[DELTA, RESPONSE_ERROR], Failure::ErrorEvent),
        (Responses, &[COMPLETED, DELTA], Failure::AfterDone),
        (Responses, &[r#"{"delta":"a"}"#], Failure::MalformedEvent),
        (Embeddings, &[TEXT], Failure::MalformedEvent),
    ];
    for (endpoint, events, failure) in cases {
        assert_eq!(stream(endpoint, body(events).as_bytes()), Err(failure), "{endpoint:?} {events:?}");
    }
}

#[test]
fn a_stream_may_be_broken_below_its_events() {
    let sound = body(&[TEXT, STOP, DONE]);
    assert_eq!(stream(Chat, &sound.as_bytes()[..sound.len() - 1]), Err(Failure::TruncatedEvent));
    assert_eq!(stream(Chat, &sound.as_bytes()[..20]), Err(Failure::TruncatedEvent));
    assert_eq!(stream(Chat, b"data: \"\xff\"\n\n"), Err(Failure::MalformedEvent));
    let mut endless = b"data: ".to_vec();
    endless.resize(LONGEST_EVENT + 1_024, b'a');
    assert_eq!(stream(Chat, &endless), Err(Failure::TooLarge));
}

#[test]
fn output_is_what_counts_as_a_chunk() {
    let none = String::new;
    // The role alone is no output, and neither are the finish reason and the usage.
    assert_eq!(
        told(Chat, &[ROLE, TEXT, TEXT, STOP, USAGE, DONE]),
        (None, Some(1), vec![1, 2], "aa".to_owned(), Some(3), false)
    );
    assert_eq!(
        told(Chat, &[ROLE, THOUGHT, THOUGHT, TEXT, STOP, DONE]),
        (Some(1), Some(3), vec![1, 2, 3], "a".to_owned(), None, false)
    );
    assert_eq!(told(Chat, &[THOUGHT, STOP, DONE]), (Some(0), None, vec![0], none(), None, false));
    assert_eq!(told(Chat, &[CALL, STOP, DONE]), (None, Some(0), vec![0], none(), None, false));
    assert_eq!(told(Chat, &[REFUSAL, STOP, DONE]), (None, Some(0), vec![0], none(), None, false));
    // The text is that of the first choice; each choice ends by itself.
    assert_eq!(
        told(Chat, &[TEXT, SECOND, STOP, SECOND_STOP, DONE]),
        (None, Some(0), vec![0, 1], "a".to_owned(), None, true)
    );
    assert_eq!(told(Chat, &[STOP, NULL_USAGE, DONE]), (None, None, vec![], none(), None, false));
    assert_eq!(
        told(Completions, &[WORD, WORD, WORD_STOP, USAGE, DONE]),
        (None, Some(0), vec![0, 1], "aa".to_owned(), Some(3), true)
    );
    assert_eq!(
        told(Responses, &[CREATED, SUMMARY, DELTA, DELTA, COMPLETED]),
        (Some(1), Some(2), vec![1, 2, 3], "aa".to_owned(), Some(3), false)
    );
    // Some servers end responses as they end chats.
    assert_eq!(
        told(Responses, &[DELTA, INCOMPLETE, DONE]),
        (None, Some(0), vec![0], "a".to_owned(), None, true)
    );
}

#[test]
fn lines_end_as_the_server_ends_them() {
    let plain = body(&[ROLE, TEXT, USAGE, STOP, DONE]);
    let heard = stream(Chat, plain.as_bytes()).unwrap();
    for other in
        [plain.replace('\n', "\r\n"), plain.replace('\n', "\r"), plain.replace("data", ": ping\n\ndata")]
    {
        let other = stream(Chat, other.as_bytes()).unwrap();
        assert_eq!((other.chunks.len(), other.usage, other.text), (1, heard.usage, heard.text.clone()));
    }
}

#[test]
fn whole_answers_are_read() {
    let chat = r#"{"choices":[{"message":{"content":"a","reasoning_content":"h","refusal":null},"finish_reason":"stop"},
        {"index":1,"message":{"content":"b"},"finish_reason":"length"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
    let heard = whole(Chat, chat).unwrap();
    assert!(heard.first_reasoning.is_some() && heard.first_content.is_some() && heard.ended_by_length);
    assert_eq!((heard.chunks.len(), heard.text.as_deref()), (1, Some("a")));
    assert_eq!(heard.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 3 }));
    let completion = r#"{"choices":[{"text":"a","finish_reason":"stop"}],"usage":null}"#;
    assert_eq!(whole(Completions, completion).unwrap().text.as_deref(), Some("a"));
    let response = r#"{"status":"completed","output":[{"type":"reasoning"},
        {"type":"message","content":[{"type":"refusal","refusal":"no"}]}],"usage":{"input_tokens":7,"output_tokens":3}}"#;
    let heard = whole(Responses, response).unwrap();
    assert!(heard.first_reasoning.is_some() && heard.first_content.is_some());
    assert_eq!(heard.usage, Some(Usage { prompt_tokens: 7, completion_tokens: 3 }));
    let call = r#"{"status":"incomplete","output":[{"type":"function_call"}]}"#;
    let heard = whole(Responses, call).unwrap();
    assert!(heard.first_content.is_some() && heard.ended_by_length);
    let vectors = r#"{"data":[{"embedding":[1.0]}],"usage":{"prompt_tokens":7,"total_tokens":7}}"#;
    let heard = whole(Embeddings, vectors).unwrap();
    assert_eq!(
        (heard.chunks.len(), heard.usage),
        (1, Some(Usage { prompt_tokens: 7, completion_tokens: 0 }))
    );
}

#[test]
fn every_fault_of_a_whole_answer_has_its_kind() {
    for (endpoint, text, failure) in [
        (Chat, "", Failure::MalformedBody),
        (Chat, r#"{"choices":[]}"#, Failure::MalformedBody),
        (Chat, ERROR, Failure::MalformedBody),
        (Chat, r#"{"choices":[{"message":null,"finish_reason":"stop"}]}"#, Failure::MalformedBody),
        (Chat, r#"{"choices":[{"message":{"content":"a"}}]}"#, Failure::NoFinishReason),
        (Completions, r#"{"choices":[{"text":"a","finish_reason":null}]}"#, Failure::NoFinishReason),
        (Completions, r#"{"choices":"a"}"#, Failure::MalformedBody),
        (Responses, r#"{"status":"failed","output":[]}"#, Failure::ResponseFailed),
        (Responses, r#"{"status":"cancelled","output":[]}"#, Failure::ResponseFailed),
        (Responses, r#"{"status":"in_progress","output":[]}"#, Failure::MalformedBody),
        (Responses, r#"{"status":"completed"}"#, Failure::MalformedBody),
        (Embeddings, r#"{"data":null}"#, Failure::MalformedBody),
    ] {
        assert_eq!(whole(endpoint, text), Err(failure), "{endpoint:?} {text}");
    }
}

#[test]
fn what_is_kept_has_bounds() {
    let at = Instant::now();
    let mut reader = AnswerReader::of_whole(Chat, false);
    let piece = vec![b' '; 1 << 20];
    for _ in 0..=LONGEST_WHOLE >> 20 {
        reader.take(&piece, at);
    }
    assert_eq!(reader.finish(at).1, Err(Failure::TooLarge));
    let brings = Brings { content: true, reasoning: false };
    let mut heard = Heard { chunks: vec![at; MOST_CHUNKS - 1], ..Heard::default() };
    assert_eq!(heard.note(brings, at), Ok(()));
    assert_eq!(heard.note(brings, at), Err(Failure::TooLarge));
    let mut heard = Heard { text: Some("a".repeat(LONGEST_TEXT)), ..Heard::default() };
    heard.add_text("b");
    assert_eq!(heard.text.map(|text| text.len()), Some(LONGEST_TEXT));
}

#[test]
fn what_comes_after_a_failure_is_passed_over() {
    let at = Instant::now();
    let mut reader = AnswerReader::of_stream(Chat, false);
    reader.take(body(&[TEXT, ERROR]).as_bytes(), at);
    reader.take(body(&[TEXT, TEXT, "{"]).as_bytes(), at);
    let (heard, failure) = reader.break_off();
    assert_eq!((heard.chunks.len(), failure), (1, Some(Failure::ErrorEvent)));
    let mut reader = AnswerReader::of_failure(Chat, Failure::Status(429));
    reader.take(body(&[TEXT, STOP, DONE]).as_bytes(), at);
    let refused = Heard { refusal: body(&[TEXT, STOP, DONE]).into_bytes(), ..Heard::default() };
    assert_eq!(reader.finish(at), (refused, Err(Failure::Status(429))));
}

#[test]
fn of_a_refusal_the_first_bytes_are_kept() {
    let mut reader = AnswerReader::of_failure(Chat, Failure::Status(400));
    for _ in 0..5 {
        reader.take(&[b'a'; 5_000], Instant::now());
    }
    let (heard, failure) = reader.break_off();
    assert_eq!((heard.refusal.len(), failure), (16 * 1024, Some(Failure::Status(400))));
}

/// Everything above, so that any of it may follow on any other.
const POOL: [&str; 24] = [
    ROLE,
    TEXT,
    SECOND,
    THOUGHT,
    CALL,
    REFUSAL,
    STOP,
    SECOND_STOP,
    USAGE,
    NULL_USAGE,
    ERROR,
    DONE,
    WORD,
    WORD_STOP,
    CREATED,
    DELTA,
    SUMMARY,
    COMPLETED,
    INCOMPLETE,
    FAILED,
    RESPONSE_ERROR,
    "{",
    "",
    "\u{e9}\u{1f600}",
];

proptest! {
    #[test]
    fn how_bytes_are_cut_changes_nothing(
        endpoint in select(Endpoint::ALL.to_vec()),
        is_stream: bool,
        events in prop::collection::vec(select(POOL.to_vec()), 0..12),
        line_end in select(vec!["\n", "\r\n", "\r"]),
        length: Index,
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let text = if is_stream { body(&events).replace('\n', line_end) } else { events.concat() };
        // Also one that breaks off anywhere.
        let bytes = &text.as_bytes()[..length.index(text.len() + 1)];
        let at = Instant::now();
        let read = |pieces: &[&[u8]]| {
            let mut reader = match is_stream {
                true => AnswerReader::of_stream(endpoint, true),
                false => AnswerReader::of_whole(endpoint, true),
            };
            pieces.iter().for_each(|piece| reader.take(piece, at));
            reader.finish(at)
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let expected = read(&[bytes]);
        prop_assert_eq!(read(&pieces), expected.clone());
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(read(&singly), expected);
    }
}
