//! How many connections this machine lets one program open, and what to say where they are too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::{Failure, WRONG_USAGE};

/// File descriptors that are needed for other things than connections.
const OTHERS: u64 = 64;
/// Where Linux says which ports connections may come from.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Has the system allow as many open files as it may, and tells how many connections that makes.
pub(super) fn available() -> usize {
    let limits = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limits.maximum, maximum: limits.maximum };
    let allowed = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    };
    let files = allowed.unwrap_or(u64::MAX).saturating_sub(OTHERS);
    usize::try_from(files.min(ports())).unwrap_or(usize::MAX)
}

/// Ports that connections to one address may come from.
fn ports() -> u64 {
    let range = std::fs::read_to_string(PORT_RANGE).unwrap_or_default();
    let mut ends = range.split_ascii_whitespace().map_while(|end| end.parse::<u64>().ok());
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        _ => u64::from(u16::MAX),
    }
}

/// Whether so many streams at once are possible.
///
/// # Errors
/// They are not, with what to do about it.
pub(super) fn check(streams: f64, available: usize) -> Result<(), Failure> {
    if streams <= available as f64 {
        return Ok(());
    }
    let message =
        format!("{streams:.0} streams at once need more connections than this machine allows: {available}");
    let hint = "raise the limit of open files (`ulimit -n`) or the range of local ports, or split the load over several \
                machines with `--shard`";
    Err(Failure::new(WRONG_USAGE, message, hint))
}
