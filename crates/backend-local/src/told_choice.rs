//! What the choices of an answer said, once all of them have ended.

use interference_api_types::openai::chat_reply::{FinishReason, FunctionCall, TokenLogprob, ToolCall};
use interference_backend::Refusal;

use crate::answer::{Answer, PromptTokens, Step};
use crate::failure;

/// What a choice has said so far.
#[derive(Debug, Default)]
pub(crate) struct ToldChoice {
    pub(crate) text: String,
    /// None where its probabilities were not asked for.
    pub(crate) prompt: Option<PromptTokens>,
    /// None where they were not asked for.
    pub(crate) logprobs: Option<Vec<TokenLogprob>>,
    pub(crate) calls: Vec<ToolCall>,
    /// Why it ended.
    pub(crate) end: Option<FinishReason>,
}

/// Waits for the end of an answer, each of whose choices begins with one of these texts.
///
/// # Errors
/// The engine broke off one of its choices.
pub(crate) async fn told_choices(
    answer: &mut Answer,
    beginnings: impl IntoIterator<Item = String>,
) -> Result<Vec<ToldChoice>, Refusal> {
    let logprobs = answer.has_logprobs().then(Vec::new);
    let untold = |text| ToldChoice { text, logprobs: logprobs.clone(), ..ToldChoice::default() };
    let mut told: Vec<ToldChoice> = beginnings.into_iter().map(untold).collect();
    while let Some((index, step)) = answer.next().await.map_err(|broken| failure::refusal(&broken))? {
        if let Some(choice) = told.get_mut(index as usize) {
            choice.add(step);
        }
    }
    Ok(told)
}

impl ToldChoice {
    fn add(&mut self, step: Step) {
        match step {
            Step::Prompt(prompt) => self.prompt = Some(prompt),
            Step::Text { text, logprobs } => {
                self.text.push_str(&text);
                if let Some((told, tokens)) = self.logprobs.as_mut().zip(logprobs) {
                    told.extend(tokens);
                }
            }
            Step::Call { id, name, .. } => {
                let function = FunctionCall { name, arguments: String::new() };
                self.calls.push(ToolCall { id, kind: "function", function });
            }
            Step::Arguments { index, fragment } => {
                if let Some(call) = self.calls.get_mut(index as usize) {
                    call.function.arguments.push_str(&fragment);
                }
            }
            Step::Finished(reason) => self.end = Some(reason),
        }
    }
}
