//! How much memory a program and those that it started have in use, while something is done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks at it again and again, in a thread of its own.
pub(super) struct Watch {
    before: u64,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watch {
    /// Begins with what the program with this number has now.
    pub(super) fn begin(pid: u32) -> Watch {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(resident_bytes(pid));
                std::thread::sleep(BETWEEN_LOOKS);
            }
            most
        });
        Watch { before: resident_bytes(pid), is_over, thread }
    }

    /// The most bytes that it had since, beyond those at the beginning.
    pub(super) fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default().saturating_sub(self.before)
    }
}

/// Of the process with this number and of its children; 0 where the system does not tell it.
pub(super) fn resident_bytes(pid: u32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children).filter_map(of_one).sum()
}

fn of_one(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_is_seen() {
        let before = resident_bytes(std::process::id());
        let used = vec![1_u8; 64 << 20];
        let after = resident_bytes(std::process::id());
        assert!(after >= before + (32 << 20), "{before} {after} {}", used.len());
    }
}
