//! The OpenAI API, as its public description has it.

pub mod chat_completions;
pub mod chat_parameters;
pub mod chat_reply;
pub mod embeddings;
pub mod error;
pub mod identity;
pub mod models;
pub mod responses;
pub mod responses_reply;
