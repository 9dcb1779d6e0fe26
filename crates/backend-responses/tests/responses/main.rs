//! The backend from outside: requests of the Responses API in, responses and events out, and chats that are kept, with a
//! chat behind it that says what a test wants.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it is wrong")]

mod chat;
mod creating;
mod events;
mod keeping;
mod stored_chats;
