//! Calls of tools, whose arguments come in fragments.

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;
use serde_json::Value;

use super::{Group, survived};
use crate::account::Call;
use crate::answer::stream;
use crate::case::{Case, Harm, Objection, Outcome, Tools, Turn};
use crate::oracle::{Seen, cut, shown, told};
use crate::sample::{DONE, chunk, event, quoted};

/// A call that is whole: the call is required.
const fn call(
    slug: &'static str,
    level: Level,
    requirement: &'static str,
    clauses: &'static [Clause],
    served: &'static str,
    answer: fn(Turn) -> Vec<Step>,
) -> Case {
    Case {
        sound: "the call call_1 of get_weather with the arguments {\"city\":\"Oslo\"}, and no error",
        tools: Tools::Weather,
        oracle: |seen| calls(seen, &[OSLO]),
        ..survived(slug, level, requirement, clauses, served, answer)
    }
}

pub(super) const GROUP: Group = Group {
    name: "tools",
    title: "Calls of tools",
    cases: &[
        call(
            "tools.ordinary",
            Level::Must,
            "A call whose arguments come in fragments is put together.",
            &[FRAGMENT],
            "One call: index, id, type and name first, then its arguments in three fragments.",
            |_| {
                called(&[
                    &opening(0, "call_1"),
                    &arguments(0, r#"{"ci"#),
                    &arguments(0, r#"ty":"#),
                    &arguments(0, r#""Oslo"}"#),
                ])
            },
        ),
        Case {
            sound: "the whole call, or a typed error",
            oracle: call_or_typed_error,
            ..call(
                "tools.index-missing",
                Level::Should,
                "A fragment without an index belongs to the call before it, or is an error, and is not lost.",
                &[
                    Clause::openai("ChatCompletionMessageToolCallChunk", "required: [index]"),
                    Clause::field("Gemini's OpenAI endpoint", "calls came without an index"),
                ],
                "One call in three fragments, none of which has an index.",
                index_missing,
            )
        },
        Case {
            sound: "the calls call_1 for Oslo and call_2 for Bergen, and no error",
            oracle: |seen| calls(seen, &[OSLO, BERGEN]),
            ..call(
                "tools.interleaved",
                Level::Must,
                "Fragments belong to the call of their index, in whatever order they come.",
                &[FRAGMENT],
                "Two calls, whose fragments come in turn.",
                |_| {
                    called(&[
                        &opening(0, "call_1"),
                        &opening(1, "call_2"),
                        &arguments(0, r#"{"city":"#),
                        &arguments(1, r#"{"city":"#),
                        &arguments(0, r#""Oslo"}"#),
                        &arguments(1, r#""Bergen"}"#),
                    ])
                },
            )
        },
        call(
            "tools.name-late",
            Level::Must,
            "The name of a call may come in a later fragment than its id.",
            &[Clause::openai("ChatCompletionMessageToolCallChunk", "required: [index]")],
            "One call: first index, id and type, then its name, then its arguments.",
            |_| {
                called(&[
                    r#"{"index":0,"id":"call_1","type":"function","function":{"arguments":""}}"#,
                    r#"{"index":0,"function":{"name":"get_weather"}}"#,
                    &arguments(0, r#"{"city":"#),
                    &arguments(0, r#""Oslo"}"#),
                ])
            },
        ),
        Case {
            sound: "the finish reason length beside what came of the arguments, or a typed error; not a call that can be made",
            oracle: not_complete,
            ..call(
                "tools.arguments-cut",
                Level::Must,
                "A call that the limit of tokens cut off is not taken for complete.",
                &[Clause::openai(
                    "CreateChatCompletionStreamResponse.choices.finish_reason",
                    "`length` if the maximum number of tokens specified in the request was reached",
                )],
                "One call whose arguments break off at `{\"city\":\"Os`, and the finish reason length.",
                |_| {
                    ended(
                        &[&opening(0, "call_1"), &arguments(0, r#"{"city":"#), &arguments(0, CUT)],
                        "length",
                    )
                },
            )
        },
        call(
            "tools.id-repeated",
            Level::Should,
            "An id that comes again is the same call, and is not appended.",
            &[NOT_APPENDED],
            "One call, whose id stands in each of its fragments.",
            |_| with_ids("call_1"),
        ),
        call(
            "tools.id-empty",
            Level::Should,
            "An empty id in a later fragment changes nothing.",
            &[Clause::field("gateways in front of other APIs", "later fragments came with an empty id")],
            "One call, whose later fragments have an empty id.",
            |_| with_ids(""),
        ),
    ],
};

const FRAGMENT: Clause = Clause::openai("ChatCompletionMessageToolCallChunk", "required: [index]");

const NOT_APPENDED: Clause = Clause::field(
    "openai-python, accumulate_delta",
    "strings of a delta are appended to those before, an id too",
);

/// What of the arguments comes last, before they break off.
const CUT: &str = r#""Os"#;

/// What a call is to be.
struct Expected {
    id: &'static str,
    arguments: &'static str,
}

const OSLO: Expected = Expected { id: "call_1", arguments: r#"{"city":"Oslo"}"# };
const BERGEN: Expected = Expected { id: "call_2", arguments: r#"{"city":"Bergen"}"# };

/// The first fragment of a call.
fn opening(index: u32, id: &str) -> String {
    format!(
        r#"{{"index":{index},"id":"{id}","type":"function","function":{{"name":"get_weather","arguments":""}}}}"#
    )
}

/// A fragment of a call's arguments.
fn arguments(index: u32, text: &str) -> String {
    format!(r#"{{"index":{index},"function":{{"arguments":{}}}}}"#, quoted(text))
}

/// A stream of these fragments, each in a chunk of its own.
fn called(fragments: &[&str]) -> Vec<Step> {
    ended(fragments, "tool_calls")
}

fn ended(fragments: &[&str], finish_reason: &str) -> Vec<Step> {
    let first = chunk(r#"{"role":"assistant","content":null}"#, "null");
    let calls = fragments.iter().map(|fragment| chunk(&format!(r#"{{"tool_calls":[{fragment}]}}"#), "null"));
    let last = chunk("{}", &quoted(finish_reason));
    stream([first].into_iter().chain(calls).chain([last]).map(event).chain([DONE.to_owned()]))
}

fn index_missing(_: Turn) -> Vec<Step> {
    let fragments = [opening(0, "call_1"), arguments(0, r#"{"city":"#), arguments(0, r#""Oslo"}"#)];
    let without = fragments.map(|fragment| fragment.replacen(r#""index":0,"#, "", 1));
    called(&without.each_ref().map(String::as_str))
}

/// One call, whose later fragments have this id.
fn with_ids(id: &str) -> Vec<Step> {
    let later = |text: &str| arguments(0, text).replacen('{', &format!(r#"{{"id":"{id}","#), 1);
    called(&[&opening(0, "call_1"), &later(r#"{"city":"#), &later(r#""Oslo"}"#)])
}

fn calls(seen: &Seen, expected: &[Expected]) -> Outcome {
    let account = seen.whole("")?;
    let number = account.tool_calls.len();
    let told = format!(
        "{number} {}: {}",
        if number == 1 { "call" } else { "calls" },
        told_calls(&account.tool_calls)
    );
    if account.tool_calls.len() != expected.len() {
        let harm = if account.tool_calls.len() < expected.len() { Harm::SilentLoss } else { Harm::Invention };
        return Err(Objection::broken(harm, told));
    }
    for (call, expected) in account.tool_calls.iter().zip(expected) {
        let same = call.id.as_deref() == Some(expected.id)
            && call.name.as_deref() == Some("get_weather")
            && json(&call.arguments) == json(expected.arguments);
        if !same {
            let lost = call.id.as_ref().is_none_or(String::is_empty)
                || call.name.as_ref().is_none_or(String::is_empty)
                || call.arguments.len() < expected.arguments.len();
            return Err(Objection::broken(if lost { Harm::SilentLoss } else { Harm::Invention }, told));
        }
    }
    Ok(told)
}

fn call_or_typed_error(seen: &Seen) -> Outcome {
    match seen.account()?.error {
        Some(_) => Ok(told(seen.typed_error("")?)),
        None => calls(seen, &[OSLO]),
    }
}

fn not_complete(seen: &Seen) -> Outcome {
    let account = seen.account()?;
    if account.error.is_some() {
        return Ok(told(seen.typed_error("")?));
    }
    let told = format!(
        "finish reason {}, calls: {}",
        account.finish_reason.as_deref().map_or_else(|| "null".to_owned(), cut),
        told_calls(&account.tool_calls)
    );
    if account.tool_calls.iter().any(|call| json(&call.arguments).is_some()) {
        return Err(Objection::broken(Harm::Invention, format!("the arguments are mended: {told}")));
    }
    if account.finish_reason.as_deref() != Some("length") {
        return Err(Objection::broken(Harm::SilentLoss, format!("nothing says that it was cut off: {told}")));
    }
    Ok(told)
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn told_calls(calls: &[Call]) -> String {
    let one = |call: &Call| {
        let part = |text: &Option<String>| text.as_deref().map_or_else(|| "null".to_owned(), cut);
        format!("{} {} {}", part(&call.id), part(&call.name), shown(&call.arguments))
    };
    calls.iter().map(one).collect::<Vec<_>>().join(", ")
}
