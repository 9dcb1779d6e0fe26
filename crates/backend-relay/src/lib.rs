//! Other OpenAI-compatible servers as a backend.
//!
//! Passes requests on and answers back, byte for byte and piece by piece, and decides which of several servers
//! (upstreams) gets which request, what is tried again, and who is left alone for a while. It refuses to know what
//! requests and answers mean: of a request it reads the name of the model and the id of the response that it goes on
//! from, of an answer its `id`, and nothing else.
//!
//! - [`Upstream`], [`RelayOptions`]: what there is, as plain data; [`read_upstreams_file`] reads them from a file.
//! - [`RelayBackend`]: the backend.
//! - [`RelayError`]: why there is none.

mod attempt;
mod board;
mod coding;
mod connection;
mod course;
mod error;
mod failure;
mod fleet;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod health;
mod identifiers;
mod idle_connections;
mod keep_alive;
mod model_list;
mod model_union;
mod outgoing;
mod previous_response;
mod relay_backend;
mod routing;
mod upstream;
mod upstreams_file;
mod via;

pub use connection::{IDLE_CONNECTION, LONGEST_HEAD, MOST_HEADERS, MOST_INTERIM};
pub use error::RelayError;
pub use headers::{FAILED_HEADER, UPSTREAM_REQUEST_ID_HEADER};
pub use identifiers::{LOOKED_AT, MOST_IDENTIFIERS};
pub use idle_connections::MOST_IDLE;
/// The certificate authorities that [`RelayOptions::roots`] holds.
pub use interference_client::RootCertStore;
pub use relay_backend::RelayBackend;
pub use upstream::{
    KeySource, LARGEST_WEIGHT, LONGEST_NAME, LONGEST_TIMEOUT, MOST_FALLBACKS, MOST_PATTERNS, MOST_RETRIES,
    MOST_UPSTREAMS, RelayOptions, Upstream, UpstreamTimeouts, key_variable,
};
pub use upstreams_file::{FileProblem, LONGEST_FILE, MOST_PROBLEMS, read_upstreams_file};
