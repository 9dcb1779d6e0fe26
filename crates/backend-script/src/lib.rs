//! A script as a backend: rules that match requests, and the answers to them.
