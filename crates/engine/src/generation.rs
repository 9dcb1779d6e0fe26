//! What a caller asks of the engine and what it hears back: plain data, no machinery.

/// A token's number in the model's vocabulary.
pub type TokenId = u32;

/// One message of a conversation, as a chat template sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// How a token is chosen from the logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the most likely token (of equals, the lowest id); otherwise logits are divided by it.
    pub temperature: f32,
    /// The smallest set of most likely tokens whose probability reaches this is drawn from; 1 keeps all.
    pub top_p: f32,
    /// With the choice and the position, decides every draw.
    pub seed: u64,
    /// Which of several answers to the same request this is, from 0.
    pub choice: u32,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_p: 1.0, seed: 0, choice: 0 };
}

/// One answer to be generated.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The prompt, at least one token, shorter than the context.
    pub prompt: Vec<TokenId>,
    /// At most this many tokens; the end of the context may come first. None: up to the end of the context.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Whether each token comes with its log probability.
    pub logprobs: bool,
    /// The tokens that end a turn are never chosen: the answer goes on to its greatest length.
    pub ignore_eos: bool,
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
    /// A token was chosen.
    Token {
        /// The token.
        id: TokenId,
        /// Its natural log probability at temperature 1, when asked for.
        logprob: Option<f32>,
    },
    /// The answer is complete.
    Finished(FinishReason),
    /// The answer broke off.
    Failed(EngineFailure),
}

/// Why a generation broke off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineFailure {
    /// An activation became infinite or not a number.
    #[error("the model computed a value that is not finite, at position {position}")]
    NotFinite {
        /// The position in the sequence, from 0.
        position: usize,
    },
    /// The engine is shutting down, or its thread has died of a bug.
    #[error("the engine has stopped")]
    Stopped,
}

/// Why a generation was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// No room for even one token after the prompt.
    #[error("a prompt of {prompt_tokens} tokens leaves no room in a context of {context_length}")]
    PromptTooLong {
        /// The prompt's length.
        prompt_tokens: usize,
        /// The model's context.
        context_length: usize,
    },
    /// A token that the vocabulary does not have.
    #[error("the prompt has a token {token}, which the vocabulary does not have")]
    UnknownToken {
        /// The token.
        token: TokenId,
    },
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
