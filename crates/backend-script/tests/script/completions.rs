//! Completions by the rules of chats, to the byte.

use interference_backend::{Backend, Refusal, Reply, Strictness};

use crate::exchange::{backend, request, said, streamed, whole};

const HEAD: &str = r#"{"id":"cmpl-interference","object":"text_completion","created":1735689600,"model":"m","system_fingerprint":"fp","choices":["#;

/// An answer with a fingerprint that does not depend on the script's text.
fn answering(members: &str) -> String {
    format!("[[rule]]\nname = \"only\"\nanswer = {{ system_fingerprint = \"fp\", {members} }}\n")
}

const SUNNY: &str = r#"text = "It is \"sunny\".""#;

async fn complete(script: &str, members: &str) -> Result<Reply, Refusal> {
    backend(script).answer(request("/completions", &format!(r#"{{"model":"m",{members}}}"#), &[])).await
}

/// The choices of a whole answer and all behind them.
async fn choices(answer: &str, members: &str) -> String {
    let body = whole(complete(&answering(answer), members).await.unwrap());
    body.strip_prefix(HEAD).unwrap_or_else(|| panic!("{body}")).to_owned()
}

/// The chunks of a streamed answer, without what all have in common.
async fn stream(answer: &str, members: &str) -> Vec<String> {
    let reply = complete(&answering(answer), &format!(r#"{members},"stream":true"#)).await.unwrap();
    streamed(reply).await.into_iter().map(|data| data.replace(HEAD, "")).collect()
}

async fn refused(answer: &str, members: &str) -> (String, Option<String>) {
    match complete(&answering(answer), members).await.unwrap_err() {
        Refusal::InvalidRequest { message, param, .. } => (message, param),
        other => (other.to_string(), None),
    }
}

fn text(index: u32, text: &str) -> String {
    let text = serde_json::Value::from(text);
    format!(r#"{{"text":{text},"index":{index},"logprobs":null,"finish_reason":null}}]}}"#)
}

fn finish(index: u32, reason: &str) -> String {
    format!(r#"{{"text":"","index":{index},"logprobs":null,"finish_reason":"{reason}"}}]}}"#)
}

#[tokio::test]
async fn a_whole_text() {
    let reply = complete(&answering(SUNNY), r#""prompt":"hello there""#).await.unwrap();
    assert_eq!(reply.headers["x-interference-rule"], "only");
    assert_eq!(
        whole(reply),
        [
            HEAD,
            r#"{"text":"It is \"sunny\".","index":0,"logprobs":null,"finish_reason":"stop"}],"#,
            r#""usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#,
        ]
        .concat()
    );
}

#[tokio::test]
async fn a_streamed_text() {
    let done = "[DONE]".to_owned();
    let told = stream(SUNNY, r#""prompt":"hello there""#).await;
    assert_eq!(
        told,
        [text(0, "It"), text(0, " is"), text(0, " \"sunny\"."), finish(0, "stop"), done.clone()]
    );
    let told = stream(
        SUNNY,
        r#""prompt":"hello there","max_tokens":1,"echo":true,"stream_options":{"include_usage":true}"#,
    )
    .await;
    let with_usage = |chunk: String| chunk.replace("]}", r#"],"usage":null}"#);
    assert_eq!(
        told,
        [
            with_usage(text(0, "hello there")),
            with_usage(text(0, "It")),
            with_usage(finish(0, "length")),
            r#"],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}"#.to_owned(),
            done,
        ]
    );
}

#[tokio::test]
async fn every_prompt_has_its_choices() {
    let whole = choices(r#"text = "a b""#, r#""prompt":["one","two"],"n":2,"echo":true,"stop":" b""#).await;
    let choice = |index: u32, text: &str| {
        format!(r#"{{"text":"{text}","index":{index},"logprobs":null,"finish_reason":"stop"}}"#)
    };
    let all = [choice(0, "onea"), choice(1, "onea"), choice(2, "twoa"), choice(3, "twoa")].join(",");
    let usage = r#""usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}}"#;
    assert_eq!(whole, format!("{all}],{usage}"));

    let told = stream(r#"text = "a""#, r#""prompt":[[7,8],[9]],"echo":true"#).await;
    let expected = [
        text(0, "7 8"),
        text(1, "9"),
        text(0, "a"),
        text(1, "a"),
        finish(0, "stop"),
        finish(1, "stop"),
        "[DONE]".to_owned(),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_answer_has_sixteen_pieces_where_the_request_does_not_say() {
    let long = format!("text = \"{}\"", "a ".repeat(20));
    assert!(choices(&long, r#""prompt":"x""#).await.contains(r#""finish_reason":"length""#));
    assert!(choices(&long, r#""prompt":"x""#).await.contains(r#""completion_tokens":16"#));
    assert!(choices(&long, r#""prompt":"x","max_tokens":50"#).await.contains(r#""finish_reason":"stop""#));
    let nothing = choices(&long, r#""prompt":"x","max_tokens":0,"echo":true"#).await;
    assert!(nothing.starts_with(r#"{"text":"x","#), "{nothing}");
}

#[tokio::test]
async fn log_probabilities_are_told_with_offsets() {
    let answer = "text = [\"é\", \" b\"], logprobs = [-0.5, -1], top_logprobs = [[{ token = \"é\", logprob = -0.5 }, { token = \"c\", logprob = -2 }], []]";
    assert_eq!(
        choices(answer, r#""prompt":"x","logprobs":2"#).await,
        r#"{"text":"é b","index":0,"logprobs":{"tokens":["é"," b"],"token_logprobs":[-0.5,-1.0],"top_logprobs":[{"é":-0.5,"c":-2.0},{" b":-1.0}],"text_offset":[0,1]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#
    );
    let told = stream(answer, r#""prompt":["x","y"],"logprobs":0"#).await;
    let chunk = |index: u32, text: &str, logprob: &str, offset: usize| {
        format!(
            r#"{{"text":"{text}","index":{index},"logprobs":{{"tokens":["{text}"],"token_logprobs":[{logprob}],"top_logprobs":[{{"{text}":{logprob}}}],"text_offset":[{offset}]}},"finish_reason":null}}]}}"#
        )
    };
    assert_eq!(
        told[..4],
        [
            chunk(0, "é", "-0.5", 0),
            chunk(1, "é", "-0.5", 0),
            chunk(0, " b", "-1.0", 1),
            chunk(1, " b", "-1.0", 1)
        ]
    );
}

#[tokio::test]
async fn rules_look_at_the_prompt() {
    let script = "[[rule]]\nwhen = { endpoint = \"chat\", text = \"one\" }\nanswer = { text = \"chat\" }\n\
                  [[rule]]\nwhen = { text = \"one\\ntwo\", stream = false, turn = 1 }\n\
                  answer = { template = \"{{ text | upper }} {{ request.n }}\" }\n\
                  [[rule]]\nwhen = { text = \"one\" }\nanswer = { text = \"alone\" }\n";
    let told = |members: &'static str| async move {
        let body = whole(complete(script, members).await.unwrap());
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        json["choices"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(r#""prompt":["one","two"],"n":3"#).await, "ONE\nTWO 3");
    assert_eq!(told(r#""prompt":"one""#).await, "alone");
    assert_eq!(said(&backend(script), "one", &[]).await, "chat");
    let miss = complete(script, r#""prompt":"three""#).await.unwrap_err().to_string();
    assert!(
        miss.ends_with(
            r#"is rule `rule 2` (line 4): `text = "one\ntwo"` is not in the prompt, which is "three"."#
        ),
        "{miss}"
    );
    let embedding = "[[rule]]\nname = \"e\"\nanswer.embedding = [1]\n";
    let miss = complete(embedding, r#""prompt":"a""#).await.unwrap_err().to_string();
    assert!(miss.ends_with("none of its answers is one to a request for completions."), "{miss}");
}

#[tokio::test]
async fn what_a_completion_cannot_tell_is_the_scripts_mistake() {
    for (answer, kind) in [
        (r#"tool_calls = [{ name = "clock" }]"#, "calls of tools"),
        (r#"refusal = "No.""#, "a refusal"),
        (r#"text = "a", reasoning = "b""#, "reasoning"),
        (r#"text = "a", finish_reason = "tool_calls""#, "the finish reason `tool_calls`"),
        (r#"text = "a", finish_reason = "function_call""#, "the finish reason `function_call`"),
    ] {
        let message = format!(
            "Rule `only` of test.toml: the script answers with {kind}, which a completion cannot tell."
        );
        let refusal = complete(&answering(answer), r#""prompt":"a""#).await.unwrap_err();
        assert_eq!(refusal, Refusal::Internal { message }, "{answer}");
    }
    let filtered = choices(r#"text = "a", finish_reason = "content_filter""#, r#""prompt":"a""#).await;
    assert!(filtered.contains(r#""finish_reason":"content_filter""#));
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    for (members, message, param) in [
        (r#""prompt":"a","n":0"#, "'n' is 0; it must be from 1 to 128.", "n"),
        (r#""prompt":"a","logprobs":9"#, "'logprobs' is 9; it must be from 0 to 5.", "logprobs"),
        (r#""prompt":"a","best_of":0"#, "'best_of' is 0; it must be from 'n' (1) to 20.", "best_of"),
        (r#""prompt":"a","n":2,"best_of":1"#, "'best_of' is 1; it must be from 'n' (2) to 20.", "best_of"),
        (
            r#""prompt":"a","best_of":2,"stream":true"#,
            "'best_of' is 2; it must be 1 where 'stream' is true.",
            "best_of",
        ),
        (
            r#""prompt":"a","echo":true,"logprobs":1"#,
            "'echo' and 'logprobs' cannot be had together: a script has no log probabilities of prompts.",
            "echo",
        ),
    ] {
        assert_eq!(refused(SUNNY, members).await, (message.to_owned(), Some(param.to_owned())), "{members}");
    }
    let long = format!(r#""prompt":"{}","n":17,"echo":true"#, "a".repeat(1024 * 1024));
    let message = "'echo' would repeat 17825792 bytes of prompts; at most 16777216 are repeated.";
    assert_eq!(refused(SUNNY, &long).await, (message.to_owned(), Some("echo".to_owned())));

    let body = r#"{"model":"m","prompt":"a","zeal":1,"user":"u","suffix":"b"}"#;
    let backend = backend(&answering(SUNNY));
    let mut asked = request("/completions", body, &[]);
    assert_eq!(backend.answer(asked.clone()).await.unwrap().ignored, ["zeal", "suffix"]);
    let nothing_behind = request("/completions", r#"{"model":"m","suffix":""}"#, &[]);
    assert_eq!(backend.answer(nothing_behind).await.unwrap().ignored, [""; 0]);
    asked.strictness = Strictness::RefuseIgnored;
    assert_eq!(
        backend.answer(asked).await.unwrap_err().to_string(),
        "This server is strict, and these parameters would be ignored: zeal, suffix."
    );
}

#[tokio::test]
async fn an_error_is_an_answer_here_too() {
    let error = "[[rule]]\nanswer.error = { status = 429, message = \"Slow down.\", retry_after = 3 }\n";
    let reply = complete(error, r#""prompt":"a""#).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.headers["retry-after"]), (429, &"3".parse().unwrap()));
}
