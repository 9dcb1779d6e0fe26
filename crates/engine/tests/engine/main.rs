//! The engine with the real model. `cargo xtask test` fetches it and says where it is.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod batching;
mod constraint;
mod damaged_files;
mod embeddings;
mod golden;
mod hostile_constraints;
mod model_files;
mod queue;
mod sampling;
mod small_model;
mod tokens;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};

use interference_engine::{
    Adjustments, CancelHandle, ChatMessage, Engine, EngineOptions, EngineStatistics, FinishReason,
    GenerationRequest, InstructionSet, Progress, Sampling, SubmitError, TokenId,
};

/// The default model's file.
fn model_path() -> PathBuf {
    let variable = "INTERFERENCE_TEST_MODEL";
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`"))
        .into()
}

/// One engine for the tests that need nothing special of it.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(InstructionSet::detect(), 2));

fn engine(kernels: InstructionSet, threads: usize) -> Engine {
    let options = EngineOptions {
        threads: NonZeroUsize::new(threads),
        kernels: Some(kernels),
        ..EngineOptions::default()
    };
    Engine::load(&model_path(), &options).unwrap()
}

fn user(text: &str) -> Vec<ChatMessage> {
    vec![message("user", text)]
}

fn message(role: &str, content: &str) -> ChatMessage {
    ChatMessage::new(role, content)
}

fn request(prompt: Vec<TokenId>, max_tokens: usize, sampling: Sampling) -> GenerationRequest {
    GenerationRequest {
        prompt,
        max_tokens: Some(max_tokens),
        sampling,
        adjustments: Adjustments::default(),
        logprobs: Some(0),
        prompt_logprobs: false,
        ignore_eos: false,
        constraint: None,
    }
}

/// Starts a generation whose progress comes through a channel.
fn start(
    engine: &Engine,
    request: GenerationRequest,
) -> Result<(CancelHandle, Receiver<Progress>), SubmitError> {
    let (sender, receiver) = channel();
    // Nobody listens any more where a test has seen enough.
    let handle = engine.submit(request, Box::new(move |progress| drop(sender.send(progress))))?;
    Ok((handle, receiver))
}

/// A whole answer.
#[derive(Debug, PartialEq)]
struct Answer {
    tokens: Vec<TokenId>,
    logprobs: Vec<f32>,
    finish: FinishReason,
}

impl Answer {
    fn of(engine: &Engine, request: GenerationRequest) -> Answer {
        let (_handle, receiver) = start(engine, request).unwrap();
        Answer::receive(&receiver)
    }

    fn receive(receiver: &Receiver<Progress>) -> Answer {
        let (mut tokens, mut logprobs) = (Vec::new(), Vec::new());
        for progress in receiver {
            match progress {
                Progress::Token { id, logprobs: told } => {
                    tokens.push(id);
                    logprobs.push(told.expect("log probabilities were asked for").logprob);
                }
                Progress::Prompt(prompt) => panic!("nobody asked for {prompt:?}"),
                Progress::Finished(finish) => return Answer { tokens, logprobs, finish },
                Progress::Failed(failure) => panic!("{failure}"),
            }
        }
        panic!("the engine fell silent after {} tokens", tokens.len());
    }

    fn text(&self, engine: &Engine) -> String {
        let bytes: Vec<u8> = self.tokens.iter().flat_map(|id| engine.token_bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
