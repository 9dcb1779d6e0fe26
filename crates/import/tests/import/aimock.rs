//! aimock's fixtures.

use serde_json::{Value, json};

use crate::imported;

fn from(fixtures: &Value) -> (String, Vec<String>) {
    imported("f.json", &json!({"fixtures": fixtures}).to_string(), None)
}

/// The answer of a file with one fixture, which matches everything and has these members.
fn answer(mut members: Value) -> (String, Vec<String>) {
    members["match"] = json!({});
    let (script, told) = from(&json!([members]));
    let answer = script.lines().find_map(|line| line.strip_prefix("answer = ")).unwrap_or_default();
    (answer.to_owned(), told)
}

/// The conditions of a file with one fixture, which has this `match`.
fn when(conditions: &Value) -> (String, Vec<String>) {
    let (script, told) = from(&json!([{"match": conditions, "response": {"content": "a"}}]));
    let when = script.lines().find_map(|line| line.strip_prefix("when = ")).unwrap_or_default();
    (when.to_owned(), told)
}

/// The texts of a script's answers, rule by rule.
fn texts(script: &str) -> Vec<Vec<&str>> {
    let rules = script.split("[[rule]]\n").skip(1);
    rules
        .map(|rule| {
            let answers = rule.lines().filter(|line| !line.starts_with("when") && !line.starts_with("name"));
            answers.filter_map(|line| line.split_once(" text = \"")?.1.split('"').next()).collect()
        })
        .collect()
}

#[test]
fn conditions_carry() {
    for (conditions, expected) in [
        (json!({"userMessage": "hello", "endpoint": "chat"}), "{ endpoint = \"chat\", text = \"hello\" }"),
        (json!({"systemMessage": "brief", "toolName": "clock"}), "{ system = \"brief\", tools = \"clock\" }"),
        (
            json!({"systemMessage": ["brief"], "toolResultContains": "rain"}),
            "{ system = \"brief\", tool_result = \"rain\" }",
        ),
        (json!({"context": "blue"}), "{ header = { x-aimock-context = \"blue\" } }"),
        (json!({"userMessage": "", "systemMessage": []}), ""),
    ] {
        assert_eq!(when(&conditions), (expected.to_owned(), Vec::new()));
    }
    let (when, told) = when(&json!({"model": "gpt-4o"}));
    assert_eq!(when, "{ model = \"gpt-4o\" }");
    assert_eq!(
        told,
        [
            "f.json: fixture 1: `match.model` is changed: only exactly `gpt-4o` fits, and no version of it with a date"
        ]
    );
}

#[test]
fn a_fixture_is_left_out_where_a_condition_has_no_like() {
    for (conditions, reason) in [
        (json!({"responseFormat": "json_object"}), "`match.responseFormat` asks for what no rule sees"),
        (
            json!({"systemMessage": ["a", "b"]}),
            "`match.systemMessage` asks for several texts, and a rule can ask for one",
        ),
        (json!({"toolCallId": "x"}), "`match.toolCallId` is x, and no fixture makes a call of that id"),
        (
            json!({"hasToolResult": true}),
            "`match.hasToolResult` asks for the result of any tool, and the fixtures call 0; from 1 to 100 can be named",
        ),
        (json!({"endpoint": "image"}), "`match.endpoint` is image, which a script does not answer"),
        (json!({"userMessage": ["a"]}), "`match.userMessage` is a list, and a text was expected"),
        (
            json!({"hasToolResult": false, "toolResultContains": "a"}),
            "it can never match: `match` asks for a tool's result and rules it out",
        ),
    ] {
        let (script, told) = from(&json!([{"match": conditions, "response": {"content": "a"}}]));
        assert_eq!(script, "");
        assert_eq!(told, [format!("f.json: fixture 1: left out: {reason}")]);
    }
}

#[test]
fn what_others_answer_before_is_left_out() {
    let (script, told) = from(&json!([
        {"match": {"userMessage": "sun"}, "response": {"content": "first"}},
        {"match": {"userMessage": "sunny"}, "response": {"content": "never"}},
    ]));
    assert_eq!(texts(&script), [["first"]]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("f.json: fixture 2: left out: rule `f.json 2` can never match"),
        "{}",
        told[0]
    );
}

#[test]
fn a_sequence_is_answers_in_turn() {
    let joke = |index: i64, text: &str| json!({"match": {"userMessage": "joke", "sequenceIndex": index}, "response": {"content": text}});
    let (script, told) = from(
        &json!([joke(1, "two"), joke(0, "one"), joke(0, "never"), joke(3, "four"), {"match": {}, "response": {"content": "else"}}]),
    );
    assert_eq!(texts(&script), [vec!["one", "two"], vec!["else"]]);
    assert!(script.contains("then = \"pass\"\n"), "{script}");
    assert_eq!(
        told,
        [
            "f.json: fixture 3: left out: another fixture before it has the index 0",
            "f.json: fixture 4: left out: it is never reached: no fixture has the `sequenceIndex` 2",
        ]
    );
}

#[test]
fn turns_are_answers_in_turn() {
    let step = |index: i64, text: &str| json!({"match": {"userMessage": "go", "turnIndex": index}, "response": {"content": text}});
    let (script, told) = from(&json!([step(0, "one"), step(3, "four"), step(1_000, "far")]));
    assert_eq!(texts(&script), [["one", "one", "one", "four"]]);
    assert!(script.contains("then = \"cycle\"\n"), "{script}");
    let reason = "answers come in turn, request by request of a session, and then from the first again";
    assert_eq!(
        told,
        [
            format!("f.json: fixture 1: `match.turnIndex` is changed: {reason}"),
            format!("f.json: fixture 2: `match.turnIndex` is changed: {reason}"),
            "f.json: fixture 3: left out: its `turnIndex` is not below 1000".to_owned(),
        ]
    );
    // Alone it answers at any turn.
    let (script, told) = from(&json!([step(2, "alone")]));
    assert_eq!((texts(&script), told), (vec![vec!["alone"]], Vec::new()));
}

#[test]
fn results_of_tools_are_known_by_the_tool() {
    let (script, told) = from(&json!([
        {"match": {"userMessage": "weather", "hasToolResult": false},
         "response": {"toolCalls": [{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "call_1"}]}},
        {"match": {"userMessage": "weather", "hasToolResult": true}, "response": {"content": "sunny"}},
        {"match": {"toolCallId": "call_1"}, "response": {"content": "by id"}},
        {"match": {"userMessage": "time", "hasToolResult": false}, "response": {"content": "noon"}},
    ]));
    let whens: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("when = ")).collect();
    assert_eq!(
        whens,
        [
            "{ text = \"weather\", tool = \"get_weather\" }",
            "{ tool = \"get_weather\" }",
            "{ text = \"weather\" }",
            "{ text = \"time\" }",
        ]
    );
    assert_eq!(
        told,
        [
            "f.json: fixture 3: `match.toolCallId` is changed: any result of `get_weather` will do",
            "f.json: fixture 4: `match.hasToolResult` is changed: it answers after a tool's result, too, where no rule \
             before it does",
        ]
    );
}

#[test]
fn answers_carry() {
    for (members, expected) in [
        (
            json!({"response": {"content": {"a": [1, null]}}}),
            "{ pieces = { characters = 20 }, text = '{\"a\":[1,null]}' }",
        ),
        (
            json!({"response": {"toolCalls": [{"name": "f", "arguments": "{ }", "id": "c"}], "finishReason": "length"}}),
            "{ finish_reason = \"length\", pieces = { characters = 20 }, tool_calls = [{ arguments = \"{ }\", id = \
             \"c\", name = \"f\" }] }",
        ),
        (
            json!({"response": {"content": "a", "reasoning": "b", "systemFingerprint": "fp",
                "usage": {"input_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, "chunkSize": 2}),
            "{ pieces = { characters = 2 }, reasoning = \"b\", system_fingerprint = \"fp\", text = \"a\", usage = { \
             completion_tokens = 4, prompt_tokens = 3 } }",
        ),
        (
            json!({"response": {"error": {"message": "Out.", "code": "out"}, "status": 503}}),
            "{ error = { code = \"out\", message = \"Out.\", status = 503, type = \"server_error\" } }",
        ),
        (
            json!({"response": {"error": {"message": "Slow down.", "type": "rate_limit_error"}, "status": 429}}),
            "{ error = { message = \"Slow down.\", retry_after = 1, status = 429, type = \"rate_limit_error\" } }",
        ),
        (
            json!({"response": {"blocks": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"},
                {"type": "toolCall", "name": "f", "arguments": {}}]}}),
            "{ pieces = { characters = 20 }, text = \"ab\", tool_calls = [{ arguments = \"{}\", name = \"f\" }] }",
        ),
    ] {
        assert_eq!(answer(members), (expected.to_owned(), Vec::new()));
    }
    let (script, told) =
        from(&json!([{"match": {"inputText": "tree"}, "response": {"embedding": [1, 0.5]}}]));
    assert!(script.contains(
        "when = { endpoint = \"embeddings\", text = \"tree\" }\nanswer = { embedding = [1.0, 0.5] }"
    ));
    assert_eq!(told, [""; 0]);
}

#[test]
fn what_no_answer_says_is_told() {
    let (_, told) = answer(json!({
        "response": {"content": "a", "id": "x", "webSearches": ["b"], "finishReason": "end_turn"},
        "metadata": {"systemHash": "1"}
    }));
    assert_eq!(
        told,
        [
            "f.json: fixture 1: `response.finishReason` is left out: no answer of this API finishes for that reason",
            "f.json: fixture 1: `response.id` is left out: there is nothing like it",
            "f.json: fixture 1: `response.webSearches` is left out: there is nothing like it",
            "f.json: fixture 1: `metadata` is left out: there is nothing like it",
        ]
    );
    let (_, told) = answer(json!({"response": {"image": {"url": "x"}}}));
    assert_eq!(
        told,
        ["f.json: fixture 1: left out: `response.image` is of an API that a script does not answer"]
    );
}

#[test]
fn the_pace_carries() {
    for (members, expected) in [
        (json!({"latency": 20}), "{ between_tokens = \"20ms\", first_token = \"40ms\" }"),
        (
            json!({"streamingProfile": {"ttft": 100, "tps": 40, "jitter": 0.1}, "latency": 7}),
            "{ between_tokens = { fixed = \"25ms\", jitter = \"2500us\" }, first_token = { fixed = \"125ms\", jitter = \
             \"12500us\" } }",
        ),
        (
            json!({"recordedTimings": {"ttftMs": 50, "interChunkDelaysMs": [10, 80, 20], "totalDurationMs": 160}, "replaySpeed": 2}),
            "{ between_tokens = { recorded = [\"40ms\", \"10ms\"] }, first_token = \"30ms\" }",
        ),
    ] {
        let mut members = members;
        members["response"] = json!({"content": "a"});
        let (answer, told) = answer(members);
        assert_eq!(
            answer,
            format!("{{ latency = {expected}, pieces = {{ characters = 20 }}, text = \"a\" }}")
        );
        assert_eq!(told, [""; 0]);
    }
}

#[test]
fn what_goes_wrong_is_a_plan_of_faults() {
    for (members, expected) in [
        (json!({"truncateAfterChunks": 3}), "cut = { after_events = 3 }"),
        (json!({"latency": 40, "disconnectAfterMs": 100}), "cut = { after_events = 2 }"),
        (
            json!({"chaos": {"rateLimitRate": 0.5}}),
            "http = { message = \"Chaos: rate limit exceeded\", retry_after = \"1s\", status = 429 }, probability = 0.5",
        ),
        (
            json!({"chaos": {"dropRate": 1, "latencyMs": 20}}),
            "http = { message = \"Chaos: request dropped\", slow_head = \"20ms\", status = 500 }",
        ),
    ] {
        let mut members = members;
        members["response"] = json!({"content": "a"});
        let (answer, told) = answer(members);
        assert!(answer.contains(&format!("faults = {{ {expected} }}")), "{answer}");
        assert_eq!(told, [""; 0]);
    }
    let (answer, told) = answer(
        json!({"response": {"content": "a"}, "chaos": {"disconnectRate": 0.5, "malformedRate": 0.1, "latencyMs": 5}}),
    );
    assert!(
        answer.contains("faults = { http = { body = \"html\", status = 200 }, probability = 0.1 }"),
        "{answer}"
    );
    assert_eq!(
        told,
        [
            "f.json: fixture 1: `chaos.malformedRate` is changed: the body is a page of HTML",
            "f.json: fixture 1: `chaos.disconnectRate` is left out: it cannot stand beside what else goes wrong with this answer",
            "f.json: fixture 1: `chaos.latencyMs` is left out: it would come as seldom as what else goes wrong",
        ]
    );
}
