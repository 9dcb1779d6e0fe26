//! To be written.
/// How long an event may be that faults of events concern: 1 MiB.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
