//! The model that is measured: a file, or a name that the program knows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::hinted;

/// The file that is meant, where a model is given by its path. It is absolute: the benchmark runs in another folder.
pub(crate) fn at_path(given: Option<&str>) -> anyhow::Result<Option<PathBuf>> {
    let Some(path) = given.filter(|given| Path::new(given).is_file()) else { return Ok(None) };
    std::fs::canonicalize(path).map(Some).with_context(|| path.to_owned())
}

/// The file of a model that has a name; without one the default model's. The program fetches it where it is not there
/// yet, and prints its path.
pub(crate) fn by_name(name: Option<&str>, program: &Path) -> anyhow::Result<PathBuf> {
    let mut pull = Command::new(program);
    pull.arg("pull").args(name).stderr(Stdio::inherit());
    let output = pull.output().with_context(|| format!("cannot start {pull:?}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let path = PathBuf::from(printed.lines().last().unwrap_or_default());
    if !output.status.success() || !path.is_file() {
        let model = name.unwrap_or("the default model");
        let message = format!("{model} is not there, and `interference pull` ended with {}", output.status);
        return Err(hinted(message, "`--model` takes the path of a GGUF file, or a name that has one"));
    }
    Ok(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_file_is_made_absolute_and_anything_else_is_a_name() {
        let here = at_path(Some("Cargo.toml")).unwrap().unwrap();
        assert!(here.is_absolute() && here.is_file());
        assert_eq!(at_path(Some("no-such-model")).unwrap(), None);
        assert_eq!(at_path(None).unwrap(), None);
    }

    #[test]
    fn a_program_that_prints_no_path_is_an_error_with_a_hint() {
        // `false` takes any arguments, says nothing and fails.
        let error = by_name(Some("no-such-model"), Path::new("false")).unwrap_err().to_string();
        assert!(error.contains("no-such-model is not there") && error.contains("\nhint: "), "{error}");
    }
}
