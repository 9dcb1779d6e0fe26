//! Ctrl-C: the first ends the arrivals, of all runs of the command, and what had come is told; the second ends the process.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use interference_load::Stop;

use crate::interrupt::at_first_ctrl_c;
use crate::talk::say;

/// Whether the user has interrupted the command. Until it is armed Ctrl-C ends the process, since there is nothing to tell.
#[derive(Debug, Default)]
pub(super) struct Interruption {
    stop: Arc<Stop>,
    is_armed: Cell<bool>,
}

impl Interruption {
    /// From here on the first Ctrl-C is a wish; gives where it is seen.
    ///
    /// # Errors
    /// When the system takes no handlers.
    pub(super) fn arm(&self) -> io::Result<Arc<Stop>> {
        if !self.is_armed.replace(true) {
            let stop = Arc::clone(&self.stop);
            at_first_ctrl_c(move || {
                stop.wish();
                say(
                    "\nnothing more is sent, and what is on its way is waited for; Ctrl-C again ends at once",
                );
            })?;
        }
        Ok(Arc::clone(&self.stop))
    }

    /// Whether there was one.
    pub(super) fn is_there(&self) -> bool {
        self.stop.is_wished()
    }
}
