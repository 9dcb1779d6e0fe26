//! The OpenAI API, as its public description has it.

pub mod chat_completions;
pub mod chat_parameters;
pub mod chat_reply;
pub mod completion_reply;
pub mod completions;
pub mod conversation;
pub mod embeddings;
pub mod error;
pub mod identity;
pub mod inputs;
pub mod metadata;
pub mod model_name;
pub mod models;
pub mod response_format;
pub mod responses;
pub mod responses_reply;
pub mod sampling;
pub mod stored_chats;
pub mod tools;
