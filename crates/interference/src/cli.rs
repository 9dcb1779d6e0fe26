//! The command line as `clap` sees it. What each verb takes is in the file of its command.

use clap::{Args, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use crate::commands::{chat, check, check_client, import, load, models, pull, report, serve};
use crate::log::LogFormat;

/// A test bench for everything that speaks the OpenAI API.
#[derive(Debug, Parser)]
#[command(name = "interference", version, about, disable_help_subcommand = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    talk: Talk,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Send a prompt, print the answer token by token as it arrives
    Chat(chat::ChatArguments),
    /// Run a local OpenAI server with a real model inside
    Serve(Box<serve::ServeArguments>),
    /// Judge an OpenAI-compatible server, case by case, with evidence
    Check(check::CheckArguments),
    /// Judge a client: serve it every kind of stream, and ask what it got
    CheckClient(check_client::CheckClientArguments),
    /// Put load on a server, and prove that the numbers can be trusted
    Load(Box<load::LoadArguments>),
    /// Fetch a model into the cache and print its path
    Pull(pull::PullArguments),
    /// List the models that have a name, and their aliases
    Models(models::ModelsArguments),
    /// Make reports of the documents of earlier runs
    Report(report::ReportArguments),
    /// Make a script or cassettes of what other test doubles play from
    Import(import::ImportArguments),
}

#[derive(Debug, Args)]
struct Talk {
    /// Say more on stderr; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl CommandLine {
    /// Whether only errors are to be said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.talk.quiet
    }

    /// The form of the log.
    pub(crate) fn log_format(&self) -> LogFormat {
        match &self.verb {
            Verb::Serve(arguments) => arguments.log_format(),
            Verb::Chat(_)
            | Verb::Check(_)
            | Verb::CheckClient(_)
            | Verb::Load(_)
            | Verb::Pull(_)
            | Verb::Models(_)
            | Verb::Report(_)
            | Verb::Import(_) => LogFormat::Text,
        }
    }

    /// The level of the log.
    pub(crate) fn verbosity(&self) -> LevelFilter {
        match (self.talk.quiet, self.talk.verbose) {
            (true, _) => LevelFilter::ERROR,
            (_, 0) => LevelFilter::WARN,
            (_, 1) => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
