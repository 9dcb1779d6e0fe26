//! The OpenAI API, as its public description has it.

pub mod chat_completions;
pub mod error;
pub mod models;
