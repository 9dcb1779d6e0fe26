//! Chats, whole and in chunks, to the byte.

use http::StatusCode;
use interference_backend::{Backend, Refusal, Strictness};
use interference_faults::AnswerKind;

use crate::exchange::{backend, chat, chunks, request, saying, whole};

/// An answer with a fingerprint that does not depend on the script's text.
fn answering(members: &str) -> String {
    format!("[[rule]]\nname = \"only\"\nanswer = {{ system_fingerprint = \"fp\", {members} }}\n")
}

const SUNNY: &str = r#"text = "It is \"sunny\".""#;

async fn whole_answer(members: &str, wishes: &str) -> String {
    let reply = chat(&backend(&answering(members)), &saying("hello there", wishes), &[]).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
    whole(reply)
}

/// The choices of a whole answer and all behind them, without the fingerprint.
async fn choices(members: &str, wishes: &str) -> String {
    let body = whole_answer(members, wishes).await;
    let head = r#"{"id":"chatcmpl-interference","object":"chat.completion","created":1735689600,"model":"m","choices":["#;
    let rest = body.strip_prefix(head).unwrap_or_else(|| panic!("{body}"));
    rest.replace(r#","system_fingerprint":"fp"}"#, "}")
}

async fn stream(members: &str, wishes: &str) -> Vec<String> {
    let wishes =
        if wishes.is_empty() { r#""stream":true"#.to_owned() } else { format!(r#""stream":true,{wishes}"#) };
    chunks(chat(&backend(&answering(members)), &saying("hello there", &wishes), &[]).await.unwrap()).await
}

/// The chunk that adds this delta.
fn delta(index: u32, delta: &str) -> String {
    format!(r#"{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#)
}

fn content(text: &str) -> String {
    delta(0, &format!(r#"{{"content":{}}}"#, serde_json::Value::from(text)))
}

fn speaker(index: u32) -> String {
    delta(index, r#"{"role":"assistant","content":""}"#)
}

/// The same, of an answer without a text.
fn speaker_without_text() -> String {
    delta(0, r#"{"role":"assistant","content":null}"#)
}

fn finish(index: u32, reason: &str) -> String {
    format!(r#"{{"index":{index},"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}]}}"#)
}

#[tokio::test]
async fn a_whole_text() {
    let reply = chat(&backend(&answering(SUNNY)), &saying("hello there", ""), &[]).await.unwrap();
    assert_eq!(reply.headers["x-interference-rule"], "only");
    assert!(reply.ignored.is_empty());
    assert!(reply.faults.is_none());
    assert_eq!(
        whole(reply),
        r#"{"id":"chatcmpl-interference","object":"chat.completion","created":1735689600,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"It is \"sunny\".","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5},"system_fingerprint":"fp"}"#
    );
}

#[tokio::test]
async fn a_streamed_text() {
    assert_eq!(
        stream(SUNNY, "").await,
        [
            speaker(0),
            content("It"),
            content(" is"),
            content(" \"sunny\"."),
            finish(0, "stop"),
            "[DONE]".to_owned(),
        ]
    );
    let with_usage = stream(SUNNY, r#""stream_options":{"include_usage":true}"#).await;
    assert_eq!(
        with_usage,
        [
            speaker(0).replace("]}", r#"],"usage":null}"#),
            content("It").replace("]}", r#"],"usage":null}"#),
            content(" is").replace("]}", r#"],"usage":null}"#),
            content(" \"sunny\".").replace("]}", r#"],"usage":null}"#),
            finish(0, "stop").replace("]}", r#"],"usage":null}"#),
            r#"],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#.to_owned(),
            "[DONE]".to_owned(),
        ]
    );
}

#[tokio::test]
async fn the_fingerprint_is_of_the_file() {
    let text = "[[rule]]\nanswer = { text = \"a\" }\n";
    let body = whole(chat(&backend(text), &saying("a", ""), &[]).await.unwrap());
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    let fingerprint = json["system_fingerprint"].as_str().unwrap();
    let digits = fingerprint.strip_prefix("fp_script_").unwrap();
    assert!(digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{fingerprint}");
    let other = whole(chat(&backend(&format!("# other\n{text}")), &saying("a", ""), &[]).await.unwrap());
    assert!(!other.contains(fingerprint));
}

#[tokio::test]
async fn a_limit_cuts_after_so_many_pieces() {
    assert_eq!(
        stream(SUNNY, r#""max_tokens":2"#).await,
        [speaker(0), content("It"), content(" is"), finish(0, "length"), "[DONE]".to_owned()]
    );
    assert!(stream(SUNNY, r#""max_tokens":3"#).await.contains(&finish(0, "stop")));
    assert_eq!(
        choices(SUNNY, r#""max_completion_tokens":1"#).await,
        r#"{"index":0,"message":{"role":"assistant","content":"It","refusal":null},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}"#
    );
}

#[tokio::test]
async fn a_stop_string_cuts_before_itself() {
    assert_eq!(
        stream(SUNNY, r#""stop":["sun","s \""]"#).await,
        [speaker(0), content("It"), content(" i"), finish(0, "stop"), "[DONE]".to_owned()]
    );
    // At the beginning of a piece, and behind the limit of tokens.
    assert_eq!(
        stream(SUNNY, r#""stop":" is""#).await,
        [speaker(0), content("It"), finish(0, "stop"), "[DONE]".to_owned()]
    );
    assert_eq!(
        stream(SUNNY, r#""stop":" is","max_tokens":1"#).await,
        [speaker(0), content("It"), finish(0, "length"), "[DONE]".to_owned()]
    );
    assert_eq!(
        stream("text = \"stop\"", r#""stop":"stop""#).await,
        [speaker(0), finish(0, "stop"), "[DONE]".to_owned()]
    );
}

#[tokio::test]
async fn choices_come_piece_by_piece_in_turn() {
    let second = |text: &str| delta(1, &format!(r#"{{"content":"{text}"}}"#));
    assert_eq!(
        stream("text = \"a b\"", r#""n":2"#).await,
        [
            speaker(0),
            speaker(1),
            content("a"),
            second("a"),
            content(" b"),
            second(" b"),
            finish(0, "stop"),
            finish(1, "stop"),
            "[DONE]".to_owned(),
        ]
    );
    assert_eq!(
        choices("text = \"a b\"", r#""n":2"#).await,
        r#"{"index":0,"message":{"role":"assistant","content":"a b","refusal":null},"logprobs":null,"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"a b","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}}"#
    );
}

#[tokio::test]
async fn log_probabilities_are_told_when_asked_for() {
    let members = "text = [\"a\", \"é\"], logprobs = [-0.5, -1], top_logprobs = [[{ token = \"a\", logprob = -0.5 }, { token = \"b\", logprob = -2 }], []]";
    let first = r#"{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":[97]}]}"#;
    let second = r#"{"token":"é","logprob":-1.0,"bytes":[195,169],"top_logprobs":[]}"#;
    let wishes = r#""logprobs":true,"top_logprobs":1"#;
    let chunk = |text: &str, logprob: &str| {
        content(text)
            .replace(r#""logprobs":null"#, &format!(r#""logprobs":{{"content":[{logprob}],"refusal":null}}"#))
    };
    assert_eq!(
        stream(members, wishes).await,
        [speaker(0), chunk("a", first), chunk("é", second), finish(0, "stop"), "[DONE]".to_owned()]
    );
    assert_eq!(
        choices(members, wishes).await,
        format!(
            r#"{{"index":0,"message":{{"role":"assistant","content":"aé","refusal":null}},"logprobs":{{"content":[{first},{second}],"refusal":null}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4}}}}"#
        )
    );
    assert!(choices(members, "").await.contains(r#""logprobs":null"#));
    // A script that names none is certain.
    assert!(
        choices("text = \"a\"", wishes)
            .await
            .contains(r#""top_logprobs":[{"token":"a","logprob":0.0,"bytes":[97]}]"#)
    );
    assert!(choices("text = \"a\", logprobs = -3", wishes).await.contains(r#""logprob":-3.0"#));
}

const CALL: &str = r#"text = "Well.", tool_calls = [{ name = "weather", arguments = { city = "New York", days = [1, 2.5, true] } }, { name = "clock", id = "c", arguments = "{bad" }]"#;

fn offering(names: &[&str]) -> String {
    let tools = names.iter().map(|name| format!(r#"{{"type":"function","function":{{"name":"{name}"}}}}"#));
    format!(r#""tools":[{}]"#, tools.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn calls_follow_the_text() {
    let call = |call: &str| delta(0, &format!(r#"{{"tool_calls":[{call}]}}"#));
    assert_eq!(
        stream(CALL, &offering(&["clock", "weather"])).await,
        [
            speaker(0),
            content("Well."),
            call(
                r#"{"index":0,"id":"call_interference_1","type":"function","function":{"name":"weather","arguments":""}}"#
            ),
            call(r#"{"index":0,"function":{"arguments":"{\"city\":\"New"}}"#),
            call(r#"{"index":0,"function":{"arguments":" York\",\"days\":[1,2.5,true]}"}}"#),
            call(r#"{"index":1,"id":"c","type":"function","function":{"name":"clock","arguments":""}}"#),
            call(r#"{"index":1,"function":{"arguments":"{bad"}}"#),
            finish(0, "tool_calls"),
            "[DONE]".to_owned(),
        ]
    );
    assert_eq!(
        choices(CALL, &offering(&["clock", "weather"])).await,
        r#"{"index":0,"message":{"role":"assistant","content":"Well.","refusal":null,"tool_calls":[{"id":"call_interference_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"New York\",\"days\":[1,2.5,true]}"}},{"id":"c","type":"function","function":{"name":"clock","arguments":"{bad"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}}"#
    );
}

#[tokio::test]
async fn an_answer_of_calls_alone_begins_without_a_text() {
    let alone = stream("tool_calls = [{ name = \"clock\", id = \"c\" }]", &offering(&["clock"])).await;
    assert_eq!(alone[0], speaker_without_text());
    assert!(alone[1].contains(r#""name":"clock""#), "{alone:?}");
}

#[tokio::test]
async fn a_call_that_is_cut_ends_with_its_length() {
    let cut = stream(CALL, &format!(r#"{},"max_tokens":2"#, offering(&["clock", "weather"]))).await;
    assert_eq!(
        cut[3..],
        [
            delta(0, r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"New"}}]}"#),
            finish(0, "length"),
            "[DONE]".to_owned(),
        ]
    );
    let before = stream(CALL, &format!(r#"{},"max_tokens":1"#, offering(&["clock", "weather"]))).await;
    assert_eq!(before, [speaker(0), content("Well."), finish(0, "length"), "[DONE]".to_owned()]);
}

#[tokio::test]
async fn calls_that_the_request_rules_out_are_the_scripts_mistake() {
    let both = offering(&["weather", "clock"]);
    let weather = r#"{"type":"function","function":{"name":"weather"}}"#;
    let allowed = |mode: &str, tools: &str| {
        format!(
            r#"{both},"tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"{mode}","tools":[{tools}]}}}}"#
        )
    };
    for (wishes, reason) in [
        (String::new(), "a call of `weather`, which the request does not offer"),
        (offering(&["weather"]), "a call of `clock`, which the request does not offer"),
        (
            r#""functions":[{"name":"weather"},{"name":"clock"}]"#.to_owned(),
            "a call of `weather`, which the request does not offer",
        ),
        (format!(r#"{both},"tool_choice":"none""#), "a call of `weather`, which the request forbids"),
        (
            format!(r#"{both},"tool_choice":{weather}"#),
            "a call of `clock`, which the request forbids: its `tool_choice` is `weather`",
        ),
        (allowed("auto", weather), "a call of `clock`, which the request does not offer in `allowed_tools`"),
        (
            allowed("required", weather),
            "a call of `clock`, which the request does not offer in `allowed_tools`",
        ),
        (allowed("auto", ""), "a call of `weather`, which the request does not offer in `allowed_tools`"),
        (
            format!(r#"{both},"parallel_tool_calls":false"#),
            "2 calls, and `parallel_tool_calls` of the request allows one",
        ),
    ] {
        let refusal = chat(&backend(&answering(CALL)), &saying("a", &wishes), &[]).await.unwrap_err();
        let message = format!("Rule `only` of test.toml: the script answers with {reason}.");
        assert_eq!(refusal, Refusal::Internal { message });
    }
    let one = r#"tool_calls = [{ name = "weather", id = "w" }]"#;
    for wishes in [
        format!(r#"{both},"tool_choice":{weather}"#),
        allowed("required", weather),
        format!(r#"{both},"parallel_tool_calls":false"#),
    ] {
        assert!(choices(one, &wishes).await.contains(r#""id":"w""#), "{wishes}");
    }
    assert!(choices(CALL, &format!(r#"{both},"parallel_tool_calls":true"#)).await.contains(r#""id":"c""#));
    // What a model could have said against the wish is told.
    let required = format!(r#"{},"tool_choice":"required""#, offering(&["clock"]));
    assert!(choices("text = \"No.\"", &required).await.contains(r#""content":"No.""#));
}

#[tokio::test]
async fn a_whole_answer_of_many_choices_has_a_bound() {
    let script = answering(&format!("text = \"{}\", pieces = \"whole\"", "x".repeat(600 << 10)));
    let asked =
        async |n: u32| chat(&backend(&script), &saying("hello there", &format!("\"n\":{n}")), &[]).await;
    match asked(128).await.map(|_| ()) {
        Err(Refusal::InvalidRequest { message, param, .. }) => {
            assert!(message.contains("614400 bytes, and 128 choices"), "{message}");
            assert_eq!(param.as_deref(), Some("n"));
        }
        other => panic!("{other:?}"),
    }
    assert!(asked(2).await.is_ok());
}

#[tokio::test]
async fn reasoning_comes_before_and_a_refusal_behind() {
    assert_eq!(
        stream("reasoning = \"Hm. No.\", refusal = \"I will not.\", pieces = \"whole\"", "").await,
        [
            speaker_without_text(),
            delta(0, r#"{"reasoning_content":"Hm. No."}"#),
            delta(0, r#"{"refusal":"I will not."}"#),
            finish(0, "stop"),
            "[DONE]".to_owned(),
        ]
    );
    assert_eq!(
        choices("reasoning = \"Hm. No.\", refusal = \"I will not.\"", "").await,
        r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":"I will not.","reasoning_content":"Hm. No."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":5,"total_tokens":7,"completion_tokens_details":{"reasoning_tokens":2}}}"#
    );
}

#[tokio::test]
async fn the_usage_tells_the_reasoning_that_was_told() {
    const THOUGHT: &str = "reasoning = \"Hm. No. Well.\", text = \"It is.\"";
    let usage = |written: u64, reasoning: u64| {
        let all = written + 2;
        format!(
            r#""usage":{{"prompt_tokens":2,"completion_tokens":{written},"total_tokens":{all},"completion_tokens_details":{{"reasoning_tokens":{reasoning}}}}}}}"#
        )
    };
    let given = format!("{THOUGHT}, usage = {{ completion_tokens = 2 }}");
    for (answer, members, expected) in [
        (THOUGHT, "", usage(5, 3)),
        (THOUGHT, r#""n":2"#, usage(10, 6)),
        (THOUGHT, r#""max_tokens":2"#, usage(2, 2)),
        (given.as_str(), "", usage(2, 2)),
    ] {
        let told = choices(answer, members).await;
        assert!(told.ends_with(&expected), "{members}: {told}");
    }
    let told = stream(THOUGHT, r#""stream_options":{"include_usage":true}"#).await;
    assert_eq!(told[told.len() - 2], format!("],{}", usage(5, 3)));
}

#[tokio::test]
async fn pieces_usage_and_finish_reason_are_as_the_script_has_them() {
    assert_eq!(
        stream("text = \"añb\", pieces = { characters = 2 }, finish_reason = \"content_filter\"", "").await,
        [speaker(0), content("añ"), content("b"), finish(0, "content_filter"), "[DONE]".to_owned()]
    );
    assert_eq!(
        choices("text = \"\", usage = { prompt_tokens = 10, completion_tokens = 20 }", "").await,
        r#"{"index":0,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}"#
    );
}

#[tokio::test]
async fn errors_are_answers() {
    let members = "error = { status = 429, message = \"Slow down.\", code = \"slow\", retry_after = \"2s\" }";
    let reply =
        chat(&backend(&format!("[[rule]]\nanswer = {{ {members} }}")), &saying("a", ""), &[]).await.unwrap();
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.headers["retry-after"], "2");
    assert_eq!(reply.headers["x-interference-rule"], "rule 1");
    assert_eq!(
        whole(reply),
        r#"{"error":{"message":"Slow down.","type":"rate_limit_error","param":null,"code":"slow"}}"#
    );
}

#[tokio::test]
async fn faults_go_along_and_are_counted() {
    let members = "text = \"a\", faults = { cut = { after_events = 2 }, seed = 7, times = 2 }";
    let backend = backend(&answering(members));
    let mut applied = Vec::new();
    for _ in 0..3 {
        let faults = chat(&backend, &saying("a", ""), &[]).await.unwrap().faults.unwrap();
        applied.push(faults.faults_for(AnswerKind::Stream).header_value());
    }
    assert_eq!(applied[0], "cut = { after_events = 2 }, seed = 7");
    assert!(applied[1].starts_with("cut = { after_events = 2 }, seed = "), "{applied:?}");
    assert_ne!(applied[0], applied[1]);
    assert!(applied[2].starts_with("none, seed="), "{applied:?}");
}

#[tokio::test]
async fn every_server_refuses_these() {
    let backend = backend(&answering(SUNNY));
    let table = [
        ("{", "The request body is not valid JSON: EOF while parsing an object at line 1 column 1."),
        ("{}", "Missing required parameter: 'model'."),
        (r#"{"model":"m"}"#, "Missing required parameter: 'messages'."),
        (
            r#"{"model":"m","messages":[{"role":"user"}]}"#,
            "'messages[0].content' is required: a string or an array of content parts.",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "'messages[0].content[0].text' is required for a part of type 'text'.",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"film","film":{}}]}]}"#,
            "'messages[0].content[0].type' is 'film'; it must be text, refusal, image_url, input_audio or file.",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"tool","tool_call_id":"c9","content":"b"}]}"#,
            "'messages[1].tool_call_id' is 'c9', but no call before it has that id.",
        ),
        (&saying("a", r#""temperature":3"#), "'temperature' is 3; it must be from 0 to 2."),
        (&saying("a", r#""top_p":3"#), "'top_p' is 3; it must be from 0 to 1."),
        (&saying("a", r#""max_tokens":0"#), "'max_tokens' must be at least 1."),
        (&saying("a", r#""stop":"""#), "'stop' must not be empty (string 0)."),
        (&saying("a", r#""n":0"#), "'n' is 0; it must be from 1 to 128."),
        (&saying("a", r#""functions":{"name":"f"}"#), "'functions' must be an array of functions."),
        (&saying("a", r#""top_logprobs":3"#), "'top_logprobs' needs 'logprobs' to be true."),
    ];
    for (body, message) in table {
        assert_eq!(chat(&backend, body, &[]).await.unwrap_err().to_string(), message, "{body}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_named_and_hints_are_not() {
    let backend = backend(&answering(SUNNY));
    let body = saying(
        "a",
        r#""zeal":1,"user":"u","seed":7,"temperature":1,"stream":true,"stream_options":{"include_obfuscation":true}"#,
    );
    let reply = chat(&backend, &body, &[]).await.unwrap();
    assert_eq!(reply.ignored, ["zeal", "stream_options.include_obfuscation"]);
    let mut strict = request("/chat/completions", &body, &[]);
    strict.strictness = Strictness::RefuseIgnored;
    assert_eq!(
        backend.answer(strict).await.unwrap_err().to_string(),
        "This server is strict, and these parameters would be ignored: zeal, stream_options.include_obfuscation."
    );
    let older = saying("a", r#""functions":[{"name":"clock"}],"function_call":{"name":"clock"}"#);
    assert_eq!(chat(&backend, &older, &[]).await.unwrap().ignored, ["functions", "function_call"]);
    let parts = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"a"}},{"type":"image_url","image_url":{"url":"x"}},{"type":"file","file":{"file_id":"b"}},{"type":"input_audio","input_audio":{"data":"c","format":"wav"}}]}]}"#;
    assert_eq!(
        chat(&backend, parts, &[]).await.unwrap().ignored,
        ["messages[].content[].file", "messages[].content[].image_url", "messages[].content[].input_audio"]
    );
    let mut strict = request("/chat/completions", parts, &[]);
    strict.strictness = Strictness::RefuseIgnored;
    let refusal = backend.answer(strict).await.unwrap_err().to_string();
    assert!(refusal.ends_with("would be ignored: messages[].content[].file, messages[].content[].image_url, messages[].content[].input_audio."), "{refusal}");
    let elsewhere = backend.answer(request("/images", "{}", &[])).await.unwrap_err();
    assert_eq!(
        elsewhere.to_string(),
        "The script answers POST /chat/completions, /completions and /embeddings only."
    );
}
