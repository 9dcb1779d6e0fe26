//! Doors for the fuzzer in `fuzz/`, to parts that are nobody else's business: a model file that is bytes in memory,
//! and a chat template without a model.
//!
//! Behind the feature `fuzzing`; no part of the crate's interface, and changed without notice.

use crate::chat_template::{ChatTemplate, TemplateError};
use crate::engine::{Engine, EngineOptions, LoadErrorKind};
use crate::generation::{ChatMessage, ChatTool};
use crate::gguf::{GgufError, GgufFile, MappedFile};

/// [`Engine::load`] for a file of these bytes.
///
/// # Errors
/// As there, without the file's name.
pub fn load_model(bytes: &[u8], options: &EngineOptions) -> Result<Engine, LoadErrorKind> {
    let map = MappedFile::holding(bytes).map_err(GgufError::from)?;
    Engine::start(&GgufFile::read(map)?, "fuzz".to_owned(), options)
}

/// The prompt that a template of this source makes of messages and tools.
///
/// # Errors
/// When the template is not valid, or fails, or asks for too much.
pub fn render_template(
    source: &str,
    messages: &[ChatMessage],
    tools: &[ChatTool],
) -> Result<String, TemplateError> {
    let template = ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned())?;
    Ok(template.render(messages, tools)?.text)
}
