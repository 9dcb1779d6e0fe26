//! The project's own commands.
//!
//! `cargo xtask check` is what to run before a commit, `cargo xtask test` runs every test and brings what they need,
//! `cargo xtask fuzz` looks for bytes that crash what reads them, `cargo xtask tidy` holds the house rules that no
//! compiler knows, `cargo xtask bench` tells how fast the program is, `cargo xtask matrix` judges other people's servers,
//! `cargo xtask client-matrix` real clients.

mod bench;
mod check;
mod client_matrix;
mod client_mutants;
mod fuzz;
mod last_words;
mod matrix;
mod metadata;
mod mutants;
mod proof;
mod side_by_side;
mod steps;
mod system_packages;
mod test;
mod test_environment;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// The project's own commands
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Command {
    /// Format, lints, unit tests and house rules; needs nothing but Rust
    Check(check::Options),
    /// Every test there is; sets up what they need: real clients, the default model
    Test,
    /// A fuzzer against what reads bytes from outside; fails when something crashes
    Fuzz(fuzz::Options),
    /// The proof of the judge of servers: bugs that it must catch, sound variants that it must pass
    Mutants(proof::Options),
    /// The proof of the judge of clients: bugs that it must catch, sound variants that it must pass
    ClientMutants(proof::Options),
    /// A sound client, and one with a bug: what the judge of clients is put to the proof with
    #[command(hide = true)]
    ReferenceClient(client_mutants::reference::Options),
    /// The house rules alone
    Tidy,
    /// How fast it is
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Other people's servers, judged: `docs/matrix.md`
    Matrix(matrix::Options),
    /// Real clients, examined: `docs/client-matrix.md`
    ClientMatrix(client_matrix::Options),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Check(options) => check::run(options),
        Command::Test => test::run(),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::ClientMutants(options) => client_mutants::run(&options),
        Command::ReferenceClient(options) => client_mutants::reference::run(&options),
        Command::Tidy => tidy::run(),
        Command::Bench(bench) => bench::run(&bench),
        Command::Matrix(options) => matrix::run(&options),
        Command::ClientMatrix(options) => client_matrix::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed, the exit code says it.
            steps::announce(&format!("error: {error:#}")).ok();
            ExitCode::FAILURE
        }
    }
}
