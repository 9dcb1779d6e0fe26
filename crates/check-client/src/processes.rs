//! Every process of a run, to be ended with it.
//!
//! Owns how descendants of a command are found: they share its process group, and those that have left the group are
//! known, on Linux, by a variable that they inherited. On other systems only the command itself can be ended, and on
//! other Unixes its group.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::process::{Child, Command};

/// The variable whose value is another for every run.
const MARK: &str = "INTERFERENCE_RUN";

/// How often all processes are looked through: one that forks while it is looked for is found the next time.
#[cfg(target_os = "linux")]
const MOST_ROUNDS: usize = 20;

/// The processes of one run; ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Household {
    /// What the environments of all its members hold.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "environments are looked at on Linux alone")
    )]
    mark: String,
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Household {
    /// Has a command found a household of its own.
    pub(crate) fn settle(command: &mut Command) -> Household {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let value = format!("{}-{count}-{now}", std::process::id());
        command.env(MARK, &value);
        #[cfg(unix)]
        command.process_group(0);
        Household {
            mark: format!("{MARK}={value}"),
            #[cfg(unix)]
            group: None,
        }
    }

    /// The same, once its first member is there.
    pub(crate) fn headed_by(mut self, child: &Child) -> Household {
        #[cfg(unix)]
        {
            let id = child.id().and_then(|id| i32::try_from(id).ok());
            self.group = id.and_then(rustix::process::Pid::from_raw);
        }
        self
    }

    /// Ends all of them. They do not hear of it.
    pub(crate) fn end(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group {
            // It fails where none is left.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        #[cfg(target_os = "linux")]
        for _ in 0..MOST_ROUNDS {
            let strays = strays(&self.mark);
            if strays.is_empty() {
                break;
            }
            for stray in strays {
                let _ = rustix::process::kill_process(stray, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Drop for Household {
    fn drop(&mut self) {
        self.end();
    }
}

/// Living processes whose environment has this variable.
#[cfg(target_os = "linux")]
fn strays(mark: &str) -> Vec<rustix::process::Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let marked = processes.flatten().filter_map(|process| {
        let id: i32 = process.file_name().to_str()?.parse().ok()?;
        // One that is over, and waits for its parent to notice, has an empty environment; another user's cannot be read.
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| variable == mark.as_bytes()).then_some(id)
    });
    marked.filter_map(rustix::process::Pid::from_raw).collect()
}
