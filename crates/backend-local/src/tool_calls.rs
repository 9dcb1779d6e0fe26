//! Calls of functions: how a model is told of them, how it is made to write them, and how they are read off its text.
//!
//! Models write calls as they were trained to, each family in its own form ([`format`]); one whose template knows no
//! tools is taught a form in words ([`prompt`]). [`parser`] reads calls off the text as it comes; [`grammar`] is what
//! a model is held to that must make some. Without a must, the text is free: also a function that is said to be
//! `strict` is then held to its schema by the model alone.
//!
//! [`calling`] is what a request's choice makes of all that. Refuses to know the JSON of requests and answers, and how
//! tokens are chosen.

mod call_head;
pub(crate) mod calling;
pub(crate) mod format;
pub(crate) mod grammar;
pub(crate) mod parser;
pub(crate) mod prompt;
mod spaced_json;
