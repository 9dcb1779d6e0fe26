//! `POST /chat/completions`: the form that an answer's text must have.
//!
//! Owns the shapes of `response_format`, and which of them say something. It refuses to know which schemas can be
//! honoured, and how a text is held to one.

use serde::Deserialize;
use serde_json::Value;

use super::chat_completions::ChatCompletionRequest;
use super::chat_parameters::{InvalidParameter, check_name};
use crate::request_body::optional_object;

/// The form of the answer's text, as the request gives it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json_object`, `json_schema`; or `regex`, which is not of the API.
    #[serde(rename = "type")]
    pub kind: String,
    /// The schema of the kind `json_schema`.
    #[serde(default, deserialize_with = "optional_object")]
    pub json_schema: Option<NamedSchema>,
    /// The regular expression of the kind `regex`.
    #[serde(default)]
    pub regex: Option<String>,
}

/// A schema under a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NamedSchema {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// The schema itself.
    #[serde(default)]
    pub schema: Option<Value>,
    /// Whether the answer must follow it.
    #[serde(default)]
    pub strict: Option<bool>,
}

/// A form of text that says what it must.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TextFormat<'r> {
    /// Any text.
    Free,
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts, which is an object.
    JsonSchema(&'r Value),
    /// A text that this regular expression matches as a whole.
    Regex(&'r str),
}

impl ChatCompletionRequest {
    /// The form that the answer's text must have; [`TextFormat::Free`] when none is given.
    ///
    /// # Errors
    /// The type is none of those that there are, or what belongs to it is missing or no object.
    pub fn checked_response_format(&self) -> Result<TextFormat<'_>, InvalidParameter> {
        let Some(format) = &self.response_format else { return Ok(TextFormat::Free) };
        match format.kind.as_str() {
            "text" => Ok(TextFormat::Free),
            "json_object" => Ok(TextFormat::JsonObject),
            "json_schema" => json_schema(format.json_schema.as_ref()),
            "regex" => {
                let regex = format.regex.as_deref();
                Ok(TextFormat::Regex(
                    regex.ok_or_else(|| InvalidParameter::missing("response_format.regex"))?,
                ))
            }
            other => Err(InvalidParameter::value(
                "response_format.type",
                format!(
                    "'response_format.type' is '{}'; it must be text, json_object, json_schema or regex.",
                    other.escape_debug()
                ),
            )),
        }
    }
}

fn json_schema(given: Option<&NamedSchema>) -> Result<TextFormat<'_>, InvalidParameter> {
    let named = given.ok_or_else(|| InvalidParameter::missing("response_format.json_schema"))?;
    check_name("response_format.json_schema.name", &named.name)?;
    let path = "response_format.json_schema.schema";
    match &named.schema {
        None => Err(InvalidParameter::missing(path)),
        Some(schema) if schema.is_object() => Ok(TextFormat::JsonSchema(schema)),
        Some(_) => Err(InvalidParameter::value(path, format!("'{path}' must be an object."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(format: &str) -> ChatCompletionRequest {
        let body = format!(r#"{{"response_format":{format}}}"#);
        crate::parse::<ChatCompletionRequest>(body.as_bytes()).unwrap().request
    }

    #[test]
    fn forms_say_what_they_must() {
        let schema = json!({"type": "object"});
        let table = [
            ("null", TextFormat::Free),
            (r#"{"type":"text"}"#, TextFormat::Free),
            (r#"{"type":"json_object"}"#, TextFormat::JsonObject),
            (
                r#"{"type":"json_schema","json_schema":{"name":"a-Z_9","schema":{"type":"object"}}}"#,
                TextFormat::JsonSchema(&schema),
            ),
            (r#"{"type":"regex","regex":"a+"}"#, TextFormat::Regex("a+")),
        ];
        for (format, expected) in table {
            assert_eq!(request(format).checked_response_format(), Ok(expected), "{format}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let long = format!(r#"{{"type":"json_schema","json_schema":{{"name":"{}"}}}}"#, "a".repeat(65));
        let table = [
            (
                r#"{"type":"xml"}"#,
                "response_format.type",
                "'response_format.type' is 'xml'; it must be text, json_object, json_schema or regex.",
            ),
            (
                r#"{"type":"json_schema"}"#,
                "response_format.json_schema",
                "Missing required parameter: 'response_format.json_schema'.",
            ),
            (
                r#"{"type":"json_schema","json_schema":{"name":"a"}}"#,
                "response_format.json_schema.schema",
                "Missing required parameter: 'response_format.json_schema.schema'.",
            ),
            (
                r#"{"type":"json_schema","json_schema":{"name":"a","schema":[]}}"#,
                "response_format.json_schema.schema",
                "'response_format.json_schema.schema' must be an object.",
            ),
            (
                r#"{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}"#,
                "response_format.json_schema.name",
                "'response_format.json_schema.name' must be 1 to 64 letters, digits, '_' and '-'.",
            ),
            (
                &long,
                "response_format.json_schema.name",
                "'response_format.json_schema.name' must be 1 to 64 letters, digits, '_' and '-'.",
            ),
            (
                r#"{"type":"regex"}"#,
                "response_format.regex",
                "Missing required parameter: 'response_format.regex'.",
            ),
        ];
        for (format, param, message) in table {
            let error = request(format).checked_response_format().unwrap_err();
            assert_eq!((error.param.as_str(), error.message.as_str()), (param, message), "{format}");
        }
    }
}
