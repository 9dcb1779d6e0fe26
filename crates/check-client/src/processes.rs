//! Every process of a run, to be ended with it.
//!
//! Owns how descendants of a command are found. They share its process group. On Linux, those that have left it are known
//! by a variable that they inherited; those that have shed the variable, too, become children of this process when their
//! parents end (it is a subreaper), and are ended with the last of the runs that go on, since nobody knows whose they
//! are. So a process that holds exams has no children besides. On other systems the group alone is ended.

#[cfg(target_os = "linux")]
mod orphans;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// The variable whose value is another for every run.
const MARK: &str = "INTERFERENCE_RUN";

/// The first processes of all runs that go on.
static HEADS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The processes of one run; ended when it is dropped, after the [`Child`] that heads it.
#[derive(Debug)]
pub(crate) struct Household {
    /// What the environments of all its members hold.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "environments are looked at on Linux alone")
    )]
    mark: String,
    head: Option<Pid>,
}

impl Household {
    /// Starts a command at the head of a household of its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn found(command: &mut Command) -> io::Result<(Household, Child)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let value = format!("{}-{count}-{now}", std::process::id());
        command.env(MARK, &value).process_group(0);
        // Held while it starts, so that nobody takes it for an orphan.
        let mut heads = heads();
        #[cfg(target_os = "linux")]
        orphans::adopt();
        let child = command.spawn()?;
        let head = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        heads.extend(head);
        Ok((Household { mark: format!("{MARK}={value}"), head }, child))
    }
}

impl Drop for Household {
    /// Ends all of them. They do not hear of it.
    fn drop(&mut self) {
        let mut heads = heads();
        if let Some(head) = self.head {
            // It fails where none is left.
            let _ = kill_process_group(head, Signal::KILL);
        }
        heads.retain(|head| Some(*head) != self.head);
        #[cfg(target_os = "linux")]
        orphans::end(&self.mark, &heads);
    }
}

/// Takes note of the ends of adopted orphans, which are listed by the system until somebody does.
pub(crate) fn bury() {
    #[cfg(target_os = "linux")]
    orphans::bury(&heads());
}

fn heads() -> MutexGuard<'static, Vec<Pid>> {
    // What a panic has left is still a list.
    HEADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills a process, and its group, in which one that forks and ends over and over stays; but not ours, nor another run's.
fn kill(process: Pid, heads: &[Pid]) {
    if let Ok(group) = getpgid(Some(process))
        && group != getpgrp()
        && !heads.contains(&group)
    {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = kill_process(process, Signal::KILL);
}
