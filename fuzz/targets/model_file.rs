//! A model file of any bytes: an error that is short and names the place, or a model that answers.

#![no_main]

use std::num::NonZeroUsize;
use std::sync::mpsc::channel;

use interference_engine::{Adjustments, EngineOptions, GenerationRequest, Progress, Sampling, fuzzing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = EngineOptions {
        threads: NonZeroUsize::new(1),
        cache_bytes: Some(1 << 20),
        ..EngineOptions::default()
    };
    let engine = match fuzzing::load_model(bytes, &options) {
        Ok(engine) => engine,
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 2_000, "a message of {} bytes", message.len());
            return;
        }
    };
    let mut prompt = engine.encode("a tree, 2 trees\n");
    prompt.insert(0, 0);
    let request = GenerationRequest {
        prompt,
        max_tokens: Some(2),
        sampling: Sampling::GREEDY,
        adjustments: Adjustments::default(),
        logprobs: Some(0),
        prompt_logprobs: true,
        ignore_eos: true,
        constraint: None,
    };
    let (sender, receiver) = channel();
    // A prompt too long for the context is refused, and weights that overflow fail: both are answers.
    let Ok(_handle) = engine.submit(request, Box::new(move |progress| drop(sender.send(progress)))) else {
        return;
    };
    let last = receiver.iter().last();
    assert!(
        matches!(last, Some(Progress::Finished(_) | Progress::Failed(_))),
        "the engine fell silent: {last:?}"
    );
    assert!(!engine.is_stopped(), "the engine's thread died");
});
