//! Bugs in the bytes of streams.

use std::time::Duration;

use super::mutant::{End, Fails, Framing, MEANT, Mutant, Piece, Told};

const NO_END: &str = "what is no [DONE] ends nothing";
const NOT_JSON: &str = "what is not quite [DONE] is no JSON either";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "stream-as-plain-text",
        "streams go out with the framework's default content type",
        &[Fails("sse.content-type", MEANT)],
    )
    .tell(|_, told| on_streams(told, |told| told.set_header("content-type", "text/plain; charset=utf-8"))),
    Mutant::new("done-omitted", "the stream just ends", &[Fails("sse.done-once", MEANT)]).tell(|_, told| {
        if let Some(done) = told.done() {
            told.pieces.remove(done);
        }
    }),
    Mutant::new(
        "done-twice",
        "both the handler and the library behind it end the stream",
        &[Fails("sse.done-once", MEANT)],
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
        &[Fails("sse.done-last", MEANT)],
    )
    .tell(|_, told| {
        if told.done().is_some() {
            told.pieces.push(Piece::new("data: {\"object\":\"statistics\",\"tokens\":48}\n\n"));
        }
    }),
    Mutant::new(
        "done-in-small-letters",
        "the end is spelled another way",
        &[Fails("sse.done-exact", MEANT), Fails("sse.one-json", NOT_JSON), Fails("sse.done-once", NO_END)],
    )
    .tell(|_, told| {
        if let Some(done) = told.done() {
            told.pieces[done] = Piece::new("data: [done]\n\n");
        }
    }),
    Mutant::new(
        "one-line-feed-too-few",
        "the last event has no blank line behind it",
        &[Fails("sse.blank-line", MEANT)],
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
];

/// Waits for the whole answer, then sends it.
fn join(told: &mut Told) {
    told.head_pause = told.pieces.iter().map(|piece| piece.pause).sum();
    told.pieces.iter_mut().for_each(|piece| piece.pause = Duration::ZERO);
    let whole = told.body();
    told.pieces = vec![Piece::new(whole)];
    told.framing = Framing::Chunked;
}

fn on_streams(told: &mut Told, bug: impl FnOnce(&mut Told)) {
    if told.is_stream() {
        bug(told);
    }
}
