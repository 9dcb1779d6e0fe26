//! What an answer must read like: a grammar that tells at every token which may come next.
//!
//! A source is checked and bounded ([`schema`], [`text_grammar`]), compiled once for the model's [`vocabulary`], and
//! then begun anew by every generation ([`matching`]). The grammars themselves are llguidance's work; here is what
//! sources may ask of it, and what keeps them from taking more than their share. Knows no requests, and no logits but
//! those that it forbids.
//!
//! Where JSON is asked for, it is written in one way: `{"a": 1, "b": [2, 3]}`, one space behind each comma and colon and
//! none elsewhere, members in the order of the schema. Models write it so by themselves, and a small one that may put
//! white space anywhere goes on putting it.

mod matching;
mod schema;
mod text_grammar;
mod timing;
mod vocabulary;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::{JsonCompileOptions, Matcher, TokenParser};
use serde_json::{Map, Value};

use crate::gguf::excerpt_of;
use crate::large_stack::on_large_stack;
use crate::tokenizer::Tokenizer;
pub(crate) use matching::Matching;
pub use timing::ConstraintTimes;
pub(crate) use vocabulary::Vocabulary;

/// A JSON schema may be this long, in bytes.
const LONGEST_SCHEMA: usize = 256 << 10;
/// A regular expression may be this long, in bytes.
const LONGEST_REGEX: usize = 8 << 10;
/// A grammar may be this long, in bytes.
const LONGEST_GRAMMAR: usize = 32 << 10;
/// What the deepest source needs, with room to spare; memory is taken as it is used.
const STACK_BYTES: usize = 256 << 20;
/// What is said of a source that cannot be used, in characters.
const LONGEST_PROBLEM: usize = 300;
/// What llguidance says in words that only its own callers would understand.
const IN_PLAIN_WORDS: [(&str, &str); 7] = [
    ("panic: ", "the compiler of grammars fails on it"),
    ("oneOf constraints", "the schemas of a `oneOf` are not seen to exclude each other; use `anyOf`"),
    ("lexer precomputation", TOO_COMPLEX),
    ("fuel", TOO_COMPLEX),
    ("LexerTooComplex", TOO_COMPLEX),
    ("ParserTooComplex", TOO_COMPLEX),
    ("NoExtension", "no token of the model can come next"),
];
const TOO_COMPLEX: &str = "it is too complex; make its expressions shorter, or repeat less";

/// What an answer must read like.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstraintSource {
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts.
    JsonSchema(String),
    /// A text that this regular expression (in the syntax of Rust's `regex`) matches as a whole.
    Regex(String),
    /// A text of this grammar, in the Lark-like language of `llguidance`; its first rule is `start`.
    Grammar(String),
}

/// A compiled constraint, for the model whose engine compiled it; every generation begins it anew.
pub struct Constraint {
    source: ConstraintSource,
    vocabulary: Arc<Vocabulary>,
    beginning: Matcher,
}

/// Why a constraint cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// The source is too long to be read.
    #[error("the {kind} has {bytes} bytes, more than {longest}")]
    TooLong {
        /// What it is.
        kind: &'static str,
        /// Its length.
        bytes: usize,
        /// What would be read.
        longest: usize,
    },
    /// The source is not valid, or asks for what is not supported, or for too much.
    #[error("the {kind} cannot be used: {problem}")]
    Unusable {
        /// What it is.
        kind: &'static str,
        /// What is wrong with it, in words for whoever wrote it.
        problem: String,
    },
    /// Not the source's fault.
    #[error("no constraint can be compiled: {0}")]
    Failed(String),
}

/// The vocabulary of a model, once somebody has asked for it.
#[derive(Default)]
pub(crate) struct LazyVocabulary(OnceLock<Result<Arc<Vocabulary>, ConstraintError>>);

impl LazyVocabulary {
    /// Makes it, or waits for who is at it already.
    pub(crate) fn get(&self, tokenizer: &Tokenizer) -> Result<Arc<Vocabulary>, ConstraintError> {
        let make = || Vocabulary::new(tokenizer.all_token_bytes(), tokenizer.ends_of_turn());
        self.0.get_or_init(|| catching(make).map(Arc::new)).clone()
    }

    /// Whether a constraint was compiled for this vocabulary.
    pub(crate) fn is_of(&self, constraint: &Constraint) -> bool {
        self.0.get().is_some_and(|own| own.as_ref().is_ok_and(|own| Arc::ptr_eq(own, &constraint.vocabulary)))
    }
}

impl Constraint {
    /// Compiles a source, in bounded time and memory.
    pub(crate) fn compile(
        source: ConstraintSource,
        vocabulary: impl FnOnce() -> Result<Arc<Vocabulary>, ConstraintError> + Send,
    ) -> Result<Constraint, ConstraintError> {
        source.check_length()?;
        on_large_stack("constraint", STACK_BYTES, || {
            let vocabulary = vocabulary()?;
            let unusable = |problem| ConstraintError::Unusable { kind: source.kind(), problem };
            let grammar = source.grammar().map_err(unusable)?;
            let parser = catching(|| {
                let parser = vocabulary.factory.create_parser(grammar);
                parser.map_err(|error| unusable(problem(&format!("{error:#}"))))
            })?;
            source.check_parser(&parser).map_err(unusable)?;
            let mut beginning = Matcher::new(Ok(parser));
            // A grammar that nothing fits is found here; and what is found out is there for every generation.
            beginning.compute_mask().map_err(|error| unusable(problem(&error.to_string())))?;
            Ok(Constraint { source, vocabulary, beginning })
        })
        .map_err(|error| ConstraintError::Failed(error.to_string()))?
    }

    /// The beginning of a text.
    pub(crate) fn begin(&self) -> Matching {
        Matching::new(self.beginning.deep_clone())
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Constraint) -> bool {
        self.source == other.source && Arc::ptr_eq(&self.vocabulary, &other.vocabulary)
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Constraint").field(&self.source).finish()
    }
}

impl ConstraintSource {
    fn kind(&self) -> &'static str {
        match self {
            ConstraintSource::JsonObject | ConstraintSource::JsonSchema(_) => "JSON schema",
            ConstraintSource::Regex(_) => "regular expression",
            ConstraintSource::Grammar(_) => "grammar",
        }
    }

    fn check_length(&self) -> Result<(), ConstraintError> {
        let (source, longest) = match self {
            ConstraintSource::JsonObject => return Ok(()),
            ConstraintSource::JsonSchema(source) => (source, LONGEST_SCHEMA),
            ConstraintSource::Regex(source) => (source, LONGEST_REGEX),
            ConstraintSource::Grammar(source) => (source, LONGEST_GRAMMAR),
        };
        let (kind, bytes) = (self.kind(), source.len());
        if bytes > longest { Err(ConstraintError::TooLong { kind, bytes, longest }) } else { Ok(()) }
    }

    /// What llguidance is asked to compile.
    fn grammar(&self) -> Result<TopLevelGrammar, String> {
        Ok(match self {
            ConstraintSource::JsonObject => {
                json_grammar(Map::from_iter([("type".to_owned(), Value::from("object"))]))
            }
            ConstraintSource::JsonSchema(source) => json_grammar(schema::read(source)?),
            ConstraintSource::Regex(source) => {
                if source.is_empty() {
                    return Err("it is empty, and so would be every answer".to_owned());
                }
                TopLevelGrammar::from_regex(source)
            }
            ConstraintSource::Grammar(source) => {
                text_grammar::check(source)?;
                TopLevelGrammar::from_lark(source.clone())
            }
        })
    }

    /// What a grammar can ask for in ways that only its compiled form shows.
    fn check_parser(&self, parser: &TokenParser) -> Result<(), String> {
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

/// A grammar for JSON in the one way that it is written.
fn json_grammar(schema: Map<String, Value>) -> TopLevelGrammar {
    let options = JsonCompileOptions {
        item_separator: ", ".to_owned(),
        key_separator: ": ".to_owned(),
        whitespace_flexible: false,
        ..JsonCompileOptions::default()
    };
    let mut schema = Value::Object(schema);
    options.apply_to(&mut schema);
    TopLevelGrammar::from_json_schema(schema)
}

/// Does something in which a bug may panic.
fn catching<T>(work: impl FnOnce() -> Result<T, ConstraintError>) -> Result<T, ConstraintError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ConstraintError::Failed("the compiler of grammars panicked".to_owned())))
}

/// What llguidance says of a problem, for whoever wrote the source: without what it adds for its own developers.
fn problem(told: &str) -> String {
    if let Some((_, plain)) = IN_PLAIN_WORDS.iter().find(|(part, _)| told.contains(part)) {
        return (*plain).to_owned();
    }
    // The expression itself comes before, in full, and what it was made part of behind.
    let told = match told.rsplit_once("error: ") {
        Some((before, error)) if before.contains("regex parse") => {
            format!("not a regular expression: {}", error.lines().next().unwrap_or_default())
        }
        _ => told.split("\n<").next().unwrap_or_default().to_owned(),
    };
    excerpt_of(&told.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST_PROBLEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(source: ConstraintSource) -> Constraint {
        Constraint::compile(source, || Vocabulary::of_bytes().map(Arc::new)).unwrap()
    }

    /// How much of a text can be written, and the places in it at which it may end.
    fn write(constraint: &Constraint, text: &str) -> (usize, Vec<usize>) {
        let mut matching = constraint.begin();
        let mut ends = Vec::new();
        for (place, byte) in text.bytes().enumerate() {
            let allowed = matching.allowed(&[0.0; 257], &[]).unwrap().unwrap();
            let is_allowed = |token: usize| allowed[token] == 0.0;
            if is_allowed(256) {
                ends.push(place);
            }
            if !is_allowed(byte.into()) {
                return (place, ends);
            }
            if matching.advance(byte.into()).unwrap() {
                ends.push(place + 1);
                return (place + 1, ends);
            }
        }
        (text.len(), ends)
    }

    #[test]
    fn json_is_written_in_one_way() {
        let schema = r#"{
            "type": "object",
            "properties": {"b": {"type": "integer"}, "a": {"type": "array", "items": {"type": "integer"}}},
            "required": ["a", "b"],
            "additionalProperties": false
        }"#;
        let constraint = compile(ConstraintSource::JsonSchema(schema.to_owned()));
        let whole = r#"{"b": 1, "a": [2, 3]}"#;
        assert_eq!(write(&constraint, whole), (whole.len(), vec![whole.len()]));
        for (refused, beginning) in [
            ("{ ", "{"),
            (r#"{"a""#, r#"{""#),
            (r#"{"b":1"#, r#"{"b":"#),
            (r#"{"b": 1,"a""#, r#"{"b": 1,"#),
            (r#"{"b": 1, "a": [ 2"#, r#"{"b": 1, "a": ["#),
            (r#"{"b": 1}"#, r#"{"b": 1"#),
            ("\n", ""),
        ] {
            assert_eq!(write(&constraint, refused), (beginning.len(), vec![]), "{refused}");
        }
    }

    #[test]
    fn a_text_may_end_where_its_expression_may() {
        let constraint = compile(ConstraintSource::Regex("a(bc)?".to_owned()));
        assert_eq!(write(&constraint, "abcd"), (3, vec![1, 3]));
        // It begins anew with every generation.
        assert_eq!(write(&constraint, "ax"), (1, vec![1]));
    }

    #[test]
    fn longer_sources_than_are_read_are_told_from_wrong_ones() {
        let regex = ConstraintSource::Regex("a".repeat(LONGEST_REGEX + 1));
        let error = Constraint::compile(regex, || Vocabulary::of_bytes().map(Arc::new)).unwrap_err();
        assert_eq!(error.to_string(), "the regular expression has 8193 bytes, more than 8192");
    }
}
