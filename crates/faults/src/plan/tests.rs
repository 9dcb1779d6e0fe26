use std::time::Duration;

use super::*;

#[track_caller]
fn parse(text: &str) -> Plan {
    Plan::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn error(text: &str) -> String {
    match Plan::parse(text) {
        Ok(plan) => panic!("{text} is taken, as {plan}"),
        Err(error) => error.to_string(),
    }
}

/// Every key at least once, in its canonical form.
const CANONICAL: [&str; 57] = [
    "drop = { events = [2, 5] }",
    "drop = { every = 3 }",
    "drop = { probability = 0.1 }",
    "duplicate = { events = [1] }",
    "reorder = { every = 2 }",
    "delay = { time = \"500ms\", every = 2 }",
    "stall = { after_events = 3, time = \"30s\" }",
    "stall = { after_events = 0 }",
    "error = { after_events = 2 }",
    "error = { after_events = 2, form = \"event\", message = \"no\", then = \"end\" }",
    "error = { after_events = 2, form = \"object\", then = \"go_on\" }",
    "cut = { after_events = 5 }",
    "cut = { after_events = 0, by = \"reset\" }",
    "cut = { after_bytes = 100, by = \"half_close\" }",
    "cut = { after_bytes = 0, by = \"end\" }",
    "finish_reason = \"omit\"",
    "finish_reason = \"null\"",
    "finish_reason = \"\\u00E4 \\U0001F333 \\\"\\\\ \\u000A\"",
    "done = \"omit\"",
    "done = \"double\"",
    "done = \"more\"",
    "done = \"space\"",
    "role = \"omit\"",
    "role = \"repeat\"",
    "usage = \"omit\"",
    "usage = \"null\"",
    "usage = \"zero\"",
    "usage = \"negative\"",
    "usage = \"text\"",
    "usage = \"every_chunk\"",
    "split = { every = 1 }",
    "split = { inside = \"code_point\" }",
    "split = { inside = \"line_end\" }",
    "split = { at = [1, 7] }",
    "split = { random = 20 }",
    "join = true",
    "drip = { bytes = 3, every = \"10ms\" }",
    "corrupt = { at = [0, 10] }",
    "corrupt = { probability = 0.001, with = \"invalid\" }",
    "corrupt = { probability = 1.0, with = \"zero\" }",
    "byte_order_mark = true",
    "line_ends = \"crlf\"",
    "line_ends = \"cr\"",
    "line_ends = \"mixed\"",
    "http = { status = 429, retry_after = \"2s\", retry_after_form = \"date\" }",
    "http = { retry_after = \"1500us\", retry_after_form = \"milliseconds\" }",
    "http = { status = 200, content_type = \"text/plain\", body = \"html\", slow_head = \"3s\" }",
    "http = { body = \"error\", gzip = true, message = \"no\" }",
    "http = { body = \"empty\" }",
    "length = { more = 3 }",
    "length = { fewer = 1 }",
    "latency = { first_token = \"20ms\", between_tokens = { fixed = \"20ms\", jitter = \"5ms\", at_most = \"22ms\" } }",
    "latency = { first_token = { distribution = \"uniform\", low = \"1ms\", high = \"1s\" } }",
    "latency = { first_token = { distribution = \"normal\", mean = \"1s\", deviation = \"1ms\" }, \
     between_tokens = { distribution = \"lognormal\", median = \"1s\", sigma = 0.5 } }",
    "latency = { first_token = { distribution = \"exponential\", mean = \"1s\", at_most = \"2s\" }, \
     between_tokens = { distribution = \"gamma\", shape = 2.0, mean = \"1s\" } }",
    "latency = { first_token = { distribution = \"pareto\", scale = \"1ms\", shape = 1.5 }, \
     between_tokens = { recorded = [\"10ms\", \"35ms\"] } }",
    "done = \"omit\", role = \"omit\", line_ends = \"cr\", probability = 0.3, times = 2, seed = 9007199254740991",
];

#[test]
fn the_canonical_form_reads_back_as_the_same_plan() {
    for line in CANONICAL {
        let plan = parse(line);
        assert!(!plan.is_empty(), "{line}");
        assert_eq!(plan.to_string(), line);
        assert!(line.is_ascii());
    }
}

#[test]
fn every_form_of_the_text_is_read() {
    let expected = parse("cut = { after_events = 5, by = \"reset\" }, seed = 7");
    for text in [
        "cut.after_events = 5, cut.by = 'reset', seed = 7",
        "cut.after_events=5,cut.by='reset',seed=7",
        "{ cut.after_events = 5, cut.by = 'reset', seed = 7 }",
        "  {cut={after_events=5,by=\"reset\"},seed=7}  ",
        "seed = 7\n[cut]\nafter_events = 5\nby = \"reset\"\n",
        "seed = 7\ncut = { after_events = 5, by = \"reset\" } # the connection is lost",
        "cut = { after_events = 5, by = \"reset\" }, seed = 7 # the connection is lost",
        "cut = { after_events = 5, by = \"reset\" }, seed = 7,",
        "none, cut = { after_events = 5, by = \"reset\" }, seed = 7",
    ] {
        assert_eq!(parse(text), expected, "{text}");
    }
    assert_eq!(parse("cut.after_events = 5"), parse("cut = { after_events = 5 }"));
    assert_eq!("seed = 1".parse::<Plan>(), Plan::parse("seed = 1"));
}

#[test]
fn plans_without_faults() {
    for text in ["", "none", " none ", "{}", "# nothing\n"] {
        assert_eq!(parse(text), Plan::default(), "{text:?}");
    }
    assert!(parse("none, seed=7").is_empty());
    assert_eq!(parse("none, seed=7").seed, Some(7));
    assert_eq!(Plan::default().to_string(), "none");
    assert_eq!(parse("seed = 7").to_string(), "seed = 7");
    assert_eq!(parse("join = false, byte_order_mark = false"), Plan::default());
}

#[test]
fn errors_of_the_text() {
    for (text, expected) in [
        (
            "cut = { after_event = 5 }",
            "line 1, column 9: `cut.after_event` is not known here; did you mean `after_events`?; known are \
             after_events, after_bytes, by",
        ),
        (
            "seed = 7\nrole = \"omit\"\nreset = true",
            "line 3, column 1: `reset` is not known here; known are drop, duplicate, reorder, delay, stall, error, \
             cut, finish_reason, done, role, usage, split, join, drip, corrupt, byte_order_mark, line_ends, http, \
             length, latency, probability, times, seed",
        ),
        (
            "done = \"twice\", seed = 1",
            "line 1, column 8: `done` must be one of \"omit\", \"double\", \"more\", \"space\"",
        ),
        ("{done = 1}", "line 1, column 9: `done` must be one of \"omit\", \"double\", \"more\", \"space\""),
        ("cut = 5", "line 1, column 7: `cut` must be a table, in braces, with after_events, after_bytes, by"),
        ("none, join = 1", "line 1, column 14: `join` must be true or false"),
        ("stall = { time = \"1s\" }", "line 1, column 9: `stall` needs `after_events`"),
        ("drop = {}", "line 1, column 8: `drop` needs one of events, every, probability"),
        (
            "drop = { every = 1, events = [1] }",
            "line 1, column 8: `drop` has both `events` and `every`; leave one of them out",
        ),
        (
            "cut = { after_events = 1, after_bytes = 1 }",
            "line 1, column 7: `cut` has both `after_events` and `after_bytes`; leave one of them out",
        ),
        (
            "drop = { events = [] }",
            "line 1, column 19: `drop.events` is empty; name at least one, or leave the key out",
        ),
        ("drop = { events = [0] }", "line 1, column 20: `drop.events[0]` must be from 1 to 9007199254740991"),
        (
            "drop = { events = [2, 2] }",
            "line 1, column 23: `drop.events[1]` must be larger than the entry before it; put the list in order",
        ),
        ("drop = { events = 2 }", "line 1, column 19: `drop.events` must be a list, in brackets"),
        ("drop.probability = 0.0", "line 1, column 20: `drop.probability` must be above 0, up to 1"),
        ("probability = 1.1", "line 1, column 15: `probability` must be above 0, up to 1"),
        ("probability = nan", "line 1, column 15: `probability` must be above 0, up to 1"),
        ("probability = \"1\"", "line 1, column 15: `probability` must be a number above 0, up to 1"),
        ("times = 0", "line 1, column 9: `times` must be from 1 to 9007199254740991"),
        ("seed = -1", "line 1, column 8: `seed` must be from 0 to 9007199254740991"),
        ("seed = 1.0", "line 1, column 8: `seed` must be a whole number from 0 to 9007199254740991"),
        (
            "delay = { time = \"5\", every = 1 }",
            "line 1, column 18: `delay.time` is no duration; write a number and one of the units us, ms, s, m and h, \
             such as \"500ms\"",
        ),
        (
            "delay = { time = 5, every = 1 }",
            "line 1, column 18: `delay.time` must be a duration in quotes, such as \"500ms\"",
        ),
        (
            "http.slow_head = '2h'",
            "line 1, column 18: `http.slow_head` is longer than an hour; write \"1h\" or less",
        ),
        (
            "http.content_type = \"a\\nb\"",
            "line 1, column 21: `http.content_type` must be printable ASCII without spaces around it",
        ),
        ("http.status = 100", "line 1, column 15: `http.status` must be from 200 to 599"),
        (
            "http = { retry_after_form = \"date\" }",
            "line 1, column 8: `http` has `retry_after_form` without `retry_after`; say how long",
        ),
        ("finish_reason = true", "line 1, column 17: `finish_reason` must be a text in quotes"),
        (
            "split.inside = \"word\"",
            "line 1, column 16: `split.inside` must be one of \"code_point\", \"line_end\"",
        ),
        ("latency = {}", "line 1, column 11: `latency` needs `first_token` or `between_tokens`"),
        (
            "latency.first_token = { mean = \"1s\" }",
            "line 1, column 23: `latency.first_token` needs one of fixed, distribution, recorded",
        ),
        (
            "latency.first_token = { fixed = \"1s\", mean = \"1s\" }",
            "line 1, column 23: `latency.first_token` has `mean`, which does not belong to it; this kind has fixed, \
             jitter, at_most",
        ),
        (
            "latency.first_token = { distribution = \"exponential\", mean = \"2m\" }",
            "line 1, column 23: `latency.first_token` has a `mean` above `at_most`, which is 1m; raise `at_most` or \
             lower `mean`",
        ),
        (
            "left_out_bytes = 5000, seed = 7",
            "this stands for a plan of 5000 bytes, too long for a header; give that plan itself, with the seed that \
             stands here",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn errors_of_syntax_say_where_in_the_original_text() {
    const ADVICE: &str = "; write `key = value` pairs with commas between them, and texts in quotes, such as \
        `cut = { after_events = 5, by = \"reset\" }, seed = 7`";
    for (text, place) in [
        ("done = omit", "line 1, column 8: "),
        ("ä = 1, seed = 7", "line 1, column 1: "),
        ("seed = 7, seed = 8", "line 1, column 11: "),
        ("seed = 7\ndone = omit\n", "line 2, column 8: "),
        ("{ seed = 7 } x", "line 1, column 14: "),
        ("seed = 7 } #", "line 1, column 13: "),
    ] {
        let error = error(text);
        assert!(error.starts_with(place) && error.ends_with(ADVICE), "{text}: {error}");
    }
}

#[test]
fn bounds_of_the_text_and_its_lists() {
    assert_eq!(
        error(&" ".repeat(PLAN_BYTES_MAX + 1)),
        "the plan has 65537 bytes, and 65536 are the most; shorten its lists"
    );
    let list = |len: usize| format!("latency.first_token.recorded = [{}]", "'1s',".repeat(len));
    assert!(Plan::parse(&list(LIST_ENTRIES_MAX)).is_ok());
    assert_eq!(
        error(&list(LIST_ENTRIES_MAX + 1)),
        "line 1, column 32: `latency.first_token.recorded` has 10001 entries, and 10000 are the most"
    );
    let message = |len: usize| format!("error = {{ after_events = 1, message = '{}' }}", "x".repeat(len));
    assert!(Plan::parse(&message(ERROR_MESSAGE_BYTES_MAX)).is_ok());
    assert_eq!(
        error(&message(ERROR_MESSAGE_BYTES_MAX + 1)),
        "line 1, column 39: `error.message` is longer than 4096 bytes; shorten it"
    );
    // Deep nesting is an error, not a full stack.
    assert!(Plan::parse(&"[".repeat(60_000)).is_err());
    assert!(Plan::parse(&format!("a = {}", "{a=".repeat(20_000))).is_err());
}

#[test]
fn contradictions_are_refused_with_the_reason() {
    for (text, expected) in [
        (
            "split.every = 1, join = true",
            "`split` makes several writes of one event, and `join` one write of all; leave one of them out",
        ),
        (
            "split.every = 1, drip = { bytes = 1, every = '1s' }",
            "`drip` cuts the answer into pieces of its own, so that `split` would not show; leave one of them out",
        ),
        (
            "join = true, latency.first_token = '1s'",
            "`join` sends the answer in one write, so that nothing would be seen of `latency`; leave one of them out",
        ),
        (
            "join = true, delay = { time = '1s', every = 1 }",
            "`join` sends the answer in one write, so that nothing would be seen of `delay`; leave one of them out",
        ),
        (
            "join = true, stall.after_events = 1",
            "`join` sends the answer in one write, so that nothing would be seen of `stall`; leave one of them out",
        ),
        (
            "join = true, drip = { bytes = 1, every = '1s' }",
            "`join` sends the answer in one write, so that nothing would be seen of `drip`; leave one of them out",
        ),
        (
            "length.more = 1, cut.after_bytes = 1",
            "`length` is about a body that ends by itself, and `cut` ends it before; leave one of them out",
        ),
        (
            "split.inside = 'code_point', http.gzip = true",
            "`split.inside` looks for characters and line ends, and after `http.gzip` there are none; split by \
             `every`, `at` or `random`, or leave `http.gzip` out",
        ),
        (
            "http.status = 204, http.body = 'html'",
            "an answer with `http.status = 204` has no body, and `http.body` asks for one; leave `http.body` out, or \
             name another status",
        ),
        (
            "http.message = 'no'",
            "`http.message` is the message of an error envelope, and this plan sends none; add \
             `http.body = \"error\"`, or leave the message out",
        ),
        (
            "drop.every = 1, done = 'double'",
            "`drop` takes every event, so that nothing is left for `done`; drop fewer events, or leave one of the two \
             out",
        ),
        (
            "drop.probability = 1, finish_reason = 'omit'",
            "`drop` takes every event, so that nothing is left for `finish_reason`; drop fewer events, or leave one \
             of the two out",
        ),
        (
            "drop.events = [2, 5], duplicate.events = [3, 5]",
            "event 5 is in `drop.events`, so that nothing is left of it for `duplicate`; take it out of one of the \
             two",
        ),
        (
            "drop.every = 2, delay = { time = '1s', events = [4] }",
            "event 4 is dropped, so that nothing is left of it for `delay`; take it out of one of the two",
        ),
        (
            "drop.every = 2, delay = { time = '1s', every = 4 }",
            "every event that `delay` chooses is dropped, so that nothing is left for it; choose others for one of the \
             two",
        ),
        (
            "cut.after_events = 5, stall.after_events = 6, stall.time = '1s'",
            "`cut` ends the stream before `stall` can show; place it before that, or leave one of the two out",
        ),
        (
            "cut.after_events = 5, error.after_events = 6, error.then = 'go_on'",
            "`cut` ends the stream before `error` can show; place it before that, or leave one of the two out",
        ),
        (
            "error.after_events = 5, cut.after_events = 5",
            "`error` ends the stream before `cut` can show; place it before that, or leave one of the two out",
        ),
        (
            "stall.after_events = 5, error.after_events = 5",
            "`stall` ends the stream before `error` can show; place it before that, or leave one of the two out",
        ),
        (
            "cut.after_events = 5, drop.events = [2, 6]",
            "`cut` ends the stream before event 6, which `drop` chooses; place it before that, or leave one of the \
             two out",
        ),
        (
            "cut.after_events = 2, duplicate.every = 3",
            "`cut` ends the stream before event 3, which `duplicate` chooses; place it before that, or leave one of \
             the two out",
        ),
        (
            "cut.after_events = 0, reorder.probability = 0.5",
            "`cut` ends the stream before event 1, which `reorder` chooses; place it before that, or leave one of the \
             two out",
        ),
        (
            "done = 'double', error.after_events = 1, error.then = 'end'",
            "`error.then = \"end\"` ends the stream without [DONE], so that `done` would not show; use \
             `error.then = \"done\"` or \"go_on\", or leave `done` out",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_replaced_answer_leaves_nothing_for_faults_of_events() {
    for fault in [
        "drop.every = 2",
        "duplicate.every = 2",
        "reorder.every = 2",
        "delay = { time = '1s', every = 2 }",
        "stall.after_events = 2",
        "error.after_events = 2",
        "cut.after_events = 2",
        "finish_reason = 'omit'",
        "done = 'omit'",
        "role = 'omit'",
        "usage = 'omit'",
        "latency.first_token = '1s'",
    ] {
        for http in ["http.status = 500", "http.body = 'html'"] {
            let error = error(&format!("{http}, {fault}"));
            let key = http.split_once(" =").map_or(http, |(key, _)| key);
            assert!(
                error.starts_with(&format!("`{key}` replaces the answer, so that nothing is left for `")),
                "{error}"
            );
        }
    }
}

#[test]
fn what_looks_alike_can_stand_together() {
    for text in [
        "cut.after_events = 5, stall.after_events = 5, stall.time = '1s', drop.events = [5]",
        "error.after_events = 5, stall.after_events = 5, stall.time = '1s'",
        "error.after_events = 5, error.then = 'go_on', cut.after_events = 5",
        "done = 'double', error.after_events = 5",
        "http.status = 500, corrupt.at = [1], cut.after_bytes = 5, split.every = 1",
        "http.status = 204, http.body = 'empty'",
        "length.more = 1, http.gzip = true",
        "drop.every = 1, done = 'omit', error.after_events = 1",
        "duplicate.events = [3], reorder.events = [3], drop.events = [2, 4]",
    ] {
        parse(text);
    }
}

#[test]
fn a_plan_can_be_a_value_of_another_file() {
    #[derive(serde::Deserialize)]
    struct Script {
        faults: Plan,
    }
    let read = |text: &str| toml::from_str::<Script>(text).map(|script| script.faults);
    let expected = parse("cut = { after_events = 5 }, seed = 7");
    assert_eq!(read("[faults]\nseed = 7\ncut.after_events = 5").unwrap(), expected);
    assert_eq!(read("faults = 'cut.after_events = 5, seed = 7'").unwrap(), expected);
    let error = read("[faults]\ncut.after_event = 5").unwrap_err();
    assert_eq!(
        error.message(),
        "`cut.after_event` is not known here; did you mean `after_events`?; known are after_events, after_bytes, by"
    );
    let of_json: Plan = serde_json::from_str(r#"{"cut": {"after_events": 5}, "seed": 7}"#).unwrap();
    assert_eq!(of_json, expected);
}

#[test]
fn a_plan_can_be_had_for_a_part_of_the_requests() {
    let faults = "cut = { after_events = 3, by = \"reset\" }";
    let plan = parse(&format!("{faults}, probability = 0.5, times = 2, seed = 7"));
    assert_eq!(plan.faults_alone(), parse(faults));
    assert_eq!(parse(faults).faults_alone(), parse(faults));
    let part = parse(faults).with_probability(1e-12);
    assert_eq!(part.to_string(), format!("{faults}, probability = 1e-12"));
    assert_eq!(parse(&part.to_string()), part);
}

#[test]
fn durations_are_kept_to_the_microsecond() {
    let plan = parse("stall = { after_events = 1, time = '1.000001s' }");
    assert_eq!(plan.faults.stall.and_then(|stall| stall.time), Some(Duration::from_micros(1_000_001)));
    assert_eq!(plan.to_string(), "stall = { after_events = 1, time = \"1000001us\" }");
}

#[test]
fn every_example_of_the_documentation_is_a_plan() {
    let documentation = include_str!("../../../../docs/faults.md");
    // The rows of the tables that end in an example.
    let cells = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.rsplit_once("| `"));
    let rows: Vec<&str> = cells.map(|(_, example)| example).collect();
    let kinds = documentation.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `latency."));
    let kinds: Vec<String> = kinds.map(|(_, example)| format!("latency.{example}")).collect();
    assert_eq!((rows.len(), kinds.len()), (31, 10));
    for example in rows.into_iter().chain(kinds.iter().map(String::as_str)) {
        assert_ne!(parse(example), Plan::default(), "{example}");
    }
    for block in documentation.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        assert_eq!(
            parse(block.trim()),
            parse("cut = { after_events = 5, by = \"reset\" }, seed = 7"),
            "{block}"
        );
    }
}
