//! Bugs in the bytes of streams.

use std::time::Duration;

use super::mutant::{End, Fails, Framing, MEANT, Mutant, Piece, Told};

const COMPLETIONS_TOO: &str = "completions are streamed by the same code";
const REFUSED_STREAM: &str = "a streamed request that is to be refused there is one of them";
const NO_JSON_LEFT: &str = "chunks that are no JSON say nothing";
const LOST_CHARACTERS: &str = "the characters are no longer those of the answer";
const NO_END: &str = "what is no [DONE] ends nothing";
const NOT_JSON: &str = "what is not quite [DONE] is no JSON either";

/// As many servers and proxies have it.
const PAGE_BYTES: usize = 4 << 10;

/// So many pieces come before what takes a while.
const LATE_PIECES: usize = 100;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "stream-as-plain-text",
        "streams go out with the framework's default content type",
        &[Fails("sse.content-type", MEANT), Fails("completions.stream-done", COMPLETIONS_TOO)],
    )
    .tell(|_, told| on_streams(told, |told| told.set_header("content-type", "text/plain; charset=utf-8"))),
    Mutant::new(
        "done-omitted",
        "the stream just ends",
        &[Fails("sse.done-once", MEANT), Fails("completions.stream-done", COMPLETIONS_TOO)],
    )
    .tell(|_, told| {
        if let Some(done) = told.done() {
            told.pieces.remove(done);
        }
    }),
    Mutant::new(
        "done-twice",
        "both the handler and the library behind it end the stream",
        &[Fails("sse.done-once", MEANT), Fails("completions.stream-done", COMPLETIONS_TOO)],
    )
    .tell(|_, told| {
        if let Some(done) = told.done() {
            let again = told.pieces[done].clone();
            told.pieces.push(again);
        }
    }),
    Mutant::new(
        "comment-data-after-done",
        "statistics follow the end as one more event",
        &[
            Fails("sse.done-last", MEANT),
            Fails("completions.object", COMPLETIONS_TOO),
            Fails("completions.stream-done", COMPLETIONS_TOO),
        ],
    )
    .tell(|_, told| {
        if told.done().is_some() {
            told.pieces.push(Piece::new("data: {\"object\":\"statistics\",\"tokens\":48}\n\n"));
        }
    }),
    Mutant::new(
        "done-in-small-letters",
        "the end is spelled another way",
        &[
            Fails("sse.done-exact", MEANT),
            Fails("sse.one-json", NOT_JSON),
            Fails("sse.done-once", NO_END),
            Fails("completions.stream-done", COMPLETIONS_TOO),
        ],
    )
    .tell(|_, told| {
        if let Some(done) = told.done() {
            told.pieces[done] = Piece::new("data: [done]\n\n");
        }
    }),
    Mutant::new(
        "one-line-feed-too-few",
        "the last event has no blank line behind it",
        &[
            Fails("sse.blank-line", MEANT),
            Fails(
                "completions.stream-done",
                "an event that no blank line closes is none, and here it is [DONE]",
            ),
        ],
    )
    .tell(|_, told| {
        if let Some(done) = told.done() {
            told.pieces[done].bytes.pop();
        }
    }),
    Mutant::new(
        "no-last-chunk",
        "the connection is closed when the stream is over, without the last chunk",
        &[Fails("sse.clean-eof", MEANT)],
    )
    .tell(|_, told| on_streams(told, |told| told.end = End::Cut)),
    Mutant::new(
        "whole-stream-at-once",
        "a buffer between model and socket is written when it is full, or at the end",
        &[Fails("sse.incremental", MEANT), Fails("sse.no-hidden-buffering", "the same buffer")],
    )
    .tell(|_, told| on_streams(told, join)),
    Mutant::new(
        "one-block-with-tools",
        "where a tool might be called, the parser waits for the whole answer",
        &[Fails("sse.incremental", MEANT)],
    )
    .tell(|asked, told| {
        if told.is_stream() && asked.json().get("tools").is_some() {
            join(told);
        }
    }),
    Mutant::new(
        "buffer-of-a-page",
        "a buffer between model and socket is written whenever it is full",
        &[Fails("sse.incremental", MEANT), Fails("sse.no-hidden-buffering", "the same buffer")],
    )
    .tell(|_, told| on_streams(told, fill_pages)),
    Mutant::new(
        "error-as-an-event-of-a-200",
        "the head goes out before the request is looked at; what is wrong with it comes as an event",
        &[
            Fails("sse.status-after-accept", MEANT),
            Fails("errors.context-overflow", REFUSED_STREAM),
            Fails("chat.n-zero", REFUSED_STREAM),
            Fails("errors.stream-request-invalid", REFUSED_STREAM),
            Fails("errors.unknown-model", REFUSED_STREAM),
            Fails("structured.invalid-schema", REFUSED_STREAM),
        ],
    )
    .tell(|asked, told| {
        if asked.is_chat() && asked.is_streamed() && (400..500).contains(&told.status) && told.status != 401 {
            let error = String::from_utf8_lossy(&told.body()).into_owned();
            told.status = 200;
            told.set_header("content-type", "text/event-stream");
            told.pieces = vec![Piece::new(format!("data: {error}\n\n")), Piece::new("data: [DONE]\n\n")];
            told.framing = Framing::Chunked;
        }
    }),
    Mutant::new(
        "python-literals",
        "chunks are printed as the language prints its dictionaries",
        &[
            Fails("sse.one-json", MEANT),
            Fails("chunk.equals-plain", NO_JSON_LEFT),
            Fails("chunk.error-in-stream", NO_JSON_LEFT),
            Fails("chunk.finish-before-done", NO_JSON_LEFT),
            Fails("chunk.n-two", NO_JSON_LEFT),
            Fails("life.no-cross-talk", NO_JSON_LEFT),
            Fails("logprobs.streamed", "chunks with log probabilities are no JSON either"),
            Fails("responses.one-terminal", NO_JSON_LEFT),
            Fails("responses.order", NO_JSON_LEFT),
            Fails("completions.stream-done", COMPLETIONS_TOO),
        ],
    )
    .tell(|_, told| {
        on_streams(told, |told| {
            for piece in &mut told.pieces {
                let text = String::from_utf8_lossy(&piece.bytes).replace(":null", ":None");
                piece.bytes = text.into_bytes();
            }
        });
    }),
    Mutant::new(
        "latin-1",
        "what is not ASCII goes out in another encoding",
        &[
            Fails("sse.utf8", MEANT),
            Fails("chunk.no-replacement-char", LOST_CHARACTERS),
            Fails("logprobs.streamed", LOST_CHARACTERS),
        ],
    )
    .tell(|_, told| {
        on_streams(told, |told| {
            for piece in &mut told.pieces {
                let text = String::from_utf8_lossy(&piece.bytes).into_owned();
                let byte = |character: char| u8::try_from(u32::from(character)).unwrap_or(0xBF);
                piece.bytes = text.chars().map(byte).collect();
            }
        });
    }),
    Mutant::new("byte-order-mark", "the writer marks its encoding", &[Fails("sse.no-bom", MEANT)]).tell(
        |_, told| {
            on_streams(told, |told| told.pieces.insert(0, Piece::new("\u{FEFF}")));
        },
    ),
    Mutant::new(
        "retry-alone",
        "a stream begins with an event that has nothing but the time to reconnect after",
        &[Fails("sse.no-id-retry", MEANT), Fails("sse.no-empty-event", "it has no data")],
    )
    .tell(|_, told| on_streams(told, |told| told.pieces.insert(0, Piece::new("retry: 3000\n\n")))),
    Mutant::new(
        "empty-data",
        "an empty piece of the model's text becomes an event without data",
        &[Fails("sse.no-empty-event", MEANT)],
    )
    .tell(|_, told| {
        on_streams(told, |told| told.pieces.insert(1, Piece::new("data:\n\n")));
    }),
    Mutant::new(
        "ping-event",
        "pings are events with a name",
        &[Fails("sse.keepalive-comment", MEANT), Fails("sse.no-empty-event", "it has no data")],
    )
    .tell(|_, told| {
        on_streams(told, |told| told.pieces.insert(0, Piece::new("event: ping\n\n")));
    }),
    Mutant::new(
        "length-beside-chunks",
        "a layer below adds the length of what it has buffered",
        &[Fails("sse.no-length-with-chunked", MEANT)],
    )
    .tell(|_, told| on_streams(told, |told| told.framing = Framing::Both)),
    Mutant::new(
        "compressor-that-waits",
        "streams for clients that accept gzip pass through a filter that is flushed at the end",
        &[Fails("sse.no-hidden-buffering", MEANT)],
    )
    .tell(|asked, told| {
        if told.is_stream() && asked.header("accept-encoding").is_some_and(|codings| codings.contains("gzip"))
        {
            join(told);
        }
    }),
    Mutant::new(
        "kept-by-caches",
        "streams go out with the headers of static files",
        &[Fails("sse.cache-control", MEANT)],
    )
    .tell(|_, told| on_streams(told, |told| told.set_header("cache-control", "public, max-age=3600"))),
    Mutant::new("numbered-events", "each event has an id", &[Fails("sse.no-id-retry", MEANT)]).tell(
        |_, told| {
            on_streams(told, |told| {
                for (index, piece) in told.pieces.iter_mut().enumerate() {
                    piece.bytes.splice(0..0, format!("id: {index}\n").into_bytes());
                }
            });
        },
    ),
    Mutant::new(
        "type-of-tool-streams",
        "streams of chats with tools have the content type of files",
        &[Fails("sse.content-type", MEANT)],
    )
    .tell(|asked, told| {
        if told.is_stream() && asked.json().get("tools").is_some() {
            told.set_header("content-type", "application/octet-stream");
        }
    }),
    Mutant::new(
        "usage-runs-into-the-end",
        "no blank line stands between the chunk with the usage and [DONE]",
        &[
            Fails("sse.blank-line", MEANT),
            Fails("sse.one-json", "the data of the two is one text"),
            Fails("sse.done-once", "which is not [DONE]"),
            Fails("usage.last-chunk", "nor a chunk"),
        ],
    )
    .tell(|asked, told| {
        if asked.json().pointer("/stream_options/include_usage") == Some(&true.into())
            && let Some(last) = told.done().and_then(|done| done.checked_sub(1))
        {
            told.pieces[last].bytes.pop();
        }
    }),
    Mutant::new(
        "ping-as-json",
        "pings are events whose data is JSON",
        &[Fails("sse.keepalive-comment", MEANT), Fails("chunk.required-keys", "it is no chunk")],
    )
    .tell(|asked, told| {
        if asked.is_chat() && told.is_stream() {
            told.pieces.insert(1, Piece::new("data: {\"type\":\"ping\"}\n\n"));
        }
    }),
    Mutant::new(
        "late-ping",
        "answers that take a while are kept alive by events with a name",
        &[Fails("sse.keepalive-comment", MEANT), Fails("sse.no-empty-event", "it has no data")],
    )
    .tell(|asked, told| {
        if asked.is_chat() && told.is_stream() && told.pieces.len() > LATE_PIECES {
            told.pieces.insert(LATE_PIECES, Piece::new("event: ping\n\n"));
        }
    }),
];

/// Waits for the whole answer, then sends it.
fn join(told: &mut Told) {
    told.head_pause = told.pieces.iter().map(|piece| piece.pause).sum();
    told.pieces.iter_mut().for_each(|piece| piece.pause = Duration::ZERO);
    let whole = told.body();
    told.pieces = vec![Piece::new(whole)];
    told.framing = Framing::Chunked;
}

/// Waits until a buffer is full, then sends it.
fn fill_pages(told: &mut Told) {
    let mut page = Piece::new("");
    for piece in std::mem::take(&mut told.pieces) {
        page.pause += piece.pause;
        page.bytes.extend(piece.bytes);
        if page.bytes.len() >= PAGE_BYTES {
            told.pieces.push(std::mem::replace(&mut page, Piece::new("")));
        }
    }
    told.pieces.push(page);
}

fn on_streams(told: &mut Told, bug: impl FnOnce(&mut Told)) {
    if told.is_stream() {
        bug(told);
    }
}
