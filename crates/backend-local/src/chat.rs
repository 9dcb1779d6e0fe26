//! Reads a chat request: JSON in, an order for the engine out, or what is wrong with it.

use interference_api_types::openai::chat_completions::{
    ChatCompletionRequest, Content, ContentPart, RequestMessage, Role,
};
use interference_api_types::openai::chat_parameters::InvalidParameter;
use interference_api_types::openai::chat_reply::Delivery;
use interference_api_types::{Parsed, RequestBodyError, parse};
use interference_backend::{Refusal, Strictness};
use interference_engine::ChatMessage;

use crate::parameters;

/// The temperature of requests that name none. The API's is 1; at that, a small model loses its thread within a few
/// lines, and most local servers choose a lower one.
const DEFAULT_TEMPERATURE: f32 = 0.7;

/// The lowest temperature above 0 that is used as it is. Nothing but the most likely token is drawn here already, and
/// logits divided by much less would not stay finite.
const LOWEST_TEMPERATURE: f32 = 1e-4;

/// What is to be generated, and how it is to be told.
#[derive(Debug, PartialEq)]
pub(crate) struct ChatOrder {
    /// The model, as the request names it.
    pub(crate) model: String,
    /// The conversation, for the model's template.
    pub(crate) messages: Vec<ChatMessage>,
    /// None: up to the end of the context.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    /// None: the backend chooses.
    pub(crate) seed: Option<u64>,
    pub(crate) stops: Vec<String>,
    /// Whether the model may not end the answer.
    pub(crate) ignore_eos: bool,
    pub(crate) delivery: Delivery,
    /// Names of parameters that were passed over.
    pub(crate) ignored: Vec<String>,
}

/// Reads and checks a request's body.
///
/// # Errors
/// The first thing that is wrong, or cannot be had.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<ChatOrder, Refusal> {
    let Parsed { request, unknown } = parse::<ChatCompletionRequest>(body).map_err(broken)?;
    let mut ignored: Vec<String> = parameters::pass_over(&request)?.into_iter().map(str::to_owned).collect();
    ignored.extend(unknown);
    ignored.extend(request.ignored_stream_options());
    let model = request.checked_model().map_err(out_of_bounds)?.to_owned();
    let messages = messages(request.checked_messages().map_err(out_of_bounds)?, &mut ignored)?;
    strictness.check(&ignored)?;
    Ok(ChatOrder {
        model,
        messages,
        max_tokens: request.checked_max_tokens().map_err(out_of_bounds)?,
        temperature: temperature(request.checked_temperature().map_err(out_of_bounds)?),
        top_p: top_p(request.checked_top_p().map_err(out_of_bounds)?),
        seed: request.seed,
        stops: request.checked_stops().map_err(out_of_bounds)?.to_vec(),
        ignore_eos: request.ignore_eos == Some(true),
        delivery: request.delivery(),
        ignored,
    })
}

fn temperature(given: Option<f64>) -> f32 {
    match given {
        None => DEFAULT_TEMPERATURE,
        Some(0.0) => 0.0,
        Some(value) => (value as f32).max(LOWEST_TEMPERATURE),
    }
}

/// 0 means the most likely token alone, which is what the smallest number above it gives.
fn top_p(given: Option<f64>) -> f32 {
    given.map_or(1.0, |value| (value as f32).max(f32::MIN_POSITIVE))
}

fn messages(given: &[RequestMessage], ignored: &mut Vec<String>) -> Result<Vec<ChatMessage>, Refusal> {
    let mut messages = Vec::with_capacity(given.len());
    for (position, message) in given.iter().enumerate() {
        let path = format!("messages[{position}]");
        refuse_calls(message, &path)?;
        let hints = [
            ("messages[].name", &message.name),
            ("messages[].refusal", &message.refusal),
            ("messages[].tool_call_id", &message.tool_call_id),
        ];
        for (name, value) in hints {
            if value.is_some() && !ignored.iter().any(|other| other == name) {
                ignored.push(name.to_owned());
            }
        }
        messages.push(ChatMessage::new(role(message.role, &path)?, content(message, &path)?));
    }
    Ok(messages)
}

/// The role's name for the template. Templates of open models know no developer: it is the system, renamed.
fn role(role: Role, path: &str) -> Result<&'static str, Refusal> {
    match role {
        Role::System | Role::Developer => Ok("system"),
        Role::User => Ok("user"),
        Role::Assistant => Ok("assistant"),
        Role::Tool | Role::Function => Err(unsupported(
            format!("{path}.role"),
            "Messages of tools are not supported yet by the local model.",
        )),
    }
}

fn refuse_calls(message: &RequestMessage, path: &str) -> Result<(), Refusal> {
    let empty = serde_json::json!([]);
    let parts = [
        ("tool_calls", &message.tool_calls),
        ("function_call", &message.function_call),
        ("audio", &message.audio),
    ];
    for (name, value) in parts {
        if value.as_ref().is_some_and(|value| *value != empty) {
            let message = format!("'{name}' of a message is not supported yet by the local model.");
            return Err(unsupported(format!("{path}.{name}"), &message));
        }
    }
    Ok(())
}

fn content(message: &RequestMessage, path: &str) -> Result<String, Refusal> {
    match &message.content {
        Some(Content::Text(text)) => Ok(text.clone()),
        Some(Content::Parts(parts)) => {
            let texts = parts
                .iter()
                .enumerate()
                .map(|(position, part)| part_text(part, &format!("{path}.content[{position}]")));
            Ok(texts.collect::<Result<Vec<&str>, Refusal>>()?.join("\n"))
        }
        // The API gives null as the content of its own answers that consist of calls; clients send them back.
        None if message.role == Role::Assistant => Ok(String::new()),
        None => Err(invalid(
            &format!("{path}.content"),
            &format!("'{path}.content' is required: a string or an array of content parts."),
        )),
    }
}

fn part_text<'part>(part: &'part ContentPart, path: &str) -> Result<&'part str, Refusal> {
    if part.kind != "text" {
        return Err(unsupported(
            format!("{path}.type"),
            "The local model reads text only: content parts must have the type 'text'.",
        ));
    }
    part.text.as_deref().ok_or_else(|| {
        invalid(&format!("{path}.text"), &format!("'{path}.text' is required for a part of type 'text'."))
    })
}

fn invalid(param: &str, message: &str) -> Refusal {
    Refusal::InvalidRequest {
        message: message.to_owned(),
        param: Some(param.to_owned()),
        code: Some("invalid_value"),
    }
}

fn unsupported(param: String, message: &str) -> Refusal {
    Refusal::InvalidRequest {
        message: message.to_owned(),
        param: Some(param),
        code: Some("unsupported_value"),
    }
}

fn out_of_bounds(InvalidParameter { param, message, code }: InvalidParameter) -> Refusal {
    Refusal::InvalidRequest { message, param: Some(param), code: Some(code) }
}

fn broken(error: RequestBodyError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), code: error.code(), param: error.into_param() }
}

#[cfg(test)]
mod tests {
    use interference_api_types::openai::chat_reply::UsageChunk;

    use super::*;

    /// A request with one message and these members more.
    fn with(members: &str) -> String {
        let comma = if members.is_empty() { "" } else { "," };
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}]{comma}{members}}}"#)
    }

    fn order(body: &str) -> ChatOrder {
        read(body.as_bytes(), Strictness::NameIgnored).unwrap()
    }

    /// `param: message` of the refusal.
    fn refusal(body: &str, strictness: Strictness) -> String {
        match read(body.as_bytes(), strictness) {
            Err(Refusal::InvalidRequest { message, param, .. }) => {
                format!("{}: {message}", param.unwrap_or_default())
            }
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        assert_eq!(
            order(&with("")),
            ChatOrder {
                model: "m".into(),
                messages: vec![ChatMessage::new("user", "a")],
                max_tokens: None,
                temperature: DEFAULT_TEMPERATURE,
                top_p: 1.0,
                seed: None,
                stops: vec![],
                ignore_eos: false,
                delivery: Delivery::Whole,
                ignored: vec![],
            }
        );
    }

    #[test]
    fn what_is_given_is_taken() {
        let order = order(&with(
            r#""stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"max_completion_tokens":5,
            "temperature":0.5,"top_p":0.25,"seed":-2,"stop":["x","y"],"ignore_eos":true"#,
        ));
        assert!(order.ignore_eos);
        assert_eq!(order.delivery, Delivery::Streamed { usage: UsageChunk::Included });
        assert_eq!(order.max_tokens, Some(5));
        assert_eq!((order.temperature, order.top_p), (0.5, 0.25));
        assert_eq!(order.seed, Some(u64::MAX - 1));
        assert_eq!(order.stops, ["x", "y"]);
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!(order(&with(r#""temperature":0"#)).temperature, 0.0);
        assert_eq!(order(&with(r#""temperature":1e-300"#)).temperature, LOWEST_TEMPERATURE);
        assert_eq!(order(&with(r#""top_p":0"#)).top_p, f32::MIN_POSITIVE);
        assert_eq!(order(&with(r#""max_tokens":18446744073709551615"#)).max_tokens, Some(usize::MAX));
    }

    #[test]
    fn roles_and_parts_become_the_templates_messages() {
        let body = r#"{"model":"m","messages":[
            {"role":"developer","content":"a"},{"role":"system","content":"b"},
            {"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},
            {"role":"assistant","content":null,"tool_calls":[],"refusal":null}]}"#;
        let order = order(body);
        let messages: Vec<(&str, &str)> =
            order.messages.iter().map(|message| (message.role.as_str(), message.content.as_str())).collect();
        assert_eq!(messages, [("system", "a"), ("system", "b"), ("user", "c\nd"), ("assistant", "")]);
        assert_eq!(order.ignored, Vec::<String>::new());
    }

    #[test]
    fn parameters_at_their_default_are_not_named() {
        let order = order(&with(
            r#""frequency_penalty":0,"presence_penalty":0.0,"logprobs":false,"top_logprobs":0,"tools":[],"n":1,
            "tool_choice":"auto","response_format":{"type":"text"},"modalities":["text"],"logit_bias":{},
            "functions":null,"audio":null,"store":false,"metadata":{},"parallel_tool_calls":true,"stop":null,
            "service_tier":"auto","user":null,"seed":null,"stream":null,"stream_options":null"#,
        ));
        assert_eq!(order.ignored, Vec::<String>::new());
    }

    #[test]
    fn hints_and_unknown_members_are_named() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a","name":"b"}],"zeal":1,"user":"c",
            "stream_options":{"include_usage":true},"store":true,"reasoning_effort":"low","metadata":{"a":"b"}}"#;
        let names = [
            "store",
            "metadata",
            "reasoning_effort",
            "user",
            "zeal",
            "stream_options.include_usage",
            "messages[].name",
        ];
        assert_eq!(order(body).ignored, names);
        assert_eq!(
            refusal(body, Strictness::RefuseIgnored),
            format!(
                "store: This server is strict, and these parameters would be ignored: {}.",
                names.join(", ")
            )
        );
    }

    #[test]
    fn refusals_name_the_parameter() {
        let table = [
            (r#""n":2"#, "n: This value of 'n' is not supported yet by the local model: only 1 is."),
            (r#""n":0"#, "n: "),
            (r#""temperature":2.1"#, "temperature: 'temperature' is 2.1; it must be from 0 to 2."),
            (r#""temperature":-0.1"#, "temperature: "),
            (r#""temperature":"hot""#, "temperature: Invalid value for 'temperature': invalid type: string"),
            (r#""top_p":1.5"#, "top_p: 'top_p' is 1.5; it must be from 0 to 1."),
            (r#""max_tokens":0"#, "max_tokens: 'max_tokens' must be at least 1."),
            (r#""max_completion_tokens":0"#, "max_completion_tokens: "),
            (
                r#""max_tokens":1,"max_completion_tokens":2"#,
                "max_tokens: 'max_tokens' and 'max_completion_tokens' differ",
            ),
            (r#""stop":"""#, "stop: 'stop' must not be empty"),
            (r#""stop":["a",""]"#, "stop: 'stop' must not be empty (string 1)."),
            (r#""stop":["a","b","c","d","e"]"#, "stop: 'stop' has 5 strings; at most 4 are allowed."),
            (r#""logprobs":true"#, "logprobs: "),
            (r#""top_logprobs":3"#, "top_logprobs: "),
            (r#""frequency_penalty":0.5"#, "frequency_penalty: "),
            (r#""presence_penalty":-1"#, "presence_penalty: "),
            (
                r#""tools":[{"type":"function"}]"#,
                "tools: This value of 'tools' is not supported yet by the local model: only [] is.",
            ),
            (
                r#""tool_choice":"required""#,
                r#"tool_choice: This value of 'tool_choice' is not supported yet by the local model: only "none" and "auto" are."#,
            ),
            (r#""functions":[{}]"#, "functions: "),
            (r#""response_format":{"type":"json_object"}"#, "response_format: "),
            (r#""modalities":["text","audio"]"#, "modalities: "),
            (
                r#""audio":{}"#,
                "audio: This value of 'audio' is not supported yet by the local model: leave it out.",
            ),
            (r#""logit_bias":{"1":5}"#, "logit_bias: "),
            (r#""web_search_options":{}"#, "web_search_options: "),
        ];
        for (members, expected) in table {
            let seen = refusal(&with(members), Strictness::NameIgnored);
            assert!(seen.starts_with(expected), "{members}: {seen}");
        }
    }

    #[test]
    fn refusals_name_the_place_in_the_messages() {
        let table = [
            (r#"{}"#, "model: Missing required parameter: 'model'."),
            (r#"{"model":"m"}"#, "messages: Missing required parameter: 'messages'."),
            (r#"{"model":"","messages":[]}"#, "model: "),
            (r#"{"model":"m","messages":[]}"#, "messages: 'messages' must have at least one message."),
            (r#"{"model":"m","messages":[{"role":"user"}]}"#, "messages[0].content: "),
            (r#"{"model":"m","messages":[{"role":"user","content":null}]}"#, "messages[0].content: "),
            (r#"{"model":"m","messages":[{"role":"tool","content":"a"}]}"#, "messages[0].role: "),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                "messages[0].content[0].type: The local model reads text only",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
                "messages[0].content[0].text: ",
            ),
            (
                r#"{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a"}]}]}"#,
                "messages[0].tool_calls: ",
            ),
        ];
        for (body, expected) in table {
            let seen = refusal(body, Strictness::NameIgnored);
            assert!(seen.starts_with(expected), "{body}: {seen}");
        }
    }
}
