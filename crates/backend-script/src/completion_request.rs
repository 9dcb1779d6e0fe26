//! Reads a request for completions: what a script honours of it, or what is wrong with it.

use interference_api_types::openai::chat_reply::Delivery;
use interference_api_types::openai::completions::{CompletionRequest, Echo};
use interference_api_types::openai::inputs::Input;
use interference_api_types::{Parsed, parse};
use interference_backend::{Refusal, Strictness};

use crate::chat_request::{Wishes, broken, out_of_bounds};
use crate::inputs::texts;

/// How much text may be repeated before the answers to one request, in bytes: prompts may be as long as a request, and
/// each comes before every answer to it.
pub const LONGEST_ECHO: usize = 16 * 1024 * 1024;

/// What a request wants of its answer, whatever that is.
#[derive(Debug, PartialEq)]
pub(crate) struct CompletionOrder {
    pub(crate) request: CompletionRequest,
    /// With the answers to all prompts as choices.
    pub(crate) wishes: Wishes,
    pub(crate) delivery: Delivery,
    /// What comes before the text of each choice, perhaps nothing.
    pub(crate) echoes: Vec<String>,
    /// Names of parameters that were passed over.
    pub(crate) ignored: Vec<String>,
}

/// Reads and checks a request's body. As with chats, what tells a model how to choose its words changes nothing.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<CompletionOrder, Refusal> {
    let Parsed { request, unknown: mut ignored } = parse::<CompletionRequest>(body).map_err(broken)?;
    ignored.extend(request.ignored_stream_options());
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        ignored.push("suffix".to_owned());
    }
    request.checked_model().map_err(out_of_bounds)?;
    let prompts = request.checked_prompts().map_err(out_of_bounds)?;
    let each = request.checked_choices(prompts.len()).map_err(out_of_bounds)?;
    strictness.check(&ignored)?;
    request.checked_best_of().map_err(out_of_bounds)?;
    request.check_streamed_best_of().map_err(out_of_bounds)?;
    request.sampling().checked().map_err(out_of_bounds)?;
    let delivery = request.checked_delivery().map_err(out_of_bounds)?;
    let echoes = echoes(&request, &prompts, each as usize)?;
    let wishes = Wishes {
        max_tokens: Some(request.max_tokens()),
        stops: request.checked_stops().map_err(out_of_bounds)?.to_vec(),
        choices: each * prompts.len() as u32,
        logprobs: request.checked_logprobs().map_err(out_of_bounds)?,
    };
    Ok(CompletionOrder { wishes, delivery, echoes, ignored, request })
}

/// One for each choice: those of the first prompt, then those of the next.
fn echoes(request: &CompletionRequest, prompts: &[Input<'_>], each: usize) -> Result<Vec<String>, Refusal> {
    if request.echo() == Echo::Nothing {
        return Ok(vec![String::new(); each * prompts.len()]);
    }
    if request.logprobs.is_some() {
        return Err(refused(
            "unsupported_value",
            "'echo' and 'logprobs' cannot be had together: a script has no log probabilities of prompts."
                .to_owned(),
        ));
    }
    let texts = texts(prompts);
    let bytes = texts.iter().map(|text| text.len()).sum::<usize>().saturating_mul(each);
    if bytes > LONGEST_ECHO {
        return Err(refused(
            "invalid_value",
            format!("'echo' would repeat {bytes} bytes of prompts; at most {LONGEST_ECHO} are repeated."),
        ));
    }
    Ok(texts.iter().flat_map(|text| std::iter::repeat_n(text.as_ref(), each)).map(str::to_owned).collect())
}

fn refused(code: &'static str, message: String) -> Refusal {
    Refusal::InvalidRequest { message, param: Some("echo".to_owned()), code: Some(code) }
}
