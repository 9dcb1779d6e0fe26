//! Reads a chat request: JSON in, an order for the engine out, or what is wrong with it.
//!
//! Owns what of the API the local model cannot have. It refuses to know which model there is.

use interference_api_types::openai::chat_completions::ChatCompletionRequest;
use interference_api_types::openai::chat_parameters::InvalidParameter;
use interference_api_types::openai::chat_reply::Delivery;
use interference_api_types::openai::conversation::check_results;
use interference_api_types::openai::response_format::TextFormat;
use interference_api_types::openai::tools::{CallChoice, ToolOffer};
use interference_api_types::{Parsed, RequestBodyError, parse};
use interference_backend::{Refusal, Strictness};
use interference_engine::{Adjustments, ChatMessage, ConstraintSource};

use crate::sampling::{Drawing, adjustments};
use crate::{chat_messages, parameters};

/// What is to be generated, and how it is to be told.
#[derive(Debug, PartialEq)]
pub(crate) struct ChatOrder {
    /// The model, as the request names it.
    pub(crate) model: String,
    /// The conversation, for the model's template.
    pub(crate) messages: Vec<ChatMessage>,
    /// What the model may call.
    pub(crate) tools: ToolOffer,
    /// How many answers, at least one.
    pub(crate) choices: u32,
    /// None: up to the end of the context.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) drawing: Drawing,
    pub(crate) adjustments: Adjustments,
    /// Whether log probabilities are told, and of how many alternatives.
    pub(crate) logprobs: Option<usize>,
    /// What the answer must read like, where it calls nothing.
    pub(crate) constraint: Option<ConstraintOrder>,
    pub(crate) stops: Vec<String>,
    /// Whether the model may not end the answer.
    pub(crate) ignore_eos: bool,
    pub(crate) delivery: Delivery,
    /// Names of parameters that were passed over.
    pub(crate) ignored: Vec<String>,
}

/// A constraint on the answer, and the parameter that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConstraintOrder {
    pub(crate) source: ConstraintSource,
    pub(crate) param: &'static str,
}

/// Reads and checks a request's body.
///
/// # Errors
/// The first thing that is wrong, or cannot be had.
pub(crate) fn read(body: &[u8], strictness: Strictness) -> Result<ChatOrder, Refusal> {
    let Parsed { request, unknown } = parse::<ChatCompletionRequest>(body).map_err(broken)?;
    let mut ignored = parameters::pass_over(&request, &unknown)?;
    ignored.extend(unknown);
    ignored.extend(request.ignored_stream_options());
    let model = request.checked_model().map_err(out_of_bounds)?.to_owned();
    let given = request.checked_messages().map_err(out_of_bounds)?;
    check_results(given).map_err(out_of_bounds)?;
    let messages = chat_messages::read(given, &mut ignored)?;
    let tools = request.checked_tools().map_err(out_of_bounds)?;
    if is_strict_in_vain(&request, &tools) {
        ignored.push("tools[].function.strict".to_owned());
    }
    strictness.check(&ignored)?;
    order(&request, model, messages, tools, ignored).map_err(out_of_bounds)
}

/// Whether a function's arguments must follow its schema, but need not be written at all: then the text is free, unless
/// what is no call has a form.
fn is_strict_in_vain(request: &ChatCompletionRequest, tools: &ToolOffer) -> bool {
    let mut functions = tools.functions.iter();
    let is_free =
        tools.choice == CallChoice::Auto && matches!(request.checked_response_format(), Ok(TextFormat::Free));
    is_free && functions.any(|offered| offered.function.strict == Some(true))
}

fn order(
    request: &ChatCompletionRequest,
    model: String,
    messages: Vec<ChatMessage>,
    tools: ToolOffer,
    ignored: Vec<String>,
) -> Result<ChatOrder, InvalidParameter> {
    request.check_metadata()?;
    request.check_safety_identifier()?;
    let sampling = request.sampling().checked()?;
    let constraint = constraint(request.checked_response_format()?);
    let is_regex = matches!(&constraint, Some(form) if matches!(form.source, ConstraintSource::Regex(_)));
    if is_regex && tools.choice != CallChoice::Never {
        let message = "An answer that may call functions cannot follow a regular expression: use a JSON schema, or let \
                       'tool_choice' be none.";
        return Err(InvalidParameter::unsupported("response_format", message));
    }
    Ok(ChatOrder {
        model,
        messages,
        tools,
        choices: request.checked_choices()?,
        max_tokens: request.checked_max_tokens()?,
        drawing: Drawing::of(&sampling),
        adjustments: adjustments(&sampling),
        logprobs: request.checked_logprobs()?,
        constraint,
        stops: request.checked_stops()?.to_vec(),
        ignore_eos: request.ignore_eos == Some(true),
        delivery: request.checked_delivery()?,
        ignored,
    })
}

/// A schema holds whether it is called strict or not: an answer that follows it is right either way.
fn constraint(format: TextFormat<'_>) -> Option<ConstraintOrder> {
    let (source, param) = match format {
        TextFormat::Free => return None,
        TextFormat::JsonObject => (ConstraintSource::JsonObject, "response_format"),
        TextFormat::JsonSchema(schema) => {
            (ConstraintSource::JsonSchema(schema.to_string()), "response_format.json_schema.schema")
        }
        TextFormat::Regex(regex) => (ConstraintSource::Regex(regex.to_owned()), "response_format.regex"),
    };
    Some(ConstraintOrder { source, param })
}

/// A value that is wrong.
pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Refusal {
    out_of_bounds(InvalidParameter::value(param, message))
}

/// A value that the local model cannot have.
pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Refusal {
    out_of_bounds(InvalidParameter::unsupported(param, message))
}

/// A parameter that is wrong for every server.
pub(crate) fn out_of_bounds(InvalidParameter { param, message, code }: InvalidParameter) -> Refusal {
    Refusal::InvalidRequest { message, param: Some(param), code: Some(code) }
}

/// A body that is no request.
pub(crate) fn broken(error: RequestBodyError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), code: error.code(), param: error.into_param() }
}

#[cfg(test)]
mod tests {
    use interference_api_types::openai::chat_reply::UsageChunk;
    use interference_engine::MessageToolCall;

    use super::*;
    use crate::sampling::{DEFAULT_TEMPERATURE, LOWEST_TEMPERATURE};

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
                tools: ToolOffer { functions: vec![], choice: CallChoice::Never, parallel: true },
                choices: 1,
                max_tokens: None,
                drawing: Drawing {
                    temperature: DEFAULT_TEMPERATURE,
                    top_p: 1.0,
                    min_p: 0.0,
                    top_k: 0,
                    seed: None,
                },
                adjustments: Adjustments::default(),
                logprobs: None,
                constraint: None,
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
            "temperature":0.5,"top_p":0.25,"seed":-2,"stop":["x","y"],"ignore_eos":true,"n":3,
            "logprobs":true,"top_logprobs":4,"logit_bias":{"7":-100},"frequency_penalty":0.5,"presence_penalty":-0.5,
            "repetition_penalty":1.5,"min_p":0.25,"top_k":40"#,
        ));
        assert!(order.ignore_eos);
        assert_eq!(order.delivery, Delivery::Streamed { usage: UsageChunk::Included });
        assert_eq!(order.max_tokens, Some(5));
        assert_eq!(
            order.drawing,
            Drawing { temperature: 0.5, top_p: 0.25, min_p: 0.25, top_k: 40, seed: Some(u64::MAX - 1) }
        );
        assert_eq!(
            order.adjustments,
            Adjustments {
                frequency_penalty: 0.5,
                presence_penalty: -0.5,
                repeat_penalty: 1.5,
                bias: vec![(7, -100.0)],
            }
        );
        assert_eq!((order.choices, order.logprobs), (3, Some(4)));
        assert_eq!(order.stops, ["x", "y"]);
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!(order(&with(r#""temperature":0"#)).drawing.temperature, 0.0);
        assert_eq!(order(&with(r#""temperature":1e-300"#)).drawing.temperature, LOWEST_TEMPERATURE);
        assert_eq!(order(&with(r#""top_p":0"#)).drawing.top_p, f32::MIN_POSITIVE);
        assert_eq!(order(&with(r#""max_tokens":18446744073709551615"#)).max_tokens, Some(usize::MAX));
        assert_eq!(order(&with(r#""top_k":18446744073709551615"#)).drawing.top_k, u32::MAX);
    }

    #[test]
    fn forms_of_text_become_constraints() {
        let schema = r#"{"type":"json_schema","json_schema":{"name":"a","strict":false,"schema":{"type":"object","b":1,"a":2}}}"#;
        let table = [
            (r#"{"type":"text"}"#, None),
            (r#"{"type":"json_object"}"#, Some((ConstraintSource::JsonObject, "response_format"))),
            (
                schema,
                Some((
                    // In the order in which it was given, which is that of the answer.
                    ConstraintSource::JsonSchema(r#"{"type":"object","b":1,"a":2}"#.to_owned()),
                    "response_format.json_schema.schema",
                )),
            ),
            (
                r#"{"type":"regex","regex":"a+"}"#,
                Some((ConstraintSource::Regex("a+".to_owned()), "response_format.regex")),
            ),
        ];
        for (format, expected) in table {
            let expected = expected.map(|(source, param)| ConstraintOrder { source, param });
            assert_eq!(order(&with(&format!(r#""response_format":{format}"#))).constraint, expected);
        }
    }

    #[test]
    fn roles_and_parts_become_the_templates_messages() {
        let body = r#"{"model":"m","messages":[
            {"role":"developer","content":"a"},{"role":"system","content":"b"},
            {"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},
            {"role":"assistant","content":null,"tool_calls":[],"refusal":null},
            {"role":"assistant","content":null,"refusal":"e"},
            {"role":"assistant","content":[{"type":"refusal","refusal":"f"}]}]}"#;
        let order = order(body);
        let messages: Vec<(&str, &str)> =
            order.messages.iter().map(|message| (message.role.as_str(), message.content.as_str())).collect();
        assert_eq!(
            messages,
            [
                ("system", "a"),
                ("system", "b"),
                ("user", "c\nd"),
                ("assistant", ""),
                ("assistant", "e"),
                ("assistant", "f")
            ]
        );
        assert_eq!(order.ignored, Vec::<String>::new());
    }

    #[test]
    fn calls_and_their_results_become_the_templates_messages() {
        let call = |name: &str| {
            format!(r#"{{"id":"a","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
        };
        let round = |name: &str| {
            format!(
                r#"{{"role":"assistant","content":null,"tool_calls":[{}]}},{{"role":"tool","tool_call_id":"a","content":"b"}}"#,
                call(name)
            )
        };
        // Ids may come again: a result is that of the last call.
        let order = order(&format!(r#"{{"model":"m","messages":[{},{}]}}"#, round("grow"), round("rest")));
        let expected = ["grow", "rest"].map(|name| {
            let called = MessageToolCall { id: "a".into(), name: name.into(), arguments: "{}".into() };
            let result = ChatMessage {
                tool_call_id: Some("a".into()),
                name: Some(name.into()),
                ..ChatMessage::new("tool", "b")
            };
            [ChatMessage { tool_calls: vec![called], ..ChatMessage::new("assistant", "") }, result]
        });
        assert_eq!(order.messages, expected.concat());
        assert_eq!(order.ignored, Vec::<String>::new());
    }

    const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"grow","parameters":{"type":"object"},"strict":true}}]"#;

    #[test]
    fn what_is_strict_holds_where_a_call_must_be() {
        let ignored = |choice: &str| order(&with(&format!(r#"{TOOLS},"tool_choice":{choice}"#))).ignored;
        assert_eq!(ignored(r#""auto""#), ["tools[].function.strict"]);
        for choice in [r#""none""#, r#""required""#, r#"{"type":"function","function":{"name":"grow"}}"#] {
            assert_eq!(ignored(choice), Vec::<String>::new(), "{choice}");
        }
    }

    #[test]
    fn a_form_goes_with_calls_unless_it_is_a_regular_expression() {
        let members = |choice: &str, form: &str| {
            with(&format!(r#"{TOOLS},"tool_choice":"{choice}","response_format":{form}"#))
        };
        let (object, regex) = (r#"{"type":"json_object"}"#, r#"{"type":"regex","regex":"a"}"#);
        for choice in ["auto", "required"] {
            let refused = refusal(&members(choice, regex), Strictness::NameIgnored);
            assert!(
                refused.starts_with("response_format: An answer that may call functions cannot"),
                "{refused}"
            );
            let order = order(&members(choice, object));
            assert!(order.constraint.is_some());
            // Calls follow their schemas here.
            assert_eq!(order.ignored, Vec::<String>::new());
        }
        for form in [object, regex] {
            assert!(order(&members("none", form)).constraint.is_some());
        }
    }

    #[test]
    fn parameters_at_their_default_are_not_named() {
        let order = order(&with(
            r#""frequency_penalty":0,"presence_penalty":0.0,"logprobs":false,"top_logprobs":0,"tools":[],"n":1,
            "tool_choice":"auto","response_format":{"type":"text"},"modalities":["text"],"logit_bias":{},
            "functions":null,"audio":null,"store":false,"metadata":{},"parallel_tool_calls":true,"stop":null,
            "service_tier":"auto","user":null,"verbosity":null,"prediction":null,"seed":null,"stream":null,
            "stream_options":null"#,
        ));
        assert_eq!(order.ignored, Vec::<String>::new());
    }

    #[test]
    fn hints_and_unknown_members_are_named() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a","name":"b"}],"zeal":1,"user":"c",
            "stream":true,"stream_options":{"include_obfuscation":true},"store":true,"reasoning_effort":"low","metadata":{"a":"b"},
            "response_format":{"type":"json_schema","json_schema":{"name":"a","description":"b","schema":{}}}}"#;
        let names = [
            "response_format.json_schema.description",
            "reasoning_effort",
            "user",
            "zeal",
            "stream_options.include_obfuscation",
            "messages[].name",
        ];
        assert_eq!(order(body).ignored, names);
        assert_eq!(
            refusal(body, Strictness::RefuseIgnored),
            format!(
                "response_format.json_schema.description: This server is strict, and these parameters would be \
                 ignored: {}.",
                names.join(", ")
            )
        );
    }

    #[test]
    fn refusals_name_the_parameter() {
        let table = [
            (r#""n":0"#, "n: 'n' is 0; it must be from 1 to 128."),
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
            (r#""top_logprobs":3"#, "top_logprobs: 'top_logprobs' needs 'logprobs' to be true."),
            (
                r#""tool_choice":"required""#,
                "tool_choice: 'tool_choice' requires a call, but no tools are offered.",
            ),
            (r#""metadata":{"a":1}"#, "metadata.a: "),
            (
                r#""safety_identifier":"12345678901234567890123456789012345678901234567890123456789012345""#,
                "safety_identifier: 'safety_identifier' has 65 characters; at most 64 are allowed.",
            ),
            (
                r#""grammar":"root ::= \"a\"""#,
                "grammar: 'grammar' is not supported by the local model: say the form of the answer by 'response_format'.",
            ),
            (r#""functions":[{}]"#, "functions: "),
            (r#""response_format":{"type":"xml"}"#, "response_format.type: "),
            (r#""modalities":["text","audio"]"#, "modalities: "),
            (
                r#""audio":{}"#,
                "audio: This value of 'audio' is not supported by the local model: leave it out.",
            ),
            (r#""logit_bias":{"a":5}"#, "logit_bias: "),
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
            (r#"{"model":"m","messages":[{"role":"tool","content":"a"}]}"#, "messages[0].tool_call_id: "),
            (
                r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c","content":"a"}]}"#,
                "messages[0].tool_call_id: 'messages[0].tool_call_id' is 'c', but no call before it has that id.",
            ),
            (
                r#"{"model":"m","messages":[{"role":"function","content":"a"}]}"#,
                "messages[0].role: The role 'function' is not supported by the local model: tell results by the role \
                 'tool'.",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"refusal","refusal":"a"}]}]}"#,
                "messages[0].content[0].type: ",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                "messages[0].content[0].type: The local model reads text only",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
                "messages[0].content[0].text: ",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"a","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]}]}"#,
                "messages[0].tool_calls: 'tool_calls' of this message is not supported by the local model: only the \
                 assistant's messages have them.",
            ),
            (
                r#"{"model":"m","messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}]}"#,
                "messages[0].function_call: 'function_call' of this message is not supported by the local model: tell \
                 calls by 'tool_calls'.",
            ),
        ];
        for (body, expected) in table {
            let seen = refusal(body, Strictness::NameIgnored);
            assert!(seen.starts_with(expected), "{body}: {seen}");
        }
    }
}
