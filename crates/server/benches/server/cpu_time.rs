//! The processor time that a process took.

use std::time::Duration;

/// Ticks of the times in `/proc`: what Linux promises to programs, whatever its own clock is.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` behind the program's name that come before the two times.
const FIELDS_BEFORE: usize = 11;

/// So far, of all threads of the process with this number, in the program and in the kernel, and of its children, which
/// do the work in servers such as nginx. None where the system has no `/proc`, or no such process.
pub(crate) fn taken(pid: u32) -> Option<Duration> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| taken_by_one(child.parse().ok()?));
    Some(taken_by_one(pid)? + children.sum::<Duration>())
}

fn taken_by_one(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses, and may hold anything.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times = behind_name.split_ascii_whitespace().skip(FIELDS_BEFORE);
    let ticks = times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}
