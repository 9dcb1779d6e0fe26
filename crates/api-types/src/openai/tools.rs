//! `POST /chat/completions`: the functions that a request offers, which of them may or must be called, and the calls in
//! its messages.
//!
//! Owns their shapes, and what of them is wrong for every server. It refuses to know how a model is told of functions,
//! how it calls one, and how calls are told to a client (`chat_reply`).

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::chat_completions::ChatCompletionRequest;
use super::chat_parameters::{InvalidParameter, check_name};
use crate::request_body::{optional_object, optional_objects};

/// How many functions a request may offer: the API's own limit.
const MOST_TOOLS: usize = 128;

/// Something that the model may call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tool {
    /// `function`, or `custom`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The function of a tool of kind `function`.
    #[serde(default, deserialize_with = "optional_object")]
    pub function: Option<Function>,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// A JSON schema of its arguments; none when it takes no arguments.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// Whether the arguments must follow the schema.
    #[serde(default)]
    pub strict: Option<bool>,
}

/// Which tool is to be called, as the request gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolChoice {
    /// `none`, `auto` or `required`.
    Mode(String),
    /// An object.
    Object(ToolChoiceObject),
}

/// Which tool is to be called, told by an object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ToolChoiceObject {
    /// `function`, `allowed_tools`, `custom`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The function of the kind `function`.
    #[serde(default, deserialize_with = "optional_object")]
    pub function: Option<FunctionName>,
    /// The tools of the kind `allowed_tools`.
    #[serde(default, deserialize_with = "optional_object")]
    pub allowed_tools: Option<AllowedTools>,
}

/// A function by its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FunctionName {
    /// The name.
    pub name: String,
}

/// Some of the tools that are offered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AllowedTools {
    /// `auto` or `required`.
    pub mode: String,
    /// The tools, as in `tools`, with names alone.
    #[serde(default, deserialize_with = "optional_objects")]
    pub tools: Option<Vec<AllowedTool>>,
}

/// One of the tools that may be called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AllowedTool {
    /// `function`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The function of the kind `function`.
    #[serde(default, deserialize_with = "optional_object")]
    pub function: Option<FunctionName>,
}

/// A call in a message of the assistant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MessageToolCall {
    /// The call's own name, which the message with its result repeats.
    pub id: String,
    /// `function`, `custom`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What a call of kind `function` calls.
    #[serde(default, deserialize_with = "optional_object")]
    pub function: Option<MessageFunctionCall>,
}

/// A function with its arguments, in a message of the assistant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MessageFunctionCall {
    /// Its name.
    pub name: String,
    /// JSON, as text; models write what is none, too.
    pub arguments: String,
}

/// What may be called in an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOffer {
    /// The functions that may be called, in the request's order; their names differ.
    pub functions: Vec<OfferedFunction>,
    /// Which of them are.
    pub choice: CallChoice,
    /// Whether an answer may have more calls than one.
    pub parallel: bool,
}

/// A function that may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferedFunction {
    /// Where it is among the request's `tools`, from 0.
    pub position: usize,
    /// The function.
    pub function: Function,
}

/// Whether functions are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallChoice {
    /// None is.
    Never,
    /// As the model likes.
    Auto,
    /// At least one is.
    Required,
    /// This one is.
    Function(String),
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;
        impl<'de> Visitor<'de> for ChoiceVisitor {
            type Value = ToolChoice;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an object")
            }
            fn visit_str<E: Error>(self, mode: &str) -> Result<ToolChoice, E> {
                Ok(ToolChoice::Mode(mode.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<ToolChoice, A::Error> {
                ToolChoiceObject::deserialize(MapAccessDeserializer::new(members)).map(ToolChoice::Object)
            }
        }
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

impl ChatCompletionRequest {
    /// The older form of `tools` is a list. What it may hold is for a backend to say that honours it.
    ///
    /// # Errors
    /// It is something else.
    pub fn check_older_functions(&self) -> Result<(), InvalidParameter> {
        match self.functions.as_deref() {
            None | Some(Value::Array(_)) => Ok(()),
            Some(_) => {
                Err(InvalidParameter::value("functions", "'functions' must be an array of functions."))
            }
        }
    }

    /// The names of the older forms of `tools` and `tool_choice` that are given, and do not just say that nothing must
    /// be called.
    pub fn older_tools(&self) -> impl Iterator<Item = &'static str> {
        let is_mode = |mode: &Value| mode == "none" || mode == "auto";
        let functions =
            self.functions.as_deref().is_some_and(|functions| *functions != Value::Array(Vec::new()));
        let call = self.function_call.as_deref().is_some_and(|mode| !is_mode(mode));
        [("functions", functions), ("function_call", call)]
            .into_iter()
            .filter_map(|(name, is_given)| is_given.then_some(name))
    }

    /// The functions that may be called, at most 128, and whether they are. Without functions, nothing is called.
    ///
    /// The form `allowed_tools` leaves those functions that it names.
    ///
    /// # Errors
    /// A tool is no function, has a wrong or a double name, or parameters that are no object; or the choice is none of
    /// those that there are, or asks for a function that is not offered.
    pub fn checked_tools(&self) -> Result<ToolOffer, InvalidParameter> {
        let functions = functions(self.tools.as_deref().unwrap_or_default())?;
        let functions = functions.into_iter().enumerate().collect();
        let (functions, choice) = match &self.tool_choice {
            None => (functions, CallChoice::Auto),
            Some(ToolChoice::Mode(mode)) => (functions, choice_of_mode("tool_choice", mode)?),
            Some(ToolChoice::Object(object)) => choice_of_object(functions, object)?,
        };
        let choice = match choice {
            CallChoice::Required if functions.is_empty() => {
                let message = "'tool_choice' requires a call, but no tools are offered.";
                return Err(InvalidParameter::value("tool_choice", message));
            }
            CallChoice::Auto if functions.is_empty() => CallChoice::Never,
            choice => choice,
        };
        let offered = |(position, function): (usize, &Function)| OfferedFunction {
            position,
            function: function.clone(),
        };
        let functions = functions.into_iter().map(offered).collect();
        Ok(ToolOffer { functions, choice, parallel: self.parallel_tool_calls.unwrap_or(true) })
    }
}

fn functions(tools: &[Tool]) -> Result<Vec<&Function>, InvalidParameter> {
    if tools.len() > MOST_TOOLS {
        let message = format!("'tools' has {} tools; at most {MOST_TOOLS} are allowed.", tools.len());
        return Err(InvalidParameter::value("tools", message));
    }
    let mut functions: Vec<&Function> = Vec::with_capacity(tools.len());
    for (position, tool) in tools.iter().enumerate() {
        let path = format!("tools[{position}]");
        let function = function_of(&path, &tool.kind, tool.function.as_ref())?;
        let path = format!("{path}.function");
        check_name(&format!("{path}.name"), &function.name)?;
        if function.parameters.as_ref().is_some_and(|parameters| !parameters.is_object()) {
            let message = format!("'{path}.parameters' must be an object: a JSON schema.");
            return Err(InvalidParameter::value(format!("{path}.parameters"), message));
        }
        if !function.parameters.as_ref().is_none_or(may_be_of_object) {
            let message = format!("'{path}.parameters' must be the schema of an object, by its 'type'.");
            return Err(InvalidParameter::value(format!("{path}.parameters"), message));
        }
        if functions.iter().any(|other| other.name == function.name) {
            let message = format!("'{path}.name' is '{}', as that of a tool before it.", function.name);
            return Err(InvalidParameter::value(format!("{path}.name"), message));
        }
        functions.push(function);
    }
    Ok(functions)
}

/// Whether the `type` of a schema, if it has one, allows for an object.
fn may_be_of_object(schema: &Value) -> bool {
    match schema.get("type") {
        None | Some(Value::Null) => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
    }
}

/// What stands under `function`, where the kind says that it is there.
pub(super) fn function_of<'r, T>(
    path: &str,
    kind: &str,
    function: Option<&'r T>,
) -> Result<&'r T, InvalidParameter> {
    if kind != "function" {
        let message = format!("'{path}.type' is '{}'; only function is supported.", kind.escape_debug());
        return Err(InvalidParameter::unsupported(format!("{path}.type"), message));
    }
    function.ok_or_else(|| InvalidParameter::missing(&format!("{path}.function")))
}

fn choice_of_mode(path: &str, mode: &str) -> Result<CallChoice, InvalidParameter> {
    match mode {
        "none" => Ok(CallChoice::Never),
        "auto" => Ok(CallChoice::Auto),
        "required" => Ok(CallChoice::Required),
        other => Err(InvalidParameter::value(
            path,
            format!("'{path}' is '{}'; it must be none, auto, required or an object.", other.escape_debug()),
        )),
    }
}

/// Functions of a request, with their positions.
type Functions<'r> = Vec<(usize, &'r Function)>;

fn choice_of_object<'r>(
    functions: Functions<'r>,
    object: &ToolChoiceObject,
) -> Result<(Functions<'r>, CallChoice), InvalidParameter> {
    if object.kind == "allowed_tools" {
        let path = "tool_choice.allowed_tools";
        let allowed = object.allowed_tools.as_ref().ok_or_else(|| InvalidParameter::missing(path))?;
        return allowed_functions(path, functions, allowed);
    }
    let FunctionName { name } = function_of("tool_choice", &object.kind, object.function.as_ref())?;
    find("tool_choice.function.name", &functions, name)?;
    Ok((functions, CallChoice::Function(name.clone())))
}

fn allowed_functions<'r>(
    path: &str,
    functions: Functions<'r>,
    allowed: &AllowedTools,
) -> Result<(Functions<'r>, CallChoice), InvalidParameter> {
    let choice = match allowed.mode.as_str() {
        "auto" => CallChoice::Auto,
        "required" => CallChoice::Required,
        other => {
            let message =
                format!("'{path}.mode' is '{}'; it must be auto or required.", other.escape_debug());
            return Err(InvalidParameter::value(format!("{path}.mode"), message));
        }
    };
    let mut names = Vec::new();
    for (position, tool) in allowed.tools.iter().flatten().enumerate() {
        let path = format!("{path}.tools[{position}]");
        let FunctionName { name } = function_of(&path, &tool.kind, tool.function.as_ref())?;
        find(&format!("{path}.function.name"), &functions, name)?;
        names.push(name.as_str());
    }
    let functions = functions.into_iter().filter(|(_, function)| names.contains(&function.name.as_str()));
    Ok((functions.collect(), choice))
}

fn find(path: &str, functions: &Functions<'_>, name: &str) -> Result<(), InvalidParameter> {
    if functions.iter().any(|(_, function)| function.name == name) {
        return Ok(());
    }
    let message = format!("'{path}' is '{}', which is not among the tools.", name.escape_debug());
    Err(InvalidParameter::value(path, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(members: &str) -> ChatCompletionRequest {
        crate::parse::<ChatCompletionRequest>(format!("{{{members}}}").as_bytes()).unwrap().request
    }

    /// The members of a request that offers functions of these names.
    fn offering(names: &[&str]) -> String {
        let tools =
            names.iter().map(|name| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#));
        format!(r#""tools":[{}]"#, tools.collect::<Vec<_>>().join(","))
    }

    /// Functions by their positions and names.
    type Named<'n> = &'n [(usize, &'n str)];

    fn chosen(request: &ChatCompletionRequest) -> (Vec<(usize, String)>, CallChoice, bool) {
        let ToolOffer { functions, choice, parallel } = request.checked_tools().unwrap();
        let named = |OfferedFunction { position, function }| (position, function.name);
        (functions.into_iter().map(named).collect(), choice, parallel)
    }

    #[test]
    fn the_older_forms_are_named_where_they_say_something() {
        let older = |members: &str| request(members).older_tools().collect::<Vec<_>>();
        assert!(older(r#""functions":[],"function_call":"auto""#).is_empty());
        assert!(older(r#""functions":null,"function_call":"none""#).is_empty());
        assert_eq!(older(r#""functions":[{"name":"grow"}]"#), ["functions"]);
        assert_eq!(older(r#""function_call":{"name":"grow"}"#), ["function_call"]);
        assert_eq!(request(r#""functions":[{"name":"grow"}]"#).check_older_functions(), Ok(()));
        let error = request(r#""functions":{"name":"grow"}"#).check_older_functions().unwrap_err();
        assert_eq!((error.param.as_str(), error.code), ("functions", "invalid_value"));
    }

    #[test]
    fn choices_say_what_may_be_called() {
        let both = offering(&["grow", "fell"]);
        let with = |choice: &str| format!(r#"{both},"tool_choice":{choice}"#);
        let allowed = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"fell"}}]}}"#;
        let both_of: Named<'_> = &[(0, "grow"), (1, "fell")];
        let table: [(String, Named<'_>, CallChoice); 9] = [
            (String::new(), &[], CallChoice::Never),
            (r#""tools":[],"tool_choice":"auto""#.to_owned(), &[], CallChoice::Never),
            (r#""tool_choice":"none""#.to_owned(), &[], CallChoice::Never),
            (both.clone(), both_of, CallChoice::Auto),
            (with(r#""auto""#), both_of, CallChoice::Auto),
            (with(r#""none""#), both_of, CallChoice::Never),
            (with(r#""required""#), both_of, CallChoice::Required),
            (
                with(r#"{"type":"function","function":{"name":"grow"}}"#),
                both_of,
                CallChoice::Function("grow".to_owned()),
            ),
            (with(allowed), &[(1, "fell")], CallChoice::Required),
        ];
        for (members, names, choice) in table {
            assert_eq!(
                chosen(&request(&members)),
                (
                    names.iter().map(|(position, name)| (*position, (*name).to_owned())).collect(),
                    choice,
                    true
                ),
                "{members}"
            );
        }
        assert!(!chosen(&request(r#""parallel_tool_calls":false"#)).2);
    }

    #[test]
    fn what_cannot_be_called_is_named() {
        let one = offering(&["grow"]);
        let many: Vec<String> = (0..129).map(|number| format!("f{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let with = |choice: &str| format!(r#"{one},"tool_choice":{choice}"#);
        let table = [
            (offering(&many), "tools: 'tools' has 129 tools; at most 128 are allowed."),
            (
                offering(&["a", "b", "a"]),
                "tools[2].function.name: 'tools[2].function.name' is 'a', as that of a tool before it.",
            ),
            (
                offering(&["a b"]),
                "tools[0].function.name: 'tools[0].function.name' must be 1 to 64 letters, digits, '_' and '-'.",
            ),
            (
                r#""tools":[{"type":"custom","custom":{"name":"a"}}]"#.to_owned(),
                "tools[0].type: 'tools[0].type' is 'custom'; only function is supported.",
            ),
            (
                r#""tools":[{"type":"function"}]"#.to_owned(),
                "tools[0].function: Missing required parameter: 'tools[0].function'.",
            ),
            (
                r#""tools":[{"type":"function","function":{"name":"a","parameters":[]}}]"#.to_owned(),
                "tools[0].function.parameters: 'tools[0].function.parameters' must be an object: a JSON schema.",
            ),
            (
                r#""tools":[{"type":"function","function":{"name":"a","parameters":{"type":"string"}}}]"#.to_owned(),
                "tools[0].function.parameters: 'tools[0].function.parameters' must be the schema of an object, by its 'type'.",
            ),
            (
                r#""tools":[{"type":"function","function":{"name":"a","parameters":{"type":["thing","null"]}}}]"#.to_owned(),
                "tools[0].function.parameters: 'tools[0].function.parameters' must be the schema of an object, by its 'type'.",
            ),
            (
                r#""tool_choice":"required""#.to_owned(),
                "tool_choice: 'tool_choice' requires a call, but no tools are offered.",
            ),
            (
                with(r#""any""#),
                "tool_choice: 'tool_choice' is 'any'; it must be none, auto, required or an object.",
            ),
            (
                with(r#"{"type":"function","function":{"name":"fell"}}"#),
                "tool_choice.function.name: 'tool_choice.function.name' is 'fell', which is not among the tools.",
            ),
            (
                with(r#"{"type":"function"}"#),
                "tool_choice.function: Missing required parameter: 'tool_choice.function'.",
            ),
            (
                with(r#"{"type":"custom","custom":{"name":"a"}}"#),
                "tool_choice.type: 'tool_choice.type' is 'custom'; only function is supported.",
            ),
            (
                with(r#"{"type":"allowed_tools","allowed_tools":{"mode":"none"}}"#),
                "tool_choice.allowed_tools.mode: 'tool_choice.allowed_tools.mode' is 'none'; it must be auto or required.",
            ),
            (
                with(
                    r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"fell"}}]}}"#,
                ),
                "tool_choice.allowed_tools.tools[0].function.name: 'tool_choice.allowed_tools.tools[0].function.name' is 'fell', which is not among the tools.",
            ),
            (
                with(r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}"#),
                "tool_choice: 'tool_choice' requires a call, but no tools are offered.",
            ),
        ];
        for (members, expected) in table {
            let error = request(&members).checked_tools().unwrap_err();
            assert_eq!(format!("{}: {}", error.param, error.message), expected, "{members}");
        }
    }
}
