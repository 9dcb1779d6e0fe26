use std::fmt::Write;
use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::plan::Plan;

/// A role, two tokens with characters of several bytes, the finish reason, the usage, the end.
const EVENTS: [&str; 6] = [
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grün\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" 🌳\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,\"details\":{\"cached\":0}}}\n\n",
    "data: [DONE]\n\n",
];

const BODY: &str = "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Grün 🌳\"},\
    \"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5}}";

/// The name by which [`Told`] tells an event.
const NAMES: [&str; 6] = ["[role]", "[one]", "[two]", "[finish]", "[usage]", "[done]"];

fn pipeline(plan: &str, kind: AnswerKind) -> Pipeline {
    let plan = Plan::parse(plan).unwrap_or_else(|error| panic!("{plan}: {error}"));
    plan.draw(0).faults_for(kind).pipeline()
}

fn run<'a>(pipeline: &mut Pipeline, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Action> {
    let mut actions = Vec::new();
    for piece in pieces {
        pipeline.push(piece, &mut actions);
    }
    pipeline.finish(&mut actions);
    let ends = actions.iter().filter(|action| matches!(action, Action::End(_))).count();
    assert!(ends == 1 && matches!(actions.last(), Some(Action::End(_))), "{actions:?}");
    assert!(actions.iter().all(|action| *action != Action::Write(Bytes::new())), "an empty write");
    actions
}

/// What a plan makes of the stream, one action a line, with known events by their names.
fn told(actions: &[Action]) -> String {
    let mut told = String::new();
    for action in actions {
        match action {
            Action::Wait(time) => writeln!(told, "wait {time:?}").unwrap(),
            Action::End(ending) => write!(told, "{ending:?}").unwrap(),
            Action::Write(bytes) => {
                let known = EVENTS.iter().position(|event| event.as_bytes() == bytes);
                match known {
                    Some(index) => writeln!(told, "{}", NAMES[index]).unwrap(),
                    None => writeln!(told, "{:?}", String::from_utf8_lossy(bytes)).unwrap(),
                }
            }
        }
    }
    told
}

fn stream(plan: &str) -> String {
    let mut pipeline = pipeline(plan, AnswerKind::Stream);
    told(&run(&mut pipeline, EVENTS.map(str::as_bytes)))
}

fn whole(plan: &str) -> String {
    told(&run(&mut pipeline(plan, AnswerKind::Whole), [BODY.as_bytes()]))
}

fn happened(plan: &str, kind: AnswerKind) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
    let mut pipeline = pipeline(plan, kind);
    match kind {
        AnswerKind::Stream => run(&mut pipeline, EVENTS.map(str::as_bytes)),
        AnswerKind::Whole => run(&mut pipeline, [BODY.as_bytes()]),
    };
    pipeline.happened().iter().map(|happening| (happening.fault, happening.event, happening.byte)).collect()
}

#[track_caller]
fn assert_stream(plan: &str, expected: &str) {
    let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
    assert_eq!(stream(plan).lines().collect::<Vec<_>>(), expected, "{plan}");
}

/// The stream with some texts replaced by others.
#[track_caller]
fn assert_edited(plan: &str, edits: &[(&str, &str)]) {
    let mut expected = EVENTS.concat();
    for (from, to) in edits {
        assert!(expected.contains(from), "{from}");
        expected = expected.replace(from, to);
    }
    let actions = run(&mut pipeline(plan, AnswerKind::Stream), EVENTS.map(str::as_bytes));
    assert_eq!(String::from_utf8(body(&actions)).unwrap(), expected, "{plan}");
}

fn body(actions: &[Action]) -> Vec<u8> {
    let writes = actions.iter().filter_map(|action| match action {
        Action::Write(bytes) => Some(bytes.as_ref()),
        _ => None,
    });
    writes.collect::<Vec<_>>().concat()
}

fn writes(plan: &str) -> Vec<String> {
    let actions =
        run(&mut pipeline(plan, AnswerKind::Stream), ["data: aä🌳\n\n: c\n\ndata: b\n\n".as_bytes()]);
    let of_write = |action: &Action| match action {
        Action::Write(bytes) => Some(bytes.escape_ascii().to_string()),
        _ => None,
    };
    actions.iter().filter_map(of_write).collect()
}

#[test]
fn without_faults_every_event_is_a_write() {
    assert_stream("none", "[role] | [one] | [two] | [finish] | [usage] | [done] | Complete");
    assert_eq!(whole("none"), format!("{BODY:?}\nComplete"));
}

#[test]
fn events_are_dropped_doubled_swapped_and_late() {
    assert_stream("drop.events = [2, 6]", "[role] | [two] | [finish] | [usage] | Complete");
    assert_stream("drop.every = 2", "[role] | [two] | [usage] | Complete");
    assert_stream(
        "duplicate.events = [2]",
        "[role] | [one] | [one] | [two] | [finish] | [usage] | [done] | Complete",
    );
    assert_stream("reorder.events = [2]", "[role] | [two] | [one] | [finish] | [usage] | [done] | Complete");
    assert_stream("reorder.every = 1", "[one] | [role] | [finish] | [two] | [done] | [usage] | Complete");
    assert_stream("reorder.events = [6]", "[role] | [one] | [two] | [finish] | [usage] | [done] | Complete");
    assert_stream(
        "delay = { time = '5ms', events = [1, 3] }",
        "wait 5ms | [role] | [one] | wait 5ms | [two] | [finish] | [usage] | [done] | Complete",
    );
}

#[test]
fn several_faults_of_events_at_once() {
    assert_stream(
        "drop.events = [1], duplicate.events = [2], reorder.events = [2], delay = { time = '1s', events = [2] }",
        "[two] | wait 1s | [one] | [one] | [finish] | [usage] | [done] | Complete",
    );
}

#[test]
fn the_stream_stands_still() {
    assert_stream(
        "stall = { after_events = 2, time = '30s' }",
        "[role] | [one] | wait 30s | [two] | [finish] | [usage] | [done] | Complete",
    );
    assert_stream("stall.after_events = 2", "[role] | [one] | Hold");
    assert_stream("stall.after_events = 0", "Hold");
    assert_stream(
        "stall.after_events = 7",
        "[role] | [one] | [two] | [finish] | [usage] | [done] | Complete",
    );
}

#[test]
fn the_stream_is_cut() {
    for (by, ending) in
        [("reset", "Reset"), ("close", "Close"), ("half_close", "HalfClose"), ("end", "Complete")]
    {
        assert_stream(&format!("cut = {{ after_events = 1, by = '{by}' }}"), &format!("[role] | {ending}"));
        assert_stream(&format!("cut = {{ after_bytes = 4, by = '{by}' }}"), &format!("\"data\" | {ending}"));
    }
    assert_stream("cut.after_events = 0", "Close");
    assert_stream("cut.after_bytes = 0", "Close");
    assert_stream("cut.after_events = 6", "[role] | [one] | [two] | [finish] | [usage] | [done] | Close");
    // The cut is counted by places: of the first two, one comes from behind.
    assert_stream("cut.after_events = 2, reorder.events = [2]", "[role] | [two] | Close");
    assert_stream("cut.after_events = 2, drop.events = [1]", "[one] | Close");
    assert_stream(
        "cut.after_events = 1, stall = { after_events = 1, time = '1s' }",
        "[role] | wait 1s | Close",
    );
}

#[test]
fn an_error_is_put_in() {
    let envelope = r#""data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n""#;
    let error = |rest| format!("error = {{ after_events = 1, message = 'no'{rest} }}");
    assert_stream(&error(""), &format!("[role] | {envelope} | [done] | Complete"));
    assert_stream(&error(", then = 'end'"), &format!("[role] | {envelope} | Complete"));
    assert_stream(
        &error(", then = 'go_on'"),
        &format!("[role] | {envelope} | [one] | [two] | [finish] | [usage] | [done] | Complete"),
    );
    assert_stream(
        &error(", form = 'event', then = 'end'"),
        r#"[role] | "event: error\ndata: {\"message\":\"no\",\"type\":\"server_error\",\"code\":null}\n\n" | Complete"#,
    );
    assert_stream(
        &error(", form = 'object', then = 'end'"),
        r#"[role] | "data: {\"object\":\"error\",\"message\":\"no\",\"type\":\"server_error\",\"param\":null,\"code\":null}\n\n" | Complete"#,
    );
    assert_stream(
        "error.after_events = 0, done = 'double'",
        r#""data: {\"error\":{\"message\":\"This error is injected.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n" | [done] | [done] | Complete"#,
    );
}

#[test]
fn the_finish_reason_is_changed() {
    assert_stream("finish_reason = 'omit'", "[role] | [one] | [two] | [usage] | [done] | Complete");
    assert_edited("finish_reason = 'null'", &[("\"finish_reason\":\"stop\"", "\"finish_reason\":null")]);
    assert_edited(
        "finish_reason = 'lunch'",
        &[("\"finish_reason\":\"stop\"", "\"finish_reason\":\"lunch\"")],
    );
}

#[test]
fn the_end_is_changed() {
    assert_stream("done = 'omit'", "[role] | [one] | [two] | [finish] | [usage] | Complete");
    assert_stream(
        "done = 'double'",
        "[role] | [one] | [two] | [finish] | [usage] | [done] | [done] | Complete",
    );
    assert_stream(
        "done = 'space'",
        r#"[role] | [one] | [two] | [finish] | [usage] | "data: [DONE] \n\n" | Complete"#,
    );
    assert_stream(
        "done = 'more'",
        r#"[role] | [one] | [two] | [finish] | [usage] | [done] | "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" (after done)\"},\"finish_reason\":null}]}\n\n" | Complete"#,
    );
}

#[test]
fn the_role_is_changed() {
    assert_edited("role = 'omit'", &[("\"role\":\"assistant\",", "")]);
    assert_edited(
        "role = 'repeat'",
        &[
            ("{\"content\":\"Grün", "{\"role\":\"assistant\",\"content\":\"Grün"),
            ("{\"content\":\" 🌳", "{\"role\":\"assistant\",\"content\":\" 🌳"),
            ("\"delta\":{}", "\"delta\":{\"role\":\"assistant\"}"),
        ],
    );
}

#[test]
fn the_usage_is_changed() {
    let usage = "{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,\"details\":{\"cached\":0}}";
    assert_stream("usage = 'omit'", "[role] | [one] | [two] | [finish] | [done] | Complete");
    assert_edited("usage = 'null'", &[(usage, "null")]);
    let changed = |prompt, completion, total, cached| {
        format!(
            "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{total},\
             \"details\":{{\"cached\":{cached}}}}}"
        )
    };
    assert_edited("usage = 'zero'", &[(usage, &changed("0", "0", "0", "0"))]);
    assert_edited("usage = 'negative'", &[(usage, &changed("-5", "-2", "-7", "-1"))]);
    assert_edited("usage = 'text'", &[(usage, &changed("\"5\"", "\"2\"", "\"7\"", "\"0\""))]);
    let running = |tokens| {
        format!(
            ",\"usage\":{{\"prompt_tokens\":0,\"completion_tokens\":{tokens},\"total_tokens\":{tokens}}}}}\n\n"
        )
    };
    let mut expected = EVENTS.map(str::to_owned);
    for (event, tokens) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        expected[event] = expected[event].replace("}\n\n", &running(tokens));
    }
    let actions = run(&mut pipeline("usage = 'every_chunk'", AnswerKind::Stream), EVENTS.map(str::as_bytes));
    assert_eq!(String::from_utf8(body(&actions)).unwrap(), expected.concat());
}

#[test]
fn usage_is_left_out_of_every_chunk() {
    let with_null = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
    let actions = run(&mut pipeline("usage = 'omit'", AnswerKind::Stream), [with_null.as_bytes()]);
    assert_eq!(body(&actions), b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");
}

#[test]
fn writes_are_split() {
    let (first, comment, second) =
        ("data: a\\xc3\\xa4\\xf0\\x9f\\x8c\\xb3\\n\\n", ": c\\n\\n", "data: b\\n\\n");
    assert_eq!(writes("none"), [first, comment, second]);
    assert_eq!(
        writes("split.inside = 'code_point'"),
        ["data: a\\xc3", "\\xa4\\xf0", "\\x9f\\x8c\\xb3\\n\\n", comment, second]
    );
    assert_eq!(
        writes("split.inside = 'line_end'"),
        ["data: a\\xc3\\xa4\\xf0\\x9f\\x8c\\xb3\\n", "\\n", ": c\\n", "\\n", "data: b\\n", "\\n"]
    );
    assert_eq!(
        writes("split.inside = 'line_end', line_ends = 'crlf'"),
        [
            "data: a\\xc3\\xa4\\xf0\\x9f\\x8c\\xb3\\r",
            "\\n\\r",
            "\\n",
            ": c\\r",
            "\\n\\r",
            "\\n",
            "data: b\\r",
            "\\n\\r",
            "\\n"
        ]
    );
    assert_eq!(
        writes("split.every = 4"),
        ["data", ": a\\xc3", "\\xa4\\xf0\\x9f\\x8c", "\\xb3\\n\\n", ": c\\n", "\\n", "data", ": b\\n", "\\n"]
    );
    // The first write has 15 bytes, so that a cut at 15 is there already.
    assert_eq!(
        writes("split.at = [1, 3, 15, 16, 21]"),
        ["d", "at", "a: a\\xc3\\xa4\\xf0\\x9f\\x8c\\xb3\\n\\n", ":", " c\\n\\n", "d", "ata: b\\n\\n"]
    );
    assert_eq!(writes("split.random = 1").len(), 29);
    let drawn = writes("split.random = 3, seed = 1");
    assert_eq!(drawn.concat(), [first, comment, second].concat());
    assert!(drawn.len() > 4, "{drawn:?}");
}

#[test]
fn writes_are_joined() {
    let actions = run(&mut pipeline("join = true", AnswerKind::Stream), EVENTS.map(str::as_bytes));
    assert_eq!(actions, [Action::Write(Bytes::from(EVENTS.concat())), Action::End(Ending::Complete)]);
    let actions = run(
        &mut pipeline("join = true, cut.after_events = 1", AnswerKind::Stream),
        EVENTS.map(str::as_bytes),
    );
    assert_eq!(actions, [Action::Write(Bytes::from(EVENTS[0])), Action::End(Ending::Close)]);
}

#[test]
fn an_answer_drips() {
    let mut pipeline = pipeline("drip = { bytes = 6, every = '10ms' }", AnswerKind::Stream);
    let actions = run(&mut pipeline, ["data: a\n\ndata: b\n\n".as_bytes()]);
    let expected =
        "\"data: \"\nwait 10ms\n\"a\\n\\n\"\nwait 10ms\n\"data: \"\nwait 10ms\n\"b\\n\\n\"\nComplete";
    assert_eq!(told(&actions), expected);
}

#[test]
fn bytes_are_damaged() {
    assert_eq!(
        writes("corrupt = { at = [0, 6, 7, 15], with = 'invalid' }")[..2],
        ["\\xffata: \\xff\\xff\\xa4\\xf0\\x9f\\x8c\\xb3\\n\\n", "\\xff c\\n\\n"]
    );
    assert_eq!(writes("corrupt = { at = [1], with = 'zero' }, cut.after_bytes = 3"), ["d\\x00t"]);
    let flipped = run(&mut pipeline("corrupt.at = [3]", AnswerKind::Stream), EVENTS.map(str::as_bytes));
    let sound = EVENTS.concat();
    let changed: Vec<(usize, u32)> = body(&flipped)
        .iter()
        .zip(sound.bytes())
        .enumerate()
        .filter(|(_, (faulty, sound))| *faulty != sound)
        .map(|(offset, (faulty, sound))| (offset, (faulty ^ sound).count_ones()))
        .collect();
    assert_eq!(changed, [(3, 1)]);
    let all = run(
        &mut pipeline("corrupt = { probability = 1, with = 'zero' }", AnswerKind::Whole),
        [BODY.as_bytes()],
    );
    assert_eq!(body(&all), vec![0; BODY.len()]);
}

#[test]
fn a_mark_and_other_line_ends() {
    assert_eq!(
        writes("byte_order_mark = true, split.at = [4]")[..2],
        ["\\xef\\xbb\\xbfd", "ata: a\\xc3\\xa4\\xf0\\x9f\\x8c\\xb3\\n\\n"]
    );
    assert_eq!(writes("line_ends = 'crlf'")[1..], [": c\\r\\n\\r\\n", "data: b\\r\\n\\r\\n"]);
    assert_eq!(writes("line_ends = 'cr'")[1..], [": c\\r\\r", "data: b\\r\\r"]);
    // An empty body has nothing to mark.
    assert_eq!(told(&run(&mut pipeline("byte_order_mark = true", AnswerKind::Stream), [])), "Complete");
}

fn decompressed(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut plain = Vec::new();
    let is_whole = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).is_ok();
    (plain, is_whole)
}

#[test]
fn every_event_can_be_decompressed_when_it_is_there() {
    let actions = run(&mut pipeline("http.gzip = true", AnswerKind::Stream), EVENTS.map(str::as_bytes));
    let mut compressed = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let Action::Write(bytes) = action else { continue };
        compressed.extend_from_slice(bytes);
        let there = EVENTS[..(index + 1).min(EVENTS.len())].concat();
        assert_eq!(decompressed(&compressed), (there.into_bytes(), index == EVENTS.len()));
    }
    assert_eq!(actions.len(), EVENTS.len() + 2);
    let cut = run(
        &mut pipeline("http.gzip = true, cut.after_events = 1", AnswerKind::Stream),
        EVENTS.map(str::as_bytes),
    );
    assert_eq!(decompressed(&body(&cut)), (EVENTS[0].into(), false));
    let ended = "http.gzip = true, cut = { after_events = 1, by = 'end' }";
    let ended = run(&mut pipeline(ended, AnswerKind::Stream), EVENTS.map(str::as_bytes));
    assert_eq!(decompressed(&body(&ended)), (EVENTS[0].into(), true));
}

#[test]
fn what_breaks_off_has_no_end_in_any_layer() {
    for (kind, beginning) in [(AnswerKind::Whole, &BODY[..20]), (AnswerKind::Stream, EVENTS[0])] {
        for (plan, is_compressed) in
            [("http.gzip = true", true), ("join = true", false), ("usage = 'omit'", false)]
        {
            let (mut pipeline, mut actions) = (pipeline(plan, kind), Vec::new());
            pipeline.push(beginning.as_bytes(), &mut actions);
            pipeline.break_off(&mut actions);
            assert!(actions.iter().all(|action| matches!(action, Action::Write(_))), "{plan}: {actions:?}");
            let body = body(&actions);
            let told = if is_compressed { decompressed(&body) } else { (body, false) };
            assert_eq!(told, (beginning.into(), false), "{plan}, {kind:?}");
        }
    }
    let (mut cut, mut actions) = (pipeline("cut = { after_bytes = 20 }", AnswerKind::Whole), Vec::new());
    cut.push(&BODY.as_bytes()[..20], &mut actions);
    cut.break_off(&mut actions);
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::End(_))).count(), 1, "{actions:?}");
}

#[test]
fn an_end_that_a_fault_makes_is_one_also_where_the_source_breaks_off() {
    for (plan, beginning) in [
        ("error = { after_events = 0 }", ""),
        ("cut = { after_events = 0, by = 'end' }", ""),
        ("reorder.events = [1], error = { after_events = 1 }", EVENTS[0]),
        ("reorder.events = [1], cut = { after_events = 1, by = 'end' }", EVENTS[0]),
    ] {
        let (mut pipeline, mut actions) = (pipeline(plan, AnswerKind::Stream), Vec::new());
        if !beginning.is_empty() {
            pipeline.push(beginning.as_bytes(), &mut actions);
        }
        pipeline.break_off(&mut actions);
        assert_eq!(actions.last(), Some(&Action::End(Ending::Complete)), "{plan}: {actions:?}");
        assert!(pipeline.is_ended(), "{plan}");
    }
}

#[test]
fn nothing_comes_behind_an_end() {
    let plan = "join = true, http.gzip = true, cut.after_bytes = 10";
    let actions = run(&mut pipeline(plan, AnswerKind::Stream), EVENTS.map(str::as_bytes));
    assert!(matches!(actions.last(), Some(Action::End(_))), "{actions:?}");
    assert_eq!(body(&actions).len(), 10);
}

#[test]
fn a_body_in_a_content_coding_is_not_kept_back() {
    let faults = Plan::parse("split.every = 8").unwrap().draw(0).faults_for(AnswerKind::Whole);
    let (mut split, mut actions) = (faults.in_content_coding().pipeline(), Vec::new());
    split.push(&BODY.as_bytes()[..16], &mut actions);
    assert_eq!(body(&actions), BODY.as_bytes()[..16]);
}

#[test]
fn the_pace_of_an_answer() {
    assert_stream(
        "latency = { first_token = '1s', between_tokens = { recorded = ['1ms', '2ms'] } }",
        "[role] | wait 1s | [one] | wait 1ms | [two] | [finish] | [usage] | [done] | Complete",
    );
    assert_stream(
        "latency.between_tokens = '1ms'",
        "[role] | [one] | wait 1ms | [two] | [finish] | [usage] | [done] | Complete",
    );
    assert_eq!(whole("latency.first_token = '1s'"), format!("wait 1s\n{BODY:?}\nComplete"));
    let of_responses =
        "data: {\"type\":\"response.created\"}\n\ndata: {\"type\":\"response.output_text.delta\"}\n\n";
    let actions =
        run(&mut pipeline("latency.first_token = '1s'", AnswerKind::Stream), [of_responses.as_bytes()]);
    assert_eq!(
        told(&actions),
        "\"data: {\\\"type\\\":\\\"response.created\\\"}\\n\\n\"\nwait 1s\n\
         \"data: {\\\"type\\\":\\\"response.output_text.delta\\\"}\\n\\n\"\nComplete"
    );
}

#[test]
fn a_whole_body_is_edited() {
    let edited = |plan: &str| {
        String::from_utf8(body(&run(&mut pipeline(plan, AnswerKind::Whole), [BODY.as_bytes()]))).unwrap()
    };
    assert_eq!(edited("finish_reason = 'omit'"), BODY.replace(",\"finish_reason\":\"stop\"", ""));
    assert_eq!(edited("finish_reason = 'null'"), BODY.replace("\"stop\"", "null"));
    assert_eq!(edited("role = 'omit'"), BODY.replace("\"role\":\"assistant\",", ""));
    assert_eq!(edited("usage = 'omit'"), BODY.replace(",\"usage\":{\"prompt_tokens\":5}", ""));
    assert_eq!(edited("usage = 'zero'"), BODY.replace(":5}", ":0}"));
    assert_eq!(edited("cut.after_bytes = 10"), BODY[..10]);
    assert_eq!(edited("drop.every = 2, done = 'omit', role = 'repeat'"), BODY);
}

#[test]
fn what_is_no_json_stays_as_it_is() {
    let stream = "data: {\"choices\":\n\ndata: 7\n\ndata: {\"choices\":{}}\n\n: c\n\n";
    for plan in
        ["role = 'repeat'", "usage = 'every_chunk'", "finish_reason = 'omit'", "latency.first_token = '1s'"]
    {
        let actions = run(&mut pipeline(plan, AnswerKind::Stream), [stream.as_bytes()]);
        assert_eq!(body(&actions), stream.as_bytes(), "{plan}");
    }
    let actions = run(&mut pipeline("role = 'omit'", AnswerKind::Whole), ["no JSON".as_bytes()]);
    assert_eq!(body(&actions), b"no JSON");
}

#[test]
fn an_event_that_is_too_long_passes_unfaulted() {
    let long = format!("data: {}\n\n", "x".repeat(2 << 20));
    let bytes = [long.as_bytes(), EVENTS[0].as_bytes()].concat();
    let actions = run(&mut pipeline("drop.events = [1]", AnswerKind::Stream), bytes.chunks(4_096));
    assert!(body(&actions) == long.as_bytes());
}

#[test]
fn what_is_too_long_to_be_kept_goes_on() {
    let bytes = vec![b'1'; COLLECTED_BYTES_MAX + 10];
    let actions = run(&mut pipeline("usage = 'omit'", AnswerKind::Whole), [&bytes[..7], &bytes[7..]]);
    assert_eq!(actions.len(), 3);
    assert!(body(&actions) == bytes);
    let event = format!("data: {}\n\n", "x".repeat(100_000));
    let stream = event.repeat(COLLECTED_BYTES_MAX / event.len() + 2);
    let actions = run(&mut pipeline("join = true", AnswerKind::Stream), [stream.as_bytes()]);
    assert!(actions.len() < 6 && body(&actions) == stream.as_bytes(), "{}", actions.len());
}

#[test]
fn pieces_are_bounded() {
    let long = vec![b'x'; PIECES_MAX + 10];
    let actions = run(&mut pipeline("split.every = 1", AnswerKind::Whole), [long.as_slice()]);
    assert_eq!(actions.len(), PIECES_MAX + 1);
    assert!(body(&actions) == long);
}

#[test]
fn what_happened_is_told() {
    for (plan, expected) in [
        ("drop.every = 3", vec![("drop", Some(3), None), ("drop", Some(6), None)]),
        (
            "stall = { after_events = 2, time = '1s' }, cut.after_events = 3",
            vec![("stall", Some(2), None), ("cut", Some(3), None)],
        ),
        (
            "finish_reason = 'x', role = 'omit', usage = 'null', done = 'omit'",
            vec![
                ("role", Some(1), None),
                ("finish_reason", Some(4), None),
                ("usage", Some(5), None),
                ("done", Some(6), None),
            ],
        ),
        ("cut.after_bytes = 7, split.every = 2", vec![("split", None, Some(2)), ("cut", None, Some(7))]),
        (
            "corrupt.at = [1, 2], line_ends = 'cr', byte_order_mark = true",
            vec![
                ("byte_order_mark", None, Some(0)),
                ("line_ends", None, Some(3 + EVENTS[0].len() as u64 - 2)),
                ("corrupt", None, Some(1)),
                ("corrupt", None, Some(2)),
            ],
        ),
        ("cut.after_events = 9", vec![]),
    ] {
        assert_eq!(happened(plan, AnswerKind::Stream), expected, "{plan}");
    }
    assert_eq!(happened("role = 'omit'", AnswerKind::Whole), [("role", Some(1), None)]);
    let happening = Happening { fault: "cut", event: None, byte: Some(7) };
    assert_eq!(serde_json::to_string(&happening).unwrap(), r#"{"fault":"cut","event":null,"byte":7}"#);
}

#[test]
fn after_the_end_nothing_follows() {
    let mut pipeline = pipeline("cut.after_events = 1", AnswerKind::Stream);
    let mut actions = Vec::new();
    pipeline.push(EVENTS.concat().as_bytes(), &mut actions);
    assert!(pipeline.is_ended());
    let before = actions.clone();
    pipeline.push(b"data: more\n\n", &mut actions);
    pipeline.finish(&mut actions);
    pipeline.finish(&mut actions);
    assert_eq!(actions, before);
}

#[test]
fn one_fault_does_not_move_the_draws_of_another() {
    let events: String = (0..200).map(|number| format!("data: {number}\n\n")).collect();
    let lost = |plan: &str| -> Vec<Option<u64>> {
        let mut pipeline = pipeline(plan, AnswerKind::Stream);
        run(&mut pipeline, [events.as_bytes()]);
        pipeline.happened().iter().filter(|one| one.fault == "drop").map(|one| one.event).collect()
    };
    let alone = lost("drop.probability = 0.2, seed = 3");
    assert!((20..60).contains(&alone.len()), "{}", alone.len());
    assert_eq!(
        alone,
        lost("drop.probability = 0.2, duplicate.probability = 0.5, split.random = 2, seed = 3")
    );
    assert_ne!(alone, lost("drop.probability = 0.2, seed = 4"));
}

/// Plans with everything that is drawn.
const DRAWN: [&str; 6] = [
    "drop.probability = 0.3, duplicate.probability = 0.3, reorder.probability = 0.3, \
     delay = { time = '1ms', probability = 0.3 }",
    "split.random = 3, line_ends = 'mixed', corrupt.probability = 0.1",
    "latency = { first_token = { distribution = 'gamma', shape = 2, mean = '1s' }, \
     between_tokens = { fixed = '1s', jitter = '1s' } }",
    "role = 'repeat', usage = 'every_chunk', finish_reason = 'x', done = 'more', http.gzip = true, split.every = 7",
    "join = true, byte_order_mark = true, cut.after_bytes = 50",
    "error = { after_events = 2, then = 'go_on' }, drip = { bytes = 3, every = '1ms' }, line_ends = 'crlf'",
];

fn some_stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => (0..EVENTS.len()).prop_map(|index| EVENTS[index].as_bytes().to_vec()),
        1 => Just(b": ping\n\n".to_vec()),
        1 => Just(b"data: a\r\n\r\n".to_vec()),
        1 => Just(b"data: a\r\r".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "[\r\n]{1,4}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_actions_however_the_input_is_cut(
        stream in some_stream(),
        plan in 0..DRAWN.len(),
        seed in 0_u64..1_000,
        size in 1_usize..40,
        is_whole in any::<bool>(),
    ) {
        let kind = if is_whole { AnswerKind::Whole } else { AnswerKind::Stream };
        let plan = format!("{}, seed = {seed}", DRAWN[plan]);
        let actions = run(&mut pipeline(&plan, kind), [stream.as_slice()]);
        prop_assert_eq!(&actions, &run(&mut pipeline(&plan, kind), [stream.as_slice()]));
        prop_assert_eq!(&actions, &run(&mut pipeline(&plan, kind), stream.chunks(size)));
    }

    #[test]
    fn without_faults_any_bytes_pass_unchanged(
        stream in prop_oneof![some_stream(), prop::collection::vec(any::<u8>(), 0..200)],
        size in 1_usize..40,
        is_whole in any::<bool>(),
    ) {
        let kind = if is_whole { AnswerKind::Whole } else { AnswerKind::Stream };
        for plan in ["none", "split.random = 5", "join = true", "cut.after_events = 1000"] {
            let actions = run(&mut pipeline(plan, kind), stream.chunks(size));
            prop_assert_eq!(body(&actions), stream.clone());
        }
    }

    #[test]
    fn mixed_line_ends_keep_every_line(text in "[ab\n]{0,60}", seed in 0_u64..1_000) {
        let plan = format!("line_ends = 'mixed', seed = {seed}");
        let actions = run(&mut pipeline(&plan, AnswerKind::Stream), [text.as_bytes()]);
        let mixed = String::from_utf8(body(&actions)).unwrap();
        prop_assert_eq!(mixed.replace("\r\n", "\n").replace('\r', "\n"), text);
    }
}
