//! From the faults to their canonical form.

use super::canonical::{Pairs, list, text};
use super::model::{
    AfterError, Corrupt, CorruptPlace, CorruptWith, CutBy, CutFault, CutPlace, DelayFault, ErrorFault,
    ErrorForm, Faults, FinishReasonFault, Split, Which,
};
use super::read::{
    AFTER_ERROR, BODIES, CORRUPT_WITH, CUT_BY, DONE, ERROR_FORMS, LINE_ENDS, RETRY_AFTER_FORMS, ROLE, USAGE,
};
use crate::duration_text::write_duration;
use crate::http_faults::{HttpFaults, LengthFault, RetryAfterForm};

/// The faults, in the order of the documentation.
pub(crate) fn faults(faults: &Faults) -> Pairs {
    let mut pairs = Pairs::default();
    let of_which = |which: &Which| {
        let mut pairs = Pairs::default();
        push_which(which, &mut pairs);
        pairs.into_table()
    };
    pairs.push_some("drop", faults.drop.as_ref().map(of_which));
    pairs.push_some("duplicate", faults.duplicate.as_ref().map(of_which));
    pairs.push_some("reorder", faults.reorder.as_ref().map(of_which));
    pairs.push_some("delay", faults.delay.as_ref().map(delay));
    pairs.push_some(
        "stall",
        faults.stall.map(|stall| {
            let mut pairs = Pairs::default();
            pairs.push("after_events", stall.after_events.to_string());
            pairs.push_some("time", stall.time.map(|time| text(&write_duration(time))));
            pairs.into_table()
        }),
    );
    pairs.push_some("error", faults.error.as_ref().map(error));
    pairs.push_some("cut", faults.cut.map(cut));
    pairs.push_some(
        "finish_reason",
        faults.finish_reason.as_ref().map(|fault| match fault {
            FinishReasonFault::Omit => text("omit"),
            FinishReasonFault::Null => text("null"),
            FinishReasonFault::Other(other) => text(other),
        }),
    );
    pairs.push_some("done", faults.done.map(|done| word(&DONE, done)));
    pairs.push_some("role", faults.role.map(|role| word(&ROLE, role)));
    pairs.push_some("usage", faults.usage.map(|usage| word(&USAGE, usage)));
    pairs.push_some("split", faults.split.as_ref().map(split));
    pairs.push_true("join", faults.join);
    pairs.push_some(
        "drip",
        faults.drip.map(|drip| {
            format!("{{ bytes = {}, every = {} }}", drip.bytes, text(&write_duration(drip.every)))
        }),
    );
    pairs.push_some("corrupt", faults.corrupt.as_ref().map(corrupt));
    pairs.push_true("byte_order_mark", faults.byte_order_mark);
    pairs.push_some("line_ends", faults.line_ends.map(|line_ends| word(&LINE_ENDS, line_ends)));
    pairs.push_some("http", (!faults.http.is_empty()).then(|| http(&faults.http)));
    pairs.push_some(
        "length",
        faults.length.map(|length| match length {
            LengthFault::More(count) => format!("{{ more = {count} }}"),
            LengthFault::Fewer(count) => format!("{{ fewer = {count} }}"),
        }),
    );
    pairs.push_some("latency", (!faults.latency.is_empty()).then(|| faults.latency.write()));
    pairs
}

/// The word of a choice, in quotes. Every choice has one.
fn word<T: PartialEq>(choices: &[(&str, T)], choice: T) -> String {
    choices.iter().find(|(_, other)| *other == choice).map(|(name, _)| text(name)).unwrap_or_default()
}

/// The word of a choice that is not the default.
fn unusual<T: PartialEq + Default>(choices: &[(&str, T)], choice: T) -> Option<String> {
    (choice != T::default()).then(|| word(choices, choice))
}

fn numbers(numbers: &[u64]) -> String {
    list(numbers.iter().map(u64::to_string))
}

fn push_which(which: &Which, pairs: &mut Pairs) {
    match which {
        Which::Events(events) => pairs.push("events", numbers(events)),
        Which::Every(every) => pairs.push("every", every.to_string()),
        Which::Probability(probability) => pairs.push("probability", format!("{probability:?}")),
    }
}

fn delay(delay: &DelayFault) -> String {
    let mut pairs = Pairs::default();
    pairs.push("time", text(&write_duration(delay.time)));
    push_which(&delay.which, &mut pairs);
    pairs.into_table()
}

fn error(error: &ErrorFault) -> String {
    let mut pairs = Pairs::default();
    pairs.push("after_events", error.after_events.to_string());
    pairs.push_some("form", unusual::<ErrorForm>(&ERROR_FORMS, error.form));
    pairs.push_some("message", error.message.as_deref().map(text));
    pairs.push_some("then", unusual::<AfterError>(&AFTER_ERROR, error.then));
    pairs.into_table()
}

fn cut(cut: CutFault) -> String {
    let mut pairs = Pairs::default();
    match cut.place {
        CutPlace::AfterEvents(count) => pairs.push("after_events", count.to_string()),
        CutPlace::AfterBytes(count) => pairs.push("after_bytes", count.to_string()),
    }
    pairs.push_some("by", unusual::<CutBy>(&CUT_BY, cut.by));
    pairs.into_table()
}

fn split(split: &Split) -> String {
    match split {
        Split::Every(every) => format!("{{ every = {every} }}"),
        Split::InsideCodePoints => "{ inside = \"code_point\" }".to_owned(),
        Split::InsideLineEnds => "{ inside = \"line_end\" }".to_owned(),
        Split::At(at) => format!("{{ at = {} }}", numbers(at)),
        Split::Random(mean) => format!("{{ random = {mean} }}"),
    }
}

fn corrupt(corrupt: &Corrupt) -> String {
    let mut pairs = Pairs::default();
    match &corrupt.place {
        CorruptPlace::At(at) => pairs.push("at", numbers(at)),
        CorruptPlace::Probability(probability) => pairs.push("probability", format!("{probability:?}")),
    }
    pairs.push_some("with", unusual::<CorruptWith>(&CORRUPT_WITH, corrupt.with));
    pairs.into_table()
}

fn http(http: &HttpFaults) -> String {
    let mut pairs = Pairs::default();
    pairs.push_some("status", http.status.map(|status| status.to_string()));
    if let Some(retry_after) = http.retry_after {
        pairs.push("retry_after", text(&write_duration(retry_after.wait)));
        pairs.push_some("retry_after_form", unusual::<RetryAfterForm>(&RETRY_AFTER_FORMS, retry_after.form));
    }
    pairs.push_some("content_type", http.content_type.as_deref().map(text));
    pairs.push_some("body", http.body.map(|body| word(&BODIES, body)));
    pairs.push_some("slow_head", http.slow_head.map(|time| text(&write_duration(time))));
    pairs.push_true("gzip", http.gzip);
    pairs.push_some("message", http.message.as_deref().map(text));
    pairs.into_table()
}
