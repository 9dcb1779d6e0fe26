//! Reads a chat request: what a script honours of it, or what is wrong with it.
//!
//! Owns the checks that every server of the API makes, and the list of what is passed over. It refuses to know rules.

use interference_api_types::openai::chat_completions::{
    ChatCompletionRequest, Content, ContentPart, RequestMessage,
};
use interference_api_types::openai::chat_parameters::InvalidParameter;
use interference_api_types::openai::chat_reply::Delivery;
use interference_api_types::openai::conversation::check_results;
use interference_api_types::openai::tools::ToolOffer;
use interference_api_types::{Parsed, RequestBodyError, parse};
use interference_backend::{Refusal, Strictness};

/// What a request wants of its answer, whatever that is.
#[derive(Debug, PartialEq)]
pub(crate) struct ChatOrder {
    /// Boxed: it is long, and handed on several times.
    pub(crate) request: Box<ChatCompletionRequest>,
    pub(crate) wishes: Wishes,
    /// What may be called.
    pub(crate) tools: ToolOffer,
    pub(crate) delivery: Delivery,
    /// Names of parameters that were passed over.
    pub(crate) ignored: Vec<String>,
}

/// What of the request's parameters changes how an answer is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wishes {
    /// At most so many pieces.
    pub(crate) max_tokens: Option<usize>,
    /// Strings that end the text.
    pub(crate) stops: Vec<String>,
    /// So many answers, at least one.
    pub(crate) choices: u32,
    /// With log probabilities, and with so many alternatives to each.
    pub(crate) logprobs: Option<usize>,
}

/// Reads and checks a request's body.
///
/// Parameters that tell a model how to choose its words are checked and change nothing: the script has chosen.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<ChatOrder, Refusal> {
    let Parsed { request, unknown: mut ignored } =
        parse::<Box<ChatCompletionRequest>>(body).map_err(broken)?;
    ignored.extend(request.ignored_stream_options());
    ignored.extend(request.older_tools().map(str::to_owned));
    request.checked_model().map_err(out_of_bounds)?;
    let messages = request.checked_messages().map_err(out_of_bounds)?;
    check_results(messages).map_err(out_of_bounds)?;
    ignored.extend(unseen_media(messages).map(|name| format!("messages[].content[].{name}")));
    strictness.check(&ignored)?;
    let max_tokens = request.checked_max_tokens().map_err(out_of_bounds)?;
    check_choosing(&request).map_err(out_of_bounds)?;
    let tools = request.checked_tools().map_err(out_of_bounds)?;
    let delivery = request.checked_delivery().map_err(out_of_bounds)?;
    let wishes = Wishes {
        max_tokens,
        stops: request.checked_stops().map_err(out_of_bounds)?.to_vec(),
        choices: request.checked_choices().map_err(out_of_bounds)?,
        logprobs: request.checked_logprobs().map_err(out_of_bounds)?,
    };
    Ok(ChatOrder { wishes, tools, delivery, ignored, request })
}

/// The kinds of parts in the messages that no rule sees, each once.
fn unseen_media(messages: &[RequestMessage]) -> impl Iterator<Item = &'static str> {
    let parts = messages.iter().flat_map(|message| match &message.content {
        Some(Content::Parts(parts)) => parts.as_slice(),
        Some(Content::Text(_)) | None => &[],
    });
    let mut kinds: Vec<&str> = Vec::new();
    for (kind, _) in parts.flat_map(ContentPart::media).filter(|(_, value)| value.is_some()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.into_iter()
}

/// What chooses a model's words: a script has chosen them.
fn check_choosing(request: &ChatCompletionRequest) -> Result<(), InvalidParameter> {
    request.sampling().checked()?;
    request.checked_response_format()?;
    request.check_older_functions()?;
    request.check_safety_identifier()?;
    request.check_metadata()
}

/// A parameter that is wrong for every server.
pub(crate) fn out_of_bounds(InvalidParameter { param, message, code }: InvalidParameter) -> Refusal {
    Refusal::InvalidRequest { message, param: Some(param), code: Some(code) }
}

/// A body that is no request.
pub(crate) fn broken(error: RequestBodyError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), code: error.code(), param: error.into_param() }
}
