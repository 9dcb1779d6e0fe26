//! Chats: from the request to an admitted answer, and to its reply.

use std::sync::Arc;

use interference_api_types::openai::chat_reply::{Delivery, Letterhead};
use interference_api_types::openai::identity::random_seed;
use interference_backend::{Refusal, Reply, ReplyBody, Request};
use interference_engine::{
    Constraint, ConstraintError, Engine, GenerationRequest, Sampling, TemplateError, TokenId,
};

use super::{Loaded, Service, check_biases, check_places, not_admitted, reply_with_seed};
use crate::answer::Answer;
use crate::chat::{self, ChatOrder, ConstraintOrder, invalid};
use crate::chat_reply::{self, AnswerHead};
use crate::tool_calls::calling;
use crate::tool_calls::parser::CallParser;
use crate::tool_calls::prompt::{ToolPrompt, tool_prompt};

/// A request that was admitted.
pub(super) struct AdmittedChat {
    answer: Answer,
    head: AnswerHead,
    delivery: Delivery,
    seed: u64,
    ignored: Vec<String>,
}

impl Service {
    /// Everything that can refuse a request: reads it, finds its model, counts its tokens, takes a place in the queue.
    pub(super) fn admit_chat(&self, loaded: &Loaded, request: &Request) -> Result<AdmittedChat, Refusal> {
        let Loaded { engine, calls: format } = loaded;
        let mut order = chat::read(&request.body, request.strictness)?;
        self.check_model(&order.model)?;
        check_biases(engine, &order.adjustments)?;
        check_places(engine, order.choices as usize, "n", &format!("'n' is {}", order.choices))?;
        let messages = std::mem::take(&mut order.messages);
        let prompt = prompt(engine, &tool_prompt(*format, messages, calling::told_tools(&order.tools)))?;
        let letterhead = Letterhead {
            id: self.identity.id(),
            created: self.identity.created(),
            // Not the alias that was asked for: the API, too, answers with the name behind an alias.
            model: self.name.clone(),
            system_fingerprint: engine.model().fingerprint(),
        };
        let head = AnswerHead { letterhead, prompt_tokens: prompt.len() as u64 };
        let seed = order.drawing.seed.or(self.options.seed).unwrap_or_else(random_seed);
        let generations = generations(&order, prompt, seed, constraint(loaded, &order)?);
        let calls = |choice| {
            let reader = calling::reader(*format, &order.tools, self.identity, choice);
            match &order.constraint {
                Some(_) => reader.map(CallParser::of_text_or_calls),
                None => reader,
            }
        };
        let answer = Answer::submit(engine, generations, &order.stops, calls).map_err(not_admitted)?;
        Ok(AdmittedChat { answer, head, delivery: order.delivery, seed, ignored: order.ignored })
    }
}

impl AdmittedChat {
    /// The answer, once it is whole, or its stream.
    ///
    /// # Errors
    /// The engine broke off before a whole answer was there.
    pub(super) async fn reply(self) -> Result<Reply, Refusal> {
        let AdmittedChat { answer, head, delivery, seed, ignored } = self;
        let body = match delivery {
            Delivery::Whole => ReplyBody::Whole(chat_reply::whole(answer, head).await?),
            Delivery::Streamed { usage } => ReplyBody::Events(chat_reply::streamed(answer, &head, usage)),
        };
        Ok(reply_with_seed(body, seed, ignored))
    }
}

/// A generation for each choice, which differ in nothing but its number.
fn generations(
    order: &ChatOrder,
    prompt: Vec<TokenId>,
    seed: u64,
    constraint: Option<Arc<Constraint>>,
) -> Vec<GenerationRequest> {
    let generation = GenerationRequest {
        prompt,
        max_tokens: order.max_tokens,
        sampling: order.drawing.of_choice(0, seed),
        adjustments: order.adjustments.clone(),
        logprobs: order.logprobs,
        prompt_logprobs: false,
        ignore_eos: order.ignore_eos,
        constraint,
    };
    let of_choice = |choice| {
        let sampling = Sampling { choice, ..generation.sampling };
        GenerationRequest { sampling, ..generation.clone() }
    };
    (0..order.choices).map(of_choice).collect()
}

/// What the answer is held to: calls that there must be, a form of text, or either of them.
///
/// # Errors
/// The engine cannot hold an answer to it.
fn constraint(loaded: &Loaded, order: &ChatOrder) -> Result<Option<Arc<Constraint>>, Refusal> {
    let calls = match &order.constraint {
        Some(form) => calling::beside_form(loaded.calls, &order.tools, &form.source),
        None => None,
    };
    let calls = calls.or_else(|| calling::forced(loaded.calls, &order.tools));
    let (source, param) = match (calls, &order.constraint) {
        (Some(calls), _) => (calls, None),
        (None, Some(ConstraintOrder { source, param })) => (source.clone(), Some(param)),
        (None, None) => return Ok(None),
    };
    match (loaded.engine.compile_constraint(source), param) {
        (Ok(constraint), _) => Ok(Some(Arc::new(constraint))),
        (Err(error @ ConstraintError::Failed(_)), _) => {
            Err(Refusal::Internal { message: format!("{error}.") })
        }
        (Err(error), Some(param)) => Err(invalid(*param, format!("'{param}' cannot be honoured: {error}."))),
        (Err(error), None) => Err(calling::not_forced(&order.tools, &error)),
    }
}

/// The tokens of a conversation.
///
/// # Errors
/// The model's template does not take it, or there is more of it than the context holds.
fn prompt(engine: &Engine, asked: &ToolPrompt) -> Result<Vec<TokenId>, Refusal> {
    refuse_hopeless(engine, asked)?;
    engine.render_chat(&asked.messages, &asked.tools).map_err(|error| match error {
        TemplateError::DeepTool { .. } => {
            invalid("tools", format!("The model cannot be told of it: {error}."))
        }
        error => {
            invalid("messages", format!("The model's chat template does not take these messages: {error}"))
        }
    })
}

/// Refuses messages and tools that no way of tokenising fits into the context, before they are tokenised.
fn refuse_hopeless(engine: &Engine, ToolPrompt { messages, tools }: &ToolPrompt) -> Result<(), Refusal> {
    let of_messages: usize = messages.iter().map(|message| message.content.len()).sum();
    let of_tools = tools.iter().map(|tool| {
        let description = tool.description.as_ref().map_or(0, String::len);
        let parameters = tool.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
        tool.name.len() + description + parameters
    });
    let bytes = of_messages + of_tools.sum::<usize>();
    let (least_tokens, context_length) =
        (bytes / engine.longest_token_bytes(), engine.model().context_length);
    if least_tokens < context_length {
        return Ok(());
    }
    Err(Refusal::InvalidRequest {
        message: format!(
            "This model's maximum context length is {context_length} tokens. However, your messages and tools resulted \
             in at least {least_tokens} tokens. Please reduce the length of the messages or of the tools."
        ),
        param: Some("messages".to_owned()),
        code: Some("context_length_exceeded"),
    })
}
