//! Which rule answers, and what is said when none does.

use interference_backend::{Backend, Refusal};

use crate::exchange::{backend, chat, said, said_to, saying};

/// A script with one rule under a condition, and whether it takes a request.
async fn takes(condition: &str, body: &str, headers: &[(&str, &str)]) -> bool {
    let script = format!("[[rule]]\nwhen = {{ {condition} }}\nanswer = {{ text = \"yes\" }}\n");
    said_to(&backend(&script), body, headers).await == "yes"
}

fn conversation(messages: &str, members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{messages}]{members}}}"#)
}

#[tokio::test]
async fn every_condition_is_met_or_not() {
    let hello = saying("hello there", "");
    let tools = saying("a", r#""tools":[{"type":"function","function":{"name":"clock"}}]"#);
    let turns = conversation(
        r#"{"role":"system","content":"Be brief."},{"role":"developer","content":[{"type":"text","text":"Be kind."}]},{"role":"user","content":"one"},{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"three"}]}"#,
        "",
    );
    let result = conversation(
        r#"{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"clock","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"It is noon."}"#,
        "",
    );
    let streamed = saying("a", r#""stream":true"#);
    let table: [(&str, &str, bool); 31] = [
        ("model = \"m\"", &hello, true),
        ("model = \"*\"", &hello, true),
        ("model = \"n*\"", &hello, false),
        ("text = \"llo th\"", &hello, true),
        ("text = \"Hello\"", &hello, false),
        ("text = \"two\\nthree\"", &turns, true),
        ("text = \"one\"", &turns, false),
        ("regex = \"^hel+o\"", &hello, true),
        ("regex = \"^there\"", &hello, false),
        ("turn = 1", &hello, true),
        ("turn = 2", &hello, false),
        ("turn = 2", &turns, true),
        ("state = \"start\"", &hello, true),
        ("endpoint = \"chat\"", &hello, true),
        ("tools = \"clock\"", &tools, true),
        ("tools = \"weather\"", &tools, false),
        ("tools = \"clock\"", &hello, false),
        ("stream = false", &hello, true),
        ("stream = true", &hello, false),
        ("stream = false", &streamed, false),
        ("system = \"brief\"", &turns, true),
        ("system = \"kind\"", &turns, true),
        ("system = \"loud\"", &turns, false),
        ("system = \"loud\"", &hello, false),
        ("tool_result = \"noon\"", &result, true),
        ("tool_result = \"night\"", &result, false),
        ("tool_result = \"hello\"", &hello, false),
        ("tool = \"clock\"", &result, true),
        ("tool = \"weather\"", &result, false),
        ("tool = \"clock\"", &hello, false),
        ("text = \"hello\", turn = 1, stream = false", &hello, true),
    ];
    for (condition, body, expected) in table {
        assert_eq!(takes(condition, body, &[]).await, expected, "{condition} {body}");
    }
    for (value, expected) in [("blue-2", true), ("red", false)] {
        let headers = [("x-team", value)];
        assert_eq!(takes("header = { x-team = \"blue*\" }", &hello, &headers).await, expected, "{value}");
    }
    assert!(!takes("header.x-team = \"*\"", &hello, &[]).await);
}

#[tokio::test]
async fn the_first_rule_that_fits_answers() {
    let backend = backend(
        "[[rule]]\nwhen.text = \"sun\"\nanswer = { text = \"first\" }\n\
         [[rule]]\nwhen.turn = 1\nanswer = { text = \"second\" }\n\
         [[rule]]\nanswer = { text = \"third\" }\n",
    );
    assert_eq!(said(&backend, "sunny", &[]).await, "first");
    assert_eq!(said(&backend, "rainy", &[]).await, "second");
}

#[tokio::test]
async fn models_are_listed_and_taken_as_the_script_says() {
    let listed = |script: &str| {
        let models = backend(script).models();
        let cards = models.into_iter().map(|card| format!("{} {:?}", card.id, card.aliases));
        cards.collect::<Vec<_>>().join("; ")
    };
    let rule = "[[rule]]\nanswer = { text = \"a\" }\n";
    assert_eq!(listed(rule), r#"scripted ["*"]"#);
    assert_eq!(
        listed(&format!(
            "[[rule]]\nwhen.model = \"b\"\nanswer = {{ text = \"a\" }}\n[[rule]]\nwhen.model = \"c*\"\nanswer = {{ text = \"a\" }}\n{rule}"
        )),
        r#"b ["*"]; scripted []"#
    );
    let named = format!("models = [\"gpt-4o\", \"gpt-*\", \"tiny\"]\n{rule}");
    assert_eq!(listed(&named), r#"gpt-4o ["gpt-*"]; tiny []"#);
    assert_eq!(listed(&format!("models = [\"gpt-*\"]\n{rule}")), r#"scripted ["gpt-*"]"#);
    let backend = backend(&named);
    let body = |model: &str| saying("hello", "").replace(r#""m""#, &format!("\"{model}\""));
    assert_eq!(said_to(&backend, &body("gpt-5"), &[]).await, "a");
    assert_eq!(said_to(&backend, &body("tiny"), &[]).await, "a");
    assert_eq!(
        said_to(&backend, &body("large"), &[]).await,
        "The model `large` does not exist. Models here: gpt-4o, tiny, gpt-*."
    );
    assert!(backend.script().takes_model("gpt-") && !backend.script().takes_model("scripted"));
}

#[tokio::test]
async fn when_no_rule_matches_the_nearest_is_told() {
    let weather = "\n[[rule]]\nname = \"weather\"\nwhen = { text = \"weather\", turn = 2 }\nanswer = { text = \"a\" }\n";
    let refusal = chat(&backend(weather), &saying("hello", ""), &[]).await.unwrap_err();
    assert_eq!(
        refusal,
        Refusal::NothingFits {
            code: "no_rule_matches",
            message: "No rule of test.toml matches. The nearest is rule `weather` (line 2): `text = \"weather\"` is not \
                      in the last user message, which is \"hello\"; `turn = 2`, but this is turn 1."
                .to_owned()
        }
    );
}

#[tokio::test]
async fn of_rules_that_miss_alike_the_one_that_holds_more_is_the_nearest() {
    let rules = "\n[[rule]]\nname = \"zero\"\nwhen = { text = \"z\" }\nanswer = { text = \"a\" }\n\
                 [[rule]]\nname = \"two\"\nwhen = { text = \"hello\", turn = 2 }\nanswer = { text = \"a\" }\n";
    let message = chat(&backend(rules), &saying("hello", ""), &[]).await.unwrap_err().to_string();
    assert_eq!(
        message,
        "No rule of test.toml matches. The nearest is rule `two` (line 6): `turn = 2`, but this is turn 1."
    );
}

/// What is said of a request that one rule under a condition does not take, behind the name of the rule.
async fn miss(condition: &str, body: &str, headers: &[(&str, &str)]) -> String {
    let script =
        format!("[[rule]]\nwhen = {{ {condition} }}\nanswer = {{ text = \"yes\", next_state = \"x\" }}\n");
    let message = chat(&backend(&script), body, headers).await.unwrap_err().to_string();
    let head = "No rule of test.toml matches. The nearest is rule `rule 1` (line 1): ";
    message.strip_prefix(head).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[tokio::test]
async fn every_failing_condition_says_what_was_seen() {
    let hello = saying("hello", "");
    let long = saying(&format!("a\"\n{}", "é".repeat(300)), "");
    let silent = conversation(r#"{"role":"system","content":"Be brief."}"#, "");
    let tools = saying("a", r#""tools":[{"type":"function","function":{"name":"clock"}}]"#);
    let result = conversation(
        r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"clock","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"noon"}"#,
        "",
    );
    let nameless = conversation(r#"{"role":"function","content":"noon"}"#, "");
    let function = conversation(r#"{"role":"function","name":"clock","content":"noon"}"#, "");
    let table: [(&str, &str, &str); 19] = [
        ("model = \"gpt-*\"", &hello, "`model = \"gpt-*\"` does not fit the model, which is \"m\"."),
        ("text = \"b\"", &silent, "`text = \"b\"`, but there is no user message."),
        (
            "regex = \"^b\"",
            &hello,
            "`regex = \"^b\"` does not match the last user message, which is \"hello\".",
        ),
        ("tool_result = \"b\"", &hello, "`tool_result = \"b\"`, but the last message is not a tool's."),
        (
            "tool_result = \"b\"",
            &result,
            "`tool_result = \"b\"` is not in the tool's result, which is \"noon\".",
        ),
        ("tool = \"b\"", &hello, "`tool = \"b\"`, but the last message is not a tool's."),
        ("tool = \"b\"", &result, "`tool = \"b\"`, but the last message is the result of \"clock\"."),
        ("tool = \"b\"", &nameless, "`tool = \"b\"`, but the last message does not name its function."),
        ("tool = \"b\"", &function, "`tool = \"b\"`, but the last message is the result of \"clock\"."),
        ("turn = 3", &hello, "`turn = 3`, but this is turn 1."),
        ("state = \"x\"", &hello, "`state = \"x\"`, but the state is \"start\"."),
        ("tools = \"b\"", &hello, "`tools = \"b\"`, but no tools are offered."),
        (
            "tools = \"b\"",
            &tools,
            "`tools = \"b\"` is not among the tools that are offered, which are \"clock\".",
        ),
        ("stream = true", &hello, "`stream = true`, but the request has `stream = false`."),
        ("system = \"b\"", &hello, "`system = \"b\"`, but there is no system message."),
        (
            "system = \"loud\"",
            &silent,
            "`system = \"loud\"` is in no system message, the first of which is \"Be brief.\".",
        ),
        (
            "header.x-team = \"b\"",
            &hello,
            "`header.x-team = \"b\"` does not fit the header, which is \"red\".",
        ),
        ("header.x-other = \"b\"", &hello, "`header.x-other = \"b\"`, but the request has no such header."),
        (
            "header.authorization = \"b\"",
            &hello,
            "`header.authorization = \"b\"` does not fit the header, which is not shown.",
        ),
    ];
    for (condition, body, expected) in table {
        let headers = [("x-team", "red"), ("authorization", "Bearer secret")];
        assert_eq!(miss(condition, body, &headers).await, expected, "{condition}");
    }
    let cut =
        format!("`text = \"b\"` is not in the last user message, which is \"a\\\"\\n{}…\".", "é".repeat(197));
    assert_eq!(miss("text = \"b\"", &long, &[]).await, cut);
}

#[tokio::test]
async fn of_equally_near_rules_the_first_is_told() {
    let script = "[[rule]]\nwhen = { text = \"a\", turn = 2 }\nanswer = { text = \"x\" }\n\
                  [[rule]]\nwhen.text = \"b\"\nanswer = { text = \"x\" }\n\
                  [[rule]]\nwhen.text = \"c\"\nanswer = { text = \"x\" }\n";
    let message = said(&backend(script), "hello", &[]).await;
    assert!(message.contains("The nearest is rule `rule 2` (line 4): `text = \"b\"`"), "{message}");
}
