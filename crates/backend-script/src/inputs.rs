//! Inputs of embeddings and prompts of completions, as conditions and answers see them.
//!
//! Owns what a script makes of tokens: nobody here knows what they stand for, so they are written out as numbers.

use std::borrow::Cow;

use interference_api_types::openai::inputs::Input;

use crate::usage::text_tokens;

/// Each input as a text.
pub(crate) fn texts<'r>(inputs: &[Input<'r>]) -> Vec<Cow<'r, str>> {
    let text = |input: &Input<'r>| match *input {
        Input::Text(text) => Cow::Borrowed(text),
        Input::Tokens(tokens) => {
            let numbers: Vec<String> = tokens.iter().map(u64::to_string).collect();
            Cow::Owned(numbers.join(" "))
        }
    };
    inputs.iter().map(text).collect()
}

/// What conditions look at: the only one, or all of them, joined by line feeds.
pub(crate) fn joined<'r>(texts: &[Cow<'r, str>]) -> Cow<'r, str> {
    match texts {
        [text] => text.clone(),
        texts => Cow::Owned(texts.join("\n")),
    }
}

/// What they are taken to cost: tokens as they are, texts by the estimate that chats have.
pub(crate) fn tokens(inputs: &[Input<'_>]) -> u64 {
    let cost = |input: &Input<'_>| match input {
        Input::Text(text) => text_tokens(text),
        Input::Tokens(tokens) => tokens.len() as u64,
    };
    inputs.iter().map(cost).sum()
}
