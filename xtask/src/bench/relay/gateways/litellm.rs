//! LiteLLM: one process in Python, which reads every chunk and writes it anew.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::Place;
use crate::bench::relay::MODEL;
use crate::matrix::installation::{Installed, python};
use crate::matrix::peer::PythonEntry;

/// Its documentation advises one worker for each instance, and more instances for more load.
pub(super) const NOTE: &str = "one Uvicorn worker, which is its default and its documentation's advice; no database, no callbacks, and the one key \
     without which it does not start; idle connections are kept for 75 s instead of 5, and \
     equal chunks are no error";

const KEY: &str = "sk-interference-bench-relay";

pub(super) fn install(target: &Path) -> anyhow::Result<Installed> {
    // The same package as the one that is judged.
    let (pins, folder) = super::pins_and_folder(target, "matrix/litellm");
    python(&folder, &pins, "litellm", PythonEntry::Command("litellm"), &[])
}

pub(super) fn tell(command: &mut Command, place: Place<'_>) -> anyhow::Result<()> {
    let settings = place.folder.join("config.yaml");
    std::fs::write(&settings, settings_for(place.upstream).to_string())
        .with_context(|| format!("cannot write {}", settings.display()))?;
    command.args(["--host", "127.0.0.1", "--port", &place.port.to_string(), "--config"]).arg(settings);
    // The client opens all its connections before it uses them again.
    command.args(["--keepalive_timeout", "75"]);
    // No line for each request, no files of variables, and no list of prices from the network.
    command.env("LITELLM_LOG", "ERROR").env("LITELLM_MODE", "PRODUCTION");
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    // The answers have one word again and again, which it would take for a model that has lost its way.
    command.env("REPEATED_STREAMING_CHUNK_LIMIT", "1000000");
    Ok(())
}

pub(super) fn headers() -> Vec<String> {
    vec![format!("authorization: Bearer {KEY}")]
}

/// JSON is YAML, too.
fn settings_for(upstream: &str) -> Value {
    let upstream = json!({
        "model": format!("openai/{MODEL}"), "api_base": format!("http://{upstream}/v1"), "api_key": "none",
    });
    json!({
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "general_settings": {"master_key": KEY},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_only_model_is_the_one_that_is_asked_for() {
        let settings = settings_for("127.0.0.1:1337");
        let models = settings["model_list"].as_array().unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!(models[0]["model_name"], "gpt-4o-mini");
        assert_eq!(models[0]["litellm_params"]["model"], "openai/gpt-4o-mini");
        assert_eq!(models[0]["litellm_params"]["api_base"], "http://127.0.0.1:1337/v1");
    }

    #[test]
    fn requests_have_the_key_that_it_was_told() {
        let settings = settings_for("127.0.0.1:1337");
        let key = settings["general_settings"]["master_key"].as_str().unwrap();
        assert_eq!(headers(), [format!("authorization: Bearer {key}")]);
    }
}
