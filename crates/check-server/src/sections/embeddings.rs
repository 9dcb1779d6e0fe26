//! `embeddings`: vectors for texts, in the order of the texts.
//!
//! Whether two vectors are the same is judged with room for rounding: what differs between batches is not a flaw.

use std::sync::Arc;

use interference_report::Level::{Must, Should};
use serde_json::{Value, json};

use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::exchange::Exchange;
use crate::json_answer::must_be_json;
use crate::question::Question;
use crate::refusal::refused;
use crate::schema::{Schema, shown};
use crate::trial::Trial;
use crate::vectors::{SAME, cosine, of_base64, of_numbers, same};
use interference_catalogue::Clause;

/// Texts that have nothing to do with each other.
const TEXTS: [&str; 4] = [
    "The old oak stood alone on the hill.",
    "Stock prices fell sharply after the announcement.",
    "She tuned the violin and began to play.",
    "Rust checks ownership when a program is compiled.",
];
/// Numbers of tokens that every vocabulary has.
const TOKENS: [[u32; 3]; 2] = [[271, 502, 318], [733, 404, 655]];

/// A vector that is this much nearer to another text's is that of the other.
const CLEARLY: f64 = 0.05;

pub(super) const SECTION: Section = Section {
    name: "embeddings",
    title: "Embeddings",
    cases: &[
        Case {
            slug: "embeddings.order",
            level: Must,
            requirement: "There is one vector for each input, in the order of the inputs, with its position as its index.",
            clauses: &[
                Clause::openai("Embedding.index", "The index of the embedding in the list of embeddings."),
                Clause::openai("CreateEmbeddingResponse", "required: [object, model, data, usage]"),
                Clause::openai(
                    "CreateEmbeddingRequest.input",
                    "To embed multiple inputs in a single request, pass an array of strings or array of token arrays.",
                ),
            ],
            trigger: "Four texts together, and two of them alone.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(order(trial)),
        },
        Case {
            slug: "embeddings.base64",
            level: Must,
            requirement: "With encoding_format base64 a vector is a string: the same numbers, of 32 bits, little-endian, in base64.",
            clauses: &[
                Clause::openai(
                    "CreateEmbeddingRequest.encoding_format",
                    "The format to return the embeddings in. Can be either `float` or [`base64`]",
                ),
                Clause::python(
                    "openai/lib/_parsing/_embeddings.py, prepare_embedding_request",
                    "params[\"encoding_format\"] = \"base64\"",
                ),
                Clause::python(
                    "openai/lib/_parsing/_embeddings.py, parse_embedding_response",
                    "np.frombuffer(base64.b64decode(data), dtype=\"float32\")",
                ),
                Clause::node(
                    "resources/embeddings.js, Embeddings.create",
                    "we are sure then that the response is base64 encoded, let's decode it",
                ),
            ],
            trigger: "Two texts together, once with encoding_format float and once with base64.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(base64(trial)),
        },
        Case {
            slug: "embeddings.usage",
            level: Must,
            requirement: "The usage tells how many tokens the inputs have, all of them together.",
            clauses: &[
                Clause::openai(
                    "CreateEmbeddingResponse.usage.prompt_tokens",
                    "The number of tokens used by the prompt.",
                ),
                Clause::openai(
                    "CreateEmbeddingResponse.usage.total_tokens",
                    "The total number of tokens used by the request.",
                ),
                Clause::openai("CreateEmbeddingResponse.usage", "required: [prompt_tokens, total_tokens]"),
            ],
            trigger: "Four texts together, and two of them alone.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(usage(trial)),
        },
        Case {
            slug: "embeddings.dimensions",
            level: Should,
            requirement: "dimensions is honoured, or refused with status 400.",
            clauses: &[Clause::openai(
                "CreateEmbeddingRequest.dimensions",
                "The number of dimensions the resulting output embeddings should have.",
            )],
            trigger: "A text with half as many dimensions as its vector has without being asked.",
            company: Company::Others,
            cost: Cost::new(2, 0),
            judge: |trial| Box::pin(dimensions(trial)),
        },
        Case {
            slug: "embeddings.empty",
            level: Should,
            requirement: "An empty string and an empty array are refused with status 400.",
            clauses: &[
                Clause::openai(
                    "CreateEmbeddingRequest.input",
                    "The input must not exceed the max input tokens for the model (8192 tokens for all embedding models), cannot be an empty string",
                ),
                Clause::openai("CreateEmbeddingRequest.input", "minItems: 1"),
            ],
            trigger: "The inputs \"\" and [].",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(empty(trial)),
        },
        Case {
            slug: "embeddings.token-arrays",
            level: Should,
            requirement: "An array of tokens is one input, and an array of those is several.",
            clauses: &[Clause::openai(
                "CreateEmbeddingRequest.input",
                "Input text to embed, encoded as a string or array of tokens.",
            )],
            trigger: "An array of 3 tokens, and an array of two such arrays.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(token_arrays(trial)),
        },
        Case {
            slug: "embeddings.same-input-same-vector",
            level: Must,
            requirement: "The same text has the same vector, alone, among others, and asked again.",
            clauses: &[Clause::openai(
                "POST /embeddings",
                "Creates an embedding vector representing the input text.",
            )],
            trigger: "A text alone, twice, and twice in one request with another between.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(same_input_same_vector(trial)),
        },
    ],
};

/// An accepted answer, with its vectors in the order in which they stand.
struct Embedded {
    exchange: Arc<Exchange>,
    body: Value,
}

impl Embedded {
    fn read(exchange: Arc<Exchange>) -> Result<Embedded, Objection> {
        let body = exchange.accepted()?.json()?;
        Ok(Embedded { exchange, body })
    }

    fn data(&self) -> &[Value] {
        self.body.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The vector at a position.
    fn vector(&self, position: usize) -> Result<Vec<f64>, Objection> {
        let value = self.data().get(position).and_then(|entry| entry.get("embedding"));
        value.and_then(of_numbers).filter(|vector| !vector.is_empty()).ok_or_else(|| {
            let told = value.map_or_else(|| "none".to_owned(), shown);
            self.inconclusive(format!("no vector of numbers at data[{position}]: {told}"))
        })
    }

    fn prompt_tokens(&self) -> Option<u64> {
        self.body.pointer("/usage/prompt_tokens").and_then(Value::as_u64)
    }

    fn broken(&self, seen: impl Into<String>) -> Objection {
        Objection::broken(seen).of(&self.exchange.question.title).about(&self.exchange)
    }

    fn inconclusive(&self, seen: impl Into<String>) -> Objection {
        Objection::inconclusive(seen).of(&self.exchange.question.title).about(&self.exchange)
    }
}

fn question(trial: &Trial, title: &str, input: Value) -> Question {
    with(trial, title, input, json!({}))
}

/// With further parameters.
fn with(trial: &Trial, title: &str, input: Value, parameters: Value) -> Question {
    let mut body = json!({"model": trial.knowledge().embedding_model, "input": input});
    if let (Some(body), Value::Object(parameters)) = (body.as_object_mut(), parameters) {
        body.extend(parameters);
    }
    Question::post("/embeddings", &body).titled(title)
}

/// A text alone; what every case asks first, since a server without embeddings says so here.
async fn alone(trial: &Trial, text: usize) -> Result<Embedded, Objection> {
    Embedded::read(trial.ask(question_alone(trial, text)).await)
}

fn question_alone(trial: &Trial, text: usize) -> Question {
    let title = format!("embedding text {} alone", text + 1);
    question(trial, &title, json!(TEXTS.get(text).copied().unwrap_or_default()))
}

async fn together(trial: &Trial) -> Result<Embedded, Objection> {
    let exchange = trial.ask(question(trial, "embedding four texts", json!(TEXTS))).await;
    exchange.must_accept()?;
    Embedded::read(exchange)
}

/// The vectors of single texts tell which text stands where.
async fn order(trial: &Trial) -> Outcome {
    let exchange = trial.ask(question_alone(trial, 1)).await;
    exchange.accepted()?;
    must_be_json(&exchange)?;
    let singles = [(1, alone(trial, 1).await?), (3, alone(trial, 3).await?)];
    let batch = together(trial).await?;
    for embedded in singles.iter().map(|(_, single)| single).chain([&batch]) {
        as_described(embedded)?;
    }
    for embedded in singles.iter().map(|(_, single)| single) {
        indexes(embedded, 1)?;
    }
    indexes(&batch, TEXTS.len())?;
    let vectors: Vec<Vec<f64>> =
        (0..TEXTS.len()).map(|position| batch.vector(position)).collect::<Result<_, _>>()?;
    for (text, single) in &singles {
        let single = single.vector(0)?;
        let nearness: Vec<f64> =
            vectors.iter().map(|vector| cosine(vector, &single).unwrap_or_default()).collect();
        let own = nearness.get(*text).copied().unwrap_or_default();
        let other = nearness.iter().position(|near| *near >= SAME && near - own > CLEARLY);
        if let Some(other) = other {
            let seen = format!(
                "the vector at data[{other}] is that of text {} (cosine {:.4}, at its own place {own:.4})",
                text + 1,
                nearness[other]
            );
            return Err(batch.broken(seen));
        }
    }
    held(format!("{} vectors of {} numbers, each in its place", vectors.len(), vectors[0].len()))
}

/// The form of an answer; its usage is another case's matter.
fn as_described(embedded: &Embedded) -> Result<(), Objection> {
    let mut body = embedded.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.insert("usage".to_owned(), json!({"prompt_tokens": 0, "total_tokens": 0}));
    }
    let title = &embedded.exchange.question.title;
    Schema::Embeddings.check(&body).map_err(|flaw| flaw.of(title).about(&embedded.exchange))?;
    for (position, entry) in embedded.data().iter().enumerate() {
        let vector = entry.get("embedding").unwrap_or(&Value::Null);
        if !vector.is_array() {
            let seen =
                format!("data[{position}].embedding is {}, and base64 was not asked for", shown(vector));
            return Err(embedded.broken(seen));
        }
    }
    Ok(())
}

fn indexes(embedded: &Embedded, count: usize) -> Result<(), Objection> {
    let listed: Vec<&Value> =
        embedded.data().iter().map(|entry| entry.get("index").unwrap_or(&Value::Null)).collect();
    let right = listed.iter().enumerate().all(|(position, index)| index.as_u64() == Some(position as u64));
    if listed.len() != count || !right {
        let told: Vec<String> = listed.into_iter().map(shown).collect();
        let seen =
            format!("{} vectors for {count} inputs, with the indexes [{}]", told.len(), told.join(", "));
        return Err(embedded
            .broken(seen)
            .expected(format!("{count} vectors, with the indexes 0 to {}", count - 1)));
    }
    Ok(())
}

async fn base64(trial: &Trial) -> Outcome {
    let texts = || json!(&TEXTS[..2]);
    let floats = with(trial, "two embeddings as floats", texts(), json!({"encoding_format": "float"}));
    let exchange = trial.ask(floats).await;
    let floats = match exchange.accepted() {
        Ok(_) => Embedded::read(exchange)?,
        // It may know neither format, and take what needs no name.
        Err(_) => Embedded::read(trial.ask(question(trial, "two embeddings", texts())).await)?,
    };
    let floats = [floats.vector(0)?, floats.vector(1)?];
    let question = with(trial, "two embeddings in base64", texts(), json!({"encoding_format": "base64"}));
    let exchange = trial.ask(question).await;
    exchange.must_accept()?;
    let embedded = Embedded::read(exchange)?;
    for (position, floats) in floats.iter().enumerate() {
        same_in_base64(&embedded, position, floats)?;
    }
    held(format!("twice {} numbers, the same as floats", floats[0].len()))
}

/// The vector at a position, in base64, is this one.
fn same_in_base64(embedded: &Embedded, position: usize, floats: &[f64]) -> Result<(), Objection> {
    let place = format!("data[{position}].embedding");
    let Some(value) = embedded.data().get(position).and_then(|entry| entry.get("embedding")) else {
        return Err(embedded.broken(format!("{place} is absent")));
    };
    let Some(text) = value.as_str() else {
        return Err(embedded.broken(format!("{place} is {}, no string", shown(value))));
    };
    let flaw = |flaw: String| embedded.broken(format!("{place} has {flaw}, in {}", shown(value)));
    let numbers = of_base64(text, floats.len()).map_err(flaw)?;
    same(&numbers, floats).map_err(|told| flaw(format!("other numbers than as floats: {told}")))
}

async fn usage(trial: &Trial) -> Outcome {
    let singles = [alone(trial, 1).await?, alone(trial, 3).await?];
    let batch = together(trial).await?;
    let mut counts = Vec::new();
    for embedded in singles.iter().chain([&batch]) {
        let usage = embedded.body.get("usage").cloned().unwrap_or_default();
        let whole = json!({"object": "list", "model": "", "data": [], "usage": usage});
        let title = &embedded.exchange.question.title;
        Schema::Embeddings.check(&whole).map_err(|flaw| flaw.of(title).about(&embedded.exchange))?;
        let total = usage.get("total_tokens").and_then(Value::as_u64).unwrap_or_default();
        let prompt = embedded.prompt_tokens().unwrap_or_default();
        if prompt == 0 || total < prompt {
            return Err(embedded.broken(format!("{prompt} prompt tokens and {total} in total, for a text")));
        }
        counts.push(prompt);
    }
    let [one, other, all] = counts[..] else { return held("no counts") };
    let told = format!("{all} prompt tokens for four texts; two of them alone have {one} and {other}");
    if all <= one.max(other) {
        return Err(batch.broken(told));
    }
    held(told)
}

async fn dimensions(trial: &Trial) -> Outcome {
    let full = alone(trial, 0).await?.vector(0)?.len();
    let half = full / 2;
    if half == 0 {
        return Err(Objection::inconclusive(format!("a vector of {full} number cannot be halved")));
    }
    let title = format!("an embedding of {half} dimensions");
    let exchange = trial.ask(with(trial, &title, json!(TEXTS[0]), json!({"dimensions": half}))).await;
    if exchange.accepted().is_err() {
        let told = exchange.told_refusal(exchange.status()?);
        return match exchange.status()? {
            400 | 422 => held(told),
            _ => Err(exchange.must_accept().err().unwrap_or_else(|| Objection::inconclusive(told))),
        };
    }
    let embedded = Embedded::read(exchange)?;
    let count = embedded.vector(0)?.len();
    if count != half {
        return Err(embedded.broken(format!("{count} numbers; {full} without being asked")));
    }
    held(format!("{count} numbers"))
}

async fn empty(trial: &Trial) -> Outcome {
    alone(trial, 0).await?;
    let mut statuses = Vec::new();
    for (title, input) in
        [("an embedding of an empty string", json!("")), ("embeddings of an empty array", json!([]))]
    {
        let refused = refused(trial, question(trial, title, input)).await?;
        if !matches!(refused.status, 400 | 422) {
            let told = refused.exchange.told_refusal(refused.status);
            return Err(Objection::broken(told)
                .of(title)
                .expected("status 400, or 422")
                .about(&refused.exchange));
        }
        statuses.push(refused.status.to_string());
    }
    held(format!("refused with status {}", statuses.join(", ")))
}

async fn token_arrays(trial: &Trial) -> Outcome {
    alone(trial, 0).await?;
    let mut told = Vec::new();
    for (title, input, count) in [
        ("embedding an array of tokens", json!(TOKENS[0]), 1),
        ("embedding two arrays of tokens", json!(TOKENS), 2),
    ] {
        let embedded = Embedded::read(trial.ask(question(trial, title, input)).await)?;
        let vectors = embedded.data().len();
        if vectors != count {
            return Err(embedded.broken(format!("{vectors} vectors")).expected(format!("{count} of them")));
        }
        told.push(format!("{count} of {} numbers", embedded.vector(0)?.len()));
    }
    held(told.join(", "))
}

async fn same_input_same_vector(trial: &Trial) -> Outcome {
    let first = alone(trial, 0).await?;
    let vector = first.vector(0)?;
    let again = Embedded::read(
        trial.ask_anew(question(trial, "embedding text 1 alone, again", json!(TEXTS[0]))).await,
    )?;
    let thrice = json!([TEXTS[0], TEXTS[1], TEXTS[0]]);
    let exchange = trial.ask(question(trial, "embedding a text twice, another between", thrice)).await;
    exchange.must_accept()?;
    let batch = Embedded::read(exchange)?;
    for (embedded, position) in [(&again, 0), (&batch, 0), (&batch, 2)] {
        let other = embedded.vector(position)?;
        if let Err(told) = same(&vector, &other) {
            return Err(embedded.broken(format!("data[{position}] is another vector than before: {told}")));
        }
    }
    held(format!("4 times the same {} numbers", vector.len()))
}
