//! The threads on which connections are served: one for each processor, each with a runtime of its own.
//!
//! Owns the threads from their start to their end. A thread that shares nothing with others is not woken for their
//! connections, and wakes nobody for its own. It refuses to know what is served.

use std::io;
use std::thread::{self, JoinHandle, available_parallelism};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The most threads: more connections are served at the same time, but hardly on more processors.
const MOST_LANES: usize = 64;

/// The threads. Dropping it ends them, and what still runs on them.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    runtime: Handle,
    /// Taken in order to end the thread.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lanes {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no thread, or nothing to watch sockets with.
    pub(super) fn start() -> io::Result<Lanes> {
        let count = available_parallelism().map_or(1, usize::from).min(MOST_LANES);
        (0..count).map(Lane::start).collect::<io::Result<_>>().map(Lanes)
    }

    /// What connections are served on.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        self.0.iter().map(|lane| lane.runtime.clone()).collect()
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Lane> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name(format!("connections-{number}")).spawn(move || {
            // Resolves with an error, since nothing is ever sent.
            let _dropped = runtime.block_on(ended);
            // Work on a disk or a model that was begun is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Lane { runtime: handle, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // A panic on it was told by the panic hook.
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_runs_on_them_ends_with_them() {
        let lanes = Lanes::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        for runtime in lanes.runtimes() {
            let sender = sender.clone();
            runtime.spawn(async move {
                sender.send(thread::current().name().map(str::to_owned)).unwrap();
                std::future::pending::<()>().await;
            });
        }
        drop(sender);
        let bound = Duration::from_secs(20);
        let mut names: Vec<_> =
            lanes.0.iter().map(|_| receiver.recv_timeout(bound).unwrap().unwrap()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), lanes.0.len());
        drop(lanes);
        assert_eq!(receiver.recv_timeout(bound), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
