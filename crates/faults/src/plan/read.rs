//! From the tree of a text to the faults: every key, its type, its bounds and its default.

use super::document::Node;
use super::error::PlanError;
use super::fields::{Field, Table, WHOLE_MAX};
use super::model::{
    AfterError, Corrupt, CorruptPlace, CorruptWith, CutBy, CutFault, CutPlace, DelayFault, DoneFault, Drip,
    ErrorFault, ErrorForm, Faults, FinishReasonFault, LineEnds, RoleFault, Split, StallFault, UsageFault,
    Which,
};
use super::{ERROR_MESSAGE_BYTES_MAX, Plan};
use crate::delay::Latency;
use crate::http_faults::{HttpFaults, LengthFault, RetryAfter, RetryAfterForm, SubstituteBody};

/// Every key at the top, in the order of the documentation. The last one is no fault, but what stands for a plan that
/// was too long for a header.
const KEYS: [&str; 24] = [
    "drop",
    "duplicate",
    "reorder",
    "delay",
    "stall",
    "error",
    "cut",
    "finish_reason",
    "done",
    "role",
    "usage",
    "split",
    "join",
    "drip",
    "corrupt",
    "byte_order_mark",
    "line_ends",
    "http",
    "length",
    "latency",
    "probability",
    "times",
    "seed",
    LEFT_OUT,
];

/// The key that stands for a plan that was too long for a header.
pub(crate) const LEFT_OUT: &str = "left_out_bytes";

/// The length of the word in place of a finish reason, and of a content type.
const WORD_BYTES_MAX: usize = 256;

pub(super) const ERROR_FORMS: [(&str, ErrorForm); 3] =
    [("envelope", ErrorForm::Envelope), ("event", ErrorForm::Event), ("object", ErrorForm::Object)];
pub(super) const AFTER_ERROR: [(&str, AfterError); 3] =
    [("done", AfterError::Done), ("end", AfterError::End), ("go_on", AfterError::GoOn)];
pub(super) const CUT_BY: [(&str, CutBy); 4] =
    [("reset", CutBy::Reset), ("close", CutBy::Close), ("half_close", CutBy::HalfClose), ("end", CutBy::End)];
pub(super) const DONE: [(&str, DoneFault); 4] = [
    ("omit", DoneFault::Omit),
    ("double", DoneFault::Double),
    ("more", DoneFault::More),
    ("space", DoneFault::Space),
];
pub(super) const ROLE: [(&str, RoleFault); 2] = [("omit", RoleFault::Omit), ("repeat", RoleFault::Repeat)];
pub(super) const USAGE: [(&str, UsageFault); 6] = [
    ("omit", UsageFault::Omit),
    ("null", UsageFault::Null),
    ("zero", UsageFault::Zero),
    ("negative", UsageFault::Negative),
    ("text", UsageFault::Text),
    ("every_chunk", UsageFault::EveryChunk),
];
pub(super) const CORRUPT_WITH: [(&str, CorruptWith); 3] =
    [("flip", CorruptWith::Flip), ("invalid", CorruptWith::Invalid), ("zero", CorruptWith::Zero)];
pub(super) const LINE_ENDS: [(&str, LineEnds); 3] = [
    ("crlf", LineEnds::CarriageReturnLineFeed),
    ("cr", LineEnds::CarriageReturn),
    ("mixed", LineEnds::Mixed),
];
pub(super) const BODIES: [(&str, SubstituteBody); 3] =
    [("html", SubstituteBody::Html), ("empty", SubstituteBody::Empty), ("error", SubstituteBody::Error)];
pub(super) const RETRY_AFTER_FORMS: [(&str, RetryAfterForm); 3] = [
    ("seconds", RetryAfterForm::Seconds),
    ("date", RetryAfterForm::Date),
    ("milliseconds", RetryAfterForm::Milliseconds),
];

/// Reads a whole plan. Whether its keys can stand together is not looked at.
pub(super) fn plan(node: &Node) -> Result<Plan, PlanError> {
    // The first error of a table names what is known, and the last key is none that anyone should write.
    let table = match Field::root(node, "").table(&KEYS) {
        Err(PlanError::UnknownKey { place, known, nearest }) => {
            let known = known.into_iter().filter(|key| *key != LEFT_OUT).collect();
            return Err(PlanError::UnknownKey { place, known, nearest });
        }
        table => table?,
    };
    if let Some(bytes) = table.get(LEFT_OUT) {
        return Err(PlanError::LeftOut { bytes: bytes.whole(0, WHOLE_MAX)? });
    }
    Ok(Plan {
        seed: table.read("seed", |field| field.whole(0, WHOLE_MAX))?,
        probability: table.read("probability", probability)?,
        times: table.read("times", |field| field.whole(1, WHOLE_MAX))?,
        faults: faults(&table)?,
    })
}

fn faults(table: &Table<'_>) -> Result<Faults, PlanError> {
    Ok(Faults {
        drop: table.read("drop", which)?,
        duplicate: table.read("duplicate", which)?,
        reorder: table.read("reorder", which)?,
        delay: table.read("delay", delay)?,
        stall: table.read("stall", stall)?,
        error: table.read("error", error)?,
        cut: table.read("cut", cut)?,
        finish_reason: table.read("finish_reason", finish_reason)?,
        done: table.read("done", |field| field.choice(&DONE))?,
        role: table.read("role", |field| field.choice(&ROLE))?,
        usage: table.read("usage", |field| field.choice(&USAGE))?,
        split: table.read("split", split)?,
        join: table.read("join", Field::switch)?.unwrap_or_default(),
        drip: table.read("drip", drip)?,
        corrupt: table.read("corrupt", corrupt)?,
        byte_order_mark: table.read("byte_order_mark", Field::switch)?.unwrap_or_default(),
        line_ends: table.read("line_ends", |field| field.choice(&LINE_ENDS))?,
        http: table.read("http", http)?.unwrap_or_default(),
        length: table.read("length", length)?,
        latency: table.read("latency", Latency::read)?.unwrap_or_default(),
    })
}

fn probability(field: &Field<'_>) -> Result<f64, PlanError> {
    field.positive(1.0)
}

fn after_events(table: &Table<'_>) -> Result<u64, PlanError> {
    table.need("after_events")?.whole(0, WHOLE_MAX)
}

const WHICH_KEYS: [&str; 3] = ["events", "every", "probability"];

fn which(field: &Field<'_>) -> Result<Which, PlanError> {
    which_of(&field.table(&WHICH_KEYS)?)
}

fn which_of(table: &Table<'_>) -> Result<Which, PlanError> {
    let (key, field) = table.need_one(&WHICH_KEYS)?;
    Ok(match key {
        "events" => Which::Events(field.ascending(1)?),
        "every" => Which::Every(field.whole(1, WHOLE_MAX)?),
        _ => Which::Probability(probability(&field)?),
    })
}

fn delay(field: &Field<'_>) -> Result<DelayFault, PlanError> {
    let table = field.table(&["time", "events", "every", "probability"])?;
    Ok(DelayFault { time: table.need("time")?.duration()?, which: which_of(&table)? })
}

fn stall(field: &Field<'_>) -> Result<StallFault, PlanError> {
    let table = field.table(&["after_events", "time"])?;
    Ok(StallFault { after_events: after_events(&table)?, time: table.read("time", Field::duration)? })
}

fn error(field: &Field<'_>) -> Result<ErrorFault, PlanError> {
    let table = field.table(&["after_events", "form", "message", "then"])?;
    Ok(ErrorFault {
        after_events: after_events(&table)?,
        form: table.read("form", |field| field.choice(&ERROR_FORMS))?.unwrap_or_default(),
        message: table.read("message", |field| field.text(ERROR_MESSAGE_BYTES_MAX))?.map(str::to_owned),
        then: table.read("then", |field| field.choice(&AFTER_ERROR))?.unwrap_or_default(),
    })
}

fn cut(field: &Field<'_>) -> Result<CutFault, PlanError> {
    let table = field.table(&["after_events", "after_bytes", "by"])?;
    let (key, place) = table.need_one(&["after_events", "after_bytes"])?;
    let count = place.whole(0, WHOLE_MAX)?;
    let place =
        if key == "after_events" { CutPlace::AfterEvents(count) } else { CutPlace::AfterBytes(count) };
    Ok(CutFault { place, by: table.read("by", |field| field.choice(&CUT_BY))?.unwrap_or_default() })
}

fn finish_reason(field: &Field<'_>) -> Result<FinishReasonFault, PlanError> {
    Ok(match field.text(WORD_BYTES_MAX)? {
        "omit" => FinishReasonFault::Omit,
        "null" => FinishReasonFault::Null,
        other => FinishReasonFault::Other(other.to_owned()),
    })
}

fn split(field: &Field<'_>) -> Result<Split, PlanError> {
    let keys = ["every", "inside", "at", "random"];
    let (key, field) = field.table(&keys)?.need_one(&keys)?;
    Ok(match key {
        "every" => Split::Every(field.whole(1, WHOLE_MAX)?),
        "inside" => field
            .choice(&[("code_point", ()), ("line_end", ())])
            .and(field.text(WORD_BYTES_MAX))
            .map(|word| if word == "code_point" { Split::InsideCodePoints } else { Split::InsideLineEnds })?,
        "at" => Split::At(field.ascending(1)?),
        _ => Split::Random(field.whole(1, WHOLE_MAX / 2)?),
    })
}

fn drip(field: &Field<'_>) -> Result<Drip, PlanError> {
    let table = field.table(&["bytes", "every"])?;
    Ok(Drip { bytes: table.need("bytes")?.whole(1, WHOLE_MAX)?, every: table.need("every")?.duration()? })
}

fn corrupt(field: &Field<'_>) -> Result<Corrupt, PlanError> {
    let table = field.table(&["at", "probability", "with"])?;
    let (key, place) = table.need_one(&["at", "probability"])?;
    let place = match key {
        "at" => CorruptPlace::At(place.ascending(0)?),
        _ => CorruptPlace::Probability(probability(&place)?),
    };
    Ok(Corrupt { place, with: table.read("with", |field| field.choice(&CORRUPT_WITH))?.unwrap_or_default() })
}

fn http(field: &Field<'_>) -> Result<HttpFaults, PlanError> {
    let table = field.table(&[
        "status",
        "retry_after",
        "retry_after_form",
        "content_type",
        "body",
        "slow_head",
        "gzip",
        "message",
    ])?;
    let form = table.read("retry_after_form", |field| field.choice(&RETRY_AFTER_FORMS))?;
    let wait = table.read("retry_after", Field::duration)?;
    if wait.is_none() && form.is_some() {
        return Err(table.error("has `retry_after_form` without `retry_after`; say how long"));
    }
    let status = table.read("status", |field| field.whole(200, 599))?;
    Ok(HttpFaults {
        status: status.and_then(|status| u16::try_from(status).ok()),
        retry_after: wait.map(|wait| RetryAfter { wait, form: form.unwrap_or_default() }),
        content_type: table.read("content_type", content_type)?,
        body: table.read("body", |field| field.choice(&BODIES))?,
        slow_head: table.read("slow_head", Field::duration)?,
        gzip: table.read("gzip", Field::switch)?.unwrap_or_default(),
        message: table.read("message", |field| field.text(ERROR_MESSAGE_BYTES_MAX))?.map(str::to_owned),
    })
}

fn content_type(field: &Field<'_>) -> Result<String, PlanError> {
    let text = field.text(WORD_BYTES_MAX)?;
    let fits = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    if fits {
        Ok(text.to_owned())
    } else {
        Err(field.error("must be printable ASCII without spaces around it"))
    }
}

fn length(field: &Field<'_>) -> Result<LengthFault, PlanError> {
    let keys = ["more", "fewer"];
    let (key, field) = field.table(&keys)?.need_one(&keys)?;
    let count = field.whole(1, WHOLE_MAX)?;
    Ok(if key == "more" { LengthFault::More(count) } else { LengthFault::Fewer(count) })
}
