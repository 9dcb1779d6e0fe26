//! HTTP/1.1 as bytes: what crossed the wire, when, and how it ended; and answers written to the byte.
