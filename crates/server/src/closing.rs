//! How a server goes down: first it takes nothing new, then it cuts off what still runs.

use tokio::sync::watch;

/// The phases of a server, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything is taken.
    Serving,
    /// Nothing new is taken; what runs may finish.
    Draining,
    /// What still runs must end now.
    Cut,
}

/// Tells the phase to those who must act on it.
#[derive(Debug, Clone)]
pub(crate) struct Closing {
    phase: watch::Receiver<Phase>,
}

impl Closing {
    /// A sender of phases, and the first receiver.
    pub(crate) fn channel() -> (watch::Sender<Phase>, Closing) {
        let (sender, phase) = watch::channel(Phase::Serving);
        (sender, Closing { phase })
    }

    /// Resolves when the phase has come, or when nobody is left to tell it.
    pub(crate) async fn reached(&mut self, awaited: Phase) {
        // An error means that the server is gone, which is past every phase.
        let _gone = self.phase.wait_for(|phase| *phase >= awaited).await;
    }
}
