//! Constraints that ask for too much: each is refused, or kept within bounds, and takes nothing from anybody else.

use std::fmt::Write;
use std::sync::Arc;

use interference_engine::{ConstraintError, ConstraintSource, EngineFailure, NamedSchema};

use super::*;

/// A schema of so many definitions, each of which is the next one.
fn chain(length: usize) -> String {
    let mut schema = r##"{"$ref": "#/$defs/a0", "$defs": {"##.to_owned();
    for number in 0..length {
        write!(schema, r##""a{number}": {{"$ref": "#/$defs/a{}"}}, "##, number + 1).unwrap();
    }
    schema + &format!(r#""a{length}": {{"type": "null"}}}}}}"#)
}

fn schemas() -> Vec<String> {
    let nested = |levels: usize| {
        let open = r#"{"type": "object", "properties": {"a": "#.repeat(levels);
        format!("{open}{{}}{}", "}}".repeat(levels))
    };
    let many = |count: usize, of: fn(usize) -> String| (0..count).map(of).collect::<Vec<_>>().join(", ");
    let optional = many(2_000, |number| format!(r#""p{number}": {{"type": "string"}}"#));
    let strings = many(5_900, |number| format!(r#""s{number}""#));
    let kinds = many(100, |number| {
        format!(r#"{{"type": "object", "properties": {{"k": {{"const": {number}}}}}, "required": ["k"]}}"#)
    });
    let patterns = many(16, |number| format!(r#""^[a-z]{{1,{}}}x{number}$": {{}}"#, 100 + number));
    vec![
        " ".repeat(1 << 20),
        "[".repeat(10_000),
        r#"{"items": "#.repeat(10_000),
        nested(25),
        nested(60),
        chain(2_900),
        r##"{"$ref": "#"}"##.to_owned(),
        r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##.to_owned(),
        r##"{"type": "array", "items": {"$ref": "#"}, "minItems": 3}"##.to_owned(),
        format!(r#"{{"type": "object", "properties": {{{optional}}}, "additionalProperties": false}}"#),
        format!(r#"{{"type": "object", "properties": {{{optional}}}, "maxProperties": 1}}"#),
        format!(r#"{{"enum": [{strings}]}}"#),
        format!(r#"{{"oneOf": [{kinds}]}}"#),
        format!(r#"{{"type": "object", "patternProperties": {{{patterns}}}}}"#),
        r#"{"type": "array", "items": {"type": "string"}, "minItems": 1000000000}"#.to_owned(),
        r#"{"type": "string", "minLength": 100000, "maxLength": 1000000000}"#.to_owned(),
        r#"{"type": "string", "pattern": "^(a{1,1000}){1,1000}$"}"#.to_owned(),
        r#"{"type": "string", "pattern": "(x+x+)+y", "maxLength": 5000}"#.to_owned(),
        r#"{"type": "string", "format": "email", "pattern": "^[a-m]{3,900}@", "minLength": 900}"#.to_owned(),
        r#"{"type": "number", "multipleOf": 1e-300}"#.to_owned(),
        r#"{"type": "number", "minimum": 1e-300, "maximum": 1e300}"#.to_owned(),
        r#"{"type": "integer", "multipleOf": 4000000000, "minimum": 1}"#.to_owned(),
        r#"{"type": "integer", "minimum": -9007199254740993, "exclusiveMaximum": 1e400}"#.to_owned(),
    ]
}

fn regexes() -> Vec<String> {
    vec![
        "a".repeat(1 << 20),
        "(a{1,1000}){1,1000}".to_owned(),
        "((a{1,1000}){1,1000}){1,1000}".to_owned(),
        "(a|b)*a(a|b){500}".to_owned(),
        "(.*)(.*)(.*)(.*)(.*)[^x]{300}".to_owned(),
        "(".repeat(4_000) + &")".repeat(4_000),
        "(a".repeat(200) + &")*".repeat(200),
        r"[\p{L}\p{N}]".repeat(680),
        r"\p{L}".repeat(1_600),
        "(?i:stra(ß|ss)e)".repeat(500),
        ".{0,4000}x.{0,4000}".to_owned(),
        "[^a]{4000}".to_owned(),
        "a?".repeat(2_000) + &"a".repeat(2_000),
    ]
}

fn grammars() -> Vec<String> {
    let rules = |count: usize| {
        let rules = (0..count).map(|number| format!("r{number}: r{}\n", number + 1));
        format!("start: r0\n{}r{count}: \"a\"\n", rules.collect::<String>())
    };
    let terminals = |count: usize| {
        let terminals = (0..count).map(|number| format!("T{number}: \"a\" T{}\n", number + 1));
        format!("start: T0\n{}T{count}: \"a\"\n", terminals.collect::<String>())
    };
    let brackets = |count: usize| format!("start: {}\"a\"{}\n", "(".repeat(count), ")".repeat(count));
    vec![
        "start: \"a\"\n".repeat(1 << 17),
        "start: start".to_owned(),
        "start: start start | \"a\" | \"\"".to_owned(),
        "start: (start? start?)* \"a\"*".to_owned(),
        "start: a+\na: b* | \"x\"\nb: \"x\"* | a a".to_owned(),
        rules(2_000),
        terminals(1_200),
        brackets(200),
        brackets(15_000),
        "start: /a/{1,1000000000}".to_owned(),
        "start: (\"a\" | \"b\"){0,2000} (\"a\" | \"b\"){0,2000}".to_owned(),
        "start: /[\\p{L}\\p{N}]/".to_owned() + &" /[\\p{L}\\p{N}]/".repeat(1_500),
        format!("start: %regex {{\"substring_chars\": \"{}\"}}", "ab".repeat(8_000)),
        "start: T\nT: A & B\nA: /(x|y)*x(x|y){200}/\nB: /(x|y)*y(x|y){300}/".to_owned(),
        "start: ~/(.*a.{100})*/".to_owned(),
    ]
}

/// Grammars of schemas that are in bounds one by one.
fn grammars_of_schemas() -> Vec<ConstraintSource> {
    let of = |count: usize, schema: String| {
        let names: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
        let text = format!("start: \"a\" (@{})", names.join(" | @"));
        let schemas = names.into_iter().map(|name| NamedSchema { name, schema: schema.clone() }).collect();
        ConstraintSource::Grammar { text, schemas }
    };
    let strings: Vec<String> = (0..100).map(|number| format!(r#""s{number}""#)).collect();
    vec![
        of(100, format!(r#"{{"enum": [{}]}}"#, strings.join(", "))),
        of(
            128,
            r#"{"type": "array", "items": {"type": "string"}, "minItems": 1000, "maxItems": 2000}"#
                .to_owned(),
        ),
        of(128, r#"{"type": "string", "pattern": "^[a-m]{3,900}@"}"#.to_owned()),
        of(20, r#"{"type": "object", "patternProperties": {"^[a-z]{1,9}x$": {}}}"#.to_owned()),
        of(5, format!(r#"{{"description": "{}"}}"#, "a".repeat(60_000))),
    ]
}

#[test]
fn hostile_sources_are_refused_or_bounded_and_disturb_nobody() {
    let sources = (schemas().into_iter().map(ConstraintSource::JsonSchema))
        .chain(regexes().into_iter().map(ConstraintSource::Regex))
        .chain(grammars().into_iter().map(|text| ConstraintSource::Grammar { text, schemas: vec![] }))
        .chain(grammars_of_schemas());
    let prompt = ENGINE.render_chat(&user("Write it."), &[]).unwrap();
    let free = request(prompt.clone(), 40, Sampling::GREEDY);
    let expected = Answer::of(&ENGINE, free.clone());
    let mut refused = 0;
    let mut running = Vec::new();
    for source in sources {
        let shown: String = format!("{source:?}").chars().take(90).collect();
        match ENGINE.compile_constraint(source) {
            Ok(constraint) => {
                let asked = request(prompt.clone(), 20, Sampling { temperature: 1.0, ..Sampling::GREEDY });
                let asked = GenerationRequest { constraint: Some(Arc::new(constraint)), ..asked };
                running.push((shown, start(&ENGINE, asked).unwrap()));
            }
            Err(ConstraintError::Failed(problem)) => panic!("{shown}: {problem}"),
            Err(_) => refused += 1,
        }
    }
    assert_eq!(Answer::of(&ENGINE, free), expected);
    let mut failed = 0;
    for (shown, (_handle, progress)) in &running {
        match progress.iter().last() {
            Some(Progress::Finished(_)) => {}
            Some(Progress::Failed(EngineFailure::Constraint(_))) => failed += 1,
            other => panic!("{shown}: {other:?}"),
        }
    }
    let running = running.len();
    let counts = format!("{refused} refused, {running} running, of which {failed} failed");
    assert!(refused >= 15 && failed >= 1 && running >= 20, "{counts}");
}
