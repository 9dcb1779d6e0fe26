//! The bounds that a server keeps, as the command line gives them.

use std::num::NonZeroUsize;
use std::time::Duration;

use interference_server::Limits;

use crate::settings;

/// What is absent is the server's default.
#[derive(Debug, clap::Args)]
pub(super) struct BoundArguments {
    /// The largest body of a request: bytes, or with KiB, MiB or GiB behind the number [default: 16MiB]
    #[arg(long, value_name = "BYTES", value_parser = settings::bytes)]
    max_body: Option<usize>,
    /// Connections at the same time; more wait [default: 1024]
    #[arg(long, value_name = "N")]
    max_connections: Option<NonZeroUsize>,
    /// Seconds from the opening of a connection, or the answer before, to a request's last header [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds)]
    header_timeout: Option<Duration>,
    /// Seconds from the last header to the end of the body [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds)]
    body_timeout: Option<Duration>,
    /// Seconds from the last header to the end of the answer [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds)]
    request_timeout: Option<Duration>,
    /// Seconds that a client may read nothing of its answer [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds)]
    write_timeout: Option<Duration>,
    /// Seconds of silence in a stream before a comment [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds)]
    pub(super) ping: Option<Duration>,
    /// Seconds that running requests get to finish after SIGTERM [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = settings::seconds_or_none)]
    pub(super) drain: Option<Duration>,
}

impl BoundArguments {
    /// The limits of requests and connections.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            connections: self.max_connections.map_or(defaults.connections, NonZeroUsize::get),
            body_bytes: self.max_body.unwrap_or(defaults.body_bytes),
            // A body that is a little too large is still read, however large that is.
            discarded_bytes: defaults.discarded_bytes.max(self.max_body.unwrap_or(0)),
            header_time: self.header_timeout.unwrap_or(defaults.header_time),
            body_time: self.body_timeout.unwrap_or(defaults.body_time),
            request_time: self.request_timeout.unwrap_or(defaults.request_time),
            write_time: self.write_timeout.unwrap_or(defaults.write_time),
        }
    }
}
