//! What a caller asks of the engine and what it hears back: plain data, no machinery.

use std::sync::Arc;

use crate::constraint::Constraint;

/// Most alternatives that are told beside a token.
pub const MOST_ALTERNATIVES: usize = 20;

/// A token's number in the model's vocabulary.
pub type TokenId = u32;

/// One message of a conversation, for a chat template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// Its text; empty where a message consists of calls alone.
    pub content: String,
    /// The calls that the assistant made with it.
    pub tool_calls: Vec<MessageToolCall>,
    /// The call whose result this is, by its id.
    pub tool_call_id: Option<String>,
    /// Which of several speakers of one role, or the function whose result this is.
    pub name: Option<String>,
}

impl ChatMessage {
    /// A message that is a text and nothing else.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> ChatMessage {
        ChatMessage { role: role.into(), content: content.into(), ..ChatMessage::default() }
    }
}

/// A call that the assistant made earlier in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageToolCall {
    /// What the message with the result repeats. It only tells which belong together: templates never see it.
    pub id: String,
    /// The function.
    pub name: String,
    /// JSON, as text. Templates get an object where it is one, else the text.
    pub arguments: String,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// A JSON schema of its arguments; none is a function without arguments.
    pub parameters: Option<serde_json::Value>,
}

/// How a token is chosen from the logits: the temperature shapes their probabilities, `top_k` leaves the first of them,
/// `top_p` the first of those, `min_p` the first of those.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token (of equals, the lowest id); otherwise logits are divided by it.
    pub temperature: f32,
    /// The smallest set of most likely tokens whose share of what `top_k` left reaches this is drawn from; 1 keeps all.
    pub top_p: f32,
    /// With the choice and the position, decides every draw.
    pub seed: u64,
    /// Which of several answers to the same request this is, from 0.
    pub choice: u32,
    /// Tokens whose probability, by the temperature, is less than this share of the most likely one's are not drawn; 0
    /// keeps all.
    pub min_p: f32,
    /// Only this many of the most likely tokens are drawn from; 0 keeps all.
    pub top_k: u32,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Sampling =
        Sampling { temperature: 0.0, top_p: 1.0, seed: 0, choice: 0, min_p: 0.0, top_k: 0 };
}

/// What is done to the logits before a token is chosen: `repeat_penalty` first, then the other penalties, then the bias.
/// Log probabilities are those before it. Numbers past their bounds, or that are none, never make an answer fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjustments {
    /// Taken from the logit of a token, for each time that the answer has it already. From -2 to 2; 0 is none.
    pub frequency_penalty: f32,
    /// Taken from the logit of a token that the answer has already. From -2 to 2; 0 is none.
    pub presence_penalty: f32,
    /// Divides the positive logit of a token that prompt or answer have already, and multiplies a negative one. Above 0; 1
    /// is none.
    pub repeat_penalty: f32,
    /// Added to the logits of these tokens of the vocabulary; each is there once. From -100, which as a rule forbids a
    /// token, to 100, which forces it.
    pub bias: Vec<(TokenId, f32)>,
}

impl Default for Adjustments {
    fn default() -> Self {
        Adjustments { frequency_penalty: 0.0, presence_penalty: 0.0, repeat_penalty: 1.0, bias: Vec::new() }
    }
}

/// One answer to be generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The prompt, at least one token, shorter than the context.
    pub prompt: Vec<TokenId>,
    /// At most this many tokens, perhaps none; the end of the context may come first. None: up to the end of the context.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// What is done to the logits before.
    pub adjustments: Adjustments,
    /// Whether each token comes with its log probability, and with those of how many of the most likely ones, at most
    /// [`MOST_ALTERNATIVES`].
    pub logprobs: Option<usize>,
    /// Whether the prompt's own tokens come with theirs, before the answer, with as many alternatives.
    pub prompt_logprobs: bool,
    /// The tokens that end a turn are never chosen: the answer goes on to its greatest length.
    pub ignore_eos: bool,
    /// What the answer must read like.
    pub constraint: Option<Arc<Constraint>>,
}

/// Why a generation ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn. The token that says so is not reported.
    EndOfTurn,
    /// `max_tokens`, or the end of the context.
    Length,
}

/// What the engine tells while it generates, in order; the last is `Finished` or `Failed`.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// How likely the prompt was, when asked for; before any token.
    Prompt(PromptLogprobs),
    /// A token was chosen.
    Token {
        /// The token.
        id: TokenId,
        /// Its natural log probability at temperature 1, when asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is complete.
    Finished(FinishReason),
    /// The answer broke off.
    Failed(EngineFailure),
}

/// How likely the tokens of a prompt were, each behind those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptLogprobs {
    /// The first token, which has nothing before it, and so no probability.
    pub first: TokenId,
    /// The tokens behind it.
    pub rest: Vec<(TokenId, TokenLogprobs)>,
}

/// How likely a token was, and which were the most likely in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// Its natural log probability at temperature 1, before adjustments.
    pub logprob: f32,
    /// The most likely tokens with theirs, the most likely first (of equals, the lowest id first), as many as asked for.
    /// The chosen one need not be among them.
    pub top: Vec<(TokenId, f32)>,
}

/// Why a generation broke off, or an embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineFailure {
    /// An activation became infinite or not a number.
    #[error("the model computed a value that is not finite, at position {position}")]
    NotFinite {
        /// The position in the sequence, from 0.
        position: usize,
    },
    /// The states of a text that is to be embedded cancel each other out.
    #[error("the text has no direction: the states of its positions add up to zero")]
    NoDirection,
    /// The constraint asks for more work than it may, or has a bug.
    #[error("the constraint on the answer failed: {0}")]
    Constraint(String),
    /// The engine is shutting down, or its thread has died of a bug.
    #[error("the engine has stopped")]
    Stopped,
}

/// Why a generation or an embedding was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// No room for even one token after the prompt; or a text to embed is longer than the context.
    #[error("a prompt of {prompt_tokens} tokens leaves no room in a context of {context_length}")]
    PromptTooLong {
        /// The prompt's length.
        prompt_tokens: usize,
        /// The model's context.
        context_length: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("there is no token {token} in the vocabulary")]
    UnknownToken {
        /// The token.
        token: TokenId,
    },
    /// The constraint was compiled by the engine of another model.
    #[error("the constraint was compiled for another model")]
    ForeignConstraint,
    /// There is nothing to continue.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The queue is full.
    #[error("{waiting} generations wait already")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// The engine is shutting down, or its thread has died of a bug.
    #[error("the engine has stopped")]
    Stopped,
}
