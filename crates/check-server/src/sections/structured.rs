//! `structured`: answers that must be JSON, and JSON of a schema.
//!
//! The server must enforce the form: each requirement is asked for twice, once with a prompt that a good model follows
//! anyway, and once with one that lures it away. An answer that the length limit cuts says nothing.

use interference_report::Level::Must;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, ObjectionKind, Outcome, held};
use crate::chat::Chat;
use crate::chat_answer::{Answers, ChatAnswer};
use crate::exchange::excerpt;
use crate::question::Question;
use crate::refusal::{all_refused, chats_are_answered, held_by, refusal, refused};
use crate::trial::Trial;
use interference_catalogue::{Clause, Source};

/// The limit of an answer; the objects that are asked for need half of it.
const ANSWER_TOKENS: u32 = 96;
/// What of an answer is told, in characters.
const TOLD_CHARACTERS: usize = 160;

/// What lures a model away from any form.
const LURE: &str = "Write a limerick about a tree.";

const EXACT_SCHEMA: Clause = Clause::openai(
    "ResponseFormatJsonSchema.json_schema.strict",
    "If set to true, the model will always follow the exact schema defined in the `schema` field.",
);
const MATCHES: Clause = Clause::openai(
    "CreateChatCompletionRequest.response_format",
    "Structured Outputs which ensures the model will match your supplied JSON schema.",
);
const MUST_OUTPUT: Clause = Clause::openai(
    "CreateChatCompletionRequest.response_format",
    "An object specifying the format that the model must output.",
);
const SCHEMA_COST: Cost = Cost::new(2, 2 * ANSWER_TOKENS);

pub(super) const SECTION: Section = Section {
    name: "structured",
    title: "Structured output",
    cases: &[
        Case {
            slug: "structured.json-object",
            level: Must,
            requirement: "With the response_format json_object, the content is one JSON object and nothing else.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.response_format",
                    "ensures the message the model generates is valid JSON",
                ),
                Clause::openai("ResponseFormatJsonObject", "JSON object response format."),
            ],
            trigger: "Two chats with `{\"type\": \"json_object\"}`: one that asks for JSON, and one that asks for verses.",
            company: Company::Others,
            cost: SCHEMA_COST,
            judge: |trial| Box::pin(json_object(trial)),
        },
        Case {
            slug: "structured.schema-valid",
            level: Must,
            requirement: "With a strict JSON schema, the content is one JSON value that is valid against it.",
            clauses: &[EXACT_SCHEMA, MATCHES],
            trigger: "Two chats with a strict schema: one that asks for what it describes, and one that asks for a limerick.",
            company: Company::Others,
            cost: SCHEMA_COST,
            judge: |trial| Box::pin(schema_valid(trial)),
        },
        Case {
            slug: "structured.same-streamed",
            level: Must,
            requirement: "A streamed answer is held to the schema as a whole one is.",
            clauses: &[EXACT_SCHEMA, MATCHES],
            trigger: "The same two chats, streamed.",
            company: Company::Others,
            cost: SCHEMA_COST,
            judge: |trial| Box::pin(same_streamed(trial)),
        },
        Case {
            slug: "structured.invalid-schema",
            level: Must,
            requirement: "A schema that is none is refused with 400.",
            clauses: &[
                Clause::openai(
                    "ResponseFormatJsonSchemaSchema",
                    "The schema for the response format, described as a JSON Schema object.",
                ),
                Clause {
                    source: Source::Other,
                    place: "JSON Schema Validation 2020-12, section 6.1.1",
                    quote: "String values MUST be one of the six primitive types",
                },
            ],
            trigger: "Chats with strict schemas that have an unknown type, properties that are an array, and a reference to nothing; the first one streamed, too.",
            company: Company::Others,
            cost: Cost::new(5, 5 * ANSWER_TOKENS),
            judge: |trial| Box::pin(invalid_schema(trial)),
        },
        Case {
            slug: "structured.nested-enum-required",
            level: Must,
            requirement: "A strict schema holds at every depth: nested objects, arrays, enumerations and required members.",
            clauses: &[EXACT_SCHEMA, MATCHES],
            trigger: "Two chats with a nested strict schema: one that asks for what it describes, and one that asks for other values.",
            company: Company::Others,
            cost: SCHEMA_COST,
            judge: |trial| Box::pin(nested_enum_required(trial)),
        },
        Case {
            slug: "structured.unsupported-says-so",
            level: Must,
            requirement: "A format or a keyword of a strict schema that the server does not have is refused with 400, not ignored.",
            clauses: &[
                MUST_OUTPUT,
                Clause::openai(
                    "ResponseFormatJsonSchema.json_schema.strict",
                    "Only a subset of JSON Schema is supported when `strict` is `true`.",
                ),
                Clause::field(
                    "FastFlowLM #554",
                    "`response_format` was taken and ignored, whatever its value",
                ),
            ],
            trigger: "Chats with an unknown response_format, and with strict schemas of patterns, bounds and lengths that the prompt asks to break.",
            company: Company::Others,
            cost: Cost::new(4, 4 * ANSWER_TOKENS),
            judge: |trial| Box::pin(unsupported_says_so(trial)),
        },
    ],
};

/// An object of exactly these members.
fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn tree_schema() -> Value {
    object(json!({
        "kind": {"type": "string", "enum": ["oak", "pine", "birch"]},
        "age": {"type": "integer"},
        "evergreen": {"type": "boolean"}
    }))
}

fn nested_schema() -> Value {
    let leaf = object(json!({
        "shape": {"type": "string", "enum": ["round", "lobed", "needle"]},
        "green": {"type": "boolean"}
    }));
    let season = object(json!({
        "name": {"type": "string", "enum": ["spring", "summer", "autumn", "winter"]},
        "leaves": {"type": "boolean"}
    }));
    object(json!({
        "tree": object(json!({"kind": {"type": "string", "enum": ["oak", "pine", "birch"]}, "leaf": leaf})),
        "seasons": {"type": "array", "items": season, "minItems": 1, "maxItems": 2}
    }))
}

fn with_schema<'a>(trial: &'a Trial, prompt: &str, schema: &Value) -> Chat<'a> {
    let format = json!({
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": true, "schema": schema}
    });
    trial.chat(prompt, ANSWER_TOKENS).titled("a chat with a strict schema").with("response_format", format)
}

fn of_trees(trial: &Trial) -> [Chat<'_>; 2] {
    let schema = tree_schema();
    let natural = "Describe a tree as JSON: its kind, its age in years, and whether it is evergreen.";
    [with_schema(trial, natural, &schema), with_schema(trial, LURE, &schema)]
}

async fn json_object(trial: &Trial) -> Outcome {
    let format = json!({"type": "json_object"});
    let prompts = [
        "Describe a tree as JSON with the keys name and height.",
        "Write two lines about a tree. No JSON, please.",
    ];
    let chats = prompts.map(|prompt| {
        let chat = trial.chat(prompt, ANSWER_TOKENS).titled("a chat with json_object");
        chat.with("response_format", format.clone())
    });
    each(trial, chats, |value| match value.is_object() {
        true => Ok(()),
        false => Err("no object".to_owned()),
    })
    .await
}

async fn schema_valid(trial: &Trial) -> Outcome {
    valid(trial, of_trees(trial), &tree_schema()).await
}

async fn same_streamed(trial: &Trial) -> Outcome {
    valid(trial, of_trees(trial).map(Chat::streamed), &tree_schema()).await
}

async fn nested_enum_required(trial: &Trial) -> Outcome {
    let schema = nested_schema();
    let prompts = [
        "Describe an oak as JSON: its kind, the shape of its leaf and whether it is green, and its first season.",
        "Describe a palm tree whose leaf has the shape of a fan, and its dry season. Leave out whether it is green.",
    ];
    valid(trial, prompts.map(|prompt| with_schema(trial, prompt, &schema)), &schema).await
}

async fn invalid_schema(trial: &Trial) -> Outcome {
    let [valid, _] = of_trees(trial);
    trial.ask(valid).await.accepted()?;
    let invalid = [
        ("an unknown type", json!({"type": "objekt"})),
        (
            "properties that are an array",
            json!({"type": "object", "properties": ["kind"], "required": ["kind"], "additionalProperties": false}),
        ),
        ("a reference to nothing", object(json!({"kind": {"$ref": "#/$defs/missing"}}))),
    ];
    let chat = |(title, schema): &(&str, Value)| {
        with_schema(trial, "Describe a tree as JSON.", schema).titled(format!("a schema with {title}"))
    };
    let mut questions: Vec<Question> = invalid.iter().map(|one| chat(one).question()).collect();
    questions.push(chat(&invalid[0]).streamed().question());
    let refused = all_refused(trial, questions).await;
    held_by(&refused.map_err(|objection| objection.expected("a status of 400"))?)
}

async fn unsupported_says_so(trial: &Trial) -> Outcome {
    chats_are_answered(trial)?;
    let unknown = trial
        .chat("Describe a tree.", ANSWER_TOKENS)
        .titled("a chat with the response_format yaml")
        .with("response_format", json!({"type": "yaml"}));
    let refused = refused(trial, unknown).await;
    let status = refused.map_err(|objection| objection.expected("a status of 400"))?.status;
    let mut told = vec![format!("yaml: status {status}")];
    let keywords = [
        (
            "pattern",
            "The code is abc. Give the code as JSON.",
            object(json!({"code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}})),
        ),
        (
            "minimum and maximum",
            "The tree is 3 years old. Give its age as JSON.",
            object(json!({"age": {"type": "integer", "minimum": 1000, "maximum": 1010}})),
        ),
        (
            "minItems and maxItems",
            "The tree has one colour, which is green. Give its colours as JSON.",
            object(json!({"colours": {
                "type": "array", "items": {"type": "string", "enum": ["green", "brown"]}, "minItems": 3, "maxItems": 3
            }})),
        ),
    ];
    for (keyword, prompt, schema) in keywords {
        let exchange = trial.ask(with_schema(trial, prompt, &schema)).await;
        let status = exchange.status()?;
        if refusal(&exchange).is_ok() {
            told.push(format!("{keyword}: status {status}"));
            continue;
        }
        let answer = ChatAnswer::read(&exchange)?;
        match judged(&answer, &flaw_by(&schema)?) {
            Ok(()) => told.push(format!("{keyword}: honoured")),
            Err(objection) if objection.kind == ObjectionKind::Broken => return Err(objection),
            Err(_) => told.push(format!("{keyword}: not shown")),
        }
    }
    held(told.join("; "))
}

/// What is wrong with a value, if anything.
type Flaw<'a> = dyn Fn(&Value) -> Result<(), String> + Send + Sync + 'a;

/// What a schema says of a value.
fn flaw_by(schema: &Value) -> Result<impl Fn(&Value) -> Result<(), String> + Send + Sync, Objection> {
    let validator = jsonschema::draft202012::new(schema)
        .map_err(|error| Objection::harness(format!("the schema of the case: {error}")))?;
    Ok(move |value: &Value| first_error(&validator, value))
}

fn first_error(validator: &Validator, value: &Value) -> Result<(), String> {
    match validator.iter_errors(value).next() {
        None => Ok(()),
        Some(error) => Err(format!("{error} (at `{}`)", error.instance_path())),
    }
}

/// Each of these chats is answered with a JSON value that is valid.
async fn valid(trial: &Trial, chats: [Chat<'_>; 2], schema: &Value) -> Outcome {
    each(trial, chats, flaw_by(schema)?).await
}

/// Each of these chats is answered with a JSON value in which nothing is wrong; one of them must come to its end.
async fn each(
    trial: &Trial,
    chats: [Chat<'_>; 2],
    flaw: impl Fn(&Value) -> Result<(), String> + Send + Sync,
) -> Outcome {
    let answers = Answers::ask(trial, chats.into()).await?;
    let mut unfinished = None;
    let mut told = Vec::new();
    for answer in answers.iter() {
        match judged(answer, &flaw) {
            Ok(()) => {
                let contents = answer.choices.iter().map(|choice| choice.content.as_bytes());
                told.extend(contents.map(|content| excerpt(content, TOLD_CHARACTERS)));
            }
            Err(objection) if objection.kind == ObjectionKind::Broken => return Err(objection),
            Err(objection) => unfinished = unfinished.or(Some(objection)),
        }
    }
    match unfinished {
        Some(objection) if told.is_empty() => Err(objection),
        _ => answers.held(told.join(" and ")),
    }
}

/// Every choice that has come to its end is JSON in which nothing is wrong.
fn judged(answer: &ChatAnswer, flaw: &Flaw<'_>) -> Result<(), Objection> {
    let mut unfinished = None;
    for choice in &answer.choices {
        if let Some(reason) = choice.unfinished() {
            unfinished = Some(reason);
            continue;
        }
        let told = choice.told();
        let value: Value = serde_json::from_str(&choice.content)
            .map_err(|error| answer.broken(format!("no JSON ({error}): {told}")))?;
        flaw(&value).map_err(|flaw| answer.broken(format!("{flaw}: {told}")))?;
    }
    match unfinished {
        Some(reason) if answer.choices.len() == 1 => Err(answer.inconclusive(reason)),
        _ => Ok(()),
    }
}
