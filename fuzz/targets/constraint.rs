//! A constraint of any text, and an answer within it: something or an error, in bounded memory. (Time is bounded by
//! how the fuzzer is started.) A JSON schema begins with a brace, a regular expression with a slash; the schemas that a
//! grammar names stand behind it, each behind a line feed and a `@` and called by its number: `s0`, `s1`.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use interference_engine::{ConstraintSource, NamedSchema, fuzzing};
use libfuzzer_sys::fuzz_target;

/// What a constraint and one answer take at most.
const MOST_BYTES: usize = 200 << 20;
/// Bytes of an answer.
const LONGEST_ANSWER: usize = 100;

/// Counts what is allocated by Rust, and the most that ever was.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grammar(text: &str) -> ConstraintSource {
    let mut parts = text.split("\n@");
    let text = parts.next().unwrap_or_default().to_owned();
    let schemas =
        parts.enumerate().map(|(number, part)| NamedSchema { name: format!("s{number}"), schema: part.to_owned() });
    ConstraintSource::Grammar { text, schemas: schemas.collect() }
}

fuzz_target!(|text: &str| {
    let source = match text.strip_prefix('/') {
        Some(regex) => ConstraintSource::Regex(regex.to_owned()),
        None if text.starts_with('{') => ConstraintSource::JsonSchema(text.to_owned()),
        None => grammar(text),
    };
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    if let Ok(constraint) = fuzzing::compile_constraint(source) {
        // Bytes that the source likes, and others.
        let mut logits = [0.0; 257];
        for (index, byte) in text.bytes().enumerate() {
            logits[usize::from(byte)] += (index % 7) as f32;
        }
        drop(fuzzing::write_within(&constraint, &logits, LONGEST_ANSWER));
    }
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(taken <= MOST_BYTES, "{} MB", taken >> 20);
});
