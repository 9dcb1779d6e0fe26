//! Ctrl-C and the polite request to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, INTERRUPTED};

/// Runs a command until it ends or the user presses Ctrl-C, which ends it at once.
pub(crate) async fn unless_interrupted<T>(
    command: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        outcome = command => outcome,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(Failure { message: "interrupted".to_owned(), hint: None, exit_code: INTERRUPTED }.into())
        }
    }
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
