//! The watch for a peer that goes away, without reading anything.

use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Gone;

/// How often a system that cannot wait for the end alone is asked whether it came.
pub const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Resolves when the peer's direction of the connection has ended.
pub(super) async fn until_gone(stream: &TcpStream) -> Gone {
    match until_ended(stream).await {
        Ok(()) => reason(stream),
        Err(error) => Gone::from_error(&error),
    }
}

/// Waits for the end of reading alone: with this interest unread bytes do not wake, since nobody asked the system for
/// urgent bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
async fn until_ended(stream: &TcpStream) -> std::io::Result<()> {
    stream.ready(Interest::PRIORITY).await.map(drop)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn until_ended(stream: &TcpStream) -> std::io::Result<()> {
    let mut byte = [0];
    loop {
        if stream.ready(Interest::READABLE).await?.is_read_closed() || stream.peek(&mut byte).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What the system says of an end that it reported.
fn reason(stream: &TcpStream) -> Gone {
    match stream.take_error() {
        Ok(None) => Gone::Closed,
        Ok(Some(error)) | Err(error) => Gone::from_error(&error),
    }
}
