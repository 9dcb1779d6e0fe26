//! The sound server of the mutants: the real binary on a script, joined from one file for each section.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Where the parts lie, below the workspace.
const FOLDER: &str = "fixtures/check-server";

/// Joins the parts in the order of their names, and gives the path of the whole.
pub(super) fn join(workspace: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let folder = workspace.join(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut parts: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    parts.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    ensure!(!parts.is_empty(), "no script in {}", folder.display());
    parts.sort();
    let mut script = String::new();
    for part in &parts {
        script.push_str(&format!("# {}\n", part.file_name().unwrap_or_default().display()));
        script.push_str(&fs::read_to_string(part).with_context(|| part.display().to_string())?);
        script.push('\n');
    }
    let place = target.join("mutants");
    fs::create_dir_all(&place)?;
    let path = place.join("script.toml");
    fs::write(&path, script)?;
    Ok(path)
}
