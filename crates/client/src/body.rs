//! The body of a response, piece by piece, with a bound on every wait.

use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::content_encoding::ContentDecoder;
use crate::exchange::Driver;
use crate::{ClientError, Cut};

/// How many bytes of a body are kept for messages that quote it.
const OPENING_BYTES: usize = 1000;

/// How many characters a quotation has at most.
const QUOTE_CHARS: usize = 200;

/// The body of a response.
pub(crate) struct Body {
    driver: Driver,
    incoming: Incoming,
    content: ContentDecoder,
    idle: Duration,
    opening: Vec<u8>,
}

impl Body {
    pub(crate) fn new(driver: Driver, incoming: Incoming, content: ContentDecoder, idle: Duration) -> Body {
        Body { driver, incoming, content, idle, opening: Vec::new() }
    }

    /// The next decoded bytes, never empty; `None` at the end, if the body ended in order.
    ///
    /// # Cancellation
    /// Safe: nothing is lost, and the wait begins anew.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(bytes) = self.content.next().map_err(content_error)? {
                let missing = OPENING_BYTES - self.opening.len();
                self.opening.extend_from_slice(&bytes[..bytes.len().min(missing)]);
                return Ok(Some(bytes));
            }
            match self.received().await? {
                Some(bytes) => self.content.push(bytes),
                None => {
                    let cut = |_| ClientError::BrokeOff { cut: Cut::InsideBody, source: None };
                    return self.content.finish().map(|()| None).map_err(cut);
                }
            }
        }
    }

    /// All of the body that was not read yet.
    pub(crate) async fn read_whole(&mut self, bytes_max: usize) -> Result<Vec<u8>, ClientError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if bytes.len() > bytes_max - whole.len() {
                return Err(ClientError::TooLong { bytes_max });
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }

    /// The start of what was read, for a message.
    pub(crate) fn opening(&self) -> String {
        quotation(&String::from_utf8_lossy(&self.opening))
    }

    /// The next bytes as they were sent.
    async fn received(&mut self) -> Result<Option<Bytes>, ClientError> {
        let idle = self.idle;
        let frame = std::future::poll_fn(|context| {
            self.driver.drive(context);
            Poll::Ready(match ready!(Pin::new(&mut self.incoming).poll_frame(context)) {
                Some(frame) => frame.map(|frame| Some(frame.into_data().unwrap_or_default())),
                // Where the connection failed, the end of the body is no end in order.
                None => self.driver.take_failure().map_or(Ok(None), Err),
            })
        });
        match timeout(idle, frame).await {
            Ok(frame) => {
                frame.map_err(|source| ClientError::BrokeOff { cut: Cut::InsideBody, source: Some(source) })
            }
            Err(_) => Err(ClientError::IdleTimeout { after: idle }),
        }
    }
}

/// A text's start, on one line and without control characters, so that it can stand in a message.
pub(crate) fn quotation(text: &str) -> String {
    let line: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = line.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn content_error(error: io::Error) -> ClientError {
    ClientError::ContentEncoding { problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_on_one_line() {
        assert_eq!(quotation(" <html>\r\n\t<title>\u{1b}[31m\0x "), "<html> <title> [31m x");
        assert_eq!(quotation(&"🌳".repeat(1000)).chars().count(), QUOTE_CHARS + 1);
        assert_eq!(quotation(" \n"), "");
    }
}
