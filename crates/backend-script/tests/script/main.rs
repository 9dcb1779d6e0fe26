//! Scripts as their users meet them: a file in, answers out, through the trait that servers ask.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is wrong")]

mod broken;
mod chat;
mod completions;
mod crowd;
mod documentation;
mod exchange;
mod making;
mod matching;
mod memory;
mod pace;
mod timestamps;
