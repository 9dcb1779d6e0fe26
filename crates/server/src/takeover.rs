//! The way of an answer around the HTTP library.
//!
//! An HTTP library cannot break its own rules: it sends no reset, no wrong length, and none of its chunks is cut off.
//! So an answer with faults leaves it: the handler hands the answer to the task of its connection, which takes the
//! socket back from the library, writes the answer byte by byte, and gives the socket to the library again if the
//! connection may live on.

use tokio::sync::mpsc;

use crate::faulted_answer::FaultedAnswer;

/// What a handler needs in order to hand over an answer; each connection has one.
#[derive(Clone)]
pub(crate) struct Takeover(mpsc::Sender<Box<FaultedAnswer>>);

/// Where the task of a connection gets the answer.
pub(crate) struct TakenOver(mpsc::Receiver<Box<FaultedAnswer>>);

/// Both ends, for one request at a time.
pub(crate) fn channel() -> (Takeover, TakenOver) {
    let (sender, receiver) = mpsc::channel(1);
    (Takeover(sender), TakenOver(receiver))
}

impl Takeover {
    /// Hands over the answer. Never returns: the task of the connection drops whoever waits here.
    pub(crate) async fn hand_over(self, answer: Box<FaultedAnswer>) -> std::convert::Infallible {
        // It can only fail when the connection is gone, and then nobody is left to hear of it.
        let _gone = self.0.send(answer).await;
        std::future::pending().await
    }
}

impl TakenOver {
    /// Waits for an answer.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn answer(&mut self) -> Box<FaultedAnswer> {
        match self.0.recv().await {
            Some(answer) => answer,
            // Nobody is left to hand anything over.
            None => std::future::pending().await,
        }
    }
}
