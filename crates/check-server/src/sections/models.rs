//! `models`: the list of models, and what is said of one.

use interference_report::Level::Must;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Section;
use crate::case::{Case, Company, Cost, Objection, Outcome, held};
use crate::exchange::Exchange;
use crate::json_answer::must_be_json;
use crate::question::Question;
use crate::schema::{Schema, shown};
use crate::trial::Trial;
use interference_catalogue::Clause;

/// Listed models that are asked for, at most.
const MOST_RETRIEVED: usize = 3;
/// A name that no server knows.
const UNKNOWN: &str = "no-such-model-1f9d";

const LIST: &str = "`GET /models`.";
const KEYS: Clause = Clause::openai("Model", "required: [id, object, created, owned_by]");

pub(super) const SECTION: Section = Section {
    name: "models",
    title: "Models",
    cases: &[
        Case {
            slug: "models.list",
            level: Must,
            requirement: "The list of models is an object of the type list, with an array of models.",
            clauses: &[
                Clause::openai("GET /models", "Lists the currently available models"),
                Clause::openai("ListModelsResponse", "required: [object, data]"),
            ],
            trigger: LIST,
            company: Company::Others,
            cost: Cost::new(1, 0),
            judge: |trial| Box::pin(list(trial)),
        },
        Case {
            slug: "models.keys",
            level: Must,
            requirement: "Each model has an id, the object type model, the time of its creation, and an owner.",
            clauses: &[
                KEYS,
                Clause::openai(
                    "Model.id",
                    "The model identifier, which can be referenced in the API endpoints.",
                ),
            ],
            trigger: LIST,
            company: Company::Others,
            cost: Cost::new(1, 0),
            judge: |trial| Box::pin(keys(trial)),
        },
        Case {
            slug: "models.retrieve",
            level: Must,
            requirement: "Each model of the list can be asked for by its name, with slashes in it escaped.",
            clauses: &[
                Clause::openai(
                    "GET /models/{model}",
                    "Retrieves a model instance, providing basic information about the model",
                ),
                Clause::python(
                    "openai/resources/models.py, Models.retrieve",
                    "path_template(\"/models/{model}\", model=model)",
                ),
                Clause::node(
                    "internal/utils/path.js, encodeURIPath",
                    "str.replace(/[^A-Za-z0-9\\-._~!$&'()*+,;=:@]+/g, encodeURIComponent)",
                ),
            ],
            trigger: "`GET /models/NAME` for names of the list, one with a slash first, spelled as SDKs do.",
            company: Company::Others,
            cost: Cost::new(2 + MOST_RETRIEVED as u32, 0),
            judge: |trial| Box::pin(retrieve(trial)),
        },
        Case {
            slug: "models.unknown",
            level: Must,
            requirement: "A model that there is not is a 404 with the envelope of errors.",
            clauses: &[
                Clause::rfc9110(
                    "section 15.5.5",
                    "the origin server did not find a current representation for the target resource",
                ),
                Clause::openai("Error", "required: [type, message, param, code]"),
                Clause::python(
                    "openai/_client.py, OpenAI._make_status_error",
                    "if response.status_code == 404:",
                ),
            ],
            trigger: "`GET /models/no-such-model-1f9d`.",
            company: Company::Others,
            cost: Cost::new(3, 0),
            judge: |trial| Box::pin(unknown(trial)),
        },
    ],
};

async fn list(trial: &Trial) -> Outcome {
    let exchange = trial.ask(Question::get("/models")).await;
    exchange.accepted()?;
    let mut body = must_be_json(&exchange)?;
    let models = body.get("data").and_then(Value::as_array).map(Vec::len);
    // What stands in the entries is the next case's matter.
    if let Some(data) = body.get_mut("data").and_then(Value::as_array_mut) {
        data.clear();
    }
    Schema::Models.check(&body).map_err(|flaw| flaw.about(&exchange))?;
    held(format!("{} models", models.unwrap_or_default()))
}

async fn keys(trial: &Trial) -> Outcome {
    let (exchange, body) = listing(trial).await?;
    let models = body.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if models.is_empty() {
        return Err(Objection::inconclusive("no model in the list").about(&exchange));
    }
    for (position, model) in models.iter().enumerate() {
        Schema::Model.check(model).map_err(|flaw| flaw.of(&format!("data[{position}]")).about(&exchange))?;
    }
    held(format!("all there in {} models", models.len()))
}

/// The list, as far as it is JSON.
async fn listing(trial: &Trial) -> Result<(std::sync::Arc<Exchange>, Value), Objection> {
    let exchange = trial.ask(Question::get("/models")).await;
    let body = exchange.accepted()?.json()?;
    Ok((exchange, body))
}

/// A server without this endpoint says 404 to every name, and does not mean the model.
async fn retrieve(trial: &Trial) -> Outcome {
    let names = names(trial);
    let mut found = Vec::new();
    let mut not_found = Vec::new();
    for name in names.iter().take(MOST_RETRIEVED) {
        let exchange = trial.ask(Question::get(path_of(name))).await;
        match exchange.status()? {
            200..=299 => {
                is_model(&exchange, name, trial.knowledge().listed_models.contains(name))?;
                found.push(name.as_str());
            }
            404 => not_found.push((name, exchange)),
            405 | 501 => {
                return Err(
                    Objection::unsupported(exchange.told_refusal(exchange.status()?)).about(&exchange)
                );
            }
            _ => {
                exchange.must_accept().map_err(|objection| objection.of(&path_of(name)))?;
            }
        }
    }
    for (name, exchange) in &not_found {
        let told = exchange.told_refusal(404);
        let means_the_model = told.contains(name.as_str()) && told.to_lowercase().contains("model")
            || exchange
                .json()
                .is_ok_and(|body| body.pointer("/error/code").is_some_and(|code| code == "model_not_found"));
        let with_slash = name.contains('/')
            && trial.ask(Question::get(format!("/models/{name}"))).await.accepted().is_ok();
        if !found.is_empty() || means_the_model || with_slash {
            let seen = format!("{}: {told}", path_of(name));
            return Err(Objection::broken(seen)
                .expected(format!("the model {name}, which is listed"))
                .about(exchange));
        }
    }
    match (found.as_slice(), not_found.first()) {
        ([], Some((_, exchange))) => Err(Objection::unsupported(exchange.told_refusal(404)).about(exchange)),
        ([], None) => Err(Objection::inconclusive("no model is known by its name")),
        _ => held(format!("found: {}", found.join(", "))),
    }
}

/// Names to ask for: of the list, with slashes first; else that of the model that is judged.
fn names(trial: &Trial) -> Vec<String> {
    let knowledge = trial.knowledge();
    let mut names = knowledge.listed_models.clone();
    names.sort_by_key(|name| !name.contains('/'));
    // Of a long list, one name of either kind.
    if let Some(plain) = names.iter().position(|name| !name.contains('/')).filter(|at| *at >= MOST_RETRIEVED)
    {
        names.swap(1, plain);
    }
    if names.is_empty() {
        names.push(knowledge.model.clone());
    }
    names
}

/// A name that is not listed may be another name of the model.
fn is_model(exchange: &Exchange, name: &str, is_listed: bool) -> Result<(), Objection> {
    let body = if is_listed { must_be_json(exchange)? } else { exchange.json()? };
    Schema::Model.check(&body).map_err(|flaw| flaw.of(&path_of(name)).about(exchange))?;
    match body.get("id") {
        Some(id) if id == name || !is_listed => Ok(()),
        id => {
            let told = id.map_or_else(|| "none".to_owned(), shown);
            let seen = format!("{}: a model with the id {told}", path_of(name));
            Err(Objection::broken(seen).about(exchange))
        }
    }
}

async fn unknown(trial: &Trial) -> Outcome {
    let exchange = trial.ask(Question::get(path_of(UNKNOWN))).await;
    let status = exchange.status()?;
    let told = exchange.told_refusal(status);
    match status {
        404 => {}
        200..=299 => {
            let told = shown(&exchange.json()?);
            let seen = format!("status {status} for a model that there is not: {told}");
            return Err(Objection::broken(seen).about(&exchange));
        }
        405 | 501 => return Err(Objection::unsupported(told).about(&exchange)),
        401 | 403 | 408 | 425 | 429 | 502 | 503 | 504 | 529 => {
            return Err(Objection::inconclusive(told).about(&exchange));
        }
        _ => return Err(Objection::broken(told).expected("status 404").about(&exchange)),
    }
    // Where no model can be asked for, nobody has looked for this one.
    for name in names(trial).iter().take(1) {
        let known = trial.ask(Question::get(path_of(name))).await;
        if known.status()? == 404 {
            return Err(Objection::unsupported(format!(
                "{name} is not found either: {}",
                known.told_refusal(404)
            ))
            .about(&known));
        }
    }
    let body = must_be_json(&exchange)?;
    Schema::Error.check(&body).map_err(|flaw| flaw.about(&exchange))?;
    held(told)
}

/// All but what a segment of a path may have as it is: RFC 3986 section 3.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// As SDKs spell it: all but the characters that a path's segment may have is escaped.
fn path_of(name: &str) -> String {
    format!("/models/{}", utf8_percent_encode(name, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_sdks_do() {
        assert_eq!(path_of("org/Tree 1:4b"), "/models/org%2FTree%201:4b");
        assert_eq!(path_of("ä"), "/models/%C3%A4");
    }
}
