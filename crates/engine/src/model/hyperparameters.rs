//! The sizes of a model of architecture `llama`, read from metadata and checked against each other.

use super::ModelError;
use crate::gguf::{GgufError, Metadata, excerpt};
use crate::kernels::lanes::LANES;
use crate::kernels::packed_matrix::BLOCK;

/// Bounds that no model comes near; beyond them a file is damaged, and memory is not reserved for it.
const MOST_LAYERS: usize = 1_024;
const WIDEST: usize = 1 << 20;
const LONGEST_CONTEXT: usize = 1 << 24;

/// The sizes of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hyperparameters {
    /// Layers.
    pub(crate) layers: usize,
    /// Values in the residual stream.
    pub(crate) width: usize,
    /// Values inside the feed-forward network.
    pub(crate) feed_forward_width: usize,
    /// Query heads.
    pub(crate) heads: usize,
    /// Heads of keys and values.
    pub(crate) key_value_heads: usize,
    /// Values in a head.
    pub(crate) head_size: usize,
    /// How many of them are turned by position.
    pub(crate) rotary_dimensions: usize,
    /// The base of the rotary frequencies.
    pub(crate) rotary_base: f32,
    /// Added under the root of the norms.
    pub(crate) norm_epsilon: f32,
    /// Positions the model was trained for.
    pub(crate) context_length: usize,
}

impl Hyperparameters {
    /// Reads and checks them.
    pub(crate) fn from_metadata(metadata: &Metadata) -> Result<Hyperparameters, ModelError> {
        refuse_unknown(metadata)?;
        let number = |key: &str, most: usize| -> Result<usize, ModelError> {
            let value = metadata.u32(key)? as usize;
            if value == 0 || value > most {
                let problem = if value == 0 { "cannot be" } else { "is past all bounds" };
                return Err(ModelError::Absurd { key: key.to_owned(), value: value as u64, problem });
            }
            Ok(value)
        };
        let optional = |key: &str, most: usize, otherwise: usize| -> Result<usize, ModelError> {
            if metadata.get(key).is_some() { number(key, most) } else { Ok(otherwise) }
        };
        let width = number("llama.embedding_length", WIDEST)?;
        let heads = number("llama.attention.head_count", WIDEST)?;
        let head_size = optional("llama.attention.key_length", WIDEST, width / heads)?;
        let result = Hyperparameters {
            layers: number("llama.block_count", MOST_LAYERS)?,
            width,
            feed_forward_width: number("llama.feed_forward_length", WIDEST)?,
            heads,
            key_value_heads: optional("llama.attention.head_count_kv", WIDEST, heads)?,
            head_size,
            rotary_dimensions: optional("llama.rope.dimension_count", WIDEST, head_size)?,
            rotary_base: metadata.optional("llama.rope.freq_base", rotary_base)?.unwrap_or(10_000.0),
            norm_epsilon: norm_epsilon(metadata)?,
            context_length: number("llama.context_length", LONGEST_CONTEXT)?,
        };
        result.check(optional("llama.attention.value_length", WIDEST, head_size)?)?;
        Ok(result)
    }

    fn check(&self, value_size: usize) -> Result<(), ModelError> {
        let absurd = |key: &str, value: usize, problem| {
            Err(ModelError::Absurd { key: key.to_owned(), value: value as u64, problem })
        };
        if !self.heads.is_multiple_of(self.key_value_heads) {
            return absurd(
                "llama.attention.head_count_kv",
                self.key_value_heads,
                "does not divide the head count",
            );
        }
        if self.head_size == 0 || !self.head_size.is_multiple_of(LANES) {
            return absurd("llama.attention.key_length", self.head_size, "is no multiple of 8");
        }
        if value_size != self.head_size {
            return absurd("llama.attention.value_length", value_size, "differs from the length of keys");
        }
        if self.rotary_dimensions > self.head_size || !self.rotary_dimensions.is_multiple_of(2) {
            return absurd("llama.rope.dimension_count", self.rotary_dimensions, "does not fit a head");
        }
        for (key, value) in [
            ("llama.embedding_length", self.width),
            ("llama.feed_forward_length", self.feed_forward_width),
            ("llama.attention.head_count", self.heads * self.head_size),
        ] {
            if !value.is_multiple_of(BLOCK) {
                return absurd(key, value, "makes rows that are no multiple of 32");
            }
        }
        Ok(())
    }
}

fn rotary_base(metadata: &Metadata, key: &str) -> Result<f32, GgufError> {
    let base = metadata.f32(key)?;
    let wrong =
        || GgufError::WrongMetadata { key: key.to_owned(), expected: "a finite number from 1 on".to_owned() };
    if base.is_finite() && base >= 1.0 { Ok(base) } else { Err(wrong()) }
}

fn norm_epsilon(metadata: &Metadata) -> Result<f32, GgufError> {
    let key = "llama.attention.layer_norm_rms_epsilon";
    let epsilon = metadata.f32(key)?;
    let wrong =
        || GgufError::WrongMetadata { key: key.to_owned(), expected: "a number between 0 and 1".to_owned() };
    if epsilon > 0.0 && epsilon < 1.0 { Ok(epsilon) } else { Err(wrong()) }
}

/// Keys that are read here, or that change no answer.
const KNOWN_KEYS: [&str; 16] = [
    "llama.attention.head_count",
    "llama.attention.head_count_kv",
    "llama.attention.key_length",
    "llama.attention.layer_norm_rms_epsilon",
    "llama.attention.value_length",
    "llama.block_count",
    "llama.context_length",
    "llama.embedding_length",
    "llama.expert_count",
    "llama.expert_used_count",
    "llama.feed_forward_length",
    "llama.rope.dimension_count",
    "llama.rope.freq_base",
    "llama.rope.scaling.type",
    "llama.tensor_data_layout",
    "llama.vocab_size",
];

/// Refuses by name what would change the answers and is not implemented.
fn refuse_unknown(metadata: &Metadata) -> Result<(), ModelError> {
    let unknown = metadata.keys().find(|key| key.starts_with("llama.") && !KNOWN_KEYS.contains(key));
    if let Some(key) = unknown {
        return Err(ModelError::Unsupported { what: format!("metadata `{key}`") });
    }
    if let Some(kind) = metadata.optional("llama.rope.scaling.type", Metadata::string)?
        && kind != "none"
    {
        return Err(ModelError::Unsupported { what: format!("rotary scaling `{}`", excerpt(kind)) });
    }
    if let Some(experts) = metadata.optional("llama.expert_count", Metadata::u32)?
        && experts > 0
    {
        return Err(ModelError::Unsupported { what: format!("{experts} experts (`llama.expert_count`)") });
    }
    Ok(())
}
