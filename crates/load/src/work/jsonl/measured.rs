//! A prompt of which only the length is known: a line of a Mooncake trace.
//!
//! Owns what such a line says, and how a prompt is made of it. A hash stands for a block of 512 tokens behind those
//! before it; equal ones have equal texts, so that a server's cache finds as much of a prompt as it found when the trace
//! was made.

use std::sync::Arc;
use std::time::Duration;

use super::Forms;
use super::line::{no_other, time, value};
use crate::draws::{Draws, Purpose};
use crate::work::body::Body;
use crate::work::form::{MadeUp, Message};
use crate::work::recorded::single;
use crate::work::token_scale::TokenScale;
use crate::work::words::add_words;
use crate::work::{Ask, Conversation, Endpoint, LONGEST_PROMPT, WorkError};

/// Tokens of a block.
const BLOCK_TOKENS: u32 = 512;
/// Members of a line.
const KNOWN: &str = "`timestamp`, `input_length`, `output_length` and `hash_ids`";

/// A request that a trace tells by its lengths.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// How it is asked.
    form: Arc<MadeUp>,
    /// Tokens of the prompt.
    input_length: u32,
    /// Tokens that the answer may have, at least 1.
    output_length: Option<u32>,
    /// The blocks that the prompt begins with.
    blocks: Vec<u64>,
}

impl Measured {
    /// Reads a line: its time, and its request.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(super) fn read(mut line: Body, forms: &Forms<'_>) -> Result<(Option<Duration>, Measured), String> {
        let form = forms.measured.as_ref().map_err(ToString::to_string)?;
        let at = time(&mut line, "timestamp")?;
        let tokens = "a whole number of tokens";
        let input_length = value::<u32>(&mut line, "input_length", tokens)?.unwrap_or(0);
        let output_length: Option<u32> = value(&mut line, "output_length", tokens)?;
        let hashes: Option<Vec<u64>> = value(&mut line, "hash_ids", "a list of whole numbers")?;
        no_other(&line, KNOWN)?;
        if !(1..=LONGEST_PROMPT).contains(&input_length) {
            return Err(format!(
                "`input_length` is {input_length}, and not from 1 to {LONGEST_PROMPT} tokens"
            ));
        }
        let blocks = hashes.unwrap_or_default();
        let most = input_length.div_ceil(BLOCK_TOKENS) as usize;
        if blocks.len() > most {
            return Err(format!(
                "`hash_ids` has {} blocks of {BLOCK_TOKENS} tokens, and {input_length} tokens have at most {most}",
                blocks.len()
            ));
        }
        if output_length.is_some() && form.endpoint == Endpoint::Embeddings {
            return Err("`output_length` means nothing to embeddings; leave it out, or ask another endpoint"
                .to_owned());
        }
        if output_length.is_none() && form.is_endless() {
            return Err(WorkError::NoLimit.to_string());
        }
        // Traces have answers of no tokens, and requests cannot ask for them.
        let output_length = output_length.map(|tokens| tokens.max(1));
        Ok((at, Measured { form: Arc::clone(form), input_length, output_length, blocks }))
    }

    /// Whether the server can be asked with so short a prompt.
    pub(super) fn can_be_had(&self, scale: TokenScale) -> bool {
        self.input_length >= scale.shortest(0)
    }

    /// Where it is asked.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.form.endpoint
    }

    /// A request of its length: its blocks, and words of its own behind them where they are too short.
    pub(super) fn conversation(
        &self,
        scale: TokenScale,
        run: u32,
        seed: u64,
        arrival: u64,
    ) -> Box<dyn Conversation> {
        let mut text = String::new();
        let mut left = scale.words_of_prompt(self.input_length);
        for block in &self.blocks {
            let words = scale.words_of_part(BLOCK_TOKENS).min(left);
            add_words(&mut text, &mut Draws::of(seed, Purpose::SharedText, *block), words);
            left -= words;
        }
        add_words(&mut text, &mut Draws::of_run(run, seed, Purpose::Prompt, arrival), left);
        single(Ask {
            endpoint: self.form.endpoint,
            pause: Duration::ZERO,
            body: self.form.body(&[Message::user(text)], self.output_length.or(self.form.max_tokens())),
            streamed: self.form.streamed(),
            wants_text: false,
        })
    }
}
