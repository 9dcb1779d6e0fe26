//! Scripts as their users meet them: a file in, answers out, through the trait that servers ask.

mod broken;
mod chat;
mod crowd;
mod documentation;
mod exchange;
mod making;
mod matching;
mod memory;
mod pace;
