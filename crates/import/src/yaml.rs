//! YAML 1.2 as a tree, within bounds.
//!
//! Owns what plain scalars mean (the core schema), `!!binary`, and what aliases may cost: each is a copy, and all that
//! is kept has a weight, whose sum is bounded, so that a few lines cannot become gigabytes. It refuses to know what a
//! document is about.

use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Number;

use crate::tree::{HEAVIEST_TREE, Member, NODE_WEIGHT, Node, Value};

/// How deep lists and objects may be nested.
pub const DEEPEST_TREE: usize = 128;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct YamlError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl YamlError {
    fn at(span: &Span, message: impl Into<String>) -> YamlError {
        YamlError { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
    }
}

impl From<ScanError> for YamlError {
    fn from(error: ScanError) -> YamlError {
        let marker = error.marker();
        YamlError { line: marker.line(), column: marker.col() + 1, message: error.info().to_owned() }
    }
}

/// The tree of a text that has one document; of an empty one, `null`.
///
/// # Errors
/// Where it is no YAML, has a second document, or passes a bound.
pub(crate) fn read(text: &str) -> Result<Node, YamlError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        builder.take(event, &span)?;
    }
    Ok(builder.root.unwrap_or(Node { line: Some(1), value: Value::Null }))
}

/// A node that is not closed yet.
struct Open {
    line: usize,
    anchor: usize,
    /// The weight of the whole tree when it was opened.
    weight_before: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Members {
        members: Vec<Member>,
        names: HashSet<String>,
        /// The key whose value comes next.
        key: Option<String>,
    },
}

/// The tree as far as it has been read.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    /// What anchors name, with its weight.
    anchored: BTreeMap<usize, (Node, usize)>,
    weight: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                self.weigh(NODE_WEIGHT + text.len(), span)?;
                let node = Node { line: Some(span.start.line()), value };
                self.add(node, anchor, NODE_WEIGHT + text.len(), span)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, Inside::List(Vec::new()), span),
            Event::MappingStart(anchor, _) => {
                let inside = Inside::Members { members: Vec::new(), names: HashSet::new(), key: None };
                self.open(anchor, inside, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let Some((node, weight)) = self.anchored.get(&anchor) else {
                    return Err(YamlError::at(span, "an alias inside of what it stands for"));
                };
                let (node, weight) = (node.clone(), *weight);
                self.weigh(weight, span)?;
                self.add(node, 0, weight, span)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(YamlError::at(span, "a second document; put it into a file of its own"))
            }
            _ => Ok(()),
        }
    }

    fn weigh(&mut self, weight: usize, span: &Span) -> Result<(), YamlError> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > HEAVIEST_TREE {
            let message =
                format!("with its aliases written out the file has more than {HEAVIEST_TREE} bytes");
            return Err(YamlError::at(span, message));
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, inside: Inside, span: &Span) -> Result<(), YamlError> {
        if self.open.len() == DEEPEST_TREE {
            let message = format!("lists and objects are nested deeper than {DEEPEST_TREE} levels");
            return Err(YamlError::at(span, message));
        }
        let weight_before = self.weight;
        self.weigh(NODE_WEIGHT, span)?;
        self.open.push(Open { line: span.start.line(), anchor, weight_before, inside });
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.inside {
            Inside::List(list) => Value::List(list),
            Inside::Members { members, .. } => Value::Members(members),
        };
        let weight = self.weight - open.weight_before;
        self.add(Node { line: Some(open.line), value }, open.anchor, weight, span)
    }

    /// Puts a finished node where it belongs. The parser counts anchors from 1.
    fn add(&mut self, node: Node, anchor: usize, weight: usize, span: &Span) -> Result<(), YamlError> {
        if anchor != 0 {
            self.weigh(weight, span)?;
            self.anchored.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(list)) => list.push(node),
            Some(Inside::Members { members, names, key }) => match key.take() {
                Some(key) => members.push((key, node)),
                None => {
                    let name = name(node, span)?;
                    if !names.insert(name.clone()) {
                        return Err(YamlError::at(span, format!("the key `{name}` is there twice")));
                    }
                    *key = Some(name);
                }
            },
        }
        Ok(())
    }
}

/// A key of an object.
fn name(node: Node, span: &Span) -> Result<String, YamlError> {
    match node.value {
        Value::Text(text) => Ok(text),
        Value::Number(_, Some(letters)) => Ok(letters.into()),
        Value::Number(number, None) => Ok(number.to_string()),
        Value::Switch(switch) => Ok(switch.to_string()),
        Value::Null => Ok("null".to_owned()),
        _ => Err(YamlError::at(span, "a key must be a text")),
    }
}

/// What a scalar says, by its tag, its style, or its letters.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match core {
        Some("binary") => {
            let digits: String = text.split_ascii_whitespace().collect();
            BASE64.decode(digits).map_or_else(Value::Undecoded, Value::Bytes)
        }
        Some("null" | "bool" | "int" | "float") | None if style == ScalarStyle::Plain && is_untagged(tag) => {
            plain(text)
        }
        _ => Value::Text(text.to_owned()),
    }
}

/// Whether a tag leaves the meaning to the letters.
fn is_untagged(tag: Option<&Tag>) -> bool {
    tag.is_none_or(|tag| tag.is_yaml_core_schema())
}

/// A plain scalar of the core schema (YAML 1.2.2, section 10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Switch(true),
        "false" | "False" | "FALSE" => return Value::Switch(false),
        _ => {}
    }
    match number(text) {
        Some(number) => {
            let letters = (number.to_string() != text).then(|| text.into());
            Value::Number(number, letters)
        }
        None => Value::Text(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Number::from);
    }
    // Rust would take `inf`, `nan` and `infinity`, too; the schema writes them with a dot, and JSON has none.
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    let signless = text.strip_prefix('+').unwrap_or(text);
    signless
        .parse::<i64>()
        .map(Number::from)
        .or_else(|_| signless.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn json_of(text: &str) -> serde_json::Value {
        read(text).unwrap().to_json()
    }

    #[test]
    fn scalars_mean_what_the_core_schema_says() {
        let text = "[~, null, '', 'null', true, False, yes, 12, -3, +4, 0x1F, 0o17, 1.5, -1e3, .5, 1.2.3, nan, .inf, \"\\u00e9\"]";
        assert_eq!(
            json_of(text),
            json!([
                null, null, "", "null", true, false, "yes", 12, -3, 4, 31, 15, 1.5, -1000.0, 0.5, "1.2.3",
                "nan", ".inf", "é"
            ])
        );
        assert_eq!(json_of("a: !!str 12\nb: !own 12\nc: !!int 12\n"), json!({"a": "12", "b": "12", "c": 12}));
        assert_eq!(json_of(""), json!(null));
    }

    #[test]
    fn bytes_are_decoded() {
        let node = read("body: !!binary |\n  H4sI\n  AAE=\n").unwrap();
        assert_eq!(node.get("body").unwrap().value, Value::Bytes(vec![0x1f, 0x8b, 8, 0, 1]));
        let broken = read("!!binary '* AA'").unwrap();
        assert_eq!(broken.kind(), "`!!binary` that is no base64");
        assert!(read("a: [{b: !!binary '*'}]").unwrap().check().is_err());
    }

    #[test]
    fn nodes_know_their_lines() {
        let node = read("a: 1\nb:\n  - x\n  - y: 2\n").unwrap();
        assert_eq!(node.get("a").unwrap().line, Some(1));
        let Value::List(list) = &node.get("b").unwrap().value else { panic!() };
        assert_eq!((list[0].line, list[1].line), (Some(3), Some(4)));
    }

    #[test]
    fn an_alias_is_a_copy() {
        assert_eq!(
            json_of("a: &x [1, 2]\nb: *x\nc: [*x]\n"),
            json!({"a": [1, 2], "b": [1, 2], "c": [[1, 2]]})
        );
        let error = read("a: &x [*x]").unwrap_err();
        assert_eq!(error.to_string(), "line 1, column 8: an alias inside of what it stands for");
    }

    #[test]
    fn aliases_do_not_explode() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let error = read(&text).unwrap_err();
        assert!(error.message.contains("more than 268435456 bytes"), "{error}");
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 300].join(", "));
        assert!(read(&long).unwrap_err().message.contains("more than 268435456 bytes"));
    }

    #[test]
    fn the_depth_is_bounded() {
        assert!(read(&"- ".repeat(200)).unwrap_err().message.contains("deeper than 128 levels"));
        assert!(read(&"[".repeat(100_000)).is_err());
        let deepest = format!("{}{}", "[".repeat(DEEPEST_TREE), "]".repeat(DEEPEST_TREE));
        assert!(read(&deepest).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(
            read("a: 1\na: 2\n").unwrap_err().to_string(),
            "line 2, column 1: the key `a` is there twice"
        );
        assert_eq!(read("a: [1\nb: 2\n").unwrap_err().line, 2);
        assert!(read("--- 1\n--- 2\n").unwrap_err().message.contains("second document"));
    }

    proptest! {
        /// JSON is YAML: what `serde_json` writes without escapes is read as it was.
        #[test]
        fn json_is_yaml(text in "[a-zA-Z0-9 .,:#!é]{0,20}", number in any::<i64>(), float in -1e6f64..1e6) {
            let value = json!({"text": text, "list": [number, float, true, null], "object": {"inner": [[]]}});
            prop_assert_eq!(json_of(&value.to_string()), value);
        }

        /// Nothing panics.
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}:,&*!|>'\"#%@ \\n\\-a-c0-9~]{0,60}") {
            drop(read(&text));
        }
    }
}
