//! What a request is taken to cost, where the script does not say.
//!
//! There is no tokenizer behind a script. Words and marks are near enough to tokens for a program that shows or adds
//! up what it is told: a run of letters and digits counts as one, and so does every other character that is no white
//! space.

use interference_api_types::openai::chat_completions::RequestMessage;

use crate::facts::text_of;

/// The tokens of a conversation: those of its texts.
pub(crate) fn prompt_tokens(messages: &[RequestMessage]) -> u64 {
    messages.iter().map(|message| text_tokens(&text_of(message))).sum()
}

/// The tokens of a text.
pub(crate) fn text_tokens(text: &str) -> u64 {
    let mut tokens = 0;
    let mut in_word = false;
    for character in text.chars() {
        let is_word = character.is_alphanumeric();
        let goes_on = is_word && in_word;
        if !goes_on && !character.is_whitespace() {
            tokens += 1;
        }
        in_word = is_word;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_marks_are_counted() {
        for (text, tokens) in
            [("", 0), (" \n", 0), ("a tree", 2), ("Isn't it?", 5), ("été 2024", 2), ("🌳🌳", 2)]
        {
            assert_eq!(text_tokens(text), tokens, "{text:?}");
        }
    }
}
