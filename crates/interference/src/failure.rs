//! How a command fails: a message, what to do about it, and an exit code.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use interference_client::ClientError;
use interference_model_store::FetchError;

/// The thing under test failed, or its answer broke off.
pub(crate) const TEST_FAILED: u8 = 1;
/// The command line asks for what cannot be.
pub(crate) const WRONG_USAGE: u8 = 2;
/// The tool itself failed, or its target could not be reached.
pub(crate) const TOOL_FAILED: u8 = 3;
/// The user pressed Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// A failure that was expected as a possibility: it says what to do, and knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit_code: u8,
}

impl Failure {
    /// A failure with a hint.
    pub(crate) fn new(exit_code: u8, message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: Some(hint.into()), exit_code }
    }
}

/// Prints an error and its hint on stderr, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let (hint, exit_code) = hint_and_code(error);
    if exit_code == INTERRUPTED {
        return ExitCode::from(exit_code);
    }
    let mut stderr = std::io::stderr().lock();
    let (red, cyan, plain) =
        if may_colour(&stderr) { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
    // A closed stderr changes nothing: the exit code still tells.
    drop(writeln!(stderr, "{red}error:{plain} {error:#}"));
    if let Some(hint) = hint {
        drop(writeln!(stderr, "{cyan}hint:{plain} {hint}"));
    }
    ExitCode::from(exit_code)
}

/// Whether a stream is a terminal that wants colours (`NO_COLOR` is obeyed).
pub(crate) fn may_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn hint_and_code(error: &anyhow::Error) -> (Option<String>, u8) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        (failure.hint.clone(), failure.exit_code)
    } else if let Some(error) = error.downcast_ref::<ClientError>() {
        (error.hint(), exit_code_of(error))
    } else if let Some(error) = error.downcast_ref::<FetchError>() {
        (Some(error.hint()), TOOL_FAILED)
    } else if let Some(error) = error.downcast_ref::<interference_engine::LoadError>() {
        let hint = format!(
            "name another file with `-m PATH`; the one that works for sure is `interference pull`'s ({})",
            error.path.display()
        );
        (Some(hint), TOOL_FAILED)
    } else {
        (None, TOOL_FAILED)
    }
}

/// A server that answers, but not as it should, is the thing under test; one that is not there is a target that could
/// not be reached.
fn exit_code_of(error: &ClientError) -> u8 {
    match error {
        ClientError::BaseUrl { .. } | ClientError::ApiKey => WRONG_USAGE,
        ClientError::Request { .. }
        | ClientError::NoRoots { .. }
        | ClientError::UnknownHost { .. }
        | ClientError::Unreachable { .. }
        | ClientError::Tls { .. }
        | ClientError::NotHttp { .. } => TOOL_FAILED,
        _ => TEST_FAILED,
    }
}
