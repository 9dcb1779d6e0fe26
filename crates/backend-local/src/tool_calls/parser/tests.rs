use super::*;
use proptest::prelude::*;

fn parser(format: Format) -> CallParser {
    let names = ["grow", "rest"].map(str::to_owned).to_vec();
    CallParser::new(format, names, MOST_CALLS, |index| format!("id{index}"))
}

/// What was said, with neighbours of a kind joined.
fn joined(said: impl IntoIterator<Item = Said>) -> Vec<Said> {
    let mut told = Told::default();
    for said in said {
        match said {
            Said::Text(text) => told.text(&text),
            Said::Arguments { index, fragment } => {
                fragment.chars().for_each(|more| told.arguments(index, more))
            }
            call @ Said::Call { .. } => told.said.push(call),
        }
    }
    told.said
}

/// One line: text, and calls as `[index id name arguments]`.
fn line(said: Vec<Said>) -> String {
    let mut line = String::new();
    for said in said {
        match said {
            Said::Text(text) => line.push_str(&text),
            Said::Call { index, id, name } => line.push_str(&format!("[{index} {id} {name}")),
            Said::Arguments { fragment, .. } => line.push_str(&format!(" {fragment}]")),
        }
    }
    line
}

fn read_whole(format: Format, text: &str) -> Vec<Said> {
    let mut parser = parser(format);
    let said = parser.push(text);
    joined(said.into_iter().chain(parser.finish()))
}

#[test]
fn calls_in_the_form_of_hermes() {
    let table = [
        (
            "<tool_call>\n{\"name\": \"grow\", \"arguments\": {\"m\": 3}}\n</tool_call>",
            "[0 id0 grow {\"m\": 3}]",
        ),
        (
            "\nWell.\n<tool_call>{\"name\":\"grow\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"rest\",\"arguments\":{ } }</tool_call>\n",
            "\nWell.\n[0 id0 grow {}][1 id1 rest { }]",
        ),
        // White space alone is part of no answer with calls, and of every other one.
        ("\n <tool_call>{\"name\":\"rest\",\"arguments\":{}}</tool_call> \n", "[0 id0 rest {}]"),
        (" \n ", " \n "),
        (
            "<tool_call>{\"name\":\"rest\",\"arguments\":{}}</tool_call>\n\nDone. ",
            "[0 id0 rest {}]\n\nDone. ",
        ),
        // Braces, tags and quotes in strings; any order of members.
        (
            r#"<tool_call>{"name":"grow","arguments":{"x":"}</tool_call>\"{","y":[{"z":{}}]}}</tool_call>"#,
            r#"[0 id0 grow {"x":"}</tool_call>\"{","y":[{"z":{}}]}]"#,
        ),
        (
            r#"<tool_call>{"type":"function","id":"7","arguments":{"a":{}},"name":"grow","x":{"y":1}}</tool_call>"#,
            r#"[0 id0 grow {"a":{}}]"#,
        ),
        (r#"<tool_call>{"name":"grow","parameters":{},"arguments":{"b":1}}</tool_call>"#, "[0 id0 grow {}]"),
        // Marks that are missing or broken.
        (
            r#"<tool_call>{"name":"rest","arguments":{}}<tool_call>{"name":"rest","arguments":{}}"#,
            "[0 id0 rest {}][1 id1 rest {}]",
        ),
        (r#"<tool_call>{"name":"rest","arguments":{}}</tool_"#, "[0 id0 rest {}]"),
        (r#"<tool_call>{"name":"rest","arguments":{}}</tool>"#, "[0 id0 rest {}]</tool>"),
        // What was told is not taken back.
        (r#"<tool_call>{"name":"grow","arguments":{"m": "#, r#"[0 id0 grow {"m": ]"#),
        (
            r#"<tool_call>{"name":"grow","arguments":{"m": nonsense}}</tool_call>"#,
            r#"[0 id0 grow {"m": nonsense}]"#,
        ),
        (r#"<tool_call>{"name":"grow","arguments":{}, broken"#, "[0 id0 grow {}]"),
        // A call in what was no call.
        (
            r#"<tool_<tool_call><tool_call>{"arguments":{"<tool_call>{"name":"rest","arguments":{}}</tool_call>"#,
            r#"<tool_<tool_call><tool_call>{"arguments":{"[0 id0 rest {}]"#,
        ),
    ];
    for (text, expected) in table {
        for format in [Format::Hermes, Format::Explained] {
            assert_eq!(line(read_whole(format, text)), expected, "{text}");
        }
    }
}

#[test]
fn what_is_no_call_stays_text() {
    let texts = [
        "",
        "a < b, <tool>, <tool_call",
        "<tool_call>",
        "<tool_call>\n",
        "<tool_call>{\"name\":\"grow\"}</tool_call>",
        "<tool_call>{\"name\":\"grow\",\"arguments\":null}</tool_call>",
        "<tool_call>{\"name\":\"grow\",\"arguments\":\"{}\"}</tool_call>",
        "<tool_call>{\"name\":\"unknown\",\"arguments\":{}}</tool_call>",
        "<tool_call>{\"name\":\"grow\",\"name\":\"rest\",\"arguments\":{}}</tool_call>",
        "<tool_call>{\"name\":7,\"arguments\":{}}</tool_call>",
        "<tool_call>{\"name\":\"\\q\",\"arguments\":{}}</tool_call>",
        "<tool_call>{\"arguments\":{}}</tool_call>",
        "<tool_call>{\"arguments\":{},\"arguments\":{},\"name\":\"grow\"}</tool_call>",
        "<tool_call>{}</tool_call>",
        "<tool_call>{'name': 'grow', 'arguments': {}}</tool_call>",
        "<tool_call>[{\"name\":\"grow\",\"arguments\":{}}]</tool_call>",
        "<tool_call>grow()</tool_call>",
        "<tool_call>{\"name\": \"gr",
        "{\"name\":\"grow\",\"arguments\":{}}",
    ];
    for text in texts {
        for format in [Format::Hermes, Format::Explained] {
            assert_eq!(line(read_whole(format, text)), text);
        }
    }
}

#[test]
fn calls_in_the_form_of_llama() {
    let table = [
        (r#"{"name": "grow", "parameters": {"m": "3"}}"#, r#"[0 id0 grow {"m": "3"}]"#),
        (
            r#" {"type":"function","name":"grow","parameters":{}}; {"name":"rest","parameters":{}}"#,
            "[0 id0 grow {}][1 id1 rest {}]",
        ),
        ("<|python_tag|>{\"name\": \"rest\", \"parameters\": {}}\n", "[0 id0 rest {}]"),
        (r#"See: {"name": "grow", "parameters": {}}"#, r#"See: {"name": "grow", "parameters": {}}"#),
        (r#"{"answer": 42}"#, r#"{"answer": 42}"#),
        ("<|python_tag|>print(1)", "<|python_tag|>print(1)"),
        ("; a", "; a"),
    ];
    for (text, expected) in table {
        assert_eq!(line(read_whole(Format::Llama, text)), expected, "{text}");
    }
}

#[test]
fn calls_in_the_form_of_mistral() {
    let table = [
        (
            r#"[TOOL_CALLS][{"name": "grow", "arguments": {"m": [1, 2]}, "id": "abc"}, {"name": "rest", "arguments": {}}]"#,
            r#"[0 id0 grow {"m": [1, 2]}][1 id1 rest {}]"#,
        ),
        (r#"[TOOL_CALLS] [ {"name":"rest","arguments":{}} ] "#, "[0 id0 rest {}]"),
        // The mark is a control token, and has no text.
        (r#"[{"name":"rest","arguments":{}}]"#, "[0 id0 rest {}]"),
        (r#" [ {"name":"rest","arguments":{}}"#, "[0 id0 rest {}]"),
        (r#"See: [{"name":"rest","arguments":{}}]"#, r#"See: [{"name":"rest","arguments":{}}]"#),
        (r#"See: [TOOL_CALLS][{"name":"rest","arguments":{}}]."#, "See: [0 id0 rest {}]."),
        ("[1] A list.", "[1] A list."),
        ("[]", "[]"),
        (r#"[{"name":"rest","arguments":{}}, {"name":"no"#, r#"[0 id0 rest {}], {"name":"no"#),
        (r#"[{"name":"rest","arguments":{}} and so on"#, "[0 id0 rest {}] and so on"),
    ];
    for (text, expected) in table {
        assert_eq!(line(read_whole(Format::Mistral, text)), expected, "{text}");
    }
}

#[test]
fn nothing_is_held_longer_than_it_may_be_a_call() {
    let mut hermes = parser(Format::Hermes);
    let text = |text: &str| vec![Said::Text(text.to_owned())];
    assert_eq!(hermes.push("a <tool_c"), text("a "));
    assert_eq!(hermes.push("x"), text("<tool_cx"));
    assert_eq!(hermes.push("<tool_call>\n{\"nam"), vec![]);
    assert_eq!(hermes.push("ing"), text("<tool_call>\n{\"naming"));
    assert_eq!(hermes.push("\""), text("\""));
    assert_eq!(hermes.push("<tool_call>{\"name\": \"gr"), vec![]);
    assert_eq!(hermes.push("eet"), text("<tool_call>{\"name\": \"greet"));

    let mut llama = parser(Format::Llama);
    assert_eq!(llama.push("{\"a"), vec![]);
    assert_eq!(llama.push("nswer"), text("{\"answer"));
}

#[test]
fn arguments_are_told_as_they_come() {
    let mut parser = parser(Format::Hermes);
    assert_eq!(parser.push("<tool_call>\n{\"name\": \"grow\", \"arguments\""), vec![]);
    let fragment = |fragment: &str| Said::Arguments { index: 0, fragment: fragment.to_owned() };
    let call = Said::Call { index: 0, id: "id0".to_owned(), name: "grow".to_owned() };
    assert_eq!(parser.push(": {\"m\": "), vec![call, fragment("{\"m\": ")]);
    assert_eq!(parser.push("3"), vec![fragment("3")]);
    assert_eq!(parser.push("}"), vec![fragment("}")]);
    assert_eq!(parser.push("}\n</tool_call>"), vec![]);
    assert_eq!((parser.calls, parser.finish()), (1, vec![]));
}

#[test]
fn behind_the_last_call_that_is_allowed_nothing_is_told() {
    let call = r#"<tool_call>{"name":"rest","arguments":{}}</tool_call>"#;
    for most_calls in [1, 2] {
        let mut parser =
            CallParser::new(Format::Hermes, vec!["rest".into()], most_calls, |index| index.to_string());
        let said = parser.push(&format!("{}and so on", call.repeat(3)));
        let ids: Vec<u32> = (0..most_calls).collect();
        let expected: String = ids.iter().map(|id| format!("[{id} {id} rest {{}}]")).collect();
        assert!(parser.is_full());
        assert_eq!(line(joined(said.into_iter().chain(parser.finish()))), expected);
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let openings = [
        "<tool_call>",
        "<tool_call>{\"arguments\":{\"",
        "<tool_call>{\"id\":\"",
        "<tool_call>{\"name\": \"grow\",",
    ];
    for opening in openings {
        for filling in [" ", "x", "<tool_call>{\"arguments\":{\""] {
            let text = format!("{opening}{}", filling.repeat(2 * MOST_HELD / filling.len()));
            let mut parser = parser(Format::Hermes);
            let (mut pushed, mut told) = (0, 0);
            for character in text.chars() {
                pushed += character.len_utf8();
                for said in parser.push(character.encode_utf8(&mut [0; 4])) {
                    let Said::Text(text) = said else { panic!("{said:?}") };
                    told += text.len();
                }
                assert!(pushed - told <= MOST_HELD, "{opening}{filling}");
            }
            let rest = line(parser.finish());
            assert_eq!(told + rest.len(), text.len(), "{opening}{filling}");
        }
    }
}

/// A text of what calls consist of, and of what might break them.
fn text_of_calls() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "<tool_call>",
        "</tool_call>",
        "[TOOL_CALLS]",
        "<|python_tag|>",
        "{\"name\": \"grow\", \"arguments\": {\"a\": 1}}",
        "{",
        "}",
        "[",
        "]",
        "\"name\"",
        "\"arguments\"",
        "\"parameters\"",
        "\"id\"",
        ":",
        ",",
        "\"grow\"",
        "\"rest\"",
        "\"",
        "\\",
        "1",
        " ",
        "\n",
        ";",
        "é",
        "<",
        "<tool_",
        "{\"name\": \"rest\", \"parameters\": {",
        "text",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Hermes, Format::Llama, Format::Mistral, Format::Explained])
}

proptest! {
    #[test]
    fn any_cut_gives_what_the_whole_gives(
        text in text_of_calls(),
        format in formats(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let characters: Vec<char> = text.chars().collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(characters.len() + 1)).collect();
        cuts.extend([0, characters.len()]);
        cuts.sort_unstable();
        let mut parser = parser(format);
        let mut said = Vec::new();
        for cut in cuts.windows(2) {
            said.extend(parser.push(&characters[cut[0]..cut[1]].iter().collect::<String>()));
        }
        said.extend(parser.finish());
        prop_assert_eq!(joined(said), read_whole(format, &text));
    }

    /// Texts are parts of what was written, in order; without a call, all of it.
    #[test]
    fn nothing_is_made_up(text in text_of_calls(), format in formats()) {
        let said = read_whole(format, &text);
        let mut rest = text.as_str();
        for said in &said {
            if let Said::Text(part) | Said::Arguments { fragment: part, .. } = said {
                let found = rest.find(part.as_str());
                prop_assert!(found.is_some(), "{:?} not in {:?}", part, rest);
                rest = &rest[found.unwrap_or(0) + part.len()..];
            }
        }
        if !said.iter().any(|said| matches!(said, Said::Call { .. })) {
            prop_assert_eq!(line(said), text);
        }
    }

    /// Whatever text and sound arguments there are, they come out as they went in.
    #[test]
    fn sound_calls_are_read_as_they_were_written(
        before in "[a-z é.]{0,12}",
        arguments in prop::collection::vec("[a-z\"{}<>/\\\\\n]{0,12}", 1..4),
    ) {
        let before = before.trim();
        let arguments: Vec<String> =
            arguments.iter().map(|value| serde_json::json!({"value": value, "list": [{}, value]}).to_string()).collect();
        let text: Vec<String> = arguments
            .iter()
            .map(|arguments| format!("<tool_call>\n{{\"name\": \"grow\", \"arguments\": {arguments}}}\n</tool_call>"))
            .collect();
        let calls = arguments.iter().enumerate();
        let expected: String = calls.map(|(index, arguments)| format!("[{index} id{index} grow {arguments}]")).collect();
        let said = read_whole(Format::Hermes, &format!("{before}{}", text.join("\n")));
        prop_assert_eq!(line(said), format!("{before}{expected}"));
    }
}
