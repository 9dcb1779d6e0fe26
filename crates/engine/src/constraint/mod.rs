//! What an answer must read like: a grammar that tells at every token which may come next.
//!
//! A source is checked and bounded ([`source`], [`schema`], [`text_grammar`]), compiled once for the model's
//! [`vocabulary`], and then begun anew by every generation ([`matching`]). The grammars themselves are llguidance's work;
//! here is what sources may ask of it, and what keeps them from taking more than their share. Knows no requests, and no
//! logits but those that it forbids.
//!
//! Where JSON is asked for, it is written in one way: `{"a": 1, "b": [2, 3]}`, one space behind each comma and colon and
//! none elsewhere, members in the order of the schema. Models write it so by themselves, and a small one that may put
//! white space anywhere goes on putting it.

mod matching;
mod schema;
mod source;
mod text_grammar;
mod timing;
mod vocabulary;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use llguidance::Matcher;

use crate::generation::TokenId;
use crate::gguf::excerpt_of;
use crate::large_stack::on_large_stack;
use crate::tokenizer::Tokenizer;
pub(crate) use matching::Matching;
pub use source::{ConstraintSource, NamedSchema};
pub use timing::ConstraintTimes;
pub(crate) use vocabulary::Vocabulary;

/// What the deepest source needs, with room to spare; memory is taken as it is used.
const STACK_BYTES: usize = 256 << 20;
/// How many tokens of a text are tried when a constraint is compiled.
const LOOKED_AHEAD: usize = 8;
/// What is said of a source that cannot be used, in characters.
const LONGEST_PROBLEM: usize = 300;
/// What llguidance says in words that only its own callers would understand.
const IN_PLAIN_WORDS: [(&str, &str); 7] = [
    (PANICKED, "the compiler of grammars fails on it"),
    ("oneOf constraints", "the schemas of a `oneOf` are not seen to exclude each other; use `anyOf`"),
    ("lexer precomputation", TOO_COMPLEX),
    ("fuel", TOO_COMPLEX),
    ("LexerTooComplex", TOO_COMPLEX),
    ("ParserTooComplex", TOO_COMPLEX),
    ("NoExtension", "no token of the model can come next"),
];
/// What llguidance says of a problem that it did not foresee.
const PANICKED: &str = "panic: ";
const TOO_COMPLEX: &str = "it is too complex; make its expressions shorter, or repeat less";

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
    /// A schema of a grammar is not valid, or asks for what is not supported.
    #[error("the JSON schema `{name}` cannot be used: {problem}")]
    UnusableSchema {
        /// Its name.
        name: String,
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
            let grammar = source.grammar()?;
            let parser = catching(|| {
                let parser = vocabulary.factory.create_parser(grammar);
                parser.map_err(|error| unusable(problem(&format!("{error:#}"))))
            })
            .map_err(|error| source.culprit(vocabulary.factory.limits()).unwrap_or(error))?;
            source.check_parser(&parser).map_err(unusable)?;
            let mut beginning = Matcher::new(Ok(parser));
            // A grammar that nothing fits is found here; and what is found out is there for every generation.
            beginning.compute_mask().map_err(|error| unusable(problem(&error.to_string())))?;
            look_ahead(&beginning).map_err(|error| unusable(problem(&error)))?;
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

/// Writes the beginning of one text: most grammars that ask for too much do so behind their first tokens.
fn look_ahead(beginning: &Matcher) -> Result<(), String> {
    let mut matcher = beginning.deep_clone();
    for _ in 0..LOOKED_AHEAD {
        let allowed = matcher.compute_mask().map_err(|error| error.to_string())?;
        let Some(token) = allowed.first_bit_set() else { break };
        matcher.consume_token(token as TokenId).map_err(|error| error.to_string())?;
        if matcher.is_stopped() {
            break;
        }
    }
    Ok(())
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
    fn a_grammar_has_json_where_it_names_a_schema() {
        let named =
            |name: &str, schema: &str| NamedSchema { name: name.to_owned(), schema: schema.to_owned() };
        let constraint = compile(ConstraintSource::Grammar {
            text: r#"start: "<" @a-1 ">" | "(" @b_2 ", " @a-1 ")""#.to_owned(),
            schemas: vec![
                named("a-1", r#"{"type": "array", "items": {"type": "integer"}}"#),
                named("b_2", r#"{"properties": {"a": {"const": true}}, "additionalProperties": false}"#),
            ],
        });
        for whole in ["<[1, 23]>", r#"({"a": true}, [])"#] {
            assert_eq!(write(&constraint, whole), (whole.len(), vec![whole.len()]), "{whole}");
        }
        for (refused, beginning) in [("<[1,2]>", "<[1,"), ("<{}>", "<"), (r#"({"b": 1}"#, r#"({""#)] {
            assert_eq!(write(&constraint, refused), (beginning.len(), vec![]), "{refused}");
        }
    }

    /// All alternatives are open at once behind the first brace, not before.
    #[test]
    fn what_is_too_much_behind_the_beginning_is_refused() {
        let member = r#"{"anyOf": [{"type": "string"}, {"type": "integer"}]}"#;
        let alternative =
            |number| format!(r#"{{"type": "object", "properties": {{"a{number}": {member}}}}}"#);
        let alternatives: Vec<String> = (0..200).map(alternative).collect();
        let schema = format!(r#"{{"anyOf": [{}]}}"#, alternatives.join(","));
        let compiled = Constraint::compile(ConstraintSource::JsonSchema(schema), || {
            Vocabulary::of_bytes().map(Arc::new)
        });
        assert!(matches!(compiled, Err(ConstraintError::Unusable { .. })), "{compiled:?}");
    }

    #[test]
    fn longer_sources_than_are_read_are_told_from_wrong_ones() {
        let regex = ConstraintSource::Regex("a".repeat(source::LONGEST_REGEX + 1));
        let error = Constraint::compile(regex, || Vocabulary::of_bytes().map(Arc::new)).unwrap_err();
        assert_eq!(error.to_string(), "the regular expression has 8193 bytes, more than 8192");
    }
}
