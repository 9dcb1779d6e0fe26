//! A connection, and how long its reads wait.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::client_mutants::reference::bug::{Bug, Manner, Variant};
use crate::client_mutants::reference::failure::{Failure, Kind};

/// A connection whose reads wait no longer than the time-out.
#[derive(Debug)]
pub(in super::super) struct Socket {
    stream: TcpStream,
    /// When reads end, for the mistake that has a time-out for all of them together.
    deadline: Option<Instant>,
    /// The most that one read brings.
    read_bytes: usize,
}

impl Socket {
    /// Connects, in no more time than the time-out.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn connect(authority: &str, timeout: Duration, manner: Manner) -> Result<Socket, Failure> {
        let unreached = |error: io::Error| {
            Failure::new(Kind::Unreached, format!("{authority} cannot be reached: {error}"))
        };
        let mut last = io::Error::other("the name has no address");
        for address in authority.to_socket_addrs().map_err(unreached)? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(unreached)?;
                    stream.set_write_timeout(Some(timeout)).map_err(unreached)?;
                    let wait = Some(timeout).filter(|_| !manner.has(Bug::NoTimeout));
                    stream.set_read_timeout(wait).map_err(unreached)?;
                    let deadline = manner.has(Bug::TimeoutOfTheWhole).then(|| Instant::now() + timeout);
                    return Ok(Socket { stream, deadline, read_bytes: read_bytes(manner) });
                }
                Err(error) => last = error,
            }
        }
        Err(unreached(last))
    }
}

fn read_bytes(manner: Manner) -> usize {
    match manner.variant {
        Some(Variant::ReadsLittle) => 16,
        Some(Variant::ReadsMuch) => 64 << 10,
        _ => 16 << 10,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            // The system knows no time-out of zero.
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
        }
        let most = self.read_bytes.min(buffer.len());
        self.stream.read(&mut buffer[..most])
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
