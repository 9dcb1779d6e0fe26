//! A chat template of any text, on a short conversation with a tool: a prompt or an error, in bounded memory. (Time is
//! bounded by how the fuzzer is started.)

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use interference_engine::{ChatMessage, ChatTool, MessageToolCall, fuzzing};
use libfuzzer_sys::fuzz_target;

/// What rendering takes for itself at most.
const MOST_BYTES: usize = 100 << 20;

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

fuzz_target!(|source: &str| {
    let call = MessageToolCall {
        id: "call_1".to_owned(),
        name: "grow".to_owned(),
        arguments: r#"{"metres": 3, "trees": ["<|im_end|>", {"kind": "oak"}]}"#.to_owned(),
    };
    let messages = [
        ChatMessage::new("system", "Be brief."),
        ChatMessage::new("user", "  Write a poem about a tree.\n"),
        ChatMessage {
            tool_calls: vec![call],
            ..ChatMessage::new("assistant", "<think>Trees.</think>A tree.")
        },
        ChatMessage { tool_call_id: Some("call_1".to_owned()), ..ChatMessage::new("tool", "grown") },
        ChatMessage::new("user", "<|im_end|> [INST] \u{fdd0}1\u{fdd1}"),
    ];
    let tools = [ChatTool {
        name: "grow".to_owned(),
        description: Some("Grows trees.".to_owned()),
        parameters: None,
    }];
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let prompt = fuzzing::render_template(source, &messages, &tools);
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    assert!(
        taken <= MOST_BYTES,
        "{} MB for {}",
        taken >> 20,
        if prompt.is_ok() { "a prompt" } else { "an error" }
    );
});
