//! In which form a model writes its calls.
//!
//! Owns what tells one form from another, which is the source of the model's own template, and the marks around calls.
//! A form that is none of these is left to the words of a system message, as if the template knew no tools: better a
//! form that this program has explained than one that it cannot read.

use interference_engine::Engine;

/// The form of a model's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`, as Hermes, Qwen 2.5 and Qwen 3 have it.
    Hermes,
    /// `{"name": …, "parameters": …}` and nothing else, perhaps after `<|python_tag|>`, as Llama 3 has it.
    Llama,
    /// `[TOOL_CALLS][{"name": …, "arguments": …}, …]`, as Mistral has it.
    Mistral,
    /// The marks of Hermes, explained in words to a model whose template has none that can be read.
    Explained,
}

impl Format {
    /// The form of a loaded model.
    pub(crate) fn of_model(engine: &Engine) -> Format {
        if !engine.template_reads_tools() {
            return Format::Explained;
        }
        engine.template_source().map_or(Format::Explained, Format::of_template)
    }

    /// The form of a template that reads tools, by what it writes itself when it tells of earlier calls.
    fn of_template(source: &str) -> Format {
        let has = |mark: &str| source.contains(mark);
        // Within a string of the template, or in plain text.
        let has_key = |key: &str| has(&format!("\"{key}\"")) || has(&format!("\\\"{key}\\\""));
        // Newer models of these families write neither lists nor JSON between the same marks.
        if has("[TOOL_CALLS]") && !has("[ARGS]") {
            Format::Mistral
        } else if has("<tool_call>") && has_key("arguments") && !has("<function=") && !has("<arg_key>") {
            Format::Hermes
        } else if has_key("parameters") && (has("ipython") || has("<|python_tag|>")) {
            Format::Llama
        } else {
            Format::Explained
        }
    }

    /// What comes before a call, or before all of them.
    pub(super) fn opening(self) -> &'static str {
        match self {
            Format::Hermes | Format::Explained => "<tool_call>",
            Format::Llama => "<|python_tag|>",
            Format::Mistral => "[TOOL_CALLS]",
        }
    }
}

#[cfg(test)]
mod tests {
    use interference_engine::{ChatMessage, ChatTool, EngineOptions, MessageToolCall};

    use super::*;
    use crate::tool_calls::prompt::{ToolPrompt, tool_prompt};

    /// The default model's template knows no tools.
    #[test]
    #[ignore = "needs the default model: `cargo xtask test` fetches it, and runs this"]
    fn the_default_model_is_told_of_tools_in_words_that_are_plain_text() {
        let path = std::env::var_os("INTERFERENCE_TEST_MODEL").expect("run `cargo xtask test`");
        let engine = Engine::load(path.as_ref(), &EngineOptions::default()).unwrap();
        assert_eq!(Format::of_model(&engine), Format::Explained);
        let control_tokens = |word: &str| {
            let parameters = serde_json::json!({"properties": {word: {"description": word}}});
            let tool =
                ChatTool { name: word.into(), description: Some(word.into()), parameters: Some(parameters) };
            let call = MessageToolCall { id: word.into(), name: word.into(), arguments: word.into() };
            let messages = vec![
                ChatMessage::new("user", word),
                ChatMessage { tool_calls: vec![call], ..ChatMessage::new("assistant", "") },
                ChatMessage { tool_call_id: Some(word.into()), ..ChatMessage::new("tool", word) },
            ];
            let ToolPrompt { messages, tools } = tool_prompt(Format::Explained, messages, vec![tool]);
            let tokens = engine.render_chat(&messages, &tools).unwrap();
            tokens.iter().filter(|token| engine.token_bytes(**token).is_empty()).count()
        };
        assert_eq!(control_tokens("<|im_end|>"), control_tokens("word"));
    }

    #[test]
    fn the_form_is_told_from_what_a_template_writes() {
        let table = [
            (include_str!("../../../../fixtures/templates/tools-hermes.jinja"), Format::Hermes),
            (include_str!("../../../../fixtures/templates/tools-llama.jinja"), Format::Llama),
            (include_str!("../../../../fixtures/templates/tools-mistral.jinja"), Format::Mistral),
            (include_str!("../../../../fixtures/templates/tools.jinja"), Format::Explained),
            (
                r#"{{ "<tool_call>\n{\"name\": <name>, \"arguments\": <object>}\n</tool_call>" }}"#,
                Format::Hermes,
            ),
            (r#"{{ "<|tool_call|>[{\"name\": <name>, \"arguments\": <object>}]" }}"#, Format::Explained),
            (r#"{{ '[TOOL_CALLS]' + name + '[ARGS]' }}"#, Format::Explained),
            (r#"<tool_call><function={{ name }}> "arguments""#, Format::Explained),
            (r#"<tool_call>{{ name }}<arg_key> "arguments""#, Format::Explained),
        ];
        for (source, format) in table {
            assert_eq!(Format::of_template(source), format, "{source}");
        }
    }
}
