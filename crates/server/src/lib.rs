//! HTTP in: listens, reads requests within limits, asks a backend, and writes what it replies.
//!
//! Owns sockets, routes, keys, the check of the Host header, and the one mapping from refusals to statuses. It refuses
//! to know models, tokens, and what the JSON of a request means: that is the backend's.
//!
//! Every route answers under `/v1/…` and under `/…`. Every error is the envelope of the API.

mod answer_body;
mod auth;
mod body;
mod break_off;
mod closing;
mod connections;
mod cross_origin;
mod dozing;
mod error_response;
mod event_stream;
mod fault_plan;
mod faulted_answer;
mod frame_bytes;
mod framing;
mod host_check;
mod ignored_header;
mod journal;
mod lanes;
mod limits;
mod listen;
mod mending;
mod meters;
mod observation;
mod openapi;
mod raw_answer;
mod rounds;
mod routes;
mod server;
mod socket;
mod spacing;
mod stamp;
mod takeover;

pub use cross_origin::{AllowedOrigin, ParseOriginError};
pub use fault_plan::HeaderFaults;
pub use limits::Limits;
pub use listen::{BindError, ListenAddresses, ParseAddressError};
pub use observation::REQUEST_LOG;
pub use server::{ServeOptions, ServeOutcome, Server};
