//! Work that calls itself as deep as its input is nested, on a thread whose stack holds that.
//!
//! A stack that overflows is no panic: it ends the program. So whoever gives foreign input to code that calls itself
//! bounds the depth of the input, and asks here for the stack that the bound needs. Knows nothing of the work.

use std::io;

/// Does something on a thread of its own with a stack of so many bytes; memory is taken as the stack is used. Waits
/// for it, and passes on its panic.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn on_large_stack<T: Send>(
    name: &str,
    stack_bytes: usize,
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(stack_bytes);
        let thread = thread.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
