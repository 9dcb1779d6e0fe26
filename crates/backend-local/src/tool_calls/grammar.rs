//! What a model is held to that must call a function: a grammar of calls and nothing else.
//!
//! Owns the form of such a text, in the Lark-like language of `llguidance`, for each form of calls. The arguments of a
//! function follow its schema, whether it is said to be strict or not: a grammar has no other measure. Marks are
//! written as plain text; those that are control tokens, which no text can spell, are left out, and [`parser`] does
//! not miss them. Refuses to know whether a schema can be had: that is found when the grammar is compiled.
//!
//! [`parser`]: super::parser

use std::fmt::Write as _;

use interference_engine::{ChatTool, ConstraintSource, NamedSchema};
use serde_json::{Map, Value, json};

use super::format::Format;

/// Calls that a model makes at once, at most, when it must make some.
const MOST_FORCED_CALLS: usize = 16;

/// How many calls there must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallCount {
    /// One.
    One,
    /// One or several, up to 16.
    OneOrMore,
}

/// What the schema of a function's arguments is called, before the function's name.
const ARGUMENTS_OF: &str = "arguments-";

/// The function whose arguments a schema of this name describes.
pub(crate) fn function_of_schema(name: &str) -> Option<&str> {
    name.strip_prefix(ARGUMENTS_OF)
}

/// What the schema of an answer that calls nothing is called.
const FORM_OF_TEXT: &str = "text";

/// Whether a schema of this name is that of the answer itself.
pub(crate) fn is_form_of_text(name: &str) -> bool {
    name == FORM_OF_TEXT
}

/// Texts that call some of these functions and say nothing else; there must be at least one.
pub(crate) fn forced_calls(format: Format, tools: &[&ChatTool], count: CallCount) -> ConstraintSource {
    let (calls, rules) = rules_of_calls(format, tools, count);
    let text = format!("start: {calls}\n{rules}");
    ConstraintSource::Grammar { text, schemas: schemas_of_arguments(tools) }
}

/// Texts that either call some of these functions and say nothing else, or are JSON that the schema accepts.
pub(crate) fn calls_or_form(
    format: Format,
    tools: &[&ChatTool],
    count: CallCount,
    schema: String,
) -> ConstraintSource {
    let (calls, rules) = rules_of_calls(format, tools, count);
    let text = format!("start: {calls} | @{FORM_OF_TEXT}\n{rules}");
    let mut schemas = schemas_of_arguments(tools);
    schemas.push(NamedSchema { name: FORM_OF_TEXT.to_owned(), schema });
    ConstraintSource::Grammar { text, schemas }
}

/// What some calls are, and the rules that it names.
///
/// What is JSON in a call is cut as JSON is cut in the grammars of schemas: where a call and another text begin alike,
/// the lexer, which always goes on with the longest word, would otherwise follow the call alone.
fn rules_of_calls(format: Format, tools: &[&ChatTool], count: CallCount) -> (String, String) {
    let Form { before, between, after, call_opening, arguments_key, call_closing } = Form::of(format);
    let more = match count {
        CallCount::One => String::new(),
        CallCount::OneOrMore => format!(" ({} call){{0,{}}}", literal(between), MOST_FORCED_CALLS - 1),
    };
    let words = |words: &[&str]| {
        let words = words.iter().filter(|word| !word.is_empty());
        words.map(|word| literal(word)).collect::<Vec<_>>().join(" ")
    };
    let calls = format!("{} call{more} {}", words(&[before]), words(&[after])).trim().to_owned();
    let choices: Vec<String> = (0..tools.len()).map(|index| format!("call{index}")).collect();
    let mut rules = format!("call: {}\n", choices.join(" | "));
    for (index, tool) in tools.iter().enumerate() {
        let (name, key) = (json!(tool.name).to_string(), json!(arguments_key).to_string());
        let opening = words(&[call_opening, "{", "\"name\"", ": ", &name, ", ", &key, ": "]);
        let closing = words(&["}", call_closing]);
        // Writing to a string cannot fail.
        let _ = writeln!(rules, "call{index}: {opening} @{ARGUMENTS_OF}{} {closing}", tool.name);
    }
    (calls, rules)
}

fn schemas_of_arguments(tools: &[&ChatTool]) -> Vec<NamedSchema> {
    let schema = |tool: &&ChatTool| NamedSchema {
        name: format!("{ARGUMENTS_OF}{}", tool.name),
        schema: arguments_schema(tool.parameters.as_ref()).to_string(),
    };
    tools.iter().map(schema).collect()
}

/// The text around calls and in them.
struct Form {
    before: &'static str,
    between: &'static str,
    after: &'static str,
    call_opening: &'static str,
    arguments_key: &'static str,
    call_closing: &'static str,
}

impl Form {
    fn of(format: Format) -> Form {
        match format {
            Format::Hermes | Format::Explained => Form {
                before: "",
                between: "\n",
                after: "",
                call_opening: "<tool_call>\n",
                arguments_key: "arguments",
                call_closing: "\n</tool_call>",
            },
            Format::Llama => Form {
                before: "",
                between: "; ",
                after: "",
                call_opening: "",
                arguments_key: "parameters",
                call_closing: "",
            },
            Format::Mistral => Form {
                before: "[",
                between: ", ",
                after: "]",
                call_opening: "",
                arguments_key: "arguments",
                call_closing: "",
            },
        }
    }
}

/// A text in the grammar's language, whose strings are those of JSON.
fn literal(text: &str) -> String {
    json!(text).to_string()
}

/// What a function's arguments must be: an object, whatever its schema says.
///
/// A function without parameters has no arguments. Where a schema names properties and does not say whether there may
/// be others, there are none: all that is then written fits the schema, and a small model does not invent any.
fn arguments_schema(parameters: Option<&Value>) -> Value {
    let mut schema = parameters.and_then(Value::as_object).cloned().unwrap_or_default();
    if schema.is_empty() {
        schema.insert("properties".to_owned(), Value::Object(Map::new()));
    }
    schema.insert("type".to_owned(), json!("object"));
    let has_parts = ["$ref", "allOf", "anyOf", "oneOf", "patternProperties", "unevaluatedProperties"]
        .iter()
        .any(|word| schema.contains_key(*word));
    if schema.contains_key("properties") && !has_parts {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool_calls::parser::{CallParser, Said};
    use interference_engine::{Engine, EngineOptions};
    use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
    use llguidance::toktrie::ApproximateTokEnv;
    use llguidance::{JsonCompileOptions, Matcher, ParserFactory};

    const FORMATS: [Format; 4] = [Format::Hermes, Format::Llama, Format::Mistral, Format::Explained];

    fn tool(name: &str, parameters: Option<Value>) -> ChatTool {
        ChatTool { name: name.into(), description: None, parameters }
    }

    fn tools() -> [ChatTool; 3] {
        let grow = json!({
            "type": "object",
            "properties": {"metres": {"type": "number"}, "kind": {"enum": ["oak", "</tool_call>"]}},
            "required": ["metres"],
        });
        [
            tool("grow", Some(grow)),
            tool("rest", None),
            tool("an-y_1", Some(json!({"additionalProperties": true}))),
        ]
    }

    /// As the engine compiles it, for a tokenizer with a token for each byte.
    fn matcher(source: &ConstraintSource) -> Matcher {
        let ConstraintSource::Grammar { text, schemas } = source else { panic!("{source:?}") };
        let layout = JsonCompileOptions {
            item_separator: ", ".to_owned(),
            key_separator: ": ".to_owned(),
            whitespace_flexible: false,
            ..JsonCompileOptions::default()
        };
        let mut grammar = TopLevelGrammar::from_lark(text.clone());
        grammar.grammars.extend(schemas.iter().map(|NamedSchema { name, schema }| {
            let mut schema: Value = serde_json::from_str(schema).unwrap();
            layout.apply_to(&mut schema);
            GrammarWithLexer { name: Some(name.clone()), json_schema: Some(schema), lark_grammar: None }
        }));
        let mut factory = ParserFactory::new_simple(&ApproximateTokEnv::single_byte_env()).unwrap();
        factory.quiet();
        let matcher = Matcher::new(factory.create_parser(grammar));
        assert_eq!(matcher.get_error(), None, "{text}");
        matcher
    }

    /// Whether a text is all that is wanted; what of it is allowed, if not.
    fn judge(matcher: &Matcher, text: &str) -> Result<(), String> {
        let mut matcher = matcher.deep_clone();
        let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
        let allowed = matcher.validate_tokens(&bytes).unwrap();
        if allowed < bytes.len() {
            return Err(String::from_utf8_lossy(&text.as_bytes()[..allowed]).into_owned());
        }
        matcher.consume_tokens(&bytes).unwrap();
        if matcher.is_accepting().unwrap() { Ok(()) } else { Err(text.to_owned()) }
    }

    /// The text of calls, as each form has it.
    fn written(format: Format, calls: &[(&str, &str)]) -> String {
        let Form { before, between, after, call_opening, arguments_key, call_closing } = Form::of(format);
        let calls = calls.iter().map(|(name, arguments)| {
            format!("{call_opening}{{\"name\": \"{name}\", \"{arguments_key}\": {arguments}}}{call_closing}")
        });
        format!("{before}{}{after}", calls.collect::<Vec<_>>().join(between))
    }

    #[test]
    fn the_grammar_of_one_call() {
        let source = forced_calls(Format::Hermes, &[&tool("grow", None)], CallCount::One);
        let text = r#"start: call
call: call0
call0: "<tool_call>\n" "{" "\"name\"" ": " "\"grow\"" ", " "\"arguments\"" ": " @arguments-grow "}" "\n</tool_call>"
"#;
        let schema = NamedSchema {
            name: "arguments-grow".to_owned(),
            schema: r#"{"properties":{},"type":"object","additionalProperties":false}"#.to_owned(),
        };
        assert_eq!(source, ConstraintSource::Grammar { text: text.to_owned(), schemas: vec![schema] });
    }

    #[test]
    fn calls_and_nothing_else_are_allowed() {
        let tools = tools();
        for format in FORMATS {
            let matcher = matcher(&forced_calls(format, &tools.each_ref(), CallCount::One));
            for (name, arguments) in [
                ("grow", r#"{"metres": 1.5}"#),
                ("grow", r#"{"metres": 2, "kind": "</tool_call>"}"#),
                ("rest", "{}"),
                ("an-y_1", r#"{"a": [1, {"b": null}]}"#),
            ] {
                assert_eq!(judge(&matcher, &written(format, &[(name, arguments)])), Ok(()), "{format:?}");
            }
            for (name, arguments) in [
                ("grow", "{}"),
                ("grow", r#"{"metres": "2"}"#),
                ("grow", r#"{"metres": 2, "more": 1}"#),
                ("grow", r#"{"metres":  2}"#),
                ("rest", r#"{"a": 1}"#),
                ("an-y_1", "[]"),
                ("unknown", "{}"),
            ] {
                assert!(
                    judge(&matcher, &written(format, &[(name, arguments)])).is_err(),
                    "{name} {arguments}"
                );
            }
            assert_eq!(judge(&matcher, "So be it."), Err(String::new()));
            let two = written(format, &[("rest", "{}"), ("rest", "{}")]);
            assert!(judge(&matcher, &two).is_err(), "{two}");
        }
    }

    #[test]
    fn several_calls_are_allowed_up_to_a_bound() {
        let tools = tools();
        for format in FORMATS {
            let matcher = matcher(&forced_calls(format, &tools.each_ref(), CallCount::OneOrMore));
            for count in [1, 2, MOST_FORCED_CALLS] {
                assert_eq!(
                    judge(&matcher, &written(format, &vec![("rest", "{}"); count])),
                    Ok(()),
                    "{count}"
                );
            }
            let too_many = written(format, &[("rest", "{}"); MOST_FORCED_CALLS + 1]);
            assert!(judge(&matcher, &too_many).is_err(), "{format:?}");
            assert!(judge(&matcher, &written(format, &[])).is_err(), "{format:?}");
        }
    }

    /// Also where both begin alike, as in the forms that have no mark before a call.
    #[test]
    fn calls_or_texts_of_a_form_are_allowed() {
        let tools = tools();
        let named = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}, "height": {"type": "integer"}},
            "required": ["name", "height"],
            "additionalProperties": false,
        });
        let list = json!({"type": "array", "items": named});
        let any = json!({"type": "object"});
        for format in FORMATS {
            let calls = written(format, &[("grow", r#"{"metres": 2}"#), ("rest", "{}")]);
            for (schema, whole, refused) in [
                (&named, r#"{"name": "grow", "height": 3}"#, r#"{"name": "grow", "width"#),
                (&named, r#"{"name": "gr", "height": 3}"#, "So be it."),
                (&any, r#"{"name": "grow", "arguments": 1}"#, "[1]"),
                (&any, r#"{"name": 1, "n": {"name": "grow"}}"#, "1"),
                (&any, "{}", "{} "),
                (&list, r#"[{"name": "rest", "height": 3}]"#, "[{}]"),
                (&list, "[]", "[1]"),
            ] {
                let source =
                    calls_or_form(format, &tools.each_ref(), CallCount::OneOrMore, schema.to_string());
                let matcher = matcher(&source);
                assert_eq!(judge(&matcher, whole), Ok(()), "{format:?}");
                assert_eq!(judge(&matcher, &calls), Ok(()), "{format:?} {schema}");
                assert!(judge(&matcher, refused).is_err(), "{format:?} {refused}");
                assert!(judge(&matcher, &format!("{calls} {whole}")).is_err(), "{format:?}");
                assert!(judge(&matcher, "").is_err(), "{format:?}");
            }
        }
    }

    /// What a model is made to write is what the parser reads.
    #[test]
    fn the_parser_reads_what_the_grammar_allows() {
        for format in FORMATS {
            let names = vec!["grow".to_owned(), "rest".to_owned()];
            let mut parser = CallParser::new(format, names, 9, |index| index.to_string());
            let text = written(format, &[("grow", r#"{"metres": 2}"#), ("rest", "{}")]);
            let said: Vec<Said> = parser.push(&text).into_iter().chain(parser.finish()).collect();
            let call =
                |index: u32, name: &str| Said::Call { index, id: index.to_string(), name: name.to_owned() };
            let told = |index: u32, text: &str| Said::Arguments { index, fragment: text.to_owned() };
            let expected = [call(0, "grow"), told(0, r#"{"metres": 2}"#), call(1, "rest"), told(1, "{}")];
            assert_eq!(said, expected, "{format:?}");
        }
    }

    #[test]
    fn a_hundred_functions_compile() {
        let grow = &tools()[0];
        let tools: Vec<ChatTool> =
            (0..128).map(|number| ChatTool { name: format!("grow{number}"), ..grow.clone() }).collect();
        let tools: Vec<&ChatTool> = tools.iter().collect();
        let matcher = matcher(&forced_calls(Format::Hermes, &tools, CallCount::OneOrMore));
        let text = written(Format::Hermes, &[("grow127", r#"{"metres": 1}"#), ("grow1", r#"{"metres": 2}"#)]);
        assert_eq!(judge(&matcher, &text), Ok(()));
    }

    /// As many functions as a request may have, of the longest names, are within the engine's bounds.
    #[test]
    #[ignore = "needs the default model: `cargo xtask test` fetches it, and runs this"]
    fn the_engine_takes_the_most_functions() {
        let path = std::env::var_os("INTERFERENCE_TEST_MODEL").expect("run `cargo xtask test`");
        let engine = Engine::load(path.as_ref(), &EngineOptions::default()).unwrap();
        let grow = &tools()[0];
        let tools: Vec<ChatTool> =
            (0..128).map(|number| ChatTool { name: format!("{number:064}"), ..grow.clone() }).collect();
        let tools: Vec<&ChatTool> = tools.iter().collect();
        for format in FORMATS {
            let constraint = engine.compile_constraint(forced_calls(format, &tools, CallCount::OneOrMore));
            let constraint = constraint.unwrap_or_else(|error| panic!("{format:?}: {error}"));
            let text = written(format, &[(tools[127].name.as_str(), r#"{"metres": 1.5}"#)]);
            constraint.time(&engine.encode(&text)).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        }
    }

    #[test]
    fn schemas_are_closed_only_where_that_takes_nothing_away() {
        let open = |schema: Value| arguments_schema(Some(&schema)).get("additionalProperties").cloned();
        assert_eq!(open(json!({"type": "object", "properties": {"a": {}}})), Some(json!(false)));
        assert_eq!(
            open(json!({"properties": {}, "additionalProperties": {"type": "string"}})),
            Some(json!({"type": "string"}))
        );
        assert_eq!(open(json!({"properties": {}, "allOf": [{"properties": {"a": {}}}]})), None);
        assert_eq!(open(json!({"type": "object"})), None);
        assert_eq!(arguments_schema(Some(&json!({}))), arguments_schema(None));
    }

    /// The form has no place for others, and the parser reads none.
    #[test]
    fn arguments_are_an_object_whatever_the_schema_says() {
        for schema in [json!({"type": ["object", "null"]}), json!(true), json!({"description": "any"})] {
            let any = tool("any", Some(schema));
            let matcher = matcher(&forced_calls(Format::Hermes, &[&any], CallCount::One));
            assert_eq!(judge(&matcher, &written(Format::Hermes, &[("any", "{}")])), Ok(()));
            for arguments in ["null", "[]", "1"] {
                assert!(judge(&matcher, &written(Format::Hermes, &[("any", arguments)])).is_err());
            }
        }
    }
}
