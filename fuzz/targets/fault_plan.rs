//! A plan of any text, and an answer of any bytes: an error that is short, or a plan that reads back as itself and whose
//! pipeline ends exactly once, does not depend on how the answer is cut, and loses nothing when it has no fault.
//!
//! The input is the plan, a zero byte, and the answer.

#![no_main]

use interference_faults::{Action, AnswerFaults, AnswerKind, Plan};
use libfuzzer_sys::fuzz_target;

fn run<'a>(faults: &AnswerFaults, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Action> {
    let mut pipeline = faults.pipeline();
    let mut actions = Vec::new();
    for piece in pieces {
        pipeline.push(piece, &mut actions);
    }
    pipeline.finish(&mut actions);
    let ends = actions.iter().filter(|action| matches!(action, Action::End(_))).count();
    assert!(ends == 1 && matches!(actions.last(), Some(Action::End(_))), "{ends} ends");
    actions
}

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (text, answer) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    let plan = match Plan::parse(text) {
        Ok(plan) => plan,
        Err(error) => {
            // A key may be as long as the text.
            let message = error.to_string();
            assert!(message.len() < 1_000 + 2 * text.len(), "a message of {} bytes", message.len());
            return;
        }
    };
    let line = plan.to_string();
    assert_eq!(Plan::parse(&line).as_ref(), Ok(&plan), "{line}");
    let drawn = plan.draw(0);
    for kind in [AnswerKind::Stream, AnswerKind::Whole] {
        let faults = drawn.faults_for(kind);
        let header = faults.header_value();
        assert!(header.is_ascii() && header.len() <= interference_faults::HEADER_BYTES_MAX);
        let actions = run(&faults, [answer]);
        assert_eq!(actions, run(&faults, answer.chunks(1)));
        if let Ok(again) = Plan::parse(&header) {
            assert_eq!(actions, run(&again.draw(0).faults_for(kind), [answer]), "{header}");
        }
        if faults.is_empty() {
            let writes = actions.iter().filter_map(|action| match action {
                Action::Write(bytes) => Some(bytes.as_ref()),
                _ => None,
            });
            assert_eq!(writes.collect::<Vec<_>>().concat(), answer);
        }
    }
});
