//! The ordinary stream, against which everything else is a deviation.

use interference_catalogue::Clause;
use interference_report::Level;
use interference_wire::Step;

use super::{Group, WHOLE, whole_poem};
use crate::answer::stream;
use crate::case::{Case, Harm, Objection, Outcome, Tools, Turn};
use crate::oracle::{Seen, told};
use crate::sample::{TEXT, poem};

pub(super) const GROUP: Group = Group {
    name: "stream",
    title: "The ordinary stream",
    cases: &[
        Case {
            slug: "stream.ordinary",
            level: Level::Must,
            requirement: "The text of an ordinary stream is reported whole.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.stream",
                "the model response data will be streamed to the client as it is generated using server-sent events",
            )],
            served: "An ordinary stream: role, six pieces of text, finish reason stop, [DONE]; each event in a chunk of its own.",
            sound: WHOLE,
            tools: Tools::None,
            answer: ordinary,
            oracle: whole_poem,
        },
        Case {
            slug: "stream.finish-reason",
            level: Level::Should,
            requirement: "The finish reason of a stream is reported.",
            clauses: &[Clause::openai(
                "CreateChatCompletionStreamResponse.choices.finish_reason",
                "The reason the model stopped generating tokens.",
            )],
            served: "An ordinary stream, whose finish reason is stop.",
            sound: "the whole text, the finish reason stop, and no error",
            tools: Tools::None,
            answer: ordinary,
            oracle: whole_and_why,
        },
    ],
};

fn ordinary(_: Turn) -> Vec<Step> {
    stream(poem())
}

fn whole_and_why(seen: &Seen) -> Outcome {
    let account = seen.whole(TEXT)?;
    match account.finish_reason.as_deref() {
        Some("stop") => Ok(told(account)),
        None => Err(Objection::broken(Harm::SilentLoss, "the finish reason is null, not stop")),
        Some(other) => {
            Err(Objection::broken(Harm::Invention, format!("the finish reason is {other}, not stop")))
        }
    }
}
