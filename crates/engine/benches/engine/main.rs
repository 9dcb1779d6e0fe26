//! Measures the engine on a model: a prompt, and decoding in companies of several sizes, with and without a constraint,
//! beside the machine's limits.
//!
//! Prints one JSON document of what was counted and timed in each round, and judges nothing: medians, rates and shares
//! of the limits are made of it by `cargo xtask bench engine`, which is also how it is meant to be run. In every round
//! everything is measured once, the limits too, so that a machine whose speed changes changes it for all.

mod arguments;
mod document;
mod measurement;

use std::error::Error;
use std::io::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use interference_engine::{ConstraintSource, Engine, EngineOptions, InstructionSet, LimitsProbe};

use arguments::Arguments;
use document::{ConstraintRecord, Document, LimitsRecord, ModelRecord, Row};

/// Tokens of the prompt that is measured.
const PROMPT_TOKENS: usize = 512;
/// Streams that decode together.
const COMPANIES: [usize; 4] = [1, 4, 16, 32];
/// The same under a constraint.
const CONSTRAINED: [usize; 2] = [1, 16];
/// Nested objects and free strings, more of them than an answer has room for.
const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {"people": {"type": "array", "minItems": 1000, "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "address": {
                "type": "object",
                "properties": {"street": {"type": "string"}, "number": {"type": "integer"}, "city": {"type": "string"}},
                "required": ["street", "number", "city"],
                "additionalProperties": false
            },
            "kind": {"enum": ["customer", "supplier", "employee"]}
        },
        "required": ["name", "address", "kind"],
        "additionalProperties": false
    }}},
    "required": ["people"],
    "additionalProperties": false
}"#;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Arguments { model, threads, rounds } = Arguments::read(std::env::args().skip(1))?;
    let set = instruction_set()?;
    let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let options = EngineOptions {
        threads: Some(threads),
        kernels: Some(set),
        prefix_cache: false,
        speculation: false,
        ..EngineOptions::default()
    };
    let engine = Engine::load(&model, &options)?;
    let mut probe = LimitsProbe::new(&engine.model().weights, threads, set)?;
    let begun = Instant::now();
    engine.compile_constraint(ConstraintSource::JsonObject)?;
    let (first_compiled, begun) = (begun.elapsed(), Instant::now());
    let constraint = Arc::new(engine.compile_constraint(ConstraintSource::JsonSchema(SCHEMA.to_owned()))?);
    let mut document = Document {
        model: ModelRecord::of(engine.model()),
        threads: threads.get(),
        kernels: set.name(),
        limits: Vec::new(),
        rows: Vec::new(),
        constraint: ConstraintRecord::new(first_compiled, begun.elapsed()),
    };
    document.rows.push(Row::new("prefill", 1));
    document.rows.extend(COMPANIES.map(|streams| Row::new("decode", streams)));
    document.rows.extend(CONSTRAINED.map(|streams| Row::new("constrained", streams)));

    say("warming up");
    measurement::prefill(&engine, PROMPT_TOKENS, 0)?;
    measurement::decode(&engine, 1, 0, None)?;
    for round in 1..=rounds.get() {
        say(&format!("round {round} of {rounds}"));
        document.limits.push(LimitsRecord::of(&probe.measure()));
        for row in &mut document.rows {
            row.rounds.push(match row.name {
                "prefill" => measurement::prefill(&engine, PROMPT_TOKENS, round)?,
                "constrained" => {
                    let decoded = measurement::decode(&engine, row.streams, round, Some(&constraint))?;
                    for answer in decoded.answers {
                        document.constraint.add(&constraint.time(&answer)?);
                    }
                    decoded.measurement
                }
                _ => measurement::decode(&engine, row.streams, round, None)?.measurement,
            });
        }
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, &document)?;
    writeln!(stdout)?;
    Ok(())
}

/// The kernels that the program itself would run.
fn instruction_set() -> Result<InstructionSet, Box<dyn Error>> {
    let variable = "INTERFERENCE_KERNELS";
    let Some(name) = std::env::var(variable).ok().filter(|name| !name.is_empty()) else {
        return Ok(InstructionSet::detect());
    };
    let set = InstructionSet::by_name(&name).filter(|set| set.is_available());
    set.ok_or_else(|| format!("{variable} is `{name}`; this processor has no such kernels").into())
}

/// One line on stderr, for a person. A closed stderr is no reason to stop.
fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
