//! How a fetch tells what it does.
//!
//! Only the trait: what is drawn, and whether at all, is up to whoever implements it.

/// Told what a fetch does while it does it. Called on the thread that fetches, a few times a second or more often.
///
/// For each source that is tried: `begin`, any number of `advance`, then `finish`. Notes may come at any time.
pub trait FetchProgress {
    /// A source is being tried; `total_bytes` are expected from it.
    fn begin(&mut self, source: &str, total_bytes: u64);

    /// So many bytes have arrived since `begin`. It may go back to a smaller number when a connection is taken up
    /// again.
    fn advance(&mut self, position_bytes: u64);

    /// The source delivered, or failed; nothing more comes from it.
    fn finish(&mut self);

    /// Something a person should know: one line, without a line end.
    fn note(&mut self, message: &str);
}

/// Keeps what it was told, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) position_bytes: u64,
    pub(crate) notes: Vec<String>,
}

#[cfg(test)]
impl FetchProgress for Recorded {
    fn begin(&mut self, _source: &str, _total_bytes: u64) {}

    fn advance(&mut self, position_bytes: u64) {
        self.position_bytes = position_bytes;
    }

    fn finish(&mut self) {}

    fn note(&mut self, message: &str) {
        self.notes.push(message.to_owned());
    }
}
