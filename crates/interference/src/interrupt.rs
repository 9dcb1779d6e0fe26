//! What the system may signal: Ctrl-C, the polite request to end, and a file that may not grow.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::INTERRUPTED;

/// From here on Ctrl-C ends the process at once, whatever it is doing: also while a pipe that nobody reads blocks it.
///
/// # Errors
/// When the system takes no handlers.
pub(crate) fn end_at_ctrl_c() -> std::io::Result<()> {
    end_at_ctrl_c_after(async {})
}

/// The same, but that the first Ctrl-C has `last` done before, which must have a bound of time; the second does not wait
/// for it.
///
/// # Errors
/// As [`end_at_ctrl_c`].
pub(crate) fn end_at_ctrl_c_after(last: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        interrupt.recv().await;
        tokio::select! {
            () = last => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(INTERRUPTED.into());
    });
    Ok(())
}

/// From here on the first Ctrl-C is for `first`, and the second ends the process at once.
///
/// # Errors
/// When the system takes no handlers, or has no means for a thread.
pub(crate) fn at_first_ctrl_c(first: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut interrupt = {
        let _guard = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            interrupt.recv().await;
            first();
            interrupt.recv().await;
            std::process::exit(INTERRUPTED.into());
        });
    })?;
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

/// Resolves when stdin ends: when whoever held its other end has gone, in whatever way.
pub(crate) async fn stdin_ended() {
    let (ended, end) = tokio::sync::oneshot::channel();
    // A thread of its own, which nothing waits for: a read of stdin cannot be called back.
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}

/// From here on a file that may not grow (`ulimit -f`) is an error of whoever writes to it, instead of the end of the
/// process.
///
/// # Errors
/// When the system takes no handlers.
pub(crate) fn outlive_file_limits() -> std::io::Result<()> {
    // A handler stays for as long as the process runs, also when nobody listens.
    signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)).map(drop)
}

/// SIGXFSZ of Linux, macOS and the BSDs (on MIPS it is another, which is harmless).
const FILE_SIZE_EXCEEDED: i32 = 25;
