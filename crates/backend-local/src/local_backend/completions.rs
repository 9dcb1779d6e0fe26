//! Completions: from the request to an admitted answer, and to its reply.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::{Delivery, Letterhead};
use interference_api_types::openai::completions::Echo;
use interference_api_types::openai::identity::random_seed;
use interference_api_types::openai::inputs::Input;
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use interference_engine::{Engine, GenerationRequest, TokenId};

use super::{Service, check_biases, check_places, not_admitted, reply_with_seed};
use crate::answer::Answer;
use crate::chat::out_of_bounds;
use crate::chat_reply::AnswerHead;
use crate::completion_reply;
use crate::completions::{self, CompletionOrder};
use crate::inputs::Parameter;

/// A request that was admitted.
pub(super) struct AdmittedCompletion {
    answer: Answer,
    /// What comes before the text of each choice, perhaps nothing.
    echoes: Vec<String>,
    head: AnswerHead,
    delivery: Delivery,
    seed: u64,
    ignored: Vec<String>,
}

impl Service {
    /// Everything that can refuse a request: reads it, finds its model, counts its tokens, takes a place in the queue for
    /// each choice.
    pub(super) fn admit_completion(
        &self,
        engine: &Arc<Engine>,
        request: &Request,
    ) -> Result<AdmittedCompletion, Refusal> {
        let order = completions::read(&request.body, request.strictness)?;
        self.check_model(order.request.model.as_deref().unwrap_or_default())?;
        check_biases(engine, &order.adjustments)?;
        let texts = order.request.checked_prompts().map_err(out_of_bounds)?;
        let answers = texts.len() * order.each as usize;
        let cause = format!("'n' is {} and 'prompt' has {} texts", order.each, texts.len());
        check_places(engine, answers, if order.each > 1 { "n" } else { "prompt" }, &cause)?;
        // An answer needs a place behind its prompt.
        let longest = engine.model().context_length.saturating_sub(1);
        let parameter = Parameter { name: "prompt", given: order.request.prompt.as_ref(), longest };
        let prompts = parameter.tokens(engine, &texts)?;
        let echoes = echoes(&order, engine, &texts);
        let letterhead = Letterhead {
            id: self.identity.completion_id(),
            created: self.identity.created(),
            model: self.name.clone(),
            system_fingerprint: engine.model().fingerprint(),
        };
        let prompt_tokens = prompts.iter().map(|prompt| prompt.len() as u64).sum();
        let head = AnswerHead { letterhead, prompt_tokens };
        let seed = order.drawing.seed.or(self.options.seed).unwrap_or_else(random_seed);
        let answer = Answer::submit(engine, generations(&order, &prompts, seed), &order.stops, |_| None)
            .map_err(not_admitted)?;
        Ok(AdmittedCompletion {
            answer,
            echoes,
            head,
            delivery: order.delivery,
            seed,
            ignored: order.ignored,
        })
    }
}

/// A generation for each choice: those of the first prompt, then those of the next. A choice is what it would be if its
/// prompt came alone.
fn generations(order: &CompletionOrder, prompts: &[Vec<TokenId>], seed: u64) -> Vec<GenerationRequest> {
    let of_choice = |(prompt, choice): (&Vec<TokenId>, u32)| GenerationRequest {
        prompt: prompt.clone(),
        max_tokens: Some(order.max_tokens),
        sampling: order.drawing.of_choice(choice, seed),
        adjustments: order.adjustments.clone(),
        logprobs: order.logprobs,
        prompt_logprobs: order.prompt_logprobs,
        ignore_eos: order.ignore_eos,
        constraint: None,
    };
    let choices = prompts.iter().flat_map(|prompt| (0..order.each).map(move |choice| (prompt, choice)));
    choices.map(of_choice).collect()
}

/// One for each choice. A prompt of tokens is echoed as the text that they stand for.
fn echoes(order: &CompletionOrder, engine: &Engine, prompts: &[Input<'_>]) -> Vec<String> {
    let echo = |prompt: &Input<'_>| match (order.echo, *prompt) {
        (Echo::Nothing, _) => String::new(),
        (Echo::Prompt, Input::Text(text)) => text.to_owned(),
        (Echo::Prompt, Input::Tokens(tokens)) => {
            let known = tokens.iter().filter_map(|token| TokenId::try_from(*token).ok());
            let bytes: Vec<u8> = known.flat_map(|token| engine.token_bytes(token)).copied().collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let each = order.each as usize;
    prompts.iter().flat_map(|prompt| std::iter::repeat_n(echo(prompt), each)).collect()
}

impl AdmittedCompletion {
    /// The answer, once it is whole, or its stream.
    ///
    /// # Errors
    /// The engine broke off before a whole answer was there.
    pub(super) async fn reply(self) -> Result<Reply, Refusal> {
        let AdmittedCompletion { answer, echoes, head, delivery, seed, ignored } = self;
        let body = match delivery {
            Delivery::Whole => ReplyBody::Whole(completion_reply::whole(answer, echoes, head).await?),
            Delivery::Streamed { usage } => {
                ReplyBody::Events(completion_reply::streamed(answer, echoes, &head, usage))
            }
        };
        Ok(reply_with_seed(body, seed, ignored))
    }
}
