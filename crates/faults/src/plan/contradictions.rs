//! What cannot stand together in a plan, and why.
//!
//! A fault that another one keeps from ever showing is refused: a test that rests on it would prove nothing. What
//! depends on the answer is not looked at.

use super::error::PlanError;
use super::model::{AfterError, CutPlace, DelayFault, Faults, Split, Which};
use crate::http_faults::{STATUSES_WITHOUT_BODY, SubstituteBody};

/// Refuses faults of which one would keep another from showing.
pub(super) fn check(faults: &Faults) -> Result<(), PlanError> {
    check_bytes(faults)?;
    check_http(faults)?;
    check_lost_events(faults)?;
    check_places(faults)
}

fn refuse(reason: impl Into<String>, advice: &'static str) -> Result<(), PlanError> {
    Err(PlanError::Contradiction { reason: reason.into(), advice })
}

fn check_bytes(faults: &Faults) -> Result<(), PlanError> {
    const ONE: &str = "leave one of them out";
    if faults.split.is_some() && faults.join {
        return refuse("`split` makes several writes of one event, and `join` one write of all", ONE);
    }
    if faults.split.is_some() && faults.drip.is_some() {
        return refuse("`drip` cuts the answer into pieces of its own, so that `split` would not show", ONE);
    }
    let pauses = [
        ("latency", !faults.latency.is_empty()),
        ("delay", faults.delay.is_some()),
        ("stall", faults.stall.is_some()),
        ("drip", faults.drip.is_some()),
    ];
    if let Some((name, _)) = pauses.iter().find(|(_, is_there)| faults.join && *is_there) {
        let reason =
            format!("`join` sends the answer in one write, so that nothing would be seen of `{name}`");
        return refuse(reason, ONE);
    }
    if faults.length.is_some() && faults.cut.is_some() {
        return refuse("`length` is about a body that ends by itself, and `cut` ends it before", ONE);
    }
    let cuts_inside = matches!(faults.split, Some(Split::InsideCodePoints | Split::InsideLineEnds));
    if cuts_inside && faults.http.gzip {
        let reason =
            "`split.inside` looks for characters and line ends, and after `http.gzip` there are none";
        return refuse(reason, "split by `every`, `at` or `random`, or leave `http.gzip` out");
    }
    Ok(())
}

fn check_http(faults: &Faults) -> Result<(), PlanError> {
    let http = &faults.http;
    let no_body = http.status.filter(|status| STATUSES_WITHOUT_BODY.contains(status));
    let changes_bytes = http.gzip || faults.byte_order_mark || faults.length.is_some();
    if let Some(status) = no_body.filter(|_| changes_bytes) {
        let reason = format!(
            "an answer with `http.status = {status}` has no body, and `http.gzip`, `byte_order_mark` and `length` need one"
        );
        return refuse(reason, "leave these out, or name another status");
    }
    if let (Some(status), Some(SubstituteBody::Html | SubstituteBody::Error)) = (no_body, http.body) {
        let reason =
            format!("an answer with `http.status = {status}` has no body, and `http.body` asks for one");
        return refuse(reason, "leave `http.body` out, or name another status");
    }
    if http.message.is_some() && http.substitute_body() != Some(SubstituteBody::Error) {
        return refuse(
            "`http.message` is the message of an error envelope, and this plan sends none",
            "add `http.body = \"error\"`, or leave the message out",
        );
    }
    let Some(replacing) = http.status.map(|_| "http.status").or(http.body.map(|_| "http.body")) else {
        return Ok(());
    };
    match faults_of_frames(faults).first() {
        None => Ok(()),
        Some(name) => refuse(
            format!("`{replacing}` replaces the answer, so that nothing is left for `{name}`"),
            "use `http.slow_head` for a pause, and leave one of the two out",
        ),
    }
}

/// The faults that need the answer as it was made.
fn faults_of_frames(faults: &Faults) -> Vec<&'static str> {
    let cut_by_events = faults.cut.is_some_and(|cut| matches!(cut.place, CutPlace::AfterEvents(_)));
    let all = [
        ("drop", faults.drop.is_some()),
        ("duplicate", faults.duplicate.is_some()),
        ("reorder", faults.reorder.is_some()),
        ("delay", faults.delay.is_some()),
        ("stall", faults.stall.is_some()),
        ("error", faults.error.is_some()),
        ("cut.after_events", cut_by_events),
        ("finish_reason", faults.finish_reason.is_some()),
        ("done", faults.done.is_some()),
        ("role", faults.role.is_some()),
        ("usage", faults.usage.is_some()),
        ("latency", !faults.latency.is_empty()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

fn is_every_event(which: &Which) -> bool {
    match which {
        Which::Events(_) => false,
        Which::Every(every) => *every == 1,
        Which::Probability(probability) => *probability >= 1.0,
    }
}

fn check_lost_events(faults: &Faults) -> Result<(), PlanError> {
    let Some(drop) = &faults.drop else { return Ok(()) };
    if is_every_event(drop) {
        let needing = faults_of_frames(faults).into_iter().find(|name| {
            matches!(*name, "duplicate" | "reorder" | "delay" | "finish_reason" | "done" | "role" | "usage")
        });
        // What an error event brings is not dropped, so that `done` still shows behind it.
        let error_shows = faults.error.as_ref().is_some_and(|error| error.then == AfterError::Done);
        if let Some(name) = needing.filter(|name| !(*name == "done" && error_shows)) {
            return refuse(
                format!("`drop` takes every event, so that nothing is left for `{name}`"),
                "drop fewer events, or leave one of the two out",
            );
        }
    }
    for (name, which) in choosing(faults).into_iter().filter(|(name, _)| *name != "drop") {
        if let (Which::Every(dropped), Which::Every(every)) = (drop, which)
            && every.is_multiple_of(*dropped)
        {
            return refuse(
                format!("every event that `{name}` chooses is dropped, so that nothing is left for it"),
                "choose others for one of the two",
            );
        }
        let is_dropped = |event: &u64| match drop {
            Which::Events(dropped) => dropped.binary_search(event).is_ok(),
            Which::Every(count) => event.is_multiple_of(*count),
            Which::Probability(_) => false,
        };
        if let Which::Events(chosen) = which
            && let Some(event) = chosen.iter().find(|event| is_dropped(event))
        {
            let place = if matches!(drop, Which::Every(_)) { "is dropped" } else { "is in `drop.events`" };
            return refuse(
                format!("event {event} {place}, so that nothing is left of it for `{name}`"),
                "take it out of one of the two",
            );
        }
    }
    Ok(())
}

/// The faults that choose events.
fn choosing(faults: &Faults) -> Vec<(&'static str, &Which)> {
    let delay = faults.delay.as_ref().map(|delay: &DelayFault| &delay.which);
    let all = [
        ("drop", faults.drop.as_ref()),
        ("duplicate", faults.duplicate.as_ref()),
        ("reorder", faults.reorder.as_ref()),
        ("delay", delay),
    ];
    all.into_iter().filter_map(|(name, which)| Some((name, which?))).collect()
}

/// A fault that ends the stream after so many events.
struct End {
    name: &'static str,
    after: u64,
    /// The rank among the faults of one place: standing still comes first, then the error, then the cut.
    rank: u8,
}

const STALL: u8 = 0;
const ERROR: u8 = 1;
const CUT: u8 = 2;

/// Refuses what stands behind an end.
fn check_places(faults: &Faults) -> Result<(), PlanError> {
    const EARLIER: &str = "place it before that, or leave one of the two out";
    for end in ends(faults) {
        let later =
            placed(faults).into_iter().find(|other| (other.after, other.rank) > (end.after, end.rank));
        if let Some(other) = later {
            return refuse(
                format!("`{}` ends the stream before `{}` can show", end.name, other.name),
                EARLIER,
            );
        }
        for (name, which) in choosing(faults) {
            let first_lost = match which {
                Which::Events(events) => events.iter().copied().find(|event| *event > end.after),
                Which::Every(every) => Some(*every).filter(|every| *every > end.after),
                // With an end before the first event there is none to choose.
                Which::Probability(_) => Some(1).filter(|_| end.after == 0),
            };
            if let Some(event) = first_lost {
                return refuse(
                    format!("`{}` ends the stream before event {event}, which `{name}` chooses", end.name),
                    EARLIER,
                );
            }
        }
    }
    let error_without_done = faults.error.as_ref().is_some_and(|error| error.then == AfterError::End);
    if error_without_done && faults.done.is_some() {
        return refuse(
            "`error.then = \"end\"` ends the stream without [DONE], so that `done` would not show",
            "use `error.then = \"done\"` or \"go_on\", or leave `done` out",
        );
    }
    Ok(())
}

fn placed(faults: &Faults) -> Vec<End> {
    let stall = faults.stall.map(|stall| End { name: "stall", after: stall.after_events, rank: STALL });
    let error =
        faults.error.as_ref().map(|error| End { name: "error", after: error.after_events, rank: ERROR });
    let cut = faults.cut.and_then(|cut| match cut.place {
        CutPlace::AfterEvents(after) => Some(End { name: "cut", after, rank: CUT }),
        CutPlace::AfterBytes(_) => None,
    });
    [stall, error, cut].into_iter().flatten().collect()
}

fn ends(faults: &Faults) -> Vec<End> {
    let stall_ends = faults.stall.is_some_and(|stall| stall.time.is_none());
    let error_ends = faults.error.as_ref().is_some_and(|error| error.then != AfterError::GoOn);
    placed(faults)
        .into_iter()
        .filter(|end| match end.rank {
            STALL => stall_ends,
            ERROR => error_ends,
            _ => true,
        })
        .collect()
}
