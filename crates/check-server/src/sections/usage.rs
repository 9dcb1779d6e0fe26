//! `usage`: the tokens that a server counts.
//!
//! Looks at where the usage of a stream stands, and whether its numbers can be true. What a token is, only the server
//! knows: the bounds here are those that hold of every vocabulary.

mod counts;

use interference_report::Level::{Must, Should};
use serde_json::{Value, json};

use self::counts::Counts;
use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::chat::Chat;
use crate::chat_stream::{ChatStream, Chunk};
use crate::exchange::excerpt;
use crate::knowledge::LimitParameter;
use crate::refusal;
use crate::samples::{self, POEM, POEM_TOKENS};
use crate::trial::Trial;
use crate::value::told;
use interference_catalogue::Clause;

/// How many tokens a short answer has.
const SHORT: u32 = 4;
/// How many tokens each of two answers has.
const EACH_OF_TWO: u32 = 8;
/// What of a chunk is told, in characters.
const CHUNK_CHARACTERS: usize = 160;

const WITH_USAGE: &str =
    "Streamed chats with include_usage: an ordinary one, one of four tokens, one with a tool call.";
const WITH_USAGE_COST: Cost = Cost::new(3, 2 * POEM_TOKENS + SHORT);

pub(super) const SECTION: Section = Section {
    name: "usage",
    title: "Usage",
    cases: &[
        Case {
            slug: "usage.last-chunk",
            level: Must,
            requirement: "With include_usage the last chunk before [DONE] has the usage of the whole request.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionStreamOptions.include_usage",
                    "If set, an additional chunk will be streamed before the `data: [DONE]` message.",
                ),
                Clause::openai(
                    "CompletionUsage",
                    "required: [prompt_tokens, completion_tokens, total_tokens]",
                ),
            ],
            trigger: WITH_USAGE,
            company: Company::Others,
            cost: WITH_USAGE_COST,
            judge: |trial| Box::pin(last_chunk(trial)),
        },
        Case {
            slug: "usage.empty-choices",
            level: Must,
            requirement: "The chunk with the usage has an empty array of choices.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionStreamOptions.include_usage",
                    "the `choices` field will always be an empty array",
                ),
                Clause::field(
                    "mlx-dspark #37",
                    "a gateway did not take a chunk with choices for the usage, and counted for itself",
                ),
            ],
            trigger: WITH_USAGE,
            company: Company::Others,
            cost: WITH_USAGE_COST,
            judge: |trial| Box::pin(empty_choices(trial)),
        },
        Case {
            slug: "usage.null-elsewhere",
            level: Must,
            requirement: "With include_usage every chunk but the last has a usage of null, or none.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionStreamOptions.include_usage",
                    "All other chunks will also include a `usage` field, but with a null value.",
                ),
                Clause::openai(
                    "CreateChatCompletionStreamResponse.usage",
                    "it contains a null value **except for the last chunk**",
                ),
            ],
            trigger: WITH_USAGE,
            company: Company::Others,
            cost: WITH_USAGE_COST,
            judge: |trial| Box::pin(null_elsewhere(trial)),
        },
        Case {
            slug: "usage.absent-by-default",
            level: Must,
            requirement: "Without include_usage no chunk without choices brings a usage.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionStreamResponse.usage",
                    "An optional field that will only be present when you set `stream_options: {\"include_usage\": true}` in your request.",
                ),
                Clause::field("vllm PR 36379", "the usage came although nobody had asked for it"),
                Clause::field("cline PR 8518", "a client crashed on a chunk whose choices were empty"),
            ],
            trigger: "Streamed chats without include_usage, and one in which it is false.",
            company: Company::Others,
            cost: Cost::new(5, 4 * POEM_TOKENS + 1 + SHORT),
            judge: |trial| Box::pin(absent_by_default(trial)),
        },
        Case {
            slug: "usage.total-adds-up",
            level: Must,
            requirement: "The total is the sum of the prompt's tokens and the completion's, streamed and plain.",
            clauses: &[Clause::openai(
                "CompletionUsage.total_tokens",
                "Total number of tokens used in the request (prompt + completion).",
            )],
            trigger: "Streamed chats with include_usage, one of them with n = 2, and plain ones of several kinds.",
            company: Company::Others,
            cost: Cost::new(10, 8 * POEM_TOKENS + 1 + 2 * SHORT + 2 * EACH_OF_TWO),
            judge: |trial| Box::pin(total_adds_up(trial)),
        },
        Case {
            slug: "usage.prompt-same",
            level: Should,
            requirement: "The same prompt has the same number of tokens, streamed and plain.",
            clauses: &[Clause::openai("CompletionUsage.prompt_tokens", "Number of tokens in the prompt.")],
            trigger: "The ordinary chat, plain, and streamed with include_usage.",
            company: Company::Others,
            cost: Cost::new(2, 2 * POEM_TOKENS),
            judge: |trial| Box::pin(prompt_same(trial)),
        },
        Case {
            slug: "usage.within-max",
            level: Must,
            requirement: "The completion has no more tokens than the limit allows.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.max_completion_tokens",
                    "An upper bound for the number of tokens that can be generated for a completion",
                ),
                Clause::field("ollama #7125", "max_completion_tokens was silently ignored"),
            ],
            trigger: "Chats of at most four tokens, plain and streamed with include_usage, and one of two answers of eight.",
            company: Company::Others,
            cost: Cost::new(3, 2 * SHORT + 2 * EACH_OF_TWO),
            judge: |trial| Box::pin(within_max(trial)),
        },
        Case {
            slug: "usage.options-need-stream",
            level: Should,
            requirement: "stream_options without stream is refused with status 400.",
            clauses: &[Clause::openai(
                "ChatCompletionStreamOptions",
                "Options for streaming response. Only set this when you set `stream: true`.",
            )],
            trigger: "A plain chat with stream_options.",
            company: Company::Others,
            cost: Cost::new(1, SHORT),
            judge: |trial| Box::pin(options_need_stream(trial)),
        },
        Case {
            slug: "usage.sums-n",
            level: Must,
            requirement: "With n = 2 and include_usage one chunk has the usage, and it counts both answers.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionStreamOptions.include_usage",
                    "The `usage` field on this chunk shows the token usage statistics for the entire request",
                ),
                Clause::field(
                    "ai-dial-adapter-openai #140",
                    "with several choices, each of them had to be kept from bringing a usage of its own",
                ),
            ],
            trigger: "A streamed chat with n = 2 and include_usage, of two answers of eight tokens.",
            company: Company::Others,
            cost: Cost::new(2, 2 * EACH_OF_TWO + SHORT),
            judge: |trial| Box::pin(sums_n(trial)),
        },
    ],
};

/// A streamed chat with include_usage that its limit cuts.
fn short_with_usage(trial: &Trial) -> Chat<'_> {
    samples::streamed_with_usage(trial)
        .titled(format!("a streamed chat of {SHORT} tokens with include_usage"))
        .limit(SHORT)
}

/// The same without stream.
fn short_plain(trial: &Trial) -> Chat<'_> {
    samples::plain(trial).titled(format!("a plain chat of {SHORT} tokens")).limit(SHORT)
}

/// Two answers that their limit cuts.
fn two_with_usage(trial: &Trial) -> Chat<'_> {
    samples::streamed_with_usage(trial)
        .titled("a streamed chat with include_usage and n = 2")
        .limit(EACH_OF_TWO)
        .with("n", json!(2))
}

fn call_with_usage(trial: &Trial) -> Chat<'_> {
    samples::forced_call(trial)
        .streamed()
        .titled("a streamed chat with include_usage that must call a tool")
        .with("stream_options", json!({"include_usage": true}))
}

/// Whole streams with include_usage; the ordinary one must be there.
async fn streams_with_usage(trial: &Trial) -> Result<Vec<ChatStream>, Objection> {
    let mut streams = vec![trial.stream(samples::streamed_with_usage(trial)).await?.unbroken()?];
    for question in [short_with_usage(trial), call_with_usage(trial)] {
        streams.extend(trial.stream(question).await.and_then(ChatStream::unbroken).ok());
    }
    Ok(streams)
}

/// Everything that the choices of a stream say in words.
fn words(stream: &ChatStream) -> u64 {
    let of_choice = |index: u64| stream.text(index).split_whitespace().count() as u64;
    stream.indexes().into_iter().map(of_choice).sum()
}

async fn last_chunk(trial: &Trial) -> Outcome {
    let streams = streams_with_usage(trial).await?;
    for stream in &streams {
        let Some(last) = stream.read_chunks().next_back() else {
            return Err(stream.inconclusive("no chunk in the stream"));
        };
        let Some((chunk, usage)) = stream.usages().pop() else {
            let told = excerpt(last.value.to_string().as_bytes(), CHUNK_CHARACTERS);
            return Err(stream.broken(format!("no chunk has a usage; the last is {told}")));
        };
        if chunk.event != last.event {
            let (with, behind) = (stream.place(chunk.event), stream.place(last.event));
            return Err(stream.broken(format!("{with} has the usage, and {behind} follows")));
        }
        let counts = Counts::read(usage).and_then(|counts| counts.check(&stream.text(0), words(stream)));
        if let Err(flaw) = counts {
            return Err(stream.broken(format!("{}: {flaw}", stream.place(chunk.event))));
        }
    }
    held(format!("holds in {} streams", streams.len()))
}

async fn empty_choices(trial: &Trial) -> Outcome {
    let streams = streams_with_usage(trial).await?;
    let mut looked_at = 0;
    for stream in &streams {
        let Some((chunk, _)) = stream.usages().pop() else { continue };
        looked_at += 1;
        let choices = chunk.value.get("choices");
        if !choices.and_then(Value::as_array).is_some_and(Vec::is_empty) {
            let seen =
                format!("{} has the usage, and choices is {}", stream.place(chunk.event), told(choices));
            return Err(stream.broken(seen).expected("choices: []"));
        }
    }
    match (looked_at, streams.first()) {
        (0, Some(stream)) => Err(stream.inconclusive("no chunk has a usage")),
        _ => held(format!("holds in {looked_at} streams")),
    }
}

async fn null_elsewhere(trial: &Trial) -> Outcome {
    let streams = streams_with_usage(trial).await?;
    let (mut null, mut absent) = (0, 0);
    for stream in &streams {
        let last = stream.read_chunks().next_back().map(|chunk| chunk.event);
        for chunk in stream.read_chunks().filter(|chunk| Some(chunk.event) != last) {
            match chunk.value.get("usage") {
                None => absent += 1,
                Some(Value::Null) => null += 1,
                usage => {
                    let seen = format!("{}: usage is {}", stream.place(chunk.event), told(usage));
                    return Err(stream.broken(seen).expected("usage: null"));
                }
            }
        }
    }
    held(format!("null in {null} chunks, absent from {absent}"))
}

async fn absent_by_default(trial: &Trial) -> Outcome {
    let not_asked = short_with_usage(trial)
        .titled("a streamed chat in which include_usage is false")
        .with("stream_options", json!({"include_usage": false}));
    let questions = [
        samples::streamed(trial),
        samples::cut_short(trial),
        samples::forced_call(trial).streamed(),
        samples::two_choices(trial),
        not_asked,
    ];
    let (mut looked_at, mut first_objection) = (0, None);
    for question in questions {
        let stream = match trial.stream(question).await {
            Ok(stream) => stream,
            Err(objection) => {
                first_objection = first_objection.or(Some(objection));
                continue;
            }
        };
        looked_at += 1;
        let alone = stream.usages().into_iter().find(|(chunk, _)| is_without_choices(chunk));
        if let Some((chunk, usage)) = alone {
            let place = stream.place(chunk.event);
            return Err(stream.broken(format!("{place} has no choice, and the usage {}", told(Some(usage)))));
        }
    }
    match first_objection {
        Some(objection) if looked_at == 0 => Err(objection),
        _ => held(format!("holds in {looked_at} streams")),
    }
}

fn is_without_choices(chunk: &Chunk) -> bool {
    chunk.value.get("choices").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// Numbers that are none are another case's matter.
async fn total_adds_up(trial: &Trial) -> Outcome {
    let mut added = Vec::new();
    for question in samples::plain_kinds(trial).into_iter().chain([short_plain(trial)]) {
        let exchange = trial.ask(question).await;
        let answer = exchange.accepted().and_then(|exchange| exchange.json()).unwrap_or_default();
        let Some(Ok(counts)) = answer.get("usage").map(Counts::read) else { continue };
        counts.check_total().map_err(|flaw| Objection::broken(format!("plain: {flaw}")).about(&exchange))?;
        added.push(counts);
    }
    let questions = [
        samples::streamed_with_usage(trial),
        short_with_usage(trial),
        call_with_usage(trial),
        two_with_usage(trial),
    ];
    for question in questions {
        let Ok(stream) = trial.stream(question).await else { continue };
        for (chunk, usage) in stream.usages() {
            let Ok(counts) = Counts::read(usage) else { continue };
            counts
                .check_total()
                .map_err(|flaw| stream.broken(format!("{}: {flaw}", stream.place(chunk.event))))?;
            added.push(counts);
        }
    }
    match added.first() {
        None => Err(Objection::inconclusive("no usage with its three numbers, plain or streamed")),
        Some(counts) => held(format!("{counts}, and {} more", added.len() - 1)),
    }
}

async fn prompt_same(trial: &Trial) -> Outcome {
    let exchange = trial.ask(samples::plain(trial)).await;
    let plain = exchange.accepted()?.json()?;
    let stream = trial.stream(samples::streamed_with_usage(trial)).await?.unbroken()?;
    let usage = stream.usages().pop().map(|(_, usage)| usage.clone()).unwrap_or_default();
    let (plain, streamed) = (plain.pointer("/usage/prompt_tokens"), usage.get("prompt_tokens"));
    match (plain.and_then(Value::as_u64), streamed.and_then(Value::as_u64)) {
        (Some(plain), Some(streamed)) if plain == streamed => held(format!("{plain} tokens in both")),
        (Some(plain), Some(streamed)) => {
            Err(stream.broken(format!("{plain} tokens in the plain answer, {streamed} in the streamed one")))
        }
        _ => Err(stream.inconclusive(format!(
            "prompt_tokens is {} in the plain answer, {} in the streamed one",
            told(plain),
            told(streamed)
        ))),
    }
}

async fn within_max(trial: &Trial) -> Outcome {
    if trial.knowledge().limit == LimitParameter::None {
        return Err(Objection::unsupported("the server takes no limit of length"));
    }
    let exchange = trial.ask(short_plain(trial)).await;
    let answer = exchange.accepted()?.json()?;
    let mut seen = Vec::new();
    let content = answer.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default();
    let words = content.split_whitespace().count() as u64;
    seen.extend(
        counts::within(trial, answer.get("usage"), words, SHORT)
            .map_err(|flaw| Objection::broken(format!("plain: {flaw}")).about(&exchange))?,
    );
    for (question, limit) in [(short_with_usage(trial), SHORT), (two_with_usage(trial), 2 * EACH_OF_TWO)] {
        let Ok(stream) = trial.stream(question).await.and_then(ChatStream::unbroken) else { continue };
        let usage = stream.usages().pop().map(|(_, usage)| usage);
        seen.extend(
            counts::within(trial, usage, self::words(&stream), limit)
                .map_err(|flaw| stream.broken(format!("streamed: {flaw}")))?,
        );
    }
    if seen.is_empty() {
        return Err(Objection::inconclusive("no usage, plain or streamed").about(&exchange));
    }
    held(seen.join(", "))
}

async fn options_need_stream(trial: &Trial) -> Outcome {
    let question = trial
        .chat("Name a tree in one word.", SHORT)
        .titled("a plain chat with stream_options")
        .with("stream_options", json!({"include_usage": true}));
    let refused = refusal::all_refused(trial, [question.question()])
        .await
        .map_err(|objection| objection.expected("status 400"))?;
    refusal::held_by(&refused)
}

async fn sums_n(trial: &Trial) -> Outcome {
    let stream = trial.stream(two_with_usage(trial)).await?.unbroken()?;
    if stream.indexes() != [0, 1] {
        return Err(stream.inconclusive(format!("the choices are {:?}, not 0 and 1", stream.indexes())));
    }
    let usages = stream.usages();
    let alone = usages.iter().filter(|(chunk, _)| is_without_choices(chunk)).count();
    let Some((chunk, usage)) = usages.last() else {
        let single = trial.stream(short_with_usage(trial)).await?.unbroken()?;
        if single.usages().is_empty() {
            return Err(stream.inconclusive("no chunk has a usage, whatever n is"));
        }
        return Err(stream.broken("no chunk has a usage, though one has with n = 1"));
    };
    if alone > 1 || (alone == 0 && usages.len() > 1) {
        let places: Vec<String> = usages.iter().map(|(chunk, _)| stream.place(chunk.event)).collect();
        return Err(stream.broken(format!("{} have a usage", places.join(" and "))).expected("one chunk"));
    }
    let place = stream.place(chunk.event);
    let counts = match Counts::read(usage) {
        Ok(counts) => counts,
        Err(flaw) => return Err(stream.inconclusive(format!("{place}: {flaw}"))),
    };
    // Who has reached the limit has all its tokens.
    let both_full = [0, 1].iter().all(|index| stream.finish_reason(*index) == Some("length"));
    if both_full
        && trial.knowledge().limit != LimitParameter::None
        && counts.completion <= u64::from(EACH_OF_TWO)
    {
        let seen = format!("{place}: {counts}, for two answers of {EACH_OF_TWO} tokens each");
        return Err(stream.broken(seen).expected(format!("completion_tokens is {}", 2 * EACH_OF_TWO)));
    }
    if let Err(flaw) = counts.check(&stream.text(0), words(&stream)) {
        return Err(stream.broken(format!("{place}: {flaw}")));
    }
    held(format!("{counts}, in one chunk for both answers to {POEM:?}"))
}
