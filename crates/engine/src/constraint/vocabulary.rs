//! A model's tokens as a grammar sees them: words of bytes, in a tree.
//!
//! Made once for a model, when the first constraint is compiled: it takes some tens of milliseconds. Control tokens are
//! no words, so that no grammar can ask for them; those that end a turn are allowed where a text may end. Knows no
//! schemas and no logits.

use std::sync::Arc;

use llguidance::ParserFactory;
use llguidance::api::ParserLimits;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{
    ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie,
};

use super::ConstraintError;
use crate::generation::TokenId;

/// Tokens that are longer than this, in bytes, are never chosen under a constraint: the tree goes so deep.
const LONGEST_WORD: usize = 1_000;
/// Words that begin with this byte, which no text has, would mean something of their own to the grammar.
const NO_WORD: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// The bounds of all work on a grammar. What they do not name keeps llguidance's own bound.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: INITIAL_LEXER_FUEL,
        step_lexer_fuel: STEP_LEXER_FUEL,
        step_max_items: STEP_ITEMS,
        max_items_in_row: ROW_ITEMS,
        max_lexer_states: LEXER_STATES,
        max_grammar_size: GRAMMAR_SIZE,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

/// Nodes of regular expressions, when a grammar is compiled: some 20 ms.
const INITIAL_LEXER_FUEL: u64 = 1_000_000;
/// The same for one token: some 15 ms.
const STEP_LEXER_FUEL: u64 = 200_000;
/// Items of the parser for one token, and for one place in the text.
const STEP_ITEMS: usize = 50_000;
const ROW_ITEMS: usize = 2_000;
/// States of a generation's lexer, of some 1 KiB each.
const LEXER_STATES: usize = 20_000;
/// Symbols in the rules of a grammar.
const GRAMMAR_SIZE: usize = 200_000;

/// The words, and how grammars are compiled for them.
pub(crate) struct Vocabulary {
    pub(super) factory: ParserFactory,
}

impl Vocabulary {
    /// The words of all tokens, in the order of their numbers, and the tokens that end a turn. Calls itself as deep as
    /// the longest word has bytes.
    pub(crate) fn new<'w>(
        words: impl Iterator<Item = &'w [u8]>,
        ends_of_turn: &[TokenId],
    ) -> Result<Vocabulary, ConstraintError> {
        let words: Vec<Vec<u8>> = words.map(word).collect();
        let mut trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, INVALID_TOKEN), &words);
        if !ends_of_turn.is_empty() {
            trie = trie.with_eos_tokens(ends_of_turn);
        }
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = SlicedBiasComputer::json_slices();
        let factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices);
        let mut factory = factory.map_err(|error| ConstraintError::Failed(error.to_string()))?;
        *factory.quiet().limits_mut() = limits();
        Ok(Vocabulary { factory })
    }

    /// One whose tokens are the bytes, and 256, which ends a turn: for what needs no model.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_bytes() -> Result<Vocabulary, ConstraintError> {
        let words: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let words = words.iter().map(<[u8; 1]>::as_slice);
        Vocabulary::new(words.chain([&[][..]]), &[256])
    }

    /// How many tokens there are.
    pub(super) fn words(&self) -> usize {
        self.factory.tok_env().tok_trie().vocab_size()
    }
}

fn word(bytes: &[u8]) -> Vec<u8> {
    let is_word = bytes.len() <= LONGEST_WORD && bytes.first() != Some(&NO_WORD);
    if is_word { bytes.to_vec() } else { Vec::new() }
}
