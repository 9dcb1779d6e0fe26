//! Words in braces that stand for what is known only once a server is started.

use std::path::Path;

use anyhow::{Context, bail};

/// What the words stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placeholders<'a> {
    /// `{port}`: where the server shall listen.
    pub(super) port: u16,
    /// `{model}`: the default model's file.
    pub(super) model: &'a Path,
    /// `{settings}`: the folder of its settings.
    pub(super) settings: &'a Path,
    /// `{upstream}`: the base URL of the server that a gateway forwards to.
    pub(super) upstream: Option<&'a str>,
}

impl Placeholders<'_> {
    /// The text with every word replaced.
    ///
    /// # Errors
    /// When a word is unknown, a brace is left open, a path is not UTF-8, or there is no upstream.
    pub(super) fn fill(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (word, after) =
                behind.split_once('}').with_context(|| format!("`{text}` leaves a brace open"))?;
            filled.push_str(before);
            filled.push_str(&self.value(word)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, word: &str) -> anyhow::Result<String> {
        let text = |path: &Path| {
            path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
        };
        match word {
            "port" => Ok(self.port.to_string()),
            "model" => text(self.model),
            "settings" => text(self.settings),
            "upstream" => self.upstream.map(str::to_owned).context("there is no upstream"),
            _ => bail!("`{{{word}}}` stands for nothing"),
        }
    }
}

#[cfg(test)]
impl<'a> Placeholders<'a> {
    /// Something for every word.
    pub(super) fn example() -> Placeholders<'a> {
        Placeholders {
            port: 8080,
            model: Path::new("model.gguf"),
            settings: Path::new("settings"),
            upstream: Some("http://127.0.0.1:1337/v1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_wherever_they_stand() {
        let filled = |text| Placeholders::example().fill(text).unwrap();
        assert_eq!(filled("--port={port}"), "--port=8080");
        assert_eq!(filled("{settings}/{model}!"), "settings/model.gguf!");
        assert_eq!(filled("{upstream}"), "http://127.0.0.1:1337/v1");
        assert_eq!(filled("plain"), "plain");
    }

    #[test]
    fn what_stands_for_nothing_is_an_error() {
        let error = |placeholders: Placeholders<'_>, text| placeholders.fill(text).unwrap_err().to_string();
        let example = Placeholders::example();
        assert_eq!(error(example, "{portt}"), "`{portt}` stands for nothing");
        assert_eq!(error(example, "{port"), "`{port` leaves a brace open");
        assert_eq!(error(Placeholders { upstream: None, ..example }, "{upstream}"), "there is no upstream");
    }
}
