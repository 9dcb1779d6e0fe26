//! What a client says of its answer: the one JSON object on its stdout.
//!
//! Owns how that object is found and read; `docs/schemas/account-1.json` is the schema of it. It is read tolerantly, since every author writes it anew: absent members are
//! null, and calls may have their function's members beside the id. Refuses to judge it.

use serde_json::Value;

/// The account of a client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    /// The text of the answer, or what of it had arrived.
    pub text: String,
    /// Why the model stopped; none where nobody said.
    pub finish_reason: Option<String>,
    /// The calls of tools, in their order.
    pub tool_calls: Vec<Call>,
    /// The usage as it was reported.
    pub usage: Option<Value>,
    /// The error, if the answer was not whole.
    pub error: Option<AccountError>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// Its id.
    pub id: Option<String>,
    /// The name of the function.
    pub name: Option<String>,
    /// Its arguments: the text of them, or, where the client parses them, their JSON.
    pub arguments: String,
}

/// The error of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountError {
    /// What kind: the name of an exception.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// Whether it is one of the client's own.
    pub typed: bool,
}

/// Why there is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// stdout is empty.
    #[error("it printed nothing on stdout")]
    Nothing,
    /// Neither stdout as a whole nor its last line is a JSON object.
    #[error("what it printed on stdout is no JSON object")]
    NoObject,
    /// A member has another type than the contract says.
    #[error("member `{member}` of its account is not {expected}")]
    Member {
        /// Which.
        member: &'static str,
        /// What it is to be.
        expected: &'static str,
    },
}

/// Exceptions of languages, of their JSON parsers and HTTP libraries, which no SDK can mean to be its own: where an
/// account does not say whether its error is typed, these are not, in whatever module they stand.
const FOREIGN: &[&str] = &[
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BrokenPipeError",
    "ChunkedEncodingError",
    "ConnectionAbortedError",
    "ConnectionResetError",
    "ContentDecodingError",
    "EOFError",
    "Error",
    "Exception",
    "IncompleteRead",
    "IndexError",
    "JSONDecodeError",
    "KeyError",
    "OSError",
    "RangeError",
    "RecursionError",
    "ReferenceError",
    "RemoteProtocolError",
    "RuntimeError",
    "SyntaxError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeError",
    "ValueError",
];

/// What languages call theirs, and clients, too.
const COMMON: &[&str] = &["Error", "Exception"];

impl Account {
    /// Reads what a command printed: the whole of it is the object, or its last line is, where something else chatters.
    ///
    /// # Errors
    /// [`NoAccount`]
    pub fn read(stdout: &[u8]) -> Result<Account, NoAccount> {
        let stdout = stdout.trim_ascii();
        if stdout.is_empty() {
            return Err(NoAccount::Nothing);
        }
        let last_line = stdout.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let object = [stdout, last_line]
            .into_iter()
            .find_map(|text| serde_json::from_slice::<Value>(text).ok().filter(Value::is_object));
        Account::from_value(&object.ok_or(NoAccount::NoObject)?)
    }

    /// Reads the object.
    ///
    /// # Errors
    /// [`NoAccount::Member`]
    pub fn from_value(object: &Value) -> Result<Account, NoAccount> {
        let calls = match member(object, "tool_calls") {
            None => Vec::new(),
            Some(Value::Array(calls)) => calls.iter().map(Call::from_value).collect::<Result<_, _>>()?,
            Some(_) => return Err(NoAccount::Member { member: "tool_calls", expected: "an array" }),
        };
        Ok(Account {
            text: text(object, "text")?.unwrap_or_default(),
            finish_reason: text(object, "finish_reason")?,
            tool_calls: calls,
            usage: member(object, "usage").cloned(),
            error: member(object, "error").map(AccountError::from_value).transpose()?,
        })
    }
}

impl Call {
    fn from_value(call: &Value) -> Result<Call, NoAccount> {
        let function = member(call, "function").unwrap_or(call);
        let arguments = match member(function, "arguments") {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(parsed) => parsed.to_string(),
        };
        Ok(Call { id: text(call, "id")?, name: text(function, "name")?, arguments })
    }
}

impl AccountError {
    fn from_value(error: &Value) -> Result<AccountError, NoAccount> {
        match error {
            Value::Object(_) => {}
            Value::String(message) if !message.is_empty() => {
                return Ok(AccountError { kind: String::new(), message: message.clone(), typed: true });
            }
            // An empty word, false or 0 may be no error to whoever wrote it, or one.
            _ => return Err(NoAccount::Member { member: "error", expected: "an object or null" }),
        }
        let kind = text(error, "type")?.unwrap_or_default();
        let typed = match member(error, "typed") {
            Some(Value::Bool(typed)) => *typed,
            None => !is_foreign(&kind),
            Some(_) => return Err(NoAccount::Member { member: "error.typed", expected: "true or false" }),
        };
        Ok(AccountError { typed, message: text(error, "message")?.unwrap_or_default(), kind })
    }
}

/// Whether an exception is not the client's own by its name, which may have its module in front, as in
/// `json.decoder.JSONDecodeError`. In a module of their own, many clients call theirs [`COMMON`].
fn is_foreign(kind: &str) -> bool {
    let bare = kind.rsplit(['.', ':', '/']).next().unwrap_or(kind);
    FOREIGN.contains(&kind) || FOREIGN.contains(&bare) && !COMMON.contains(&bare)
}

/// A member that is there, and not null.
fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn text(object: &Value, name: &'static str) -> Result<Option<String>, NoAccount> {
    match member(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(NoAccount::Member { member: name, expected: "a string" }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_is_found_behind_chatter_and_may_lack_members() {
        let account = Account::read(b"warming up\n{\"text\": \"An oak\"}\n").unwrap();
        assert_eq!(account, Account { text: "An oak".to_owned(), ..Account::default() });
        let account = Account::read(b"{\n \"text\": null,\n \"error\": null\n}\n").unwrap();
        assert_eq!(account, Account::default());
    }

    #[test]
    fn calls_are_read_in_both_forms() {
        let stdout = br#"{"tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}},
            {"id": "call_2", "name": "get_weather", "arguments": {"city": "Oslo"}}
        ]}"#;
        let [first, second] = Account::read(stdout).unwrap().tool_calls.try_into().unwrap();
        assert_eq!((first.name.as_deref(), first.arguments.as_str()), (Some("get_weather"), "{}"));
        assert_eq!((second.id.as_deref(), second.arguments.as_str()), (Some("call_2"), r#"{"city":"Oslo"}"#));
    }

    #[test]
    fn what_is_no_account_is_told() {
        for (stdout, reason) in [
            (&b" \n"[..], "it printed nothing on stdout"),
            (b"done", "what it printed on stdout is no JSON object"),
            (b"[]", "what it printed on stdout is no JSON object"),
            (b"{\"text\": 1}", "member `text` of its account is not a string"),
            (b"{\"tool_calls\": {}}", "member `tool_calls` of its account is not an array"),
            (b"{\"error\": false}", "member `error` of its account is not an object or null"),
            (b"{\"error\": \"\"}", "member `error` of its account is not an object or null"),
            (b"{\"error\": []}", "member `error` of its account is not an object or null"),
            (b"{\"error\": {\"typed\": 1}}", "member `error.typed` of its account is not true or false"),
        ] {
            assert_eq!(Account::read(stdout).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn an_error_that_does_not_say_is_typed_unless_it_is_the_languages_own() {
        for (stdout, typed) in [
            (&br#"{"error": {"type": "APIError"}}"#[..], true),
            (br#"{"error": {"type": "JSONDecodeError"}}"#, false),
            (br#"{"error": {"type": "json.decoder.JSONDecodeError"}}"#, false),
            (br#"{"error": {"type": "builtins.ConnectionResetError"}}"#, false),
            (br#"{"error": {"type": "openai.APIError"}}"#, true),
            (br#"{"error": {"type": "genai::Error"}}"#, true),
            (br#"{"error": {"type": "Error"}}"#, false),
            (br#"{"error": {"type": "JSONDecodeError", "typed": true}}"#, true),
            (br#"{"error": {"type": "APIError", "typed": false}}"#, false),
            (br#"{"error": "the stream broke off"}"#, true),
        ] {
            assert_eq!(Account::read(stdout).unwrap().error.unwrap().typed, typed);
        }
    }

    /// An account with every member, in every place one value of each kind.
    fn accounts() -> Vec<Value> {
        let whole = json!({
            "text": "An oak",
            "finish_reason": "tool_calls",
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
            "usage": {"total_tokens": 3},
            "error": {"type": "APIError", "message": "it broke off", "typed": true},
        });
        let places = [
            "",
            "/text",
            "/finish_reason",
            "/tool_calls",
            "/tool_calls/0",
            "/tool_calls/0/id",
            "/tool_calls/0/type",
            "/tool_calls/0/function",
            "/tool_calls/0/function/name",
            "/tool_calls/0/function/arguments",
            "/usage",
            "/error",
            "/error/type",
            "/error/message",
            "/error/typed",
        ];
        let values = [json!(null), json!(true), json!(1), json!("word"), json!([]), json!({})];
        let replaced = places.iter().flat_map(|place| values.iter().map(move |value| (place, value)));
        let accounts = replaced.map(|(place, value)| {
            let mut account = whole.clone();
            *account.pointer_mut(place).unwrap() = value.clone();
            account
        });
        [whole.clone()].into_iter().chain(accounts).collect()
    }

    #[test]
    fn whatever_the_schema_allows_is_read_as_it_stands() {
        let schema = serde_json::from_str(include_str!("../../../docs/schemas/account-1.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let allowed: Vec<Value> = accounts().into_iter().filter(|account| schema.is_valid(account)).collect();
        // The whole one with nulls and empty lists where they may be, and other words in the place of words.
        assert_eq!(allowed.len(), 16, "{allowed:#?}");
        for account in allowed {
            let read = Account::from_value(&account).unwrap_or_else(|reason| panic!("{reason}: {account}"));
            assert_eq!(Value::from(read.text), account["text"]);
            assert_eq!(Value::from(read.finish_reason), account["finish_reason"]);
            assert_eq!(read.usage.unwrap_or_default(), account["usage"]);
            assert_eq!(read.tool_calls.len(), account["tool_calls"].as_array().unwrap().len());
            assert_eq!(
                Value::from(read.error.map(|error| error.typed)),
                *account.pointer("/error/typed").unwrap_or(&Value::Null)
            );
        }
    }
}
