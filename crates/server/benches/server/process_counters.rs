//! What the system counts of a process: the processor time it took.

use std::time::Duration;

/// Ticks of the times in `/proc`: what Linux promises to programs, whatever its own clock is.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` behind the program's name that come before the two times.
const FIELDS_BEFORE: usize = 11;

/// The counters of a process so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessCounters {
    /// Of all threads, in the program and in the kernel.
    cpu: Duration,
}

impl ProcessCounters {
    /// Of the process with this number and its children, which do the work in servers such as nginx. None where the system
    /// has no `/proc`, or no such process.
    pub(crate) fn of(pid: u32) -> Option<ProcessCounters> {
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children
            .split_ascii_whitespace()
            .filter_map(|child| ProcessCounters::of_one(child.parse().ok()?));
        let own = ProcessCounters::of_one(pid)?;
        Some(children.fold(own, |sum, child| ProcessCounters { cpu: sum.cpu + child.cpu }))
    }

    fn of_one(pid: u32) -> Option<ProcessCounters> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses, and may hold anything.
        let (_, behind_name) = stat.rsplit_once(')')?;
        let mut times = behind_name.split_ascii_whitespace().skip(FIELDS_BEFORE);
        let ticks = times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?;
        Some(ProcessCounters { cpu: Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND) })
    }

    /// What was added since an earlier reading.
    pub(crate) fn seconds_since(&self, earlier: &ProcessCounters) -> f64 {
        self.cpu.saturating_sub(earlier.cpu).as_secs_f64()
    }
}
