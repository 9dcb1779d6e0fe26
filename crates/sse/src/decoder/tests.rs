use proptest::prelude::*;

use super::*;
use crate::{Event, encode};

/// Everything a decoder makes of pieces that arrive one after another, and how it ends.
fn decode_pieces<'a>(
    bytes_max: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Decoded>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(bytes_max);
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
        assert!(decoder.line.len() <= bytes_max, "a line is kept beyond the limit");
        assert!(decoder.data.as_ref().is_none_or(|data| data.len() <= bytes_max));
    }
    (events, decoder.finish())
}

fn decode_all(stream: impl AsRef<[u8]>) -> (Vec<Decoded>, Result<(), DecodeError>) {
    decode_pieces(1000, [stream.as_ref()])
}

fn message(data: &str) -> Decoded {
    Decoded { name: None, data: data.to_owned() }
}

#[track_caller]
fn assert_decodes(stream: impl AsRef<[u8]>, events: &[Decoded]) {
    assert_eq!(decode_all(stream), (events.to_vec(), Ok(())));
}

#[test]
fn every_line_end_is_known() {
    let expected = [message("a"), message("b")];
    assert_decodes("data: a\n\ndata: b\n\n", &expected);
    assert_decodes("data: a\r\n\r\ndata: b\r\n\r\n", &expected);
    assert_decodes("data: a\r\rdata: b\r\r", &expected);
    assert_decodes("data: a\r\n\ndata: b\n\r\n", &expected);
    assert_decodes("data: a\n\rdata: b\r\n\r", &expected);
}

#[test]
fn a_carriage_return_at_the_end_of_a_piece_dispatches_at_once() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(&mut &b"data: a\r\n\r"[..]), Ok(Some(message("a"))));
    // The line feed belongs to that carriage return: it is no further blank line, and `b` keeps its name.
    assert_eq!(decoder.decode(&mut &b"\nevent: n\r"[..]), Ok(None));
    assert_eq!(decoder.decode(&mut &b""[..]), Ok(None));
    let named = Decoded { name: Some("n".into()), data: "b".into() };
    assert_eq!(decoder.decode(&mut &b"\ndata: b\r\r"[..]), Ok(Some(named)));
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn only_one_space_belongs_to_the_colon() {
    assert_decodes("data:a\n\ndata:  a\n\n", &[message("a"), message(" a")]);
}

#[test]
fn data_lines_are_joined() {
    assert_decodes("data: a\ndata\ndata: b\n\n", &[message("a\n\nb")]);
}

#[test]
fn the_examples_of_the_standard() {
    assert_decodes("data: YHOO\ndata: +2\ndata: 10\n\n", &[message("YHOO\n+2\n10")]);
    assert_decodes(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[message("first event"), message("second event"), message(" third event")],
    );
    let (events, end) = decode_all("data\n\ndata\ndata\n\ndata:");
    assert_eq!((events, end), (vec![message(""), message("\n")], Err(DecodeError::Unterminated)));
}

#[test]
fn blocks_without_data_are_forgotten() {
    let expected = [message("a")];
    assert_decodes("retry: 10\n\nevent: x\n\nid: 7\n\n: ping\n\n\n\ndata: a\n\n", &expected);
}

#[test]
fn names_last_for_one_event() {
    let named = Decoded { name: Some("error".into()), data: "{}".into() };
    assert_decodes("event: x\nevent: error\ndata: {}\n\ndata: a\n\n", &[named, message("a")]);
    assert_decodes("event: x\nevent:\ndata: a\n\n", &[message("a")]);
}

#[test]
fn one_byte_order_mark_is_taken_off_the_start() {
    assert_decodes("\u{FEFF}data: a\n\n", &[message("a")]);
    assert_decodes("\u{FEFF}\u{FEFF}data: a\n\n", &[]);
    assert_decodes("data: \u{FEFF}a\n\n", &[message("\u{FEFF}a")]);
}

#[test]
fn unknown_fields_and_indented_lines_are_ignored() {
    assert_decodes("datas: x\nDATA: x\n data: x\ndata : x\ndata: a\n\n", &[message("a")]);
}

#[test]
fn an_unterminated_event_is_dropped_and_reported() {
    for left_over in ["data: b", "data: b\n", "event: x\n", "d", ":"] {
        let (events, end) = decode_all(format!("data: a\n\n{left_over}"));
        assert_eq!((events, end), (vec![message("a")], Err(DecodeError::Unterminated)), "{left_over:?}");
    }
}

#[test]
fn invalid_utf8_ends_the_stream_after_the_events_before_it() {
    let (events, end) = decode_all(b"data: a\n\ndata: \xFF\n\ndata: b\n\n");
    assert_eq!((events, end), (vec![message("a")], Err(DecodeError::InvalidUtf8)));
}

#[test]
fn errors_are_for_good() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(&mut &b"\xFF\n"[..]), Err(DecodeError::InvalidUtf8));
    assert_eq!(decoder.decode(&mut &b"data: a\n\n"[..]), Err(DecodeError::InvalidUtf8));
    assert_eq!(decoder.finish(), Err(DecodeError::InvalidUtf8));
}

#[test]
fn lines_and_events_are_bounded() {
    let too_long = Err(DecodeError::TooLong { bytes_max: 10 });
    assert_eq!(decode_pieces(10, [&b"data: 4444\n\n"[..]]), (vec![message("4444")], Ok(())));
    assert_eq!(decode_pieces(10, [&b"data: 55555"[..]]).1, too_long);
    assert_eq!(decode_pieces(10, [b'x'; 11].chunks(1)).1, too_long);
    assert_eq!(decode_pieces(10, [&b"data: 4444\ndata: 55555\n"[..]]).1, too_long);
    assert_eq!(decode_pieces(10, [&b"data: 4444\ndata: 4444\ndata: 1\n"[..]]).1, too_long);
}

/// Bytes that look like a stream more often than chance would have it.
fn stream_bytes() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n\n"[..]),
        Just(&b"data:"[..]),
        Just(&b"data: "[..]),
        Just(&b"event: "[..]),
        Just(&b": "[..]),
        Just(&b"id: 1"[..]),
        Just("é🌳".as_bytes()),
        Just("\u{FEFF}".as_bytes()),
        Just(&b"x"[..]),
        Just(&b"\xF0\x9F"[..]),
        Just(&b"\0"[..]),
    ];
    prop_oneof![
        9 => proptest::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let text = || proptest::collection::vec(prop_oneof![Just('\r'), Just('\n'), any::<char>()], 0..20);
    let text = move || text().prop_map(String::from_iter);
    prop_oneof![
        (proptest::option::of(text()), text()).prop_map(|(name, data)| Event::Data { name, data }),
        text().prop_map(Event::Comment),
    ]
}

/// What a reader must see of an event: a comment not at all, line ends as LF.
fn seen(event: &Event) -> Option<Decoded> {
    let Event::Data { name, data } = event else { return None };
    let name = name.as_ref().map(|name| name.replace(['\r', '\n'], " ")).filter(|name| !name.is_empty());
    Some(Decoded { name, data: data.replace("\r\n", "\n").replace('\r', "\n") })
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_decodes_alike(
        stream in stream_bytes(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
        bytes_max in 1_usize..60,
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([stream.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let pieces = starts.zip(ends).map(|(start, end)| &stream[start..end]);

        let whole = decode_pieces(bytes_max, [stream.as_slice()]);
        prop_assert_eq!(&decode_pieces(bytes_max, pieces), &whole);
        prop_assert_eq!(&decode_pieces(bytes_max, stream.chunks(1)), &whole);
    }

    #[test]
    fn what_was_encoded_is_what_is_decoded(events in proptest::collection::vec(event(), 0..10)) {
        let mut stream = Vec::new();
        for event in &events {
            encode(event, &mut stream);
        }
        let expected: Vec<Decoded> = events.iter().filter_map(seen).collect();
        prop_assert_eq!(decode_pieces(DEFAULT_BYTES_MAX, stream.chunks(7)), (expected, Ok(())));
    }
}
