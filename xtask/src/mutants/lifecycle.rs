//! Bugs that show when clients come and go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::errors::is_deep;
use super::mutant::{End, Fails, MEANT, Mutant, Places, Told};

const WAITS_IN_SILENCE: &str = "what waits for a place hears nothing until it has one";
/// What a word of a whole answer takes.
const WORD: Duration = Duration::from_millis(4);

/// The last stream's word.
static BUFFER: Mutex<Value> = Mutex::new(Value::Null);
/// Whether the worker is dead.
static DEAD: AtomicBool = AtomicBool::new(false);

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "goes-on-for-nobody",
        "a stream whose client has gone is made to its end",
        &[Fails("life.disconnect-frees", MEANT), Fails("life.silent-start", WAITS_IN_SILENCE)],
    )
    .places(Places::Leaking(2)),
    Mutant::new(
        "whole-answers-for-nobody",
        "a whole answer is made to its end, whether its client is there or not",
        &[Fails("life.disconnect-plain", MEANT), Fails("life.silent-start", WAITS_IN_SILENCE)],
    )
    .places(Places::Bounded(2))
    .tell(|asked, told| {
        if asked.is_chat() && !told.is_stream() && told.is_success() {
            let words = told.body().split(|byte| byte.is_ascii_whitespace() || *byte == b'\\').count();
            let words = u32::try_from(words).unwrap_or(u32::MAX);
            told.pieces.iter_mut().for_each(|piece| piece.pause = WORD * words);
        }
    }),
    Mutant::new(
        "shared-buffer",
        "streams share a buffer, and one writes what another has left there",
        &[Fails("life.no-cross-talk", MEANT)],
    )
    .tell(|asked, told| {
        let is_echo = String::from_utf8_lossy(&asked.body).contains("Repeat the word");
        if is_echo && told.is_stream() {
            let mut left = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
            told.edit_choices(|index, choice| {
                if index == 4 {
                    std::mem::swap(&mut *left, &mut choice["delta"]["content"]);
                }
            });
        }
    }),
    Mutant::new(
        "one-writer-for-all",
        "one place writes all streams, and waits for the client that does not read",
        &[Fails("life.slow-reader", MEANT), Fails("life.silent-start", WAITS_IN_SILENCE)],
    )
    .places(Places::Bounded(1)),
    Mutant::new(
        "closes-without-a-word",
        "the connection is closed after a stream, and nothing in its head says so",
        &[Fails("life.reuse", MEANT)],
    )
    .tell(|_, told| {
        if told.is_stream() {
            told.end = End::Unannounced;
        }
    }),
    Mutant::new(
        "worker-dies",
        "what the parser fails at takes the only worker with it",
        &[
            Fails("life.healthy-after", MEANT),
            Fails("errors.deep-json", "it looks whether the server is there afterwards"),
        ],
    )
    .tell(|asked, told| {
        if is_deep(asked) {
            DEAD.store(true, Ordering::Relaxed);
        }
        if DEAD.load(Ordering::Relaxed) {
            *told = Told::error(500, "There is no worker.");
        }
    }),
    Mutant::new(
        "silent-queue",
        "a stream that waits for its turn gets neither a head nor a ping",
        &[Fails("life.silent-start", MEANT)],
    )
    .places(Places::Bounded(2)),
];
