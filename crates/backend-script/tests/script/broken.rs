//! Scripts that are wrong, each with the whole of what is said about it.

use interference_backend_script::{MOST_PROBLEMS, MOST_RULES, Script, ScriptError};
use proptest::prelude::*;

fn error(text: &str) -> String {
    match Script::parse(text, "a.toml") {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A name of the case, the script, and the error.
const BROKEN: [(&str, &str, &str); 52] = [
    (
        "toml syntax",
        r#"[[rule]
answer = { text = "a" }
"#,
        r#"a.toml:1:8: unclosed array table, expected `]`
 1 | [[rule]
   |        ^"#,
    ),
    (
        "an unclosed string",
        r#"[[rule]]
answer = { text = "a }
"#,
        r#"a.toml:2:23: invalid basic string, expected `"`
 2 | answer = { text = "a }
   |                       ^
a.toml:2:23: unclosed inline table, expected `}`
 2 | answer = { text = "a }
   |                       ^"#,
    ),
    (
        "a duplicate key",
        r#"[[rule]]
answer = { text = "a" }
answer = { text = "b" }
"#,
        r#"a.toml:3:1: duplicate key
 3 | answer = { text = "b" }
   | ^^^^^^"#,
    ),
    (
        "unknown key in a rule",
        r#"[[rule]]
name = "a"
wen = { text = "a" }
answer = { text = "a" }
"#,
        r#"a.toml:3:1: unknown key `wen` in a rule; did you mean `when`?
 3 | wen = { text = "a" }
   | ^^^"#,
    ),
    (
        "unknown key of a script",
        r#"sate = "a"
[[rule]]
answer = { text = "a" }
"#,
        r#"a.toml:1:1: unknown key `sate` in a script; did you mean `state`?
 1 | sate = "a"
   | ^^^^"#,
    ),
    (
        "unknown key of another kind",
        r#"[[rule]]
weather = 1
answer = { text = "a" }
"#,
        r#"a.toml:2:1: unknown key `weather` in a rule; known are name, when, answer, answers and then
 2 | weather = 1
   | ^^^^^^^"#,
    ),
    (
        "unknown condition",
        r#"[[rule]]
when = { txet = "a" }
answer = { text = "a" }
"#,
        r#"a.toml:2:10: unknown key `txet` in `when`; did you mean `text`?
 2 | when = { txet = "a" }
   |          ^^^^"#,
    ),
    (
        "unknown key in an answer",
        r#"[[rule]]
answer = { text = "a", peices = "whole" }
"#,
        r#"a.toml:2:24: unknown key `peices` in an answer; did you mean `pieces`?
 2 | answer = { text = "a", peices = "whole" }
   |                        ^^^^^^"#,
    ),
    (
        "wrong types",
        r#"models = "m"
state = 7
[[rule]]
name = true
when = { text = 1, turn = "2", stream = "yes", header = "x" }
answer = 7
then = 1
"#,
        r#"a.toml:1:10: `models` must be an array, not a string
 1 | models = "m"
   |          ^^^
a.toml:2:9: `state` must be a string, not an integer
 2 | state = 7
   |         ^
a.toml:4:8: `name` must be a string, not a boolean
 4 | name = true
   |        ^^^^
a.toml:5:17: `text` must be a string, not an integer
 5 | when = { text = 1, turn = "2", stream = "yes", header = "x" }
   |                 ^
a.toml:5:27: `turn` must be a whole number, not a string
 5 | when = { text = 1, turn = "2", stream = "yes", header = "x" }
   |                           ^^^
a.toml:5:41: `stream` must be true or false, not a string
 5 | when = { text = 1, turn = "2", stream = "yes", header = "x" }
   |                                         ^^^^^
a.toml:5:57: `header` must be a table, not a string
 5 | when = { text = 1, turn = "2", stream = "yes", header = "x" }
   |                                                         ^^^
a.toml:6:10: `answer` must be a table or the name of an answer, not an integer
 6 | answer = 7
   |          ^
a.toml:7:8: `then` must be one of "last", "cycle", "pass", not an integer
 7 | then = 1
   |        ^"#,
    ),
    (
        "no rules",
        r#"models = ["m"]
"#,
        r#"a.toml:1:1: the script has no rules; each begins with `[[rule]]`
 1 | models = ["m"]
   | ^"#,
    ),
    (
        "one rule that is no list",
        r#"[rule]
answer = { text = "a" }
"#,
        r#"a.toml:1:1: rules are a list: write `[[rule]]`, not `[rule]`
 1 | [rule]
   | ^^^^^^"#,
    ),
    (
        "no answer",
        r#"[[rule]]
name = "a"
"#,
        r#"a.toml:1:1: the rule has no `answer`
 1 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "answer and answers",
        r#"[[rule]]
answer = { text = "a" }
answers = [{ text = "b" }]
"#,
        r#"a.toml:3:11: a rule has either `answer` or `answers`
 3 | answers = [{ text = "b" }]
   |           ^^^^^^^^^^^^^^^^"#,
    ),
    (
        "no answers",
        r#"[[rule]]
answers = []
"#,
        r#"a.toml:2:11: `answers` must have at least one answer
 2 | answers = []
   |           ^^"#,
    ),
    (
        "no kind",
        r#"[[rule]]
answer = { pieces = "whole" }
"#,
        r#"a.toml:2:10: the answer says nothing: it needs one of text, template, timestamps, tool_calls, embedding, error and refusal
 2 | answer = { pieces = "whole" }
   |          ^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "several kinds",
        r#"[[rule]]
answer = { text = "a", error = { status = 500, message = "b" } }
[[rule]]
when.text = "x"
answer = { text = "a", template = "b" }
"#,
        r#"a.toml:2:24: an answer is of one kind, and this one has `text` and `error`
 2 | answer = { text = "a", error = { status = 500, message = "b" } }
   |                        ^^^^^
a.toml:5:24: an answer is of one kind, and this one has `text` and `template`
 5 | answer = { text = "a", template = "b" }
   |                        ^^^^^^^^"#,
    ),
    (
        "unknown answer",
        r#"[answers.sunny]
text = "a"
[[rule]]
answer = "suny"
"#,
        r#"a.toml:4:10: no answer is named `suny`; did you mean `sunny`?
 4 | answer = "suny"
   |          ^^^^^^"#,
    ),
    (
        "no named answers at all",
        r#"[[rule]]
answer = "sunny"
"#,
        r#"a.toml:2:10: no answer is named `sunny`; the script has no `[answers.NAME]` at all
 2 | answer = "sunny"
   |          ^^^^^^^"#,
    ),
    (
        "unknown like",
        r#"[answers.a]
like = "c"
[[rule]]
answer = "a"
"#,
        r#"a.toml:2:8: no answer is named `c`
 2 | like = "c"
   |        ^^^"#,
    ),
    (
        "a circle",
        r#"[answers.a]
like = "b"
[answers.b]
like = "a"
[[rule]]
answer = { like = "b", text = "x" }
"#,
        r#"a.toml:4:8: answers are like each other in a circle: answers.a -> answers.b -> answers.a
 4 | like = "a"
   |        ^^^"#,
    ),
    (
        "like itself",
        r#"[answers.a]
text = "x"
like = "a"
[[rule]]
answer = "a"
"#,
        r#"a.toml:3:8: answers are like each other in a circle: answers.a -> answers.a
 3 | like = "a"
   |        ^^^"#,
    ),
    (
        "a named answer that says nothing",
        r#"[answers.base]
latency = { first_token = "1s" }
[[rule]]
answer = "base"
"#,
        r#"a.toml:4:10: the answer `base` says nothing: it needs one of text, template, timestamps, tool_calls, embedding, error and refusal
 4 | answer = "base"
   |          ^^^^^^"#,
    ),
    (
        "wrong regex",
        r#"[[rule]]
when.regex = "(a"
answer = { text = "a" }
"#,
        r#"a.toml:2:14: `regex` is not valid: unclosed group
 2 | when.regex = "(a"
   |              ^^^^"#,
    ),
    (
        "exploding regex",
        r#"[[rule]]
when.regex = "(a{1000}){1000}"
answer = { text = "a" }
"#,
        r#"a.toml:2:14: `regex` explodes: compiled it has more than 1048576 bytes; use smaller repetitions
 2 | when.regex = "(a{1000}){1000}"
   |              ^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "template syntax",
        r#"[[rule]]
answer = { template = """
Hello
{{ text }
""" }
"#,
        r#"a.toml:2:23: `template` has an error in its line 2: syntax error: unexpected `}`, expected end of variable block
 2 | answer = { template = """
   |                       ^^^"#,
    ),
    (
        "template with an unknown filter",
        r#"[[rule]]
answer.template = "{% for a in b %}"
"#,
        r#"a.toml:2:19: `template` has an error in its line 1: syntax error: unexpected end of input, expected end of block
 2 | answer.template = "{% for a in b %}"
   |                   ^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "latency",
        r#"latency = { first_token = "fast" }
[[rule]]
answer = { text = "a" }
"#,
        r#"a.toml:1:11: `latency.first_token` is no duration; write a number and one of the units us, ms, s, m and h, such as "500ms"
 1 | latency = { first_token = "fast" }
   |           ^^^^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "unknown latency",
        r#"[[rule]]
answer = { text = "a", latency = { first = "1s" } }
"#,
        r#"a.toml:2:34: `latency.first` is not known here; known are first_token, between_tokens
 2 | answer = { text = "a", latency = { first = "1s" } }
   |                                  ^^^^^^^^^^^^^^^^"#,
    ),
    (
        "faults in a line",
        r#"[[rule]]
answer = { text = "a", faults = "cut.after_evnts = 2" }
"#,
        r#"a.toml:2:33: `faults`: line 1, column 5: `cut.after_evnts` is not known here; did you mean `after_events`?; known are after_events, after_bytes, by
 2 | answer = { text = "a", faults = "cut.after_evnts = 2" }
   |                                 ^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "faults in a table",
        r#"[[rule]]
answer = { text = "a", faults = { cut = { by = "axe" } } }
"#,
        r#"a.toml:2:33: `faults`: `cut` needs one of after_events, after_bytes
 2 | answer = { text = "a", faults = { cut = { by = "axe" } } }
   |                                 ^^^^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "behind a rule that takes everything",
        r#"[[rule]]
name = "all"
answer = { text = "a" }

[[rule]]
name = "weather"
when.text = "weather"
answer = { text = "b" }
"#,
        r#"a.toml:5:1: rule `weather` can never match: rule `all` (line 1) comes before it and takes everything
 5 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "behind a looser rule",
        r#"[[rule]]
when = { text = "sun", model = "gpt-*" }
answer = { text = "a" }
[[rule]]
when = { text = "sunny", model = "gpt-4*", stream = true }
answer = { text = "b" }
"#,
        r#"a.toml:4:1: rule `rule 2` can never match: rule `rule 1` (line 1) comes before it and takes all that this one takes
 4 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "behind the same rule",
        r#"[[rule]]
when.header.x-team = "blue"
answers = [{ text = "a" }, { text = "b" }]
then = "cycle"
[[rule]]
when.header.X-Team = "blue"
answer = { text = "b" }
"#,
        r#"a.toml:5:1: rule `rule 2` can never match: rule `rule 1` (line 1) comes before it and takes all that this one takes
 5 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "turn 0",
        r#"[[rule]]
when.turn = 0
answer = { text = "a" }
"#,
        r#"a.toml:2:13: the rule can never match: turns are counted from 1
 2 | when.turn = 0
   |             ^"#,
    ),
    (
        "a state that nothing sets",
        r#"[[rule]]
when.state = "asked"
answer = { text = "a" }
[[rule]]
answer = { text = "a", next_state = "aksed" }
"#,
        r#"a.toml:2:14: rule `rule 1` can never match: nothing sets the state `asked`; did you mean `aksed`?
 2 | when.state = "asked"
   |              ^^^^^^^"#,
    ),
    (
        "a model that is not among the models",
        r#"models = ["gpt-4o", "llama-*"]
[[rule]]
when.model = "gpt-5*"
answer = { text = "a" }
"#,
        r#"a.toml:3:14: rule `rule 1` can never match: no entry of `models` fits this model
 3 | when.model = "gpt-5*"
   |              ^^^^^^^^"#,
    ),
    (
        "an embedding for chats",
        r#"[[rule]]
when.endpoint = "chat"
answer = { embedding = [1, 2] }
"#,
        r#"a.toml:2:17: rule `rule 1` can never match: its answers are embeddings
 2 | when.endpoint = "chat"
   |                 ^^^^^^"#,
    ),
    (
        "a text for embeddings",
        r#"[[rule]]
when.endpoint = "embeddings"
answer = { text = "a" }
"#,
        r#"a.toml:2:17: rule `rule 1` can never match: its answers are for chats and completions
 2 | when.endpoint = "embeddings"
   |                 ^^^^^^^^^^^^"#,
    ),
    (
        "a turn of embeddings",
        r#"[[rule]]
when.turn = 2
answer = { embedding = { dimensions = 8 } }
"#,
        r#"a.toml:2:13: rule `rule 1` can never match: `turn` asks about a chat, and the rule is for embeddings
 2 | when.turn = 2
   |             ^"#,
    ),
    (
        "tools of a completion",
        r#"[[rule]]
when = { tools = "clock", endpoint = "completions" }
answer = { text = "a" }
"#,
        r#"a.toml:2:18: rule `rule 1` can never match: `tools` asks about a chat, and the rule is for completions
 2 | when = { tools = "clock", endpoint = "completions" }
   |                  ^^^^^^^"#,
    ),
    (
        "a rule for one endpoint behind one for all",
        r#"[[rule]]
when.text = "a"
answer = { text = "a" }
[[rule]]
when = { text = "ab", endpoint = "completions" }
answer = { text = "a" }
"#,
        r#"a.toml:4:1: rule `rule 2` can never match: rule `rule 1` (line 1) comes before it and takes all that this one takes
 4 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "a rule for chats behind the same, by what it asks",
        r#"[[rule]]
when.endpoint = "chat"
answer = { text = "a" }
[[rule]]
when = { system = "b" }
answer = { text = "a" }
"#,
        r#"a.toml:4:1: rule `rule 2` can never match: rule `rule 1` (line 1) comes before it and takes all that this one takes
 4 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "embeddings among texts",
        r#"[[rule]]
answers = [{ text = "a" }, { embedding = [1] }]
"#,
        r#"a.toml:1:1: some answers of this rule are embeddings and others are not
 1 | [[rule]]
   | ^^^^^^^^"#,
    ),
    (
        "the same name twice",
        r#"[[rule]]
name = "a"
when.text = "b"
answer = { text = "a" }
[[rule]]
name = "a"
answer = { text = "a" }
"#,
        r#"a.toml:6:8: the rule in line 1 has the name `a`, too
 6 | name = "a"
   |        ^^^"#,
    ),
    (
        "an unknown word",
        r#"[[rule]]
when.endpoint = "chats"
answer = { text = "a", finish_reason = "end", pieces = "lines" }
then = "stop"
"#,
        r#"a.toml:2:17: `endpoint` must be one of "chat", "completions", "embeddings", not "chats"
 2 | when.endpoint = "chats"
   |                 ^^^^^^^
a.toml:3:40: `finish_reason` must be one of "stop", "length", "tool_calls", "content_filter", "function_call", not "end"
 3 | answer = { text = "a", finish_reason = "end", pieces = "lines" }
   |                                        ^^^^^
a.toml:3:56: `pieces` must be one of "words", "characters", "whole", not "lines"
 3 | answer = { text = "a", finish_reason = "end", pieces = "lines" }
   |                                                        ^^^^^^^
a.toml:4:8: `then` must be one of "last", "cycle", "pass", not "stop"
 4 | then = "stop"
   |        ^^^^^^"#,
    ),
    (
        "numbers out of bounds",
        r#"[[rule]]
answer = { error = { status = 200, message = "" , retry_after = "1.5s" } }
[[rule]]
when.text = "a"
answer = { text = "a", usage = { prompt_tokens = -1 }, logprobs = 0.5 }
[[rule]]
when.turn = 99999999999999999999
answer.embedding = { dimensions = 0 }
"#,
        r#"a.toml:2:31: `status` must be from 400 to 599, not 200
 2 | answer = { error = { status = 200, message = "" , retry_after = "1.5s" } }
   |                               ^^^
a.toml:2:46: `message` must not be empty
 2 | answer = { error = { status = 200, message = "" , retry_after = "1.5s" } }
   |                                              ^^
a.toml:2:65: `retry_after` must be whole seconds: the header has no fractions
 2 | answer = { error = { status = 200, message = "" , retry_after = "1.5s" } }
   |                                                                 ^^^^^^
a.toml:5:50: `prompt_tokens` must be from 0 to 9007199254740992, not -1
 5 | answer = { text = "a", usage = { prompt_tokens = -1 }, logprobs = 0.5 }
   |                                                  ^^
a.toml:5:67: `logprobs` must not be above 0: it is the logarithm of a probability
 5 | answer = { text = "a", usage = { prompt_tokens = -1 }, logprobs = 0.5 }
   |                                                                   ^^^
a.toml:7:13: `turn` must be from 1 to 1000000, not 99999999999999999999
 7 | when.turn = 99999999999999999999
   |             ^^^^^^^^^^^^^^^^^^^^
a.toml:8:35: `dimensions` must be from 1 to 8192, not 0
 8 | answer.embedding = { dimensions = 0 }
   |                                   ^"#,
    ),
    (
        "lists of other lengths",
        r#"[[rule]]
answer = { text = "a b", logprobs = [-1], top_logprobs = [[], [], [{ token = "a" }]] }
"#,
        r#"a.toml:2:37: `logprobs` needs one entry for each piece of the text, 2 and not 1
 2 | answer = { text = "a b", logprobs = [-1], top_logprobs = [[], [], [{ token = "a" }]] }
   |                                     ^^^^
a.toml:2:58: `top_logprobs` needs one entry for each piece of the text, 2 and not 3
 2 | answer = { text = "a b", logprobs = [-1], top_logprobs = [[], [], [{ token = "a" }]] }
   |                                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^"#,
    ),
    (
        "members that say nothing",
        r#"[[rule]]
answer = { error = { status = 500, message = "a" }, pieces = "whole", usage = {} }
[[rule]]
when.text = "a"
answer = { refusal = "a", logprobs = -1 }
[[rule]]
when.text = "b"
answer = { text = ["a"], pieces = "whole" }
"#,
        r#"a.toml:2:53: `pieces` says nothing in an error
 2 | answer = { error = { status = 500, message = "a" }, pieces = "whole", usage = {} }
   |                                                     ^^^^^^
a.toml:2:71: `usage` says nothing in an error
 2 | answer = { error = { status = 500, message = "a" }, pieces = "whole", usage = {} }
   |                                                                       ^^^^^
a.toml:5:27: `logprobs` says nothing in an answer without text
 5 | answer = { refusal = "a", logprobs = -1 }
   |                           ^^^^^^^^
a.toml:8:26: `pieces` says nothing here: `text` is in pieces already
 8 | answer = { text = ["a"], pieces = "whole" }
   |                          ^^^^^^"#,
    ),
    (
        "calls",
        r#"[[rule]]
answer.tool_calls = [{ arguments = {} }]
[[rule]]
when.text = "a"
answer.tool_calls = [{ name = "a", arguments = [1] }]
[[rule]]
when.text = "b"
answer.tool_calls = [{ name = "a", arguments = { a = nan } }]
[[rule]]
when.text = "c"
answer.tool_calls = []
"#,
        r#"a.toml:2:22: a call needs a `name`: that of a tool which the request offers
 2 | answer.tool_calls = [{ arguments = {} }]
   |                      ^^^^^^^^^^^^^^^^^^
a.toml:5:48: `arguments` must be a table or a string, not an array
 5 | answer.tool_calls = [{ name = "a", arguments = [1] }]
   |                                                ^^^
a.toml:8:54: JSON has no such number; write it into a string
 8 | answer.tool_calls = [{ name = "a", arguments = { a = nan } }]
   |                                                      ^^^
a.toml:11:21: `tool_calls` must have from 1 to 128 calls
 11 | answer.tool_calls = []
    |                     ^^"#,
    ),
    (
        "an error without a message",
        r#"[[rule]]
answer.error = { status = 500 }
"#,
        r#"a.toml:2:16: `error` needs a `status` and a `message`
 2 | answer.error = { status = 500 }
   |                ^^^^^^^^^^^^^^^^"#,
    ),
    (
        "a header that is none",
        r#"[[rule]]
when.header."x team" = "blue"
answer = { text = "a" }
"#,
        r#"a.toml:2:13: `x team` is no name of a header
 2 | when.header."x team" = "blue"
   |             ^^^^^^^^"#,
    ),
    (
        "what is nested too deeply",
        r#"models = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
"#,
        r#"a.toml:1:90: cannot recurse further; max recursion depth met
 1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
   |                                         ^"#,
    ),
];

#[test]
fn every_mistake_is_told_with_its_place() {
    for (name, script, expected) in BROKEN {
        assert_eq!(error(script), expected, "{name}");
    }
}

#[test]
fn most_problems_are_told_and_the_rest_is_counted() {
    let text = "[[rule]]\nanswer = 7\n".repeat(MOST_PROBLEMS + 3);
    match Script::parse(&text, "a.toml") {
        Err(ScriptError::Invalid { problems, untold }) => {
            assert_eq!((problems.len(), untold), (MOST_PROBLEMS, 3));
        }
        other => panic!("{other:?}"),
    }
    assert!(error(&text).ends_with("\nand 3 more"));
}

#[test]
fn a_script_has_bounds() {
    let many = "[[rule]]\nanswer = 7\n".repeat(MOST_RULES + 1);
    assert_eq!(
        error(&many).lines().next().unwrap(),
        "a.toml:1:1: the script has 10001 rules, and 10000 are the most"
    );
    // Thousands of answers like a long one.
    let long = "a ".repeat(50_000);
    let mut text = format!("[answers.long]\ntext = \"{long}\"\n");
    for position in 0..10 {
        text.push_str(&format!(
            "[[rule]]\nwhen.text = \"{position}\"\nanswer = {{ like = \"long\", next_state = \"b\" }}\n"
        ));
    }
    let expected = "from here on, the answers come to more than 262144 pieces, or 33554432 bytes of text";
    assert!(error(&text).contains(expected), "{}", error(&text));
    // By name they are kept once.
    assert_eq!(error(&text.replace(", next_state = \"b\"", "")), "nothing is wrong");
    let mut likes = String::from("[answers.a0]\ntext = \"a\"\n");
    for position in 1..20 {
        likes.push_str(&format!("[answers.a{position}]\nlike = \"a{}\"\n", position - 1));
    }
    assert!(error(&likes).contains("more than 16 answers are each like the next"), "{}", error(&likes));
}

/// Text that is near enough to a script to get past the first check.
fn nearly_a_script() -> impl Strategy<Value = String> {
    let words = [
        "[[rule]]\n",
        "[answers.a]\n",
        "[answers.b]\n",
        "name = ",
        "when = ",
        "answer = ",
        "answers = ",
        "then = ",
        "text = ",
        "like = ",
        "template = ",
        "regex = ",
        "turn = ",
        "embedding = ",
        "error = ",
        "models = ",
        "faults = ",
        "latency = ",
        "logprobs = ",
        "tool_calls = ",
        "pieces = ",
        "header = ",
        "{ ",
        " }",
        "[",
        "]",
        ", ",
        "\n",
        "\"a\"",
        "\"b\"",
        "\"{{ a }}\"",
        "\"é*\"",
        "1",
        "-1.5",
        "true",
        "nan",
        "1979-05-27",
        "text = \"a\"",
        "dimensions = 2",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_told(text in any::<String>(), words in nearly_a_script()) {
        for text in [text, words] {
            if let Err(error) = Script::parse(&text, "a.toml") {
                prop_assert!(error.to_string().starts_with("a.toml"));
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Script::parse(&text, "a.toml") {
            prop_assert!(error.to_string().starts_with("a.toml"));
        }
    }
}
