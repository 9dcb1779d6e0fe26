//! `cargo xtask client-matrix`: the clients of `clients/`, examined one after the other.
//!
//! What examines them is the program's own `check-client`; what comes of all of them is one document,
//! `docs/client-matrix.md`, a page of evidence for each client beside it, and a reason for each cell that is not sound,
//! which a person has written down. Knows nothing of what is examined, nor of reports beyond their members.

mod clients;
mod document;
mod reasons;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::matrix::evidence::{self, Sides};
use crate::metadata::Metadata;
use crate::steps::{Step, Steps, announce, cargo, succeed};
use crate::test_environment::TestEnvironment;
use clients::Client;
use reasons::Reasons;

/// Which clients, and what to do with them
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Examine this client alone (repeatable); the others keep their reports of before
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Runs of a client side by side
    #[arg(long, value_name = "N", default_value_t = 3)]
    jobs: usize,
    /// Examine nobody: make the document of the reports that are there
    #[arg(long)]
    keep: bool,
}

/// A client, and what `check-client` has found.
#[derive(Debug)]
struct Examined {
    client: Client,
    report: Value,
}

/// Examines, and makes the document.
///
/// # Errors
/// When the program or a client cannot be built, when a client cannot be examined, or when a cell lacks its reason.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let metadata = Metadata::read()?;
    let build =
        Step::new("build of the program", || succeed(&mut cargo(["build", "--package", "interference"])));
    let environment = TestEnvironment::prepare(&metadata, &mut steps, build)?;
    let program = metadata.program();
    let clients = clients::all(&metadata.workspace_root, &environment, &program)?;
    for name in &options.only {
        ensure!(clients.iter().any(|client| client.name == name.as_str()), "no client is called `{name}`");
    }
    let folder = metadata.target_directory.join("client-matrix");
    fs::create_dir_all(&folder)?;
    let mut examined = Vec::new();
    for client in clients {
        let report = folder.join(format!("{}.json", client.name));
        let wanted = options.only.is_empty() || options.only.iter().any(|name| name == client.name);
        if wanted && !options.keep {
            announce(&format!("==> {} {}", client.title, client.version))?;
            examine(&program, &client, options.jobs, &report)?;
        }
        let text = fs::read_to_string(&report)
            .with_context(|| format!("{} has not been examined yet", client.title))?;
        let report = serde_json::from_str(&without_this_machine(&text, &metadata))?;
        examined.push(Examined { client, report });
    }
    conclude(&metadata, &examined)
}

/// Has `check-client` examine a client; failures are its result, and not ours.
fn examine(program: &Path, client: &Client, jobs: usize, report: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(["check-client", "--quiet", "--json", "--jobs", &jobs.to_string()]);
    command.args(["--name", &format!("{} {}", client.title, client.version), "--"]);
    command.args(&client.command).envs(client.environment.iter().cloned());
    let status = command.stdout(File::create(report)?).status()?;
    match status.code() {
        Some(0 | 1) => Ok(()),
        _ => bail!("{} could not be examined: {status}", client.title),
    }
}

/// Commands, and traces of stacks, tell where things lie; that is nobody's business.
fn without_this_machine(text: &str, metadata: &Metadata) -> String {
    let ours = [metadata.target_directory.clone(), metadata.workspace_root.clone()];
    let folders = registries().into_iter().chain(ours);
    folders.fold(text.to_owned(), |text, folder| text.replace(&format!("{}/", folder.display()), ""))
}

/// Where cargo keeps the sources of crates, which panics name.
fn registries() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    sources.into_iter().flatten().flatten().map(|folder| folder.path()).collect()
}

fn conclude(metadata: &Metadata, examined: &[Examined]) -> anyhow::Result<()> {
    let root = &metadata.workspace_root;
    let reasons = Reasons::read(&root.join("xtask/client-matrix/reasons.json"))?;
    let document = root.join("docs/client-matrix.md");
    fs::write(&document, document::page(examined, &reasons))
        .with_context(|| document.display().to_string())?;
    let folder = document.with_extension("");
    fs::create_dir_all(&folder)?;
    for Examined { client, report } in examined {
        let place = folder.join(format!("{}.md", client.name));
        fs::write(&place, evidence::page(report, Sides::Client))
            .with_context(|| place.display().to_string())?;
    }
    announce(&format!("==> {} clients: {}", examined.len(), document.display()))?;
    let wrong = reasons.complaints(examined);
    ensure!(wrong.is_empty(), "reasons.json does not fit what was seen:\n{}", wrong.join("\n"));
    Ok(())
}
