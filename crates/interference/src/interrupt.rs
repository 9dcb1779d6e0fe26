//! Ctrl-C and the polite request to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::INTERRUPTED;

/// From here on Ctrl-C ends the process at once, whatever it is doing: also while a pipe that nobody reads blocks it.
///
/// # Errors
/// When the system takes no handlers.
pub(crate) fn end_at_ctrl_c() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        interrupt.recv().await;
        std::process::exit(INTERRUPTED.into());
    });
    Ok(())
}

/// Resolves when the process is asked to end (SIGTERM), as a service manager does.
///
/// # Errors
/// When the system takes no handlers.
pub(crate) fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        terminate.recv().await;
    })
}
