//! Constrained answers of the real model: what they read like, and that nothing else changes them.

use std::sync::Arc;

use interference_engine::{Constraint, ConstraintSource, NamedSchema};
use serde_json::Value;

use super::*;

/// As strict schemas of applications are: nested, recursive, with alternatives and bounds.
const BOOK: &str = r##"{
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 30},
        "year": {"type": "integer", "minimum": 1900, "maximum": 2026},
        "genre": {"enum": ["novel", "poetry", "essay"]},
        "author": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 20, "description": "first and last"},
                "born": {"anyOf": [{"type": "integer", "minimum": 1800, "maximum": 2000}, {"type": "null"}]}
            },
            "required": ["name", "born"],
            "additionalProperties": false
        },
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}, "minItems": 1, "maxItems": 3}
    },
    "required": ["title", "year", "genre", "author", "tags"],
    "additionalProperties": false
}"##;
/// A schema that is part of itself.
const LIST: &str = r##"{
    "$ref": "#/$defs/list",
    "$defs": {
        "list": {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": 0, "maximum": 9},
                "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/list"}]}
            },
            "required": ["value", "next"],
            "additionalProperties": false
        }
    }
}"##;
const DATE: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
const GREETING: &str =
    "start: hello \", \" NAME \"!\"\nhello: \"Hello\" | \"Good morning\"\nNAME: /[A-Z][a-z]{2,8}/\n";

fn compile(engine: &Engine, source: ConstraintSource) -> Arc<Constraint> {
    Arc::new(engine.compile_constraint(source).unwrap())
}

fn schema(text: &str) -> ConstraintSource {
    ConstraintSource::JsonSchema(text.to_owned())
}

fn regex(text: &str) -> ConstraintSource {
    ConstraintSource::Regex(text.to_owned())
}

fn grammar(text: &str) -> ConstraintSource {
    with_schemas(text, &[])
}

/// A grammar that names schemas.
fn with_schemas(text: &str, schemas: &[(&str, &str)]) -> ConstraintSource {
    let schemas = schemas
        .iter()
        .map(|(name, schema)| NamedSchema { name: (*name).to_owned(), schema: (*schema).to_owned() });
    ConstraintSource::Grammar { text: text.to_owned(), schemas: schemas.collect() }
}

fn seeded(seed: u64) -> Sampling {
    Sampling { temperature: 1.0, seed, ..Sampling::GREEDY }
}

fn constrained(
    engine: &Engine,
    text: &str,
    constraint: &Arc<Constraint>,
    sampling: Sampling,
) -> GenerationRequest {
    let prompt = engine.render_chat(&user(text), &[]).unwrap();
    GenerationRequest { constraint: Some(constraint.clone()), ..request(prompt, 400, sampling) }
}

/// Answers that are generated together.
fn together(engine: &Engine, requests: Vec<GenerationRequest>) -> Vec<Answer> {
    let started: Vec<_> = requests.into_iter().map(|request| start(engine, request).unwrap()).collect();
    started.iter().map(|(_handle, progress)| Answer::receive(progress)).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn check_book(text: &str) {
    let book: Value = serde_json::from_str(text).unwrap();
    assert_eq!(keys(&book), ["title", "year", "genre", "author", "tags"], "in the order of the schema");
    assert!(book["title"].as_str().unwrap().chars().count() <= 30, "{text}");
    assert!((1900..=2026).contains(&book["year"].as_i64().unwrap()), "{text}");
    assert!(["novel", "poetry", "essay"].contains(&book["genre"].as_str().unwrap()), "{text}");
    assert_eq!(keys(&book["author"]), ["name", "born"]);
    let born = &book["author"]["born"];
    assert!(born.is_null() || (1800..=2000).contains(&born.as_i64().unwrap()), "{text}");
    let tags = book["tags"].as_array().unwrap();
    assert!((1..=3).contains(&tags.len()) && tags.iter().all(Value::is_string), "{text}");
    assert!(
        text.starts_with("{\"title\": \"") && !text.contains(['\n', '\t']),
        "one way to write it: {text}"
    );
}

#[test]
fn whatever_the_seed_an_answer_is_what_a_strict_schema_says() {
    let book = compile(&ENGINE, schema(BOOK));
    let ask = |seed| constrained(&ENGINE, "Invent a book, as JSON.", &book, seeded(seed));
    let answers = together(&ENGINE, (0..20).map(ask).collect());
    for answer in &answers {
        assert_eq!(answer.finish, FinishReason::EndOfTurn, "{}", answer.text(&ENGINE));
        check_book(&answer.text(&ENGINE));
    }
    assert!(answers.iter().any(|answer| answer.tokens != answers[0].tokens), "seeds matter");
}

#[test]
fn a_schema_may_be_part_of_itself() {
    let list = compile(&ENGINE, schema(LIST));
    let ask = |seed| constrained(&ENGINE, "Write the list of 1 and 2.", &list, seeded(seed));
    let requests = (0..6).map(|seed| GenerationRequest { max_tokens: Some(60), ..ask(seed) });
    let answers = together(&ENGINE, requests.collect());
    let mut most_items = 0;
    for answer in answers {
        let mut text = answer.text(&ENGINE);
        if answer.finish == FinishReason::Length {
            // What there is of it, with an end.
            let items = text.matches("\"next\": ").count();
            text.truncate(text.rfind("\"next\": ").unwrap());
            text += &format!("\"next\": null{}", "}".repeat(items));
        }
        let list: Value = serde_json::from_str(&text).unwrap();
        let items = std::iter::successors(Some(&list), |item| Some(&item["next"]));
        let items: Vec<_> = items.take_while(|item| !item.is_null()).collect();
        for item in &items {
            assert_eq!(keys(item), ["value", "next"]);
            assert!((0..=9).contains(&item["value"].as_i64().unwrap()), "{text}");
        }
        most_items = most_items.max(items.len());
    }
    assert!(most_items > 1, "no list is part of a list");
}

#[test]
fn json_objects_values_expressions_and_grammars() {
    let values = r#"{"type": "object", "properties": {"kind": {"const": "tree"}, "size": {"enum": ["small", 3, null, true]}},
        "required": ["kind", "size"], "additionalProperties": false}"#;
    let sources =
        [ConstraintSource::JsonObject, schema(values), regex(&format!("^{DATE}$")), grammar(GREETING)];
    let constraints = sources.map(|source| compile(&ENGINE, source));
    let ask = |constraint| {
        (1..4).map(move |seed| constrained(&ENGINE, "Describe a tree.", constraint, seeded(seed)))
    };
    let answers = together(&ENGINE, constraints.iter().flat_map(ask).collect());
    let texts: Vec<String> = answers.iter().map(|answer| answer.text(&ENGINE)).collect();
    let (objects, rest) = texts.split_at(3);
    let (values, rest) = rest.split_at(3);
    let (dates, greetings) = rest.split_at(3);
    for (text, answer) in objects.iter().zip(&answers) {
        let parsed = serde_json::from_str::<Value>(text);
        let is_cut = answer.finish == FinishReason::Length;
        assert!(text.starts_with('{') && (is_cut || parsed.unwrap().is_object()), "{text}");
    }
    for text in values {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["kind"], "tree");
        assert!(
            [Value::from("small"), Value::from(3), Value::Null, Value::from(true)].contains(&value["size"]),
            "{text}"
        );
    }
    for text in dates {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00", "{text}");
    }
    for text in greetings {
        let name = text.strip_prefix("Hello, ").or_else(|| text.strip_prefix("Good morning, "));
        let name = name.and_then(|rest| rest.strip_suffix('!')).unwrap();
        assert!(
            (3..=9).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_uppercase()),
            "{text}"
        );
    }
    assert!(answers[3..].iter().all(|answer| answer.finish == FinishReason::EndOfTurn));
}

/// Constrained requests whose answers, of at most so many tokens, are compared.
fn sample(engine: &Engine, max_tokens: usize) -> Vec<GenerationRequest> {
    let sources = [schema(BOOK), ConstraintSource::JsonObject, regex("([a-z]+ ){20}"), grammar(GREETING)];
    let ask = |(seed, source): (u64, ConstraintSource)| {
        let constraint = compile(engine, source);
        // What it repeats invites guesses.
        let text = "Repeat: a tree is a tree is a tree is a tree, and a book is a book is a book.";
        GenerationRequest {
            max_tokens: Some(max_tokens),
            ..constrained(engine, text, &constraint, seeded(seed))
        }
    };
    (1..).zip(sources).map(ask).collect()
}

fn answers_alone(engine: &Engine, max_tokens: usize) -> Vec<Answer> {
    sample(engine, max_tokens).into_iter().map(|request| Answer::of(engine, request)).collect()
}

#[test]
fn a_constrained_answer_is_the_same_however_it_is_computed() {
    let expected = answers_alone(&ENGINE, 30);
    let changes: [fn(&mut EngineOptions); 3] = [
        |options| options.speculation = false,
        |options| options.threads = NonZeroUsize::new(1),
        |options| options.kernels = Some(InstructionSet::Portable),
    ];
    for change in changes {
        let mut options = EngineOptions { threads: NonZeroUsize::new(2), ..EngineOptions::default() };
        change(&mut options);
        let engine = Engine::load(&model_path(), &options).unwrap();
        assert_eq!(answers_alone(&engine, 30), expected, "{options:?}");
        assert_eq!(engine.statistics().guessed_tokens, 0);
    }
}

/// Eight that are constrained beside eight that are not, and all of them as when they are alone.
#[test]
fn constrained_answers_and_others_leave_each_other_alone() {
    let free = |number: u64| {
        let prompt = ENGINE.render_chat(&user(&format!("Count to {number}.")), &[]).unwrap();
        request(prompt, 20, seeded(number))
    };
    let constrained = sample(&ENGINE, 20).into_iter().cycle().take(8);
    let requests: Vec<_> = constrained.chain((0..8).map(free)).collect();
    let alone: Vec<_> = requests.iter().map(|request| Answer::of(&ENGINE, request.clone())).collect();
    assert_eq!(together(&ENGINE, requests), alone);
}

/// With a cache for a few of them, streams are put aside in the middle of their constraint, and taken up again.
#[test]
fn a_constrained_answer_survives_being_put_aside() {
    let options = EngineOptions {
        cache_bytes: Some(6 << 20),
        prefix_cache: false,
        threads: NonZeroUsize::new(2),
        ..EngineOptions::default()
    };
    let engine = Engine::load(&model_path(), &options).unwrap();
    let requests: Vec<_> = sample(&engine, 60).into_iter().cycle().take(8).collect();
    let prompts: usize = requests.iter().map(|request| request.prompt.len()).sum();
    let alone = answers_alone(&ENGINE, 60);
    let answers = together(&engine, requests);
    assert_eq!((&answers[..4], &answers[4..]), (&alone[..], &alone[..]));
    let computed = engine.statistics().prompt_tokens_computed;
    assert!(computed > prompts as u64, "{computed} computed of {prompts}: nothing was put aside");
}

#[test]
fn an_answer_ends_where_nothing_can_follow_and_is_cut_where_it_must_be() {
    let date = compile(&ENGINE, regex(DATE));
    let whole = constrained(&ENGINE, "When was that?", &date, seeded(5));
    let answer = Answer::of(&ENGINE, whole.clone());
    assert_eq!((answer.text(&ENGINE).len(), answer.finish), (10, FinishReason::EndOfTurn));
    let endless = GenerationRequest { ignore_eos: true, ..whole.clone() };
    let endless = Answer::of(&ENGINE, endless);
    assert_eq!((&endless.tokens, endless.finish), (&answer.tokens, answer.finish), "nothing can follow");
    let exact = GenerationRequest { max_tokens: Some(answer.tokens.len()), ..whole.clone() };
    assert_eq!(Answer::of(&ENGINE, exact), answer, "complete in time");
    let cut = Answer::of(&ENGINE, GenerationRequest { max_tokens: Some(4), ..whole });
    assert_eq!((&cut.tokens[..], cut.finish), (&answer.tokens[..4], FinishReason::Length));
    // Where more could follow, the model says when it is enough, unless nobody listens to that.
    let line = compile(&ENGINE, regex(r"[^\n]+"));
    let greeting =
        GenerationRequest { max_tokens: Some(60), ..constrained(&ENGINE, "Hi", &line, Sampling::GREEDY) };
    assert_eq!(Answer::of(&ENGINE, greeting.clone()).finish, FinishReason::EndOfTurn);
    let endless = Answer::of(&ENGINE, GenerationRequest { ignore_eos: true, ..greeting });
    assert_eq!((endless.tokens.len(), endless.finish), (60, FinishReason::Length));
}

/// What the model thinks of a token is told as it is, however few it could choose from.
#[test]
fn log_probabilities_are_those_before_the_constraint() {
    let forced = compile(&ENGINE, regex("zzyzx"));
    let asked = constrained(&ENGINE, "Hi", &forced, Sampling::GREEDY);
    let free = GenerationRequest { constraint: None, ..asked.clone() };
    let (forced, free) = (Answer::of(&ENGINE, asked), Answer::of(&ENGINE, free));
    assert_eq!(forced.text(&ENGINE), "zzyzx");
    assert!(forced.logprobs[0] < -5.0 && free.logprobs[0] > -3.0, "{forced:?}, {free:?}");
}

#[test]
fn no_constraint_makes_text_a_control_token() {
    let spelled = compile(&ENGINE, regex(r"<\|im_end\|>!"));
    let answer = Answer::of(&ENGINE, constrained(&ENGINE, "Hi", &spelled, seeded(1)));
    assert_eq!(answer.text(&ENGINE), "<|im_end|>!");
    assert!(answer.tokens.iter().all(|id| !ENGINE.token_bytes(*id).is_empty()));
}

#[test]
fn a_constraint_belongs_to_its_engine() {
    let other = engine(InstructionSet::detect(), 1);
    let foreign = compile(&other, regex(DATE));
    let refused = start(&ENGINE, constrained(&ENGINE, "Hi", &foreign, Sampling::GREEDY)).map(|_| ());
    assert_eq!(refused.unwrap_err(), SubmitError::ForeignConstraint);
}

fn refusal(source: ConstraintSource) -> String {
    ENGINE.compile_constraint(source).unwrap_err().to_string()
}

/// What would change an answer and cannot be had is refused by its name and place.
#[test]
fn refusals_say_what_is_wrong_and_where() {
    let values = format!(r#"{{"enum": [0{}]}}"#, ", 0".repeat(3_000));
    let long = format!(r#"{{"title": "{}"}}"#, "a".repeat(128 << 10));
    let told = [
        (
            schema("{"),
            "the JSON schema cannot be used: it is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            schema("[]"),
            "the JSON schema cannot be used: there must be a schema: an object, or true or false (at `#`)",
        ),
        (
            schema(r#"{"properties": {"a": {"not": {}}}}"#),
            "the JSON schema cannot be used: the keyword `not` is not supported (at `#/properties/a`)",
        ),
        (
            schema(r#"{"items": {"minLenght": 3}}"#),
            "the JSON schema cannot be used: the keyword `minLenght` is not supported (at `#/items`)",
        ),
        (
            schema(r##"{"$ref": "#/$defs/a", "$defs": {"b": {}}}"##),
            "the JSON schema cannot be used: `#/$defs/a` leads to no schema (at `#/$ref`)",
        ),
        (
            schema(r##"{"items": {"$id": "a", "properties": {"a": {"$ref": "#"}}}}"##),
            "the JSON schema cannot be used: `#` is relative to an `$id` around it, which is not supported \
             (at `#/items/properties/a/$ref`)",
        ),
        // Its own message would be cut in the middle of a letter.
        (
            schema(&format!(r#"{{"type": "number", "minimum": ["a{}"]}}"#, "é".repeat(60))),
            "the JSON schema cannot be used: the compiler of grammars fails on it",
        ),
        (
            schema(r#"{"properties": {"a": {}}, "anyOf": [{"required": ["a"]}]}"#),
            "the JSON schema cannot be used: `anyOf` beside `properties` is not supported (at `#`)",
        ),
        (
            schema(r#"{"type": "string", "format": "colour"}"#),
            "the JSON schema cannot be used: Unknown format: colour",
        ),
        (schema(r#"{"type": "thing"}"#), "the JSON schema cannot be used: Invalid type: thing"),
        (
            schema(r#"{"x-guidance": {"lenient": true}}"#),
            "the JSON schema cannot be used: the keyword `x-guidance` is not supported (at `#`)",
        ),
        (
            schema(r#"{"multipleOf": 1e300}"#),
            "the JSON schema cannot be used: must be above 0, with at most 8 digits (at `#/multipleOf`)",
        ),
        (schema(r##"{"$ref": "#"}"##), "the JSON schema cannot be used: no token of the model can come next"),
        (
            schema(r#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#),
            "the JSON schema cannot be used: the schemas of a `oneOf` are not seen to exclude each other; use `anyOf`",
        ),
        (regex("(a"), "the regular expression cannot be used: not a regular expression: unclosed group"),
        (regex(""), "the regular expression cannot be used: it is empty, and so would be every answer"),
        (
            grammar("start: %json {\"not\": {}}"),
            "the grammar cannot be used: `%json` is not supported within it; ask for a JSON schema instead",
        ),
        (
            grammar("start: <[5]>"),
            "the grammar cannot be used: it names tokens of the model, which is not supported; write the text",
        ),
        (
            with_schemas("start: @a @b", &[("a", "{}"), ("b", r#"{"not": {}}"#)]),
            "the JSON schema `b` cannot be used: the keyword `not` is not supported (at `#`)",
        ),
        (
            with_schemas("start: @a @b", &[("a", "{}"), ("b", r#"{"type": "thing"}"#)]),
            "the JSON schema `b` cannot be used: Invalid type: thing",
        ),
        // Twice what is half of a bound.
        (
            with_schemas("start: @a @b", &[("a", &values), ("b", &values)]),
            "the JSON schema `b` cannot be used: there are more than 6000 schemas, values and required names",
        ),
        (
            with_schemas("start: @a @b", &[("a", &long), ("b", &long)]),
            "the set of JSON schemas has 262170 bytes, more than 262144",
        ),
    ];
    for (source, expected) in told {
        let shown: String = format!("{source:?}").chars().take(200).collect();
        assert_eq!(refusal(source), expected, "{shown}");
    }
    for (source, part) in [
        (regex(r"a(?=b)"), "look-around"),
        (grammar("begin: \"a\""), "start"),
        (grammar("start: missing"), "missing"),
        (grammar("start: @missing"), "missing"),
        (schema(r#"{"type": "integer", "minimum": 5, "maximum": 3}"#), "minimum"),
    ] {
        let problem = refusal(source.clone());
        assert!(problem.contains(part) && !problem.contains('\n'), "{source:?}: {problem}");
    }
}
