use std::time::Duration;

use super::*;
use crate::{Action, HttpFaults, RetryAfter, RetryAfterForm};

#[track_caller]
fn plan(text: &str) -> Plan {
    Plan::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn actions(faults: &AnswerFaults, answer: &str) -> Vec<Action> {
    let mut pipeline = faults.pipeline();
    let mut actions = Vec::new();
    pipeline.push(answer.as_bytes(), &mut actions);
    pipeline.finish(&mut actions);
    actions
}

#[test]
fn times_counts_requests() {
    let standing = StandingPlan::new(plan("done = 'omit', times = 2, seed = 7"));
    let applied: Vec<bool> = (0..4).map(|_| standing.next().applies()).collect();
    assert_eq!(applied, [true, true, false, false]);
    assert_eq!(standing.plan().to_string(), "done = \"omit\", times = 2, seed = 7");
}

#[test]
fn probability_is_drawn_for_each_request() {
    let plan = plan("done = 'omit', probability = 0.3, seed = 7");
    let applied = (0..1_000).filter(|number| plan.draw(*number).applies()).count();
    assert!((250..350).contains(&applied), "{applied}");
}

#[test]
fn a_standing_plan_without_a_seed_keeps_the_one_it_drew() {
    let standing = StandingPlan::new(plan("done = 'omit'"));
    let (first, second) = (standing.next(), standing.next());
    assert_ne!(first.seed(), second.seed());
    assert_eq!(second.seed(), seeds::of_request(first.seed(), 1));
}

#[test]
fn the_first_request_has_the_seed_of_the_plan() {
    assert_eq!(plan("seed = 7").draw(0).seed(), 7);
    assert_ne!(plan("seed = 7").draw(1).seed(), 7);
    assert!(plan("none").draw(0).seed() <= crate::SEED_MAX);
}

#[test]
fn the_header_repeats_a_request() {
    let answer: String = (0..50).map(|number| format!("data: {number}\n\n")).collect();
    let standing = plan("drop.probability = 0.4, split.random = 3, probability = 0.5, times = 90, seed = 7");
    for number in 0..100 {
        let drawn = standing.draw(number);
        let faults = drawn.faults_for(AnswerKind::Stream);
        let header = faults.header_value();
        let expected = if drawn.applies() {
            format!("drop = {{ probability = 0.4 }}, split = {{ random = 3 }}, seed = {}", drawn.seed())
        } else {
            format!("none, seed={}", drawn.seed())
        };
        assert_eq!(header, expected);
        let again = plan(&header).draw(0).faults_for(AnswerKind::Stream);
        assert_eq!(actions(&again, &answer), actions(&faults, &answer));
        assert_eq!(again.header_value(), header);
    }
}

#[test]
fn a_header_is_ascii_and_bounded() {
    let text = "ü".repeat(100);
    let faults = plan(&format!("finish_reason = '{text}', seed = 7")).draw(0).faults_for(AnswerKind::Stream);
    assert_eq!(faults.header_value(), format!("finish_reason = \"{}\", seed = 7", "\\u00FC".repeat(100)));
    let events: Vec<String> = (1..2_000).map(|event| event.to_string()).collect();
    let long = format!("drop.events = [{}], seed = 7", events.join(","));
    let header = plan(&long).draw(0).faults_for(AnswerKind::Stream).header_value();
    assert_eq!(header, "left_out_bytes = 10917, seed = 7");
    assert!(matches!(Plan::parse(&header), Err(crate::PlanError::LeftOut { bytes: 10_917 })));
}

#[test]
fn a_whole_answer_has_no_faults_of_events() {
    let all = plan(
        "drop.every = 2, duplicate.every = 3, reorder.every = 5, delay = { time = '1s', every = 3 }, \
         stall = { after_events = 1, time = '1s' }, error = { after_events = 1, then = 'go_on' }, \
         cut.after_events = 9, done = 'omit', role = 'repeat', usage = 'every_chunk', finish_reason = 'x', \
         latency = { first_token = '1s', between_tokens = '1s' }, corrupt.at = [1], http.gzip = true, seed = 7",
    );
    let whole = all.draw(0).faults_for(AnswerKind::Whole);
    assert_eq!(
        whole.skipped(),
        [
            "drop",
            "duplicate",
            "reorder",
            "delay",
            "stall",
            "error",
            "cut",
            "done",
            "role",
            "usage",
            "latency.between_tokens"
        ]
    );
    assert_eq!(
        whole.header_value(),
        "finish_reason = \"x\", corrupt = { at = [1] }, http = { gzip = true }, latency = { first_token = \"1s\" }, \
         seed = 7"
    );
    assert!(all.draw(0).faults_for(AnswerKind::Stream).skipped().is_empty());
    let whole = plan("cut.after_bytes = 1, role = 'omit', usage = 'zero', seed = 7")
        .draw(0)
        .faults_for(AnswerKind::Whole);
    assert!(whole.skipped().is_empty());
    let nothing = plan("join = true, seed = 7").draw(0).faults_for(AnswerKind::Whole);
    assert_eq!((nothing.skipped(), nothing.is_empty()), (vec!["join"], true));
    assert_eq!(nothing.header_value(), "none, seed=7");
}

#[test]
fn an_answer_of_the_responses_api_has_no_faults_of_chats() {
    let all =
        "done = 'omit', finish_reason = 'x', role = 'omit', usage = 'every_chunk', drop.every = 2, seed = 7";
    let faults = plan(all).draw(0).faults_for(AnswerKind::Stream).in_dialect(Dialect::Responses);
    assert_eq!(faults.skipped(), ["done", "finish_reason", "role", "usage"]);
    assert_eq!(faults.header_value(), "drop = { every = 2 }, seed = 7");
    let unchanged = plan(all).draw(0).faults_for(AnswerKind::Stream).in_dialect(Dialect::Chat);
    assert!(unchanged.skipped().is_empty());

    let faults = plan("error = { after_events = 1, then = 'done' }, seed = 7").draw(0);
    let faults = faults.faults_for(AnswerKind::Stream).in_dialect(Dialect::Responses);
    assert_eq!(faults.skipped(), ["error.then"]);
    let written: Vec<String> = actions(&faults, "data: a\n\ndata: b\n\n")
        .iter()
        .filter_map(|action| match action {
            Action::Write(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        })
        .collect();
    assert!(written.len() == 2 && !written[1].contains("DONE"), "{written:?}");
}

#[test]
fn the_usage_of_a_response_is_changed_where_it_stands() {
    let faults = plan("usage = 'zero', seed = 7").draw(0).faults_for(AnswerKind::Stream);
    let event = |tokens: u64| {
        format!(
            "data: {{\"type\":\"response.completed\",\"response\":{{\"usage\":{{\"total_tokens\":{tokens}}}}}}}\n\n"
        )
    };
    let written = actions(&faults.in_dialect(Dialect::Responses), &event(3));
    assert_eq!(written[0], Action::Write(event(0).into()));
}

#[test]
fn what_does_not_concern_bytes_is_handed_over() {
    let faults = plan("http = { status = 429, retry_after = '2s', slow_head = '3s' }, length.more = 3")
        .draw(0)
        .faults_for(AnswerKind::Stream);
    let expected = HttpFaults {
        status: Some(429),
        retry_after: Some(RetryAfter { wait: Duration::from_secs(2), form: RetryAfterForm::Seconds }),
        slow_head: Some(Duration::from_secs(3)),
        ..HttpFaults::default()
    };
    assert_eq!(faults.http(), &expected);
    assert_eq!(faults.length(), Some(LengthFault::More(3)));
    assert!(!faults.is_empty());
}

#[test]
fn a_plan_that_does_not_apply_does_nothing() {
    let faults = plan("done = 'omit', times = 1, seed = 7").draw(1).faults_for(AnswerKind::Stream);
    assert!(faults.is_empty() && faults.skipped().is_empty());
    assert_eq!(actions(&faults, "data: [DONE]\n\n").len(), 2);
}
