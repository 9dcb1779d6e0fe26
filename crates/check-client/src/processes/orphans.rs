//! Processes that have left the group of their run, on Linux.
//!
//! Owns how they are found: by a variable of their environment, or among the children of this process. Where the kernel
//! does not list children, those that have shed the variable stay.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

use super::kill;

/// How long they are looked for, over and over: one that forks while it is looked for is found the next time.
const LONGEST_HUNT: Duration = Duration::from_secs(2);

/// Descendants that are looked at in one look.
const MOST_DESCENDANTS: usize = 1 << 16;

/// From here on whoever loses its parent becomes a child of this process.
pub(super) fn adopt() {
    // It fails on systems that are older than the feature, where it does not come to that.
    let _ = set_child_subreaper(Some(getpid()));
}

/// Ends all that have this variable; and, where no run goes on, all children.
pub(super) fn end(mark: &str, heads: &[Pid]) {
    let until = Instant::now() + LONGEST_HUNT;
    while (pursue(heads, until, |child| is_marked(child, mark)) | end_marked(mark, heads))
        && Instant::now() < until
    {}
    if heads.is_empty() {
        pursue(heads, Instant::now() + LONGEST_HUNT, |_| true);
    }
}

/// Reaps children that have ended, heads aside.
pub(super) fn bury(heads: &[Pid]) {
    for child in children(heads) {
        let _ = waitpid(Some(child), WaitOptions::NOHANG);
    }
}

/// Kills such descendants, heads and theirs aside, until there are none; says whether there were any.
///
/// Those that fork and end over and over are hunted down, generation after generation. One whose parent still ends is no
/// child of ours yet, and is the one that forks next: so the youngest of a line is killed first, as long as it has not
/// forked. The dead are reaped at once, for the list to stay short.
fn pursue(heads: &[Pid], until: Instant, is_prey: impl Fn(Pid) -> bool) -> bool {
    let mut found = false;
    loop {
        let mut found_now = false;
        let children = children(heads);
        let all = with_descendants(&children);
        for process in all.iter().rev().copied().filter(|process| is_prey(*process)) {
            // One that was reaped meanwhile may have left its number to a stranger.
            if parent(process).is_some_and(|parent| parent == getpid() || all.contains(&parent)) {
                kill(process, heads);
                found_now = true;
            }
            if Instant::now() >= until {
                break;
            }
        }
        for child in children {
            let _ = waitpid(Some(child), WaitOptions::NOHANG);
        }
        found |= found_now;
        if !found_now || Instant::now() >= until {
            return found;
        }
    }
}

/// These processes, and behind them all that descend from them, parents before their children.
fn with_descendants(processes: &[Pid]) -> Vec<Pid> {
    let mut all = processes.to_vec();
    let mut looked_at = 0;
    while let Some(process) = all.get(looked_at).copied()
        && all.len() < MOST_DESCENDANTS
    {
        all.extend(children_of(&format!("/proc/{}/task", process.as_raw_nonzero())));
        looked_at += 1;
    }
    all
}

/// Kills those that are found among all processes, each before the next is looked at; says whether there were any.
fn end_marked(mark: &str, heads: &[Pid]) -> bool {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|process| pid(process.file_name().to_str()?));
    let mut found = false;
    for process in all.filter(|process| is_marked(*process, mark)) {
        kill(process, heads);
        found = true;
    }
    found
}

/// Whether a living process has this variable in its environment. Another user's cannot be read.
fn is_marked(process: Pid, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
}

/// The parent of a process, by the fourth field of its `stat` (proc(5)).
fn parent(process: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    // The second is the name of its program in parentheses, which may have any character.
    stat.rsplit_once(") ")?.1.split(' ').nth(1).and_then(pid)
}

/// The children of this process, heads aside, those included that have ended and were not reaped.
fn children(heads: &[Pid]) -> Vec<Pid> {
    let mut children = children_of("/proc/self/task");
    children.retain(|child| !heads.contains(child));
    children
}

/// The children of a process, by the folder of its threads.
fn children_of(threads: &str) -> Vec<Pid> {
    let threads = fs::read_dir(threads).into_iter().flatten().flatten();
    let listed = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    listed.flat_map(|listed| listed.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect()
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}
