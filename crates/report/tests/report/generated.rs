//! Documents at random.

use interference_report::{
    CaseVerdict, Clause, Direction, Exchange, Finding, Level, Verdict, Verdicts, WireEntry,
};
use proptest::prelude::*;

use crate::sample;

/// Any document whose slugs are ones.
pub(crate) fn verdicts() -> impl Strategy<Value = Verdicts> {
    let cases = prop::collection::vec(case(), 0..6);
    let names = (any::<String>(), any::<String>(), proptest::option::of(any::<String>()));
    let findings = prop::collection::vec((any::<String>(), any::<String>()), 0..3);
    (cases, names, findings, level(), milliseconds(), prop::collection::vec(slug(), 0..3)).prop_map(
        |(cases, (command, target, target_name), findings, level, duration_ms, stale_baseline)| {
            let findings = findings.into_iter().map(|(name, value)| Finding { name, value }).collect();
            let mut verdicts = Verdicts {
                command,
                target,
                target_name,
                findings,
                level,
                duration_ms,
                stale_baseline,
                ..sample::document(cases)
            };
            verdicts.recount();
            verdicts
        },
    )
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Must), Just(Level::Should)]
}

/// Numbers that JSON tells without rounding.
fn milliseconds() -> impl Strategy<Value = f64> {
    (-100..1_000_000).prop_map(|eighths| f64::from(eighths) / 8.0)
}

fn slug() -> impl Strategy<Value = String> {
    "[a-z]{1,6}\\.[a-z]{1,8}"
}

fn case() -> impl Strategy<Value = CaseVerdict> {
    let verdict = prop::sample::select(Verdict::ALL.to_vec());
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let clauses = prop::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..2);
    let evidence = prop::collection::vec(exchange(), 0..2);
    (slug(), level(), verdict, texts, clauses, evidence, any::<bool>()).prop_map(
        |(slug, level, verdict, (requirement, expected, seen), clauses, evidence, in_baseline)| {
            let clauses = clauses.into_iter().map(|(source, place, quote)| Clause { source, place, quote });
            CaseVerdict {
                requirement,
                expected,
                clauses: clauses.collect(),
                evidence,
                in_baseline,
                ..sample::case(&slug, level, verdict, &seen)
            }
        },
    )
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let wire = prop::collection::vec(wire_entry(), 0..4);
    (any::<String>(), any::<String>(), wire).prop_map(|(title, curl, wire)| Exchange { title, curl, wire })
}

fn wire_entry() -> impl Strategy<Value = WireEntry> {
    let direction = prop::sample::select(vec![Direction::Sent, Direction::Received, Direction::Event]);
    (milliseconds(), direction, 0_usize..1_000_000, 0_usize..100_000, any::<String>()).prop_map(
        |(at_ms, direction, offset, bytes, text)| WireEntry { at_ms, direction, offset, bytes, text },
    )
}
