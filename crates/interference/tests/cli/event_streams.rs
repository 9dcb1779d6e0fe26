//! The judge of servers reads event streams by a reader of its own. Here it is held against that of our client, and
//! against two that others have written: of any stream, cut anywhere, all four tell the same events.

use std::convert::Infallible;

use eventsource_stream::Eventsource;
use futures::{FutureExt, StreamExt, stream};
use interference_check_server::EventStream;
use interference_sse::Decoder;
use proptest::prelude::*;
use sse_stream::SseByteStream;

/// An event's name, `message` where the stream gives none, and its data.
type Told = (String, String);

const BYTE_ORDER_MARK: &str = "\u{FEFF}";
/// `eventsource-stream` waits behind a CR for what follows, also at the end of a stream; so a stream never ends there.
const END: &str = ": end\n";

fn told(name: Option<&str>, data: String) -> Told {
    (name.filter(|name| !name.is_empty()).unwrap_or("message").to_owned(), data)
}

fn by_the_judge(body: &[u8]) -> Vec<Told> {
    let events = EventStream::read(body).events.into_iter().filter(|event| event.closed);
    events.filter_map(|event| Some(told(event.name.as_deref(), event.data?))).collect()
}

fn by_the_client(pieces: &[&[u8]]) -> Vec<Told> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for mut piece in pieces.iter().copied() {
        while let Some(event) = decoder.decode(&mut piece).unwrap() {
            events.push(told(event.name.as_deref(), event.data));
        }
    }
    events
}

/// It fails at a byte order mark, which it cuts off as one byte of three; so it gets the stream without, behind a blank
/// line, which means nothing.
fn by_eventsource_stream(pieces: &[&[u8]]) -> Vec<Told> {
    let (first, rest) = pieces.split_first().unwrap();
    let first = first.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(first);
    let pieces = [b"\n", first].into_iter().chain(rest.iter().copied());
    let events = stream::iter(pieces.map(Ok::<_, Infallible>)).eventsource().map(|event| {
        let event = event.unwrap();
        told(Some(&event.event), event.data)
    });
    events.collect().now_or_never().unwrap()
}

/// It tells of blocks without data, too, which are no events.
fn by_sse_stream(pieces: &[&[u8]]) -> Vec<Told> {
    let pieces = stream::iter(pieces.iter().copied().map(Ok::<_, Infallible>));
    let events = SseByteStream::new(pieces).filter_map(|block| {
        let block = block.unwrap();
        std::future::ready(block.data.map(|data| told(block.event.as_deref(), data)))
    });
    events.collect().now_or_never().unwrap()
}

/// A value of a field, with everything in it that could be taken for something else.
fn value() -> impl Strategy<Value = String> {
    "[ :{}\"\u{0}\u{FEFF}aä木🌳]{0,8}"
}

/// A line without its end. All of a stream is UTF-8: what is not is replaced by the judge, an error to our client, and to
/// each of the others in a way of its own.
fn line() -> impl Strategy<Value = String> {
    let field = |name: &'static str| value().prop_map(move |value| format!("{name}:{value}"));
    prop_oneof![
        4 => Just(String::new()),
        4 => field("data"),
        2 => field("data").prop_map(|line| line.replacen(':', ": ", 1)),
        1 => Just("data".to_owned()),
        2 => field("event"),
        1 => Just("event".to_owned()),
        1 => Just("event: response.created".to_owned()),
        1 => field(""),
        1 => field("id"),
        1 => field("retry"),
        1 => Just("retry: 3000".to_owned()),
        1 => field("Data"),
        1 => field(" data"),
        1 => field("data "),
        1 => Just("[DONE]".to_owned()),
        1 => value(),
    ]
}

/// A whole stream. It may begin with a mark, and an event may be open at its end.
fn body() -> impl Strategy<Value = String> {
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let lines = prop::collection::vec((line(), line_end), 0..24);
    (prop::bool::weighted(0.2), lines).prop_map(|(marked, lines)| {
        let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
        format!("{}{lines}{END}", if marked { BYTE_ORDER_MARK } else { "" })
    })
}

/// A stream in pieces; `cuts` are places in it, taken modulo its length.
fn cut<'a>(body: &'a str, cuts: &[usize]) -> Vec<&'a [u8]> {
    // A mark stays whole, so that it can be taken away for one of the readers.
    let first = if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 1 };
    let mut places: Vec<usize> =
        cuts.iter().map(|cut| cut % body.len()).filter(|place| *place >= first).collect();
    places.sort_unstable();
    places.dedup();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([body.len()]);
    starts.zip(ends).map(|(start, end)| &body.as_bytes()[start..end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_readers_tell_the_same_events(body in body(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let pieces = cut(&body, &cuts);
        let events = by_the_judge(body.as_bytes());
        prop_assert_eq!(&by_the_client(&pieces), &events, "our client");
        prop_assert_eq!(&by_eventsource_stream(&pieces), &events, "eventsource-stream");
        prop_assert_eq!(&by_sse_stream(&pieces), &events, "sse-stream");
    }
}

#[test]
fn a_stream_of_the_api_is_read_alike_byte_by_byte() {
    let body = format!(
        ": ping\r\n\r\nevent: response.created\r\ndata: {{\"type\":\"response.created\"}}\r\n\r\n\
         data: {{\"text\":\"木 🌳\"}}\n\ndata: one\rdata: two\r\revent: lost\n\ndata: [DONE]\n\ndata: open\n{END}"
    );
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let expected: Vec<Told> = [
        ("response.created", "{\"type\":\"response.created\"}"),
        ("message", "{\"text\":\"木 🌳\"}"),
        ("message", "one\ntwo"),
        ("message", "[DONE]"),
    ]
    .map(|(name, data)| (name.to_owned(), data.to_owned()))
    .to_vec();
    assert_eq!(by_the_judge(body.as_bytes()), expected);
    assert_eq!(by_the_client(&pieces), expected);
    assert_eq!(by_eventsource_stream(&pieces), expected);
    assert_eq!(by_sse_stream(&pieces), expected);
}
