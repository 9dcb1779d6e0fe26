//! Recordings and the recorder as a server meets them: through the trait that it asks.

#![expect(clippy::unwrap_used, reason = "a test ends where it is wrong")]

mod asking;
mod matching;
mod messages;
mod missing;
mod playback;
mod recording;
