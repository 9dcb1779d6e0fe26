//! `cargo xtask mutants`: the proof that the judge of servers judges.
//!
//! Every bug of the list is put between a sound server and `interference check`, which must fail exactly the cases that
//! stand beside it; every sound variant must fail none. The sound server is the real binary on a script.

mod chat;
mod chunk;
mod completions;
mod embeddings;
mod errors;
mod http;
mod keys;
mod lesser;
mod lifecycle;
mod logprobs;
mod models;
mod mutant;
mod proxy;
mod responses;
mod script;
mod sse;
mod structured;
mod tools;
mod usage;
mod variants;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::bench::served::Served;
use crate::metadata::Metadata;
use crate::proof::{self, Options, Verdicts};
use crate::steps::{cargo, succeed};
use mutant::{Mutant, Places};
use proxy::Proxy;

/// The key that opens the sound server.
const KEY: &str = "sk-sound-4f1c";

/// The cases that fill a server with long answers. They take part where a mutant is about places, and before the sound
/// server itself: no other bug has to do with them, and each costs as much as all others together.
const FILLING: [&str; 4] =
    ["errors.retry-after", "life.disconnect-frees", "life.disconnect-plain", "life.silent-start"];

/// For all cases together.
const LONGEST_JUDGEMENT_SECONDS: &str = "300";

/// Every section's bugs.
const MUTANTS: &[&[Mutant]] = &[
    sse::MUTANTS,
    chunk::MUTANTS,
    usage::MUTANTS,
    chat::MUTANTS,
    tools::MUTANTS,
    structured::MUTANTS,
    logprobs::MUTANTS,
    errors::MUTANTS,
    keys::MUTANTS,
    models::MUTANTS,
    embeddings::MUTANTS,
    completions::MUTANTS,
    responses::MUTANTS,
    lifecycle::MUTANTS,
];

/// Builds the program, and puts all mutants and variants before the judge.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    succeed(&mut cargo(["build", "--quiet", "--package", "interference"]))?;
    prove(options, &Metadata::read()?)
}

/// As [`run`], by the program that is there.
pub(crate) fn prove(options: &Options, metadata: &Metadata) -> anyhow::Result<()> {
    let program = metadata.program();
    let script = script::join(&metadata.workspace_root, &metadata.target_directory)?;
    let mut command = Command::new(&program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--allow-faults", "--api-key", KEY, "--script"]);
    let served = Served::start("`interference serve --script`", command.arg(&script))?;
    let host = Host { program, sound: address(served.url())? };

    let sound = proof::failed(&host.judge_sound()?);
    ensure!(sound.is_empty(), "the sound server itself fails {sound:?}");
    let all = MUTANTS.iter().copied().flatten().chain(variants::VARIANTS).chain(lesser::LESSER);
    let subjects = all.map(|mutant| (mutant.declared(), *mutant)).collect();
    let catalogue = proof::catalogue(&host.program, "check")?;
    proof::prove(subjects, &catalogue, options, |mutant| host.judge(mutant))
}

/// Where the sound server and the judge are.
struct Host {
    program: PathBuf,
    sound: String,
}

impl Host {
    fn judge(&self, mutant: &Mutant) -> anyhow::Result<Verdicts> {
        let proxy = Proxy::start(*mutant, self.sound.clone())?;
        let mut command = self.check(&proxy.base_url());
        if !is_about_places(mutant) {
            command.args(FILLING.iter().flat_map(|slug| ["--skip", slug]));
        }
        proof::verdicts(&mut command)
    }

    /// The sound server without anything before it, by all cases.
    fn judge_sound(&self) -> anyhow::Result<Verdicts> {
        proof::verdicts(&mut self.check(&format!("http://{}/v1", self.sound)))
    }

    fn check(&self, base_url: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "check", base_url, "--json", "--api-key", KEY, "--timeout", "10"]);
        command.args(["--max-time", LONGEST_JUDGEMENT_SECONDS]);
        command
    }
}

fn is_about_places(mutant: &Mutant) -> bool {
    mutant.places != Places::Unbounded || mutant.fails.iter().any(|fails| FILLING.contains(&fails.0))
}

/// `127.0.0.1:4000` of `http://127.0.0.1:4000/v1`.
fn address(url: &str) -> anyhow::Result<String> {
    let rest = url.strip_prefix("http://").context("no http URL")?;
    Ok(rest.split('/').next().unwrap_or(rest).to_owned())
}
