//! Prompts with tools, by templates that use the language as those of well-known models do; and texts of callers that
//! spell what they must not become.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::generation::MessageToolCall;

const HERMES: &str = include_str!("../../../../fixtures/templates/tools-hermes.jinja");
const LLAMA: &str = include_str!("../../../../fixtures/templates/tools-llama.jinja");
const MISTRAL: &str = include_str!("../../../../fixtures/templates/tools-mistral.jinja");

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, "<s>".to_owned(), "</s>".to_owned()).unwrap()
}

fn call(id: &str, name: &str, arguments: &str) -> MessageToolCall {
    MessageToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn calls(calls: &[MessageToolCall]) -> ChatMessage {
    ChatMessage { tool_calls: calls.to_vec(), ..ChatMessage::new("assistant", "") }
}

fn result(id: &str, content: &str) -> ChatMessage {
    ChatMessage { tool_call_id: Some(id.into()), ..ChatMessage::new("tool", content) }
}

fn tools() -> Vec<ChatTool> {
    vec![
        ChatTool {
            name: "grow".into(),
            description: Some("Makes a tree grow, if it's < 30 m".into()),
            parameters: Some(json!({
                "type": "object",
                "properties": {"metres": {"type": ["number", "null"]}, "type": {"enum": ["oak", "ash"]}},
                "required": ["metres"],
            })),
        },
        ChatTool { name: "rest".into(), description: None, parameters: None },
    ]
}

fn conversation() -> Vec<ChatMessage> {
    vec![
        ChatMessage::new("system", "Be brief."),
        ChatMessage::new("user", "Grow an oak."),
        calls(&[call("call_x", "grow", r#"{"metres":1.5,"type":"<oak>"}"#)]),
        result("call_x", r#"{"ok":true}"#),
    ]
}

#[test]
fn a_template_of_the_hermes_kind() {
    let prompt = template(HERMES).render(&conversation(), &tools()).unwrap();
    assert_eq!(
        prompt.text,
        r##"<|im_start|>system
Be brief.

# Functions

Their signatures:
<tools>
{"type": "function", "function": {"name": "grow", "description": "Makes a tree grow, if it's < 30 m", "parameters": {"type": "object", "properties": {"metres": {"type": ["number", "null"]}, "type": {"enum": ["oak", "ash"]}}, "required": ["metres"]}}}
{"type": "function", "function": {"name": "rest", "parameters": {"type": "object", "properties": {}}}}
</tools>

A call is one JSON object:
<tool_call>
{"name": <its name>, "arguments": <an object>}
</tool_call><|im_end|>
<|im_start|>user
Grow an oak.<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "grow", "arguments": {"metres": 1.5, "type": "<oak>"}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
{"ok":true}
</tool_response><|im_end|>
<|im_start|>assistant
"##
    );
}

#[test]
fn a_template_of_the_llama_kind() {
    let prompt = template(LLAMA).render(&conversation(), &tools()[1..]).unwrap();
    assert_eq!(
        prompt.text,
        r#"<s><|start_header_id|>system<|end_header_id|>

Environment: a console
To call a function, answer with {"name": its name, "parameters": an object}. There are these:

{
    "type": "function",
    "function": {
        "name": "rest",
        "parameters": {
            "type": "object",
            "properties": {}
        }
    }
}

Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>

Grow an oak.<|eot_id|><|start_header_id|>assistant<|end_header_id|>

{"name": "grow", "parameters": {"metres": 1.5, "type": "<oak>"}}<|eot_id|><|start_header_id|>ipython<|end_header_id|>

"{\"ok\":true}"<|eot_id|><|start_header_id|>assistant<|end_header_id|>

"#
    );
}

#[test]
fn a_template_of_the_mistral_kind() {
    let prompt = template(MISTRAL).render(&conversation(), &tools()[1..]).unwrap();
    assert_eq!(
        prompt.text,
        r#"<s>[AVAILABLE_TOOLS][{"type": "function", "function": {"name": "rest", "parameters": {"type": "object", "properties": {}}}}][/AVAILABLE_TOOLS][INST]Grow an oak.[/INST][TOOL_CALLS][{"name": "grow", "arguments": {"metres": 1.5, "type": "<oak>"}, "id": "call00000"}]</s>[TOOL_RESULTS]{"content": {"ok":true}, "call_id": "call00000"}[/TOOL_RESULTS]"#
    );
}

/// Ids are drawn at random: a prompt that held them would make each answer its own.
#[test]
fn ids_tell_what_belongs_together_and_nothing_else() {
    let turns = |first: &str, second: &str| {
        let asked = calls(&[call(first, "grow", "{}"), call(second, "rest", "{}")]);
        let messages = [ChatMessage::new("user", "a"), asked, result(second, "2"), result(first, "1")];
        template(MISTRAL).render(&messages, &[]).unwrap()
    };
    let prompt = turns("call_1", "<|im_end|>");
    assert_eq!(prompt, turns("x", "y"));
    assert!(prompt.text.ends_with(
        r#""id": "call00000"}, {"name": "rest", "arguments": {}, "id": "call00001"}]</s>[TOOL_RESULTS]{"content": 2, "call_id": "call00001"}[/TOOL_RESULTS][TOOL_RESULTS]{"content": 1, "call_id": "call00000"}[/TOOL_RESULTS]"#
    ), "{}", prompt.text);
}

#[test]
fn arguments_that_are_no_object_are_a_text() {
    for arguments in
        ["", "no JSON", "[1]", r#"{"a":"#, &format!("{}1{}", "{\"a\":".repeat(30), "}".repeat(30))]
    {
        let messages = [ChatMessage::new("user", "a"), calls(&[call("1", "grow", arguments)])];
        let prompt = template(HERMES).render(&messages, &[]).unwrap();
        let told = format!("<tool_call>\n{{\"name\": \"grow\", \"arguments\": {arguments}}}\n</tool_call>");
        assert!(prompt.text.contains(&told), "{}", prompt.text);
    }
}

#[test]
fn a_tool_that_is_nested_too_deep_is_refused_by_name() {
    let nested = |levels| {
        let schema = (1..levels).fold(json!({"type": "object"}), |inner, _| json!({"items": inner}));
        let tool = ChatTool { name: "deep".into(), description: None, parameters: Some(schema) };
        template(HERMES).render(&[ChatMessage::new("user", "a")], &[tool])
    };
    nested(24).unwrap();
    let refusal = nested(25).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the tool `deep` has parameters that are nested deeper than 24 levels; make them flatter"
    );
}

#[test]
fn whether_a_template_reads_tools_is_told_from_its_variables() {
    for source in [HERMES, LLAMA, MISTRAL, "{% set t = tools if tools is defined else none %}"] {
        assert!(template(source).reads_tools());
    }
    for source in ["tools", "{# tools #}", "{{ 'tools' }}", "{{ messages.tools }}", "{{ messages['tools'] }}"]
    {
        assert!(!template(source).reads_tools(), "{source}");
    }
}

/// A template in which the names of types and properties matter, as in those that write signatures of functions.
#[test]
fn words_of_schemas_keep_their_meaning_and_names_of_properties_do_not_get_one() {
    let source = "{% for name, p in tools[0].function.parameters.properties | items %}{{ name }}:{{ p.type | default('any') if p.type != 'integer' else 'int' }}{{ '!' if name in tools[0].function.parameters.required }} {% endfor %}";
    let parameters = json!({
        "type": "object",
        "properties": {"type": {"type": "integer"}, "<|im_end|>": {"type": "<s>"}, "properties": {}},
        "required": ["<|im_end|>"],
    });
    let tool = ChatTool { name: "f".into(), description: None, parameters: Some(parameters) };
    let prompt = template(source).render(&[], &[tool]).unwrap();
    assert_eq!(prompt.text, "type:int <|im_end|>:<s>! properties:any ");
    assert_eq!(plain(&prompt), ["type", "<|im_end|>", "<s>", "properties"]);
}

/// However a template writes out what it was given as a whole.
#[test]
fn no_way_of_writing_values_loses_what_is_text() {
    let word = "<s>\u{1}'\"é<|im_end|>";
    let schema = json!({"properties": {word: {"enum": [word]}}});
    let tool = ChatTool { name: word.into(), description: Some(word.into()), parameters: Some(schema) };
    let arguments = json!({word: [word]}).to_string();
    let messages =
        [ChatMessage::new("user", word), calls(&[call(word, word, &arguments)]), result(word, word)];
    let ways = [
        "{{ tools }}{{ messages }}",
        "{{ tools | string }}{{ messages ~ '' }}",
        "{{ tools | pprint }}{{ messages | pprint }}",
        "{{ tools | tojson }}{{ messages | tojson(indent=2) }}",
        "{{ tools | list | join }}{{ messages | join(',') }}",
        "{{ tools | escape }}{{ messages | upper }}",
    ];
    for way in ways {
        let prompt = template(way).render(&messages, std::slice::from_ref(&tool)).unwrap();
        assert_eq!(control_tokens(&prompt), [0; 8], "{way}: {}", prompt.text);
        assert!(plain(&prompt).len() >= 9, "{way}: {}", prompt.text);
    }
}

/// Many tools and many calls in a long conversation fit into the bounds. Some templates tell of the tools at every
/// message that equals the last question: here none else does.
#[test]
fn a_hundred_tools_and_a_long_conversation_are_rendered_whole() {
    let properties: serde_json::Map<String, serde_json::Value> = (0..20)
        .map(|number| (format!("property{number}"), json!({"type": "string", "enum": ["a", "b", "c"]})))
        .collect();
    let parameters = json!({"type": "object", "properties": properties});
    let tool = |number| ChatTool {
        name: format!("function{number}"),
        description: Some("does what it is named for ".repeat(10)),
        parameters: Some(parameters.clone()),
    };
    let tools: Vec<ChatTool> = (0..128).map(tool).collect();
    let arguments = json!({"list": vec!["an item of it"; 20]}).to_string();
    let turn = |number| {
        let id = format!("call_{number}");
        let answer = ChatMessage::new("assistant", "done");
        [
            ChatMessage::new("user", format!("go on {number}")),
            calls(&[call(&id, "function1", &arguments)]),
            result(&id, "1"),
            answer,
        ]
    };
    let messages: Vec<ChatMessage> = (0..250).flat_map(turn).collect();
    for source in [HERMES, LLAMA, MISTRAL] {
        let prompt = template(source).render(&messages, &tools).unwrap();
        assert!(prompt.text.len() > 128 * 1_500 + 250 * 300, "{}", prompt.text.len());
        assert!(prompt.text.contains("property19") && prompt.text.contains("function127"));
    }
}

/// What a caller's text may spell: control tokens, marks of the fence as they are and escaped, tags, white space.
fn hostile_text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "<|im_end|>",
        "<|im_start|>",
        "<s>",
        "</s>",
        "[INST]",
        "[TOOL_CALLS]",
        "</tool_call>",
        "<|eot_id|>",
        "\u{fdd0}1\u{fdd1}",
        "\u{fdd2}1\u{fdd3}",
        "\u{fdd0}",
        "1",
        "\\ufdd0",
        "\"",
        "\\",
        "'",
        "<",
        ">",
        "&",
        " ",
        "\n",
        "type",
        "é",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..6).prop_map(|pieces| pieces.concat())
}

/// The texts of a prompt that came from outside.
fn plain(prompt: &RenderedPrompt) -> Vec<&str> {
    prompt.from_messages.iter().map(|range| &prompt.text[range.clone()]).collect()
}

/// How often a prompt has each control token that is one.
fn control_tokens(prompt: &RenderedPrompt) -> Vec<usize> {
    let spellings = [
        "<|im_end|>",
        "<|im_start|>",
        "<s>",
        "</s>",
        "[INST]",
        "[TOOL_CALLS]",
        "<|eot_id|>",
        "<|start_header_id|>",
    ];
    let is_plain = |start: usize, end: usize| {
        prompt.from_messages.iter().any(|range| range.start < end && start < range.end)
    };
    let count = |spelling: &&str| {
        let found = prompt.text.match_indices(*spelling);
        found.filter(|(start, _)| !is_plain(*start, start + spelling.len())).count()
    };
    spellings.iter().map(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever names, descriptions, schemas, arguments, ids and results spell, the prompt has the control tokens that
    /// a harmless one has, and no mark is left in it.
    #[test]
    fn no_text_becomes_a_control_token(
        texts in prop::collection::vec(hostile_text(), 9),
        source in prop::sample::select(vec![HERMES, LLAMA, MISTRAL]),
    ) {
        let prompt = |texts: &[String]| {
            let [content, name, description, key, value, argument, answer, id, speaker] = texts else { unreachable!() };
            let schema = json!({
                "type": value, description: description, "required": [key],
                "properties": {key: {"description": value, "enum": [value, key], "default": {key: value}}},
            });
            let tool = ChatTool { name: name.clone(), description: Some(description.clone()), parameters: Some(schema) };
            let arguments = [json!({argument: {key: [value]}}).to_string(), argument.clone()];
            let ids = [id.clone(), format!("{id}x")];
            let mut messages = vec![ChatMessage::new("system", content.clone()), ChatMessage::new("user", content.clone())];
            messages[1].name = Some(speaker.clone());
            for (id, arguments) in ids.iter().zip(&arguments) {
                messages.extend([calls(&[call(id, name, arguments)]), result(id, answer)]);
            }
            template(source).render(&messages, &[tool]).unwrap()
        };
        let harmless: Vec<String> = (0..9).map(|number| format!("word{number}")).collect();
        let hostile = prompt(&texts);
        prop_assert_eq!(control_tokens(&hostile), control_tokens(&prompt(&harmless)));
        let is_mark_known = texts.iter().any(|text| text.contains('\u{fdd0}'));
        let is_mark_left = hostile.text.contains('\u{fdd0}');
        prop_assert!(is_mark_known || !is_mark_left);
    }
}
