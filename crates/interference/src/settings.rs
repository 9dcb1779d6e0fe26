//! What a setting is when several places may say: a flag, else a variable of the environment, else the default.

use std::num::NonZeroUsize;
use std::time::Duration;

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

/// Threads, jobs or streams, at most.
const MOST: usize = 1_024;
/// A bound in time, at most.
const LONGEST_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Keys that open a server, at most.
const MOST_KEYS: usize = 1_000;
/// A key, at most, in bytes.
const LONGEST_KEY: usize = 4_096;

/// Bytes as they may be given: a number, perhaps with `KiB`, `MiB` or `GiB` behind it.
///
/// # Errors
/// It is anything else, nothing, or more than there can be.
pub(crate) fn bytes(given: &str) -> Result<usize, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit =
        units.iter().find_map(|(name, shift)| given.strip_suffix(name).map(|number| (number, 1 << shift)));
    let (number, unit): (&str, usize) = unit.unwrap_or((given, 1));
    let bytes = number.trim_end().parse().ok().and_then(|number: usize| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a number of bytes, such as 16MiB or 1000000".to_owned())
}

/// A number of threads, jobs or streams: at least one, and no more than a machine has use for.
///
/// # Errors
/// It is anything else.
pub(crate) fn count(given: &str) -> Result<NonZeroUsize, String> {
    let count = given.parse().ok().filter(|count: &NonZeroUsize| count.get() <= MOST);
    count.ok_or_else(|| format!("expected a number from 1 to {MOST}"))
}

/// A number that a request can carry: JSON has neither infinity nor what is no number.
///
/// # Errors
/// It is anything else.
pub(crate) fn finite(given: &str) -> Result<f32, String> {
    let number = given.parse().ok().filter(|number: &f32| number.is_finite());
    number.ok_or_else(|| "expected a number, such as 0.7".to_owned())
}

/// A time in seconds, with or without a fraction, of at least a millisecond and at most a year.
///
/// # Errors
/// It is anything else.
pub(crate) fn seconds(given: &str) -> Result<Duration, String> {
    let time = seconds_or_none(given)?;
    if time < Duration::from_millis(1) {
        return Err("expected at least 0.001 seconds".to_owned());
    }
    Ok(time)
}

/// The same, or 0.
///
/// # Errors
/// It is anything else.
pub(crate) fn seconds_or_none(given: &str) -> Result<Duration, String> {
    let seconds = given.parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|time| *time <= LONGEST_TIME)
        .ok_or_else(|| "expected seconds, such as 30 or 0.5, and at most a year of them".to_owned())
}

/// The keys of a server, each given as itself, as `env:NAME` (any number of them, with white space or commas between) or
/// as `@FILE` (one a line; empty lines and lines that begin with `#` do not count).
///
/// # Errors
/// A variable or a file is not there or has no key, there are too many, or one could not stand in a header. The key itself
/// is never in the message.
pub(crate) fn server_keys(given: &[String]) -> anyhow::Result<Vec<SecretString>> {
    let mut keys = Vec::new();
    for given in given {
        let (place, found) = if let Some(name) = given.strip_prefix("env:") {
            let held = variable(name)?;
            let between = |character: char| character.is_whitespace() || character == ',';
            (given.as_str(), held.split(between).map(str::to_owned).collect::<Vec<_>>())
        } else if let Some(path) = given.strip_prefix('@') {
            let text = key_file(path)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            (given.as_str(), lines.map(str::to_owned).collect())
        } else {
            ("itself", vec![given.clone()])
        };
        let before = keys.len();
        for key in found.into_iter().filter(|key| !key.is_empty()) {
            check_key(&key, place)?;
            keys.push(SecretString::from(key));
        }
        if keys.len() == before {
            return Err(wrong_key(place, "has no key").into());
        }
        if keys.len() > MOST_KEYS {
            return Err(wrong_key(place, &format!("makes more than {MOST_KEYS} keys")).into());
        }
    }
    Ok(keys)
}

/// A client sends it as a bearer token in a header, where white space would end it.
fn check_key(key: &str, place: &str) -> Result<(), Failure> {
    if key.len() > LONGEST_KEY {
        return Err(wrong_key(place, &format!("has a key of more than {LONGEST_KEY} bytes")));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong_key(place, "has a key with white space or other than ASCII characters in it"));
    }
    Ok(())
}

fn wrong_key(place: &str, what: &str) -> Failure {
    let subject = if place == "itself" {
        "a key that `--api-key` gives".to_owned()
    } else {
        format!("`--api-key {place}`")
    };
    let hint = "a file has one key a line, a variable white space or commas between keys";
    Failure::new(WRONG_USAGE, format!("{subject} {what}"), hint)
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).map_err(|_| {
        let hint = format!("set it, as in `export {name}=…`");
        let message =
            format!("the variable {name}, which should hold the API key of `--api-key`, is not set");
        Failure::new(WRONG_USAGE, message, hint).into()
    })
}

fn key_file(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let hint = "`--api-key @FILE` reads keys from a file, `--api-key env:NAME` from a variable";
        Failure::new(WRONG_USAGE, format!("the file of the API key, {path}, cannot be read: {error}"), hint)
            .into()
    })
}

/// A client's key as it may be given: itself, `env:NAME`, or `@FILE`.
///
/// # Errors
/// When the variable or the file is not there; the key itself is never in the message.
pub(crate) fn api_key(given: &str) -> anyhow::Result<SecretString> {
    let key = if let Some(name) = given.strip_prefix("env:") {
        variable(name)?
    } else if let Some(path) = given.strip_prefix('@') {
        key_file(path)?.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        given.to_owned()
    };
    Ok(SecretString::from(key))
}

/// A plan of faults as it may be given: one line of TOML, or the path of a file (`@FILE`, or anything that is no TOML
/// line because it has no `=`). `none` is a line, too.
///
/// # Errors
/// When the file cannot be read, or the plan is wrong.
pub(crate) fn fault_plan(given: &str) -> anyhow::Result<Plan> {
    if given.trim().is_empty() {
        let hint = "a plan is a line such as `--faults 'cut.after_events=5'`, or a file; `none` is no fault";
        return Err(Failure::new(WRONG_USAGE, "the plan of faults is empty", hint).into());
    }
    let is_line = given.contains('=') || given.trim() == "none";
    let path = given.strip_prefix('@').or_else(|| (!is_line).then_some(given));
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn bytes_and_seconds_read_as_people_write_them() {
        for (text, expected) in [("1", 1), ("64KiB", 65_536), ("16 MiB", 16 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-1", "1.5MiB", "MiB", "1 MB", "99999999999999999999", "99999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0.05"), Ok(Duration::from_millis(50)));
        assert_eq!(seconds("600"), Ok(Duration::from_secs(600)));
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        for text in ["", "0", "-1", "NaN", "inf", "1e300", "soon", "31536001"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_and_numbers_are_what_can_be() {
        assert_eq!(count("1").map(NonZeroUsize::get), Ok(1));
        assert_eq!(count("1024").map(NonZeroUsize::get), Ok(1_024));
        for text in ["0", "-1", "1025", "9999999", "99999999999999999999", "two", ""] {
            assert_eq!(count(text).unwrap_err(), "expected a number from 1 to 1024", "{text}");
        }
        assert_eq!((finite("0.5"), finite("-1")), (Ok(0.5), Ok(-1.0)));
        for text in ["NaN", "inf", "-infinity", "1e99", "warm", ""] {
            assert!(finite(text).is_err(), "{text}");
        }
    }

    fn keys(given: &[&str]) -> Result<Vec<String>, String> {
        let given: Vec<String> = given.iter().map(|given| (*given).to_owned()).collect();
        let keys = server_keys(&given).map_err(|error| error.to_string())?;
        Ok(keys.iter().map(|key| key.expose_secret().to_owned()).collect())
    }

    fn file(folder: &tempfile::TempDir, text: &str) -> String {
        let path = folder.path().join("keys");
        std::fs::write(&path, text).unwrap();
        format!("@{}", path.display())
    }

    #[test]
    fn a_file_has_one_key_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let several = file(&folder, "# for the tests\nsk-one\r\n\n  sk-two  \n#sk-old\n");
        assert_eq!(
            keys(&["sk-zero", &several]),
            Ok(["sk-zero", "sk-one", "sk-two"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn what_is_no_key_is_told_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let long = "k".repeat(LONGEST_KEY + 1);
        let table = [
            ("\n# none\n".to_owned(), "has no key"),
            ("sk one".to_owned(), "white space"),
            ("schlüssel".to_owned(), "ASCII"),
            (long, "more than 4096 bytes"),
            ("k\n".repeat(MOST_KEYS + 1), "more than 1000 keys"),
        ];
        for (text, said) in table {
            let given = file(&folder, &text);
            let error = keys(&[&given]).unwrap_err();
            assert!(error.starts_with(&format!("`--api-key {given}` ")) && error.contains(said), "{error}");
            assert!(!error.contains("sk one"), "{error}");
        }
        let error = keys(&["sk secret"]).unwrap_err();
        assert!(error.contains("--api-key") && !error.contains("secret"), "{error}");
        assert_eq!(keys(&[""]).unwrap_err(), "a key that `--api-key` gives has no key");
    }
}
