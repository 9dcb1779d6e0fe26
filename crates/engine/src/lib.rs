//! Text generation on a CPU, reproducible to the bit.
//!
//! A model file, a prompt of tokens and a seed decide an answer; how many threads run, which instruction set they
//! use, and what else runs beside, do not. The arithmetic that makes it so is described in `docs/ARCHITECTURE.md`
//! and has a version: [`ARITHMETIC_VERSION`].
//!
//! The engine knows no HTTP and no API: it takes tokens and gives tokens. Chat messages become tokens through the
//! model's own template ([`Engine::render_chat`]).

mod adjustments;
mod chat_template;
mod constraint;
mod embedding;
mod engine;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generation;
mod gguf;
mod kernels;
mod kv_cache;
mod large_stack;
mod limits;
mod log_probabilities;
mod model;
mod ranking;
mod sampler;
mod scheduler;
mod statistics;
mod tokenizer;

pub use chat_template::TemplateError;
pub use constraint::{Constraint, ConstraintError, ConstraintSource, ConstraintTimes, NamedSchema};
pub use engine::{Engine, EngineOptions, LoadError, LoadErrorKind, ModelInfo};
pub use generation::{
    Adjustments, ChatMessage, ChatTool, EngineFailure, FinishReason, GenerationRequest, MOST_ALTERNATIVES,
    MessageToolCall, Progress, PromptLogprobs, Sampling, SubmitError, TokenId, TokenLogprobs,
};
pub use gguf::GgufError;
pub use kernels::InstructionSet;
pub use limits::{LimitsProbe, MachineLimits, OnThreads};
pub use model::{MatrixTotals, ModelError, WeightTotals};
pub use scheduler::{CancelHandle, EmbeddingSink, Sink};
pub use statistics::{EngineStatistics, LATENCY_BOUNDS_SECONDS, LATENCY_BUCKETS, Latencies};
pub use tokenizer::TokenizerError;

/// The version of the arithmetic. A change of it changes answers, and is a breaking change.
pub const ARITHMETIC_VERSION: u32 = 1;
