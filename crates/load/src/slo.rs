//! What is asked of a server: `first_content_ms_p99<500`.
