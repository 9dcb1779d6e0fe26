//! What a constraint is compiled of, how long that may be, and what llguidance is asked for.
//!
//! All JSON is written in one way, whether it is the whole text or stands in a grammar. Refuses to know vocabularies.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llguidance::api::{GrammarWithLexer, ParserLimits, TopLevelGrammar};
use llguidance::{GrammarBuilder, JsonCompileOptions, TokenParser};
use serde_json::{Map, Value};

use super::schema::{self, Sizes};
use super::{ConstraintError, PANICKED, problem, text_grammar};

/// A JSON schema, or all those of a grammar, may be this long, in bytes.
const LONGEST_SCHEMA: usize = 256 << 10;
/// A regular expression may be this long, in bytes.
pub(super) const LONGEST_REGEX: usize = 8 << 10;
/// A grammar may be this long, in bytes.
const LONGEST_GRAMMAR: usize = 32 << 10;

/// What an answer must read like.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstraintSource {
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts.
    JsonSchema(String),
    /// A text that this regular expression (in the syntax of Rust's `regex`) matches as a whole.
    Regex(String),
    /// A text of this grammar.
    Grammar {
        /// Rules in the Lark-like language of `llguidance`; the first is `start`. In them `@name` stands for JSON that
        /// the schema of that name accepts.
        text: String,
        /// The schemas that the rules name. All of them together have the bounds of one.
        schemas: Vec<NamedSchema>,
    },
}

/// A JSON schema that a grammar names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSchema {
    /// Letters, digits, `_` and `-`, not digits alone; no other schema of the grammar has it.
    pub name: String,
    /// The schema.
    pub schema: String,
}

impl ConstraintSource {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            ConstraintSource::JsonObject | ConstraintSource::JsonSchema(_) => "JSON schema",
            ConstraintSource::Regex(_) => "regular expression",
            ConstraintSource::Grammar { .. } => "grammar",
        }
    }

    pub(super) fn check_length(&self) -> Result<(), ConstraintError> {
        match self {
            ConstraintSource::JsonObject => Ok(()),
            ConstraintSource::JsonSchema(source) => check_length(self.kind(), source.len(), LONGEST_SCHEMA),
            ConstraintSource::Regex(source) => check_length(self.kind(), source.len(), LONGEST_REGEX),
            ConstraintSource::Grammar { text, schemas } => {
                check_length(self.kind(), text.len(), LONGEST_GRAMMAR)?;
                let bytes = schemas.iter().map(|named| named.schema.len()).sum();
                check_length("set of JSON schemas", bytes, LONGEST_SCHEMA)
            }
        }
    }

    /// What llguidance is asked to compile.
    pub(super) fn grammar(&self) -> Result<TopLevelGrammar, ConstraintError> {
        let unusable = |problem| ConstraintError::Unusable { kind: self.kind(), problem };
        Ok(match self {
            ConstraintSource::JsonObject => {
                let any = Map::from_iter([("type".to_owned(), Value::from("object"))]);
                TopLevelGrammar::from_json_schema(written_in_one_way(any))
            }
            ConstraintSource::JsonSchema(source) => {
                let schema = schema::read(source, &mut Sizes::default()).map_err(unusable)?;
                TopLevelGrammar::from_json_schema(written_in_one_way(schema))
            }
            ConstraintSource::Regex(source) if source.is_empty() => {
                return Err(unusable("it is empty, and so would be every answer".to_owned()));
            }
            ConstraintSource::Regex(source) => TopLevelGrammar::from_regex(source),
            ConstraintSource::Grammar { text, schemas } => {
                text_grammar::check(text).map_err(unusable)?;
                let mut grammar = TopLevelGrammar::from_lark(text.clone());
                grammar.grammars.extend(named(schemas)?);
                grammar
            }
        })
    }

    /// The first of a grammar's schemas that cannot be compiled, where the whole could not be. Takes no more than that
    /// took: all share one builder, up to its bounds.
    pub(super) fn culprit(&self, limits: &ParserLimits) -> Option<ConstraintError> {
        let ConstraintSource::Grammar { schemas, .. } = self else { return None };
        let mut builder = GrammarBuilder::new(None, limits.clone());
        for part in named(schemas).ok()? {
            let (Some(name), Some(schema)) = (part.name, part.json_schema) else { continue };
            let compile = || JsonCompileOptions::default().json_to_llg_with_overrides(builder, schema);
            let problem = match catch_unwind(AssertUnwindSafe(compile)) {
                Ok(Ok(compiled)) => {
                    builder = compiled.builder;
                    builder.check_limits().ok()?;
                    continue;
                }
                Ok(Err(error)) => problem(&format!("{error:#}")),
                Err(_) => problem(PANICKED),
            };
            return Some(ConstraintError::UnusableSchema { name, problem });
        }
        None
    }

    /// What a grammar can ask for in ways that only its compiled form shows.
    pub(super) fn check_parser(&self, parser: &TokenParser) -> Result<(), String> {
        let lexer = parser.parser.grammar().lexer_spec();
        if !lexer.token_range_lexemes(&lexer.all_lexemes()).is_empty() {
            return Err("it names tokens of the model, which is not supported; write the text".to_owned());
        }
        if lexer.has_stop {
            return Err(
                "it leaves out part of the text (`stop`, `suffix`), which is not supported".to_owned()
            );
        }
        if lexer.has_temperature {
            return Err("it sets a `temperature`, which is not supported within a grammar".to_owned());
        }
        Ok(())
    }
}

fn check_length(kind: &'static str, bytes: usize, longest: usize) -> Result<(), ConstraintError> {
    if bytes > longest { Err(ConstraintError::TooLong { kind, bytes, longest }) } else { Ok(()) }
}

/// Schemas that rules name.
fn named(schemas: &[NamedSchema]) -> Result<Vec<GrammarWithLexer>, ConstraintError> {
    let mut sizes = Sizes::default();
    let compiled = schemas.iter().map(|NamedSchema { name, schema }| {
        let unusable = |problem| ConstraintError::UnusableSchema { name: name.clone(), problem };
        let json_schema = Some(written_in_one_way(schema::read(schema, &mut sizes).map_err(unusable)?));
        Ok(GrammarWithLexer { name: Some(name.clone()), json_schema, lark_grammar: None })
    });
    compiled.collect()
}

/// A schema for JSON in the one way that it is written.
fn written_in_one_way(schema: Map<String, Value>) -> Value {
    let options = JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        ..JsonCompileOptions::default()
    };
    let mut schema = Value::Object(schema);
    options.apply_to(&mut schema);
    schema
}
