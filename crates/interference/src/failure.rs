//! How a command fails: a message, what to do about it, and an exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use interference_client::ClientError;
use interference_model_store::{FetchError, HOME_VARIABLE, NoCacheDirectory};
use interference_report::ReportError;

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
    pub(crate) hint: String,
    pub(crate) exit_code: u8,
}

impl Failure {
    /// A failure with a hint.
    pub(crate) fn new(exit_code: u8, message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: hint.into(), exit_code }
    }
}

/// Prints an error and its hint on stderr, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if reader_left(error) {
        return ExitCode::SUCCESS;
    }
    let Report { message, hint, exit_code } = Report::of(error);
    let mut stderr = std::io::stderr().lock();
    let (red, cyan, plain) =
        if may_colour(&stderr) { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
    // A closed stderr changes nothing: the exit code still tells.
    drop(writeln!(stderr, "{red}error:{plain} {message}\n{cyan}hint:{plain} {hint}"));
    ExitCode::from(exit_code)
}

/// Whether a stream is a terminal that wants colours (`NO_COLOR` is obeyed).
pub(crate) fn may_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the reader of our output has seen enough, as in `| head -1`, which is no failure.
fn reader_left(error: &anyhow::Error) -> bool {
    let error = match error.downcast_ref::<ReportError>() {
        Some(ReportError::Stdout { source }) => Some(source),
        _ => error.downcast_ref::<io::Error>(),
    };
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a person is told.
struct Report {
    message: String,
    hint: String,
    exit_code: u8,
}

impl Report {
    /// The errors of our crates name their causes themselves; of any other, all causes are told.
    fn of(error: &anyhow::Error) -> Report {
        let (hint, exit_code) = if let Some(failure) = error.downcast_ref::<Failure>() {
            (Some(failure.hint.clone()), failure.exit_code)
        } else if let Some(error) = error.downcast_ref::<ClientError>() {
            (error.hint(), exit_code_of(error))
        } else if let Some(error) = error.downcast_ref::<FetchError>() {
            (Some(error.hint()), TOOL_FAILED)
        } else if let Some(error) = error.downcast_ref::<ReportError>() {
            (Some(error.hint()), exit_code_of_report(error))
        } else if error.is::<NoCacheDirectory>() {
            (Some(format!("set {HOME_VARIABLE} to a folder that can be written to")), TOOL_FAILED)
        } else {
            return Report {
                message: format!("{error:#}"),
                hint: "`-v` tells more; what looks like a bug is worth a report".to_owned(),
                exit_code: TOOL_FAILED,
            };
        };
        let hint = hint.unwrap_or_else(|| "the message names what to change in the request".to_owned());
        Report { message: error.to_string(), hint, exit_code }
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

/// What a report is made of was named by the user; that it cannot be written is the tool's failure.
fn exit_code_of_report(error: &ReportError) -> u8 {
    match error {
        ReportError::Write { .. } | ReportError::Stdout { .. } | ReportError::Unwritable { .. } => {
            TOOL_FAILED
        }
        _ => WRONG_USAGE,
    }
}
