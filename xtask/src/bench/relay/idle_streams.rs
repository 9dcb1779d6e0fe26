//! How much memory a relay has for a stream that has begun and waits.
//!
//! Before each relay stands an upstream of this measure's own, whose streams begin at once and then say nothing for longer
//! than it takes. Owns the streams that are held. It refuses to know what relays do when there is something to pass on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::resident_memory::resident_bytes;
use super::{MODEL, WARM_UP_STREAMS};
use crate::bench::contestant::Contestant;

/// What a load of them is called.
pub(super) const NAME: &str = "streams that wait";
/// When the upstream's streams go on.
pub(super) const SILENCE_MS: u64 = 120_000;
/// How many are held.
const STREAMS: usize = 512;
/// How long a stream may take to begin.
const LONGEST_BEGINNING: Duration = Duration::from_secs(30);
/// In which a stream begins, its head included, in bytes.
const MOST_BEGINNING: usize = 64 << 10;
/// With which every event of a stream begins.
const EVENT: &[u8] = b"data:";

/// The bytes that each of many more streams takes.
///
/// # Errors
/// When a stream does not begin.
pub(super) fn bytes_of_one(relay: &Contestant) -> anyhow::Result<f64> {
    drop(held(relay, WARM_UP_STREAMS)?);
    let before = resident_bytes(relay.pid());
    let streams = held(relay, STREAMS)?;
    let after = resident_bytes(relay.pid());
    drop(streams);
    Ok(after.saturating_sub(before) as f64 / STREAMS as f64)
}

/// So many streams, all of which have begun.
fn held(relay: &Contestant, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let asked = (0..count).map(|_| ask(relay)).collect::<anyhow::Result<Vec<TcpStream>>>();
    let mut streams = asked.context("no stream could be asked for")?;
    streams.iter_mut().try_for_each(begin)?;
    Ok(streams)
}

fn ask(relay: &Contestant) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(&relay.address)?;
    stream.set_read_timeout(Some(LONGEST_BEGINNING))?;
    stream.write_all(request(relay).as_bytes())?;
    Ok(stream)
}

fn request(relay: &Contestant) -> String {
    let body = format!(
        "{{\"model\":\"{MODEL}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"pace\"}}]}}"
    );
    let headers: String = relay.headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        relay.address,
        body.len()
    )
}

/// Reads up to the first event.
fn begin(stream: &mut TcpStream) -> anyhow::Result<()> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4_096]);
    while !read.windows(EVENT.len()).any(|window| window == EVENT) {
        let count = stream.read(&mut buffer).context("a stream did not begin")?;
        ensure!(count > 0, "a stream ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..count]);
        ensure!(read.len() <= MOST_BEGINNING, "a stream does not begin within {MOST_BEGINNING} bytes");
    }
    Ok(())
}
