//! The JSON of the APIs: what requests and answers look like on the wire, a folder per dialect, a file per endpoint.
//!
//! Owns names, shapes and the reading of them: a mistake in a request is told with the path of the field where it
//! is. It refuses to know what can be honoured, which models there are, and anything of HTTP.

pub mod openai;
mod request_body;

pub use request_body::{Parsed, RequestBodyError, parse};
