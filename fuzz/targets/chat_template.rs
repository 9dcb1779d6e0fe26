//! A chat template of any text, on a short conversation: a prompt or an error, within the bounds of time and memory
//! that the fuzzer is started with.

#![no_main]

use interference_engine::{ChatMessage, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let message =
        |role: &str, content: &str| ChatMessage { role: role.to_owned(), content: content.to_owned() };
    let messages = [
        message("system", "Be brief."),
        message("user", "  Write a poem about a tree.\n"),
        message("assistant", "<think>Trees.</think>A tree is a tree."),
        message("user", "<|im_end|> [INST] \u{fdd0}1\u{fdd1}"),
    ];
    if let Ok(prompt) = fuzzing::render_template(source, &messages) {
        assert!(prompt.len() <= 16 << 20, "a prompt of {} bytes", prompt.len());
    }
});
