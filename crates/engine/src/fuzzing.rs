//! Doors for the fuzzer in `fuzz/`, to parts that are nobody else's business: a model file that is bytes in memory,
//! a chat template without a model, and a constraint on single bytes.
//!
//! Behind the feature `fuzzing`; no part of the crate's interface, and changed without notice.

use std::sync::{Arc, LazyLock};

use crate::chat_template::{ChatTemplate, TemplateError};
use crate::constraint::{Constraint, ConstraintError, ConstraintSource, Vocabulary};
use crate::engine::{Engine, EngineOptions, LoadErrorKind};
use crate::generation::{ChatMessage, ChatTool, EngineFailure, TokenId};
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

/// A constraint for a model whose tokens are the bytes, and 256, which ends a turn.
///
/// # Errors
/// When the source is not valid, or not supported, or asks for too much.
pub fn compile_constraint(source: ConstraintSource) -> Result<Constraint, ConstraintError> {
    static BYTES: LazyLock<Result<Arc<Vocabulary>, ConstraintError>> =
        LazyLock::new(|| Vocabulary::of_bytes().map(Arc::new));
    Constraint::compile(source, || BYTES.clone())
}

/// Writes so many bytes of a text that a constraint allows, always the likeliest by these logits.
///
/// # Errors
/// When a bound is exceeded, or nothing can follow.
pub fn write_within(
    constraint: &Constraint,
    logits: &[f32; 257],
    most_bytes: usize,
) -> Result<Vec<u8>, EngineFailure> {
    let mut matching = constraint.begin();
    let mut text = Vec::new();
    while text.len() < most_bytes {
        let Some(allowed) = matching.allowed(logits, &[256])? else { break };
        let best = (0..256).max_by(|a, b| allowed[*a].total_cmp(&allowed[*b])).unwrap_or(0);
        text.push(best as u8);
        if matching.advance(best as TokenId)? {
            break;
        }
    }
    Ok(text)
}
