//! Cassettes as their users meet them: texts that are written and read, and folders of files.

#![expect(clippy::unwrap_used, reason = "a test ends where it is wrong")]

mod documentation;
mod folder;
mod generated;
mod mistakes;
mod redaction;
mod sample;
mod text;
