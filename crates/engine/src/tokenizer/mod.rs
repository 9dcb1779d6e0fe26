//! Text to tokens and back, by the vocabulary and the merges of a model file.
//!
//! Byte-level byte-pair encoding (`tokenizer.ggml.model` = `gpt2`): a splitter of our own cuts text into pieces
//! ([`pre_tokenizer`]), the crate `tokenizers` merges the bytes of a piece. Control tokens are recognised only where
//! a caller says that text may hold them, which is the text of a chat template; ordinary text never becomes one. Tokens
//! that whoever trained the model has defined are no control tokens, and are whole wherever they are spelled.
//!
//! A byte for which the vocabulary has no token (the default model's lacks some control characters) is left out, as
//! the reference tokenizer does.

mod bytes_as_characters;
mod pre_tokenizer;

use std::ops::Range;

use ahash::AHashMap;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use tokenizers::Model as _;
use tokenizers::models::bpe::BPE;

use crate::generation::TokenId;
use crate::gguf::{GgufError, Metadata, excerpt};
use bytes_as_characters::{byte_of, character_of};
use pre_tokenizer::PreTokenizer;

/// Spellings of control tokens that end a turn in one model family or another; an end of turn that the metadata does
/// not name is found by them.
const ENDS_OF_TURN: [&str; 6] =
    ["<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<|end_of_text|>", "</s>"];

/// Why a model file's tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// Metadata that is missing or of the wrong kind.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// An algorithm that is not implemented.
    #[error("has a tokenizer of kind `{kind}`; supported: `gpt2` (byte-level byte-pair encoding)")]
    UnsupportedKind {
        /// `tokenizer.ggml.model`.
        kind: String,
    },
    /// A way to cut text into pieces that is not implemented. A near one would give other tokens, silently.
    #[error("has the pre-tokenizer `{name}`; supported: {}", known.join(", "))]
    UnsupportedPreTokenizer {
        /// `tokenizer.ggml.pre`.
        name: String,
        /// The names that are.
        known: Vec<&'static str>,
    },
    /// The vocabulary or the merges contradict themselves.
    #[error("has a damaged tokenizer: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
}

/// The tokenizer of a model.
pub(crate) struct Tokenizer {
    pre_tokenizer: PreTokenizer,
    merger: BPE,
    /// What each token stands for; empty for control tokens.
    bytes: TokenBytes,
    /// Control tokens by spelling, longest first.
    control: Vec<(String, TokenId)>,
    defined: Option<Defined>,
    end_of_turn: Vec<TokenId>,
    beginning: Option<Beginning>,
}

/// The token that begins a text.
#[derive(Debug, Clone, Copy)]
enum Beginning {
    /// Every text.
    Always(TokenId),
    /// A text that has no other tokens.
    OfEmpty(TokenId),
}

/// The tokens that whoever trained the model has defined: their spellings are text, and stand for themselves.
struct Defined {
    /// The first spelling in a text, and the longest there.
    finder: AhoCorasick,
    /// In the finder's order.
    ids: Vec<TokenId>,
}

/// The kinds of `tokenizer.ggml.token_type` that matter here.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

impl Tokenizer {
    /// Reads the tokenizer of a model file.
    pub(crate) fn from_metadata(metadata: &Metadata) -> Result<Tokenizer, TokenizerError> {
        let kind = metadata.string("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(TokenizerError::UnsupportedKind { kind: excerpt(kind) });
        }
        let name = metadata.optional("tokenizer.ggml.pre", Metadata::string)?.unwrap_or("default");
        let pre_tokenizer = PreTokenizer::by_name(name).ok_or_else(|| {
            TokenizerError::UnsupportedPreTokenizer { name: excerpt(name), known: PreTokenizer::names() }
        })?;
        let spellings = metadata.strings("tokenizer.ggml.tokens")?;
        let kinds = metadata.numbers("tokenizer.ggml.token_type")?;
        if kinds.len() != spellings.len() {
            let problem = format!("{} tokens, but {} token types", spellings.len(), kinds.len());
            return Err(TokenizerError::Damaged { problem });
        }
        let merger = build_merger(&spellings, &metadata.strings("tokenizer.ggml.merges")?)?;
        let token = |key: &str| -> Result<Option<TokenId>, TokenizerError> {
            let id = metadata.optional(key, Metadata::u32)?;
            if let Some(id) = id.filter(|id| *id as usize >= spellings.len()) {
                let problem = format!("`{key}` is {id}, past the {} tokens", spellings.len());
                return Err(TokenizerError::Damaged { problem });
            }
            Ok(id)
        };
        let mut end_of_turn: Vec<TokenId> =
            [token("tokenizer.ggml.eos_token_id")?, token("tokenizer.ggml.eot_token_id")?]
                .into_iter()
                .flatten()
                .collect();
        let (mut control, mut defined) = (Vec::new(), Vec::new());
        let mut bytes = TokenBytes::default();
        for (id, spelling) in spellings.iter().enumerate() {
            match kinds[id] {
                CONTROL => {
                    bytes.push("");
                    control.push(((*spelling).to_owned(), id as TokenId));
                    if ENDS_OF_TURN.contains(spelling) {
                        end_of_turn.push(id as TokenId);
                    }
                }
                USER_DEFINED if !spelling.is_empty() => {
                    bytes.push_as_written(spelling);
                    defined.push((*spelling, id as TokenId));
                }
                _ => bytes.push(spelling),
            }
        }
        let defined = if defined.is_empty() { None } else { Some(Defined::new(&defined)?) };
        control.retain(|(spelling, _)| !spelling.is_empty());
        control.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        let adds_beginning =
            metadata.optional("tokenizer.ggml.add_bos_token", Metadata::bool)?.unwrap_or(false);
        let beginning = if adds_beginning { Beginning::Always } else { Beginning::OfEmpty };
        let beginning = token("tokenizer.ggml.bos_token_id")?.map(beginning);
        Ok(Tokenizer { pre_tokenizer, merger, bytes, control, defined, end_of_turn, beginning })
    }

    /// What a token stands for: part of a text, perhaps cut inside a character; nothing for control tokens.
    pub(crate) fn token_bytes(&self, id: TokenId) -> &[u8] {
        self.bytes.get(id as usize).unwrap_or_default()
    }

    /// What each token stands for, in the order of their numbers.
    pub(crate) fn all_token_bytes(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.bytes.ends.len()).filter_map(|index| self.bytes.get(index))
    }

    /// The length of the longest token's bytes: no text has fewer tokens than its length divided by this.
    pub(crate) fn longest_token_bytes(&self) -> usize {
        self.bytes.longest().max(1)
    }

    /// The tokens that end an answer.
    pub(crate) fn ends_of_turn(&self) -> &[TokenId] {
        &self.end_of_turn
    }

    /// Encodes a prompt in which the spellings of control tokens mean these tokens, except where they touch one of
    /// the `plain` ranges (ascending, of bytes). Adds the token that begins a text where the model wants it.
    pub(crate) fn encode_prompt(&self, text: &str, plain: &[Range<usize>]) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        let mut pending = 0;
        let mut position = 0;
        // The first plain range that ends behind the position.
        let mut next_plain = 0;
        while position < text.len() {
            let rest = &text[position..];
            while plain.get(next_plain).is_some_and(|range| range.end <= position) {
                next_plain += 1;
            }
            let free = plain.get(next_plain).map_or(text.len(), |range| range.start);
            let found = self.control.iter().find(|(spelling, _)| {
                rest.starts_with(spelling.as_str()) && position + spelling.len() <= free
            });
            if let Some((spelling, id)) = found {
                self.encode_plain(&text[pending..position], &mut tokens);
                tokens.push(*id);
                position += spelling.len();
                pending = position;
            } else {
                position += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        self.encode_plain(&text[pending..], &mut tokens);
        match self.beginning {
            Some(Beginning::Always(id)) if tokens.first() != Some(&id) => tokens.insert(0, id),
            _ => {}
        }
        tokens
    }

    /// Encodes a text that stands alone, in which nothing is a control token. Adds the token that begins a text where the
    /// model wants it, or where there is no other.
    pub(crate) fn encode_document(&self, text: &str) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        if let Some(Beginning::Always(id)) = self.beginning {
            tokens.push(id);
        }
        self.encode_plain(text, &mut tokens);
        match self.beginning {
            Some(Beginning::OfEmpty(id)) if tokens.is_empty() => vec![id],
            _ => tokens,
        }
    }

    /// Encodes text in which nothing is a control token.
    pub(crate) fn encode_plain(&self, text: &str, tokens: &mut Vec<TokenId>) {
        let mut done = 0;
        if let Some(defined) = &self.defined {
            for found in defined.finder.find_iter(text) {
                self.merge(&text[done..found.start()], tokens);
                tokens.push(defined.ids[found.pattern()]);
                done = found.end();
            }
        }
        self.merge(&text[done..], tokens);
    }

    /// Encodes text in which nothing is a token by its spelling.
    fn merge(&self, text: &str, tokens: &mut Vec<TokenId>) {
        for piece in self.pre_tokenizer.split(text) {
            let characters: String = piece.bytes().map(character_of).collect();
            match self.merger.tokenize(&characters) {
                Ok(merged) => tokens.extend(merged.iter().map(|token| token.id)),
                // The merger fails only where it has a token for unknown bytes that is itself unknown, and it has none.
                Err(error) => tracing::error!(%error, "a piece of text could not be encoded"),
            }
        }
    }
}

impl Defined {
    /// Spellings, none of them empty, and their tokens.
    fn new(tokens: &[(&str, TokenId)]) -> Result<Defined, TokenizerError> {
        let (spellings, ids): (Vec<&str>, Vec<TokenId>) = tokens.iter().copied().unzip();
        let mut builder = AhoCorasick::builder();
        // Its memory stays in proportion to the spellings, however long they are.
        builder.kind(Some(AhoCorasickKind::ContiguousNFA)).match_kind(MatchKind::LeftmostLongest);
        let finder = builder.build(spellings);
        let finder = finder.map_err(|error| TokenizerError::Damaged { problem: error.to_string() })?;
        Ok(Defined { finder, ids })
    }
}

fn build_merger(spellings: &[&str], merges: &[&str]) -> Result<BPE, TokenizerError> {
    let damaged = |problem: String| TokenizerError::Damaged { problem };
    let vocabulary: AHashMap<String, u32> =
        spellings.iter().enumerate().map(|(id, spelling)| ((*spelling).to_owned(), id as u32)).collect();
    if vocabulary.len() != spellings.len() {
        return Err(damaged("a token is there twice".to_owned()));
    }
    let pairs = merges.iter().map(|merge| {
        let (left, right) = merge
            .split_once(' ')
            .ok_or_else(|| damaged(format!("the merge `{}` is no pair", excerpt(merge))))?;
        Ok((left.to_owned(), right.to_owned()))
    });
    let pairs = pairs.collect::<Result<Vec<_>, TokenizerError>>()?;
    let builder = BPE::builder().vocab_and_merges(vocabulary, pairs);
    builder
        .build()
        .map_err(|error| damaged(format!("a merge is of unknown tokens ({})", excerpt(&error.to_string()))))
}

/// The bytes behind each token's spelling, one after the other: tens of thousands of small texts, in two allocations.
#[derive(Default)]
struct TokenBytes {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
}

impl TokenBytes {
    /// Adds the next token; a character that stands for no byte is itself.
    fn push(&mut self, spelling: &str) {
        for character in spelling.chars() {
            match byte_of(character) {
                Some(byte) => self.bytes.push(byte),
                None => self.bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.ends.push(self.bytes.len());
    }

    /// Adds the next token, which is spelled in plain text.
    fn push_as_written(&mut self, spelling: &str) {
        self.bytes.extend_from_slice(spelling.as_bytes());
        self.ends.push(self.bytes.len());
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    fn longest(&self) -> usize {
        (0..self.ends.len()).filter_map(|index| self.get(index)).map(<[u8]>::len).max().unwrap_or(0)
    }
}
