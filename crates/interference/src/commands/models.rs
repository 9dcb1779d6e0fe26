//! `interference models`: the models that have a name here, and the names that clients may use for them.

use std::path::PathBuf;

use interference_model_store::{MODELS, ModelDirectory, default_model};

use crate::stdout;

/// What `interference models` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelsArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A model as it is listed.
#[derive(Debug, serde::Serialize)]
struct ListedModel<'a> {
    name: &'static str,
    file_name: &'static str,
    licence: &'static str,
    size_bytes: u64,
    sha256: &'static str,
    path: PathBuf,
    cached: bool,
    aliases: &'a [&'a str],
}

/// Prints the catalogue on stdout. `aliases` are the names that reach the default model.
///
/// # Errors
/// `NoCacheDirectory` of the model store, or stdout takes nothing.
pub(crate) fn run(arguments: &ModelsArguments, aliases: &[&str]) -> anyhow::Result<()> {
    let models = list(&ModelDirectory::from_environment()?, aliases);
    let text = if arguments.json { serde_json::to_string_pretty(&models)? + "\n" } else { text(&models) };
    Ok(stdout::print(&text)?)
}

fn list<'a>(directory: &ModelDirectory, aliases: &'a [&'a str]) -> Vec<ListedModel<'a>> {
    let listed = MODELS.iter().map(|model| ListedModel {
        name: model.name,
        file_name: model.file_name,
        licence: model.licence,
        size_bytes: model.size_bytes,
        sha256: model.sha256,
        path: directory.file_of(model),
        cached: directory.holds(model),
        aliases: if model == default_model() { aliases } else { &[] },
    });
    listed.collect()
}

fn text(models: &[ListedModel<'_>]) -> String {
    let mut lines = Vec::new();
    for model in models {
        let size = indicatif::DecimalBytes(model.size_bytes);
        lines.push(format!("{}  {size}  {}", model.name, model.licence));
        if model.cached {
            lines.push(format!("  file: {}", model.path.display()));
        } else {
            lines.push(format!("  not fetched yet; `interference pull {}` fetches it", model.name));
        }
        if !model.aliases.is_empty() {
            lines.push(format!("  also answers to: {}", model.aliases.join(", ")));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_model_is_listed_with_its_aliases() {
        let models = list(&ModelDirectory::new("/nowhere"), &["gpt-3.5-turbo", "gpt-4*"]);
        assert_eq!(
            text(&models),
            "smollm2-135m-instruct  98.36 MB  Apache-2.0\n  \
             not fetched yet; `interference pull smollm2-135m-instruct` fetches it\n  \
             also answers to: gpt-3.5-turbo, gpt-4*\n"
        );
    }
}
