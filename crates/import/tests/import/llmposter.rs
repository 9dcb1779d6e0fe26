//! llmposter's fixtures.

use interference_import::Format;

use crate::imported;

fn from(text: &str) -> (String, Vec<String>) {
    imported("f.yaml", text, Some(Format::Llmposter))
}

/// The answer of a file with one fixture, which has these members.
fn answer(members: &str) -> (String, Vec<String>) {
    let (script, told) = from(&format!("fixtures:\n- {}\n", members.replace('\n', "\n  ")));
    let answer = script.lines().find_map(|line| line.strip_prefix("answer = ")).unwrap_or_default();
    (answer.to_owned(), told)
}

#[test]
fn conditions_carry() {
    let (script, told) = from(
        r#"
fixtures:
  - match:
      user_message: hello
      model: gpt-4
      headers: { X-Team: blue }
      system_prompt: brief
    response:
      content: "Hi there!"
  - match:
      user_message: { regex: "^wea(th|n)er" }
      model: { regex: "^gpt-.*mini$" }
      tool_schema: { regex: "^get_weather$" }
    response:
      tool_calls:
        - name: get_weather
          arguments: { location: Paris, days: [1, null] }
"#,
    );
    assert_eq!(
        script,
        r#"[[rule]]
name = "f.yaml 1"
when = { header = { x-team = "*blue*" }, model = "*gpt-4*", system = "brief", text = "hello" }
answer = { pieces = { characters = 20 }, text = "Hi there!" }

[[rule]]
name = "f.yaml 2"
when = { model = "gpt-*mini", regex = "^wea(th|n)er", tools = "get_weather" }
answer = { pieces = "whole", tool_calls = [{ arguments = '{"days":[1,null],"location":"Paris"}', name = "get_weather" }] }
"#
    );
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_fixture_is_left_out_where_a_condition_has_no_like() {
    for (condition, reason) in [
        ("temperature: 0", "`match.temperature` asks for what no rule sees"),
        ("metadata: { a: b }", "`match.metadata` asks for what no rule sees"),
        ("body_jsonpath: $.a", "`match.body_jsonpath` asks for what no rule sees"),
        ("system_prompt: { regex: a }", "`match.system_prompt` is a regular expression"),
        ("tool_schema: { regex: get_ }", "`match.tool_schema` is a regular expression"),
        ("model: { regex: 'a|b' }", "`match.model` cannot be said by a pattern with `*`"),
        ("headers: { x-team: 'a*b' }", "`match.headers.x-team` cannot be said by a pattern with `*`"),
        ("user_message: 3", "`match.user_message` is a number, and an object was expected"),
    ] {
        let (answer, told) = answer(&format!("match: {{ {condition} }}\nresponse: {{ content: a }}"));
        assert_eq!(answer, "");
        assert_eq!(told, [format!("f.yaml:2: fixture 1: left out: {reason}")]);
    }
    for (provider, reason) in [
        ("gemini", "`provider` is gemini, whose API is not served"),
        ("responses", "`provider` is the Responses API, which a script does not tell from chats"),
    ] {
        let (_, told) = answer(&format!("provider: {provider}\nresponse: {{ content: a }}"));
        assert_eq!(told, [format!("f.yaml:2: fixture 1: left out: {reason}")]);
    }
}

#[test]
fn priorities_are_an_order() {
    let (script, told) = from(
        r#"
fixtures:
  - { catch_all: true, priority: 9, response: { content: last } }
  - { match: { user_message: b }, priority: -1, response: { content: third } }
  - { match: { user_message: c }, response: { content: second } }
  - { match: { user_message: d }, priority: 5, response: { content: first } }
"#,
    );
    let texts: Vec<&str> =
        script.lines().filter_map(|line| line.split_once("text = \"")?.1.strip_suffix("\" }")).collect();
    assert_eq!(texts, ["d", "first", "c", "second", "b", "third", "last"]);
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_scenario_is_the_state() {
    let (script, told) = from(
        r#"
fixtures:
  - match: { user_message: login }
    scenario: { name: flow, set_state: start }
    response: { content: welcome }
  - match: { user_message: secret }
    scenario: { name: flow, required_state: start }
    response: { content: told }
  - match: { user_message: other }
    scenario: { name: another, set_state: b }
    response: { content: other }
  - match: { user_message: more }
    scenario: { name: another, required_state: b }
    response: { content: more }
"#,
    );
    assert!(script.starts_with("state = \"start_\"\n\n[[rule]]\n"), "{script}");
    assert!(
        script.contains(
            "answer = { next_state = \"start\", pieces = { characters = 20 }, text = \"welcome\" }"
        )
    );
    assert!(script.contains("when = { state = \"start\", text = \"secret\" }"), "{script}");
    let reason = "a session has one state, which is that of the first scenario";
    assert_eq!(
        told,
        [
            format!("f.yaml:9: fixture 3: `scenario` is left out: {reason}"),
            format!("f.yaml:12: fixture 4: left out: `scenario` is another one: {reason}"),
        ]
    );
}

#[test]
fn answers_carry() {
    for (members, expected) in [
        (
            "error: { status: 429, message: Slow down., headers: { Retry-After: '3' } }",
            "{ error = { code = \"rate_limit_exceeded\", message = \"Slow down.\", retry_after = 3, status = 429, \
             type = \"rate_limit_error\" } }",
        ),
        ("refusal: { reason: 'No.' }", "{ refusal = \"No.\" }"),
        ("response: { embedding: [1, -0.5] }", "{ embedding = [1.0, -0.5] }"),
        (
            "response: { content_template: 'You said {{ user_message }}' }",
            "{ pieces = { characters = 20 }, template = \"{% set user_message = text | trim %}You said {{ user_message \
             }}\" }",
        ),
        (
            "response: { content: a, finish_reason: length }\nstreaming: { chunk_size: 3, latency: 20 }",
            "{ finish_reason = \"length\", latency = { between_tokens = \"20ms\", first_token = \"20ms\" }, pieces = { \
             characters = 3 }, text = \"a\" }",
        ),
    ] {
        assert_eq!(answer(members), (expected.to_owned(), Vec::new()), "{members}");
    }
}

#[test]
fn what_goes_wrong_is_a_plan_of_faults() {
    for (failure, expected) in [
        ("latency_ms: 1500", "http = { slow_head = \"1500ms\" }"),
        ("truncate_after_frames: 3", "cut = { after_events = 3, by = \"end\" }"),
        (
            "truncate_after_chunks: 4, duplicate_frames: true",
            "cut = { after_events = 2, by = \"end\" }, duplicate = { every = 1 }",
        ),
        ("disconnect_after_ms: 0", "cut = { after_events = 0, by = \"close\" }"),
        ("duplicate_frames: true, probability: 0.5", "duplicate = { every = 1 }, probability = 0.5"),
    ] {
        let (answer, told) = answer(&format!("response: {{ content: a }}\nfailure: {{ {failure} }}"));
        assert_eq!(
            answer,
            format!("{{ faults = {{ {expected} }}, pieces = {{ characters = 20 }}, text = \"a\" }}")
        );
        assert_eq!(told, [""; 0]);
    }
}

#[test]
fn what_goes_wrong_in_another_way_is_told() {
    let (answer, told) = answer(
        "response: { content: a, finish_reason: end_turn }\nstreaming: { latency: 40 }\n\
         failure: { disconnect_after_ms: 100, probability: 0.5, chaos_seed: 7, latency_jitter_ms: 5 }",
    );
    assert_eq!(
        answer,
        "{ faults = { cut = { after_events = 3, by = \"close\" }, seed = 7 }, latency = { between_tokens = { fixed = \
         \"40ms\", jitter = \"5ms\" }, first_token = { fixed = \"40ms\", jitter = \"5ms\" } }, pieces = { characters = \
         20 }, text = \"a\" }"
    );
    assert_eq!(
        told,
        [
            "f.yaml:2: fixture 1: `response.finish_reason` is left out: no answer of this API finishes for that reason",
            "f.yaml:2: fixture 1: `failure.disconnect_after_ms` is changed: the connection is closed after event 3, \
             which is then due",
            "f.yaml:2: fixture 1: `failure.probability` is left out: what it decides on always takes place",
            "f.yaml:2: fixture 1: `failure.chaos_seed` is changed: the same seed draws something else",
        ]
    );
}

#[test]
fn a_broken_body_is_another_one() {
    let (answer, told) = answer("response: { content: a }\nfailure: { corrupt_body: true, latency_ms: 5 }");
    assert!(
        answer.contains("faults = { http = { body = \"html\", slow_head = \"5ms\", status = 200 } }"),
        "{answer}"
    );
    assert_eq!(told, ["f.yaml:2: fixture 1: `failure.corrupt_body` is changed: the body is a page of HTML"]);
}
