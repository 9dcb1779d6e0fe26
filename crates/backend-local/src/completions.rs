//! Reads a request to complete prompts: JSON in, an order for the engine out, or what is wrong with it.
//!
//! Owns what of the older API the local model cannot have. It refuses to know which model there is, and so what prompts
//! come to in tokens.

use interference_api_types::openai::chat_parameters::InvalidParameter;
use interference_api_types::openai::chat_reply::Delivery;
use interference_api_types::openai::completions::{CompletionRequest, Echo};
use interference_api_types::{Parsed, parse};
use interference_backend::{Refusal, Strictness};
use interference_engine::Adjustments;

use crate::chat::{broken, out_of_bounds};
use crate::parameters::{FOREIGN_FORMS, refuse_forms};
use crate::sampling::{Drawing, adjustments};

/// What is to be generated for each prompt, and how it is to be told.
#[derive(Debug, PartialEq)]
pub(crate) struct CompletionOrder {
    /// The request, for its model and its prompts.
    pub(crate) request: CompletionRequest,
    /// How many answers to each prompt, at least one.
    pub(crate) each: u32,
    pub(crate) echo: Echo,
    pub(crate) max_tokens: usize,
    pub(crate) drawing: Drawing,
    pub(crate) adjustments: Adjustments,
    /// Whether log probabilities are told, and of how many alternatives.
    pub(crate) logprobs: Option<usize>,
    /// Whether those of the prompt are told, too: where it is echoed.
    pub(crate) prompt_logprobs: bool,
    pub(crate) stops: Vec<String>,
    /// Whether the model may not end an answer.
    pub(crate) ignore_eos: bool,
    pub(crate) delivery: Delivery,
    /// Names of parameters that were passed over.
    pub(crate) ignored: Vec<String>,
}

/// Reads and checks a request's body.
///
/// # Errors
/// The first thing that is wrong, or cannot be had.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<CompletionOrder, Refusal> {
    let Parsed { request, unknown } = parse::<CompletionRequest>(body).map_err(broken)?;
    let forms = [&FOREIGN_FORMS[..], &["response_format"]].concat();
    refuse_forms(&unknown, &forms, "a chat can have a form, by its 'response_format'")?;
    let mut ignored: Vec<String> = request.user.iter().map(|_| "user".to_owned()).collect();
    ignored.extend(unknown);
    ignored.extend(request.ignored_stream_options());
    request.checked_model().map_err(out_of_bounds)?;
    let prompts = request.checked_prompts().map_err(out_of_bounds)?.len();
    strictness.check(&ignored)?;
    order(request, prompts, ignored).map_err(out_of_bounds)
}

fn order(
    request: CompletionRequest,
    prompts: usize,
    ignored: Vec<String>,
) -> Result<CompletionOrder, InvalidParameter> {
    refuse_unavailable(&request)?;
    let sampling = request.sampling().checked()?;
    Ok(CompletionOrder {
        each: request.checked_choices(prompts)?,
        echo: request.echo(),
        max_tokens: request.max_tokens(),
        drawing: Drawing::of(&sampling),
        adjustments: adjustments(&sampling),
        logprobs: request.checked_logprobs()?,
        prompt_logprobs: request.echo() == Echo::Prompt && request.logprobs.is_some(),
        stops: request.checked_stops()?.to_vec(),
        ignore_eos: request.ignore_eos == Some(true),
        delivery: request.checked_delivery()?,
        ignored,
        request,
    })
}

fn refuse_unavailable(request: &CompletionRequest) -> Result<(), InvalidParameter> {
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        let message =
            "'suffix' is not supported by the local model, which reads forwards only: leave it out.";
        return Err(InvalidParameter::unsupported("suffix", message));
    }
    if request.checked_best_of()? != request.n.unwrap_or(1) {
        let message = "This value of 'best_of' is not supported by the local model: only 1 and 'n' are.";
        return Err(InvalidParameter::unsupported("best_of", message));
    }
    request.check_streamed_best_of()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use interference_api_types::openai::chat_reply::UsageChunk;

    use super::*;
    use crate::sampling::DEFAULT_TEMPERATURE;

    fn with(members: &str) -> String {
        format!(r#"{{"model":"m","prompt":"a"{members}}}"#)
    }

    fn order(members: &str) -> CompletionOrder {
        read(with(members).as_bytes(), Strictness::NameIgnored).unwrap()
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let order = order("");
        assert_eq!((order.each, order.echo, order.max_tokens), (1, Echo::Nothing, 16));
        assert_eq!(order.drawing.temperature, DEFAULT_TEMPERATURE);
        assert_eq!(order.adjustments, Adjustments::default());
        assert_eq!((order.logprobs, order.ignore_eos, order.delivery), (None, false, Delivery::Whole));
        assert!(order.stops.is_empty() && order.ignored.is_empty() && !order.prompt_logprobs);
    }

    #[test]
    fn a_prompt_that_is_echoed_is_told_with_its_log_probabilities() {
        let order = order(r#","echo":true,"logprobs":0,"max_tokens":0"#);
        assert_eq!((order.logprobs, order.prompt_logprobs, order.max_tokens), (Some(0), true, 0));
    }

    #[test]
    fn what_is_given_is_taken() {
        let order = order(
            r#","n":2,"echo":true,"max_tokens":5,"temperature":0.5,"seed":7,"stop":["x"],"ignore_eos":true,
            "presence_penalty":1,"logit_bias":{"3":-100},"suffix":"","stream":true,
            "stream_options":{"include_usage":true}"#,
        );
        assert_eq!((order.each, order.echo, order.max_tokens), (2, Echo::Prompt, 5));
        assert_eq!((order.drawing.temperature, order.drawing.seed), (0.5, Some(7)));
        assert_eq!((order.adjustments.presence_penalty, order.adjustments.bias), (1.0, vec![(3, -100.0)]));
        assert_eq!((order.stops, order.ignore_eos), (vec!["x".to_owned()], true));
        assert_eq!(order.delivery, Delivery::Streamed { usage: UsageChunk::Included });
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for (members, param) in [
            (r#","suffix":"b""#, "suffix"),
            (r#","best_of":3"#, "best_of"),
            (r#","n":2,"best_of":3"#, "best_of"),
            (r#","guided_regex":"a+""#, "guided_regex"),
            (r#","response_format":{"type":"json_object"}"#, "response_format"),
        ] {
            match read(with(members).as_bytes(), Strictness::NameIgnored) {
                Err(Refusal::InvalidRequest { param: seen, code, .. }) => {
                    assert_eq!(
                        (seen.as_deref(), code),
                        (Some(param), Some("unsupported_value")),
                        "{members}"
                    );
                }
                other => panic!("{members}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_best_of_several_cannot_be_streamed() {
        let refused = read(with(r#","n":2,"best_of":2,"stream":true"#).as_bytes(), Strictness::NameIgnored);
        assert!(refused.unwrap_err().to_string().contains("'best_of' is 2"));
        assert_eq!(order(r#","n":2,"best_of":2"#).each, 2);
    }

    #[test]
    fn hints_and_unknown_members_are_named() {
        let members = r#","zeal":1,"user":"b","stream":true,"stream_options":{"include_obfuscation":true}"#;
        let names = ["user", "zeal", "stream_options.include_obfuscation"];
        assert_eq!(order(members).ignored, names);
        let refusal = read(with(members).as_bytes(), Strictness::RefuseIgnored).unwrap_err();
        assert!(
            refusal
                .to_string()
                .ends_with("would be ignored: user, zeal, stream_options.include_obfuscation.")
        );
    }
}
