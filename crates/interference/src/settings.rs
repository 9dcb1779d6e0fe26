//! What a setting is when several places may say: a flag, else a variable of the environment, else the default.

use std::num::NonZeroUsize;

use interference_engine::{EngineOptions, InstructionSet};
use interference_faults::Plan;
use secrecy::SecretString;

use crate::failure::{Failure, WRONG_USAGE};

/// Where everybody looks for a local server.
pub(crate) const DEFAULT_PORT: u16 = 1337;
/// The server that `chat` talks to when nobody names one.
pub(crate) const DEFAULT_BASE_URL: &str = "http://127.0.0.1:1337/v1";
/// Chooses the form of the kernels: `portable`, `avx2` or `avx512`. It changes no answer.
const KERNELS_VARIABLE: &str = "INTERFERENCE_KERNELS";

/// A key as it may be given: itself, `env:NAME`, or `@FILE`.
///
/// # Errors
/// When the variable or the file is not there; the key itself is never in the message.
pub(crate) fn api_key(given: &str) -> anyhow::Result<SecretString> {
    let key = if let Some(name) = given.strip_prefix("env:") {
        std::env::var(name).map_err(|_| {
            let hint = format!("set it, as in `export {name}=…`");
            Failure::new(
                WRONG_USAGE,
                format!("the variable {name}, which should hold the API key, is not set"),
                hint,
            )
        })?
    } else if let Some(path) = given.strip_prefix('@') {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "`@FILE` reads the key from a file, `env:NAME` from a variable";
            Failure::new(
                WRONG_USAGE,
                format!("the file of the API key, {path}, cannot be read: {error}"),
                hint,
            )
        })?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        given.to_owned()
    };
    Ok(SecretString::from(key))
}

/// A plan of faults as it may be given: one line of TOML, or the path of a file (`@FILE`, or anything that is no TOML
/// line because it has no `=`).
///
/// # Errors
/// When the file cannot be read, or the plan is wrong.
pub(crate) fn fault_plan(given: &str) -> anyhow::Result<Plan> {
    let path = given.strip_prefix('@').or_else(|| (!given.contains('=')).then_some(given));
    let (text, place) = match path {
        None => (given.to_owned(), "the plan of faults".to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("the plan of faults, {path}, cannot be read: {error}");
                Failure::new(
                    WRONG_USAGE,
                    message,
                    "a plan is a line such as `--faults 'cut.after_events=5'`, or a file",
                )
            })?;
            (text, path.to_owned())
        }
    };
    Plan::parse(&text).map_err(|error| {
        let hint = "docs/faults.md lists all faults, with an example of each";
        Failure::new(WRONG_USAGE, format!("{place} is wrong: {error}"), hint).into()
    })
}

/// How the engine runs. `threads` is the flag.
///
/// # Errors
/// When `INTERFERENCE_KERNELS` names what there is not.
pub(crate) fn engine_options(
    threads: Option<NonZeroUsize>,
    queue: Option<usize>,
    streams: Option<NonZeroUsize>,
) -> anyhow::Result<EngineOptions> {
    let named = std::env::var(KERNELS_VARIABLE).ok().filter(|name| !name.is_empty());
    let kernels = named.map(|name| {
        InstructionSet::by_name(&name).filter(|set| set.is_available()).ok_or_else(|| {
            let message = format!("{KERNELS_VARIABLE} is `{name}`, which this machine cannot run");
            Failure::new(
                WRONG_USAGE,
                message,
                "it can be `portable`; `avx2` with AVX2, FMA and F16C; `avx512` with these and AVX-512 F, BW, VL and VNNI",
            )
        })
    });
    let defaults = EngineOptions::default();
    Ok(EngineOptions {
        threads,
        kernels: kernels.transpose()?,
        queue_bound: queue.unwrap_or(defaults.queue_bound),
        streams: streams.unwrap_or(defaults.streams),
        ..defaults
    })
}
