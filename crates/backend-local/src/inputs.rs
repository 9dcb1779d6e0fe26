//! Texts of a request that are continued or embedded as they are: from text or numbers to tokens.
//!
//! Owns what can be wrong with one of them, told with its place in the request. It refuses to know what becomes of it.

use interference_api_types::openai::inputs::{Input, Inputs};
use interference_backend::Refusal;
use interference_engine::{Engine, TokenId};

use crate::chat::invalid;

/// The parameter that the texts are in, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter<'r> {
    /// Its name.
    pub(crate) name: &'static str,
    /// As the request has it; none stands for one empty text.
    pub(crate) given: Option<&'r Inputs>,
    /// How many tokens each text may come to.
    pub(crate) longest: usize,
}

impl Parameter<'_> {
    /// The tokens of these texts of the parameter.
    ///
    /// # Errors
    /// One is too long for the context, comes to nothing, or has tokens that the vocabulary does not have.
    pub(crate) fn tokens(self, engine: &Engine, texts: &[Input<'_>]) -> Result<Vec<Vec<TokenId>>, Refusal> {
        let numbered = texts.iter().enumerate();
        numbered.map(|(position, text)| self.tokens_of(engine, *text, position)).collect()
    }

    fn tokens_of(self, engine: &Engine, text: Input<'_>, position: usize) -> Result<Vec<TokenId>, Refusal> {
        let tokens = match text {
            Input::Text(text) => {
                // What no way of tokenising fits into the context is not tokenised.
                self.check_length(engine, text.len() / engine.longest_token_bytes(), position)?;
                engine.encode_document(text)
            }
            Input::Tokens(tokens) => {
                self.check_length(engine, tokens.len(), position)?;
                self.known(engine, tokens, position)?
            }
        };
        if tokens.is_empty() {
            let path = self.path(position);
            let message = format!("'{path}' comes to no tokens, and this model has none that begins a text.");
            return Err(invalid(path, message));
        }
        self.check_length(engine, tokens.len(), position)?;
        Ok(tokens)
    }

    fn check_length(self, engine: &Engine, tokens: usize, position: usize) -> Result<(), Refusal> {
        if tokens <= self.longest {
            return Ok(());
        }
        let path = self.path(position);
        Err(Refusal::InvalidRequest {
            message: format!(
                "This model's maximum context length is {} tokens. However, '{path}' has {tokens} or more; at most {} \
                 are possible here. Please shorten it.",
                engine.model().context_length,
                self.longest
            ),
            param: Some(path),
            code: Some("context_length_exceeded"),
        })
    }

    fn known(self, engine: &Engine, tokens: &[u64], position: usize) -> Result<Vec<TokenId>, Refusal> {
        let vocabulary_size = engine.model().vocabulary_size;
        let known = |token: &u64| {
            let id = TokenId::try_from(*token).ok().filter(|id| (*id as usize) < vocabulary_size);
            id.ok_or_else(|| {
                let path = self.path(position);
                let last = vocabulary_size.saturating_sub(1);
                let message = format!("'{path}' has token {token}; the model's tokens are 0 to {last}.");
                invalid(path, message)
            })
        };
        tokens.iter().map(known).collect()
    }

    /// Where a text stands in the request.
    fn path(self, position: usize) -> String {
        match self.given {
            Some(Inputs::Texts(_) | Inputs::TokenLists(_)) => format!("{}[{position}]", self.name),
            Some(Inputs::Text(_) | Inputs::Tokens(_)) | None => self.name.to_owned(),
        }
    }
}
