//! What of JSON Schema can be promised, and how large a schema may be.
//!
//! The compiler behind this module honours most of the language, and passes over some of what it does not know: a
//! keyword that is misspelt, one that an older draft did not have. Here every keyword is looked at first, so that what
//! would change an answer and cannot be had is refused by its name and place. Combinations whose cost is a product of
//! their parts are refused as well. Knows nothing of grammars and tokens.

use serde_json::{Map, Value};

/// Schemas, values of enums and names of required members, all together.
const MOST_PARTS: usize = 6_000;
/// Alternatives of a `oneOf`: any two are compared.
const MOST_EXCLUSIVE: usize = 100;
/// Regular expressions for the names of members, in all of a schema: any two are compared.
const MOST_NAME_PATTERNS: usize = 16;
/// Bytes of all regular expressions in a schema.
const LONGEST_PATTERNS: usize = 8 << 10;
/// Digits of a `multipleOf`: the compiler reckons in 32 bits.
const MOST_FACTOR_DIGITS: usize = 8;
/// A place where something is wrong is told in so many characters.
const LONGEST_PLACE: usize = 120;

/// What the value of a keyword is.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    /// A schema.
    Schema,
    /// A schema, or one for each of the first items.
    Items,
    /// Schemas of which some must hold.
    Alternatives,
    /// Schemas, one behind the other.
    Schemas,
    /// Schemas by name.
    Named,
    /// Schemas by regular expressions for names.
    ByPattern,
    /// A regular expression.
    Pattern,
    /// Values, all of which count.
    Values,
    /// Where the schema is.
    Reference,
    /// A number that others are multiples of.
    Factor,
    /// Anything that the compiler understands.
    Bound,
    /// Nothing that an answer depends on.
    Remark,
}

use Meaning::*;

const KEYWORDS: [(&str, Meaning); 46] = [
    ("$ref", Reference),
    ("$defs", Named),
    ("definitions", Named),
    ("anyOf", Alternatives),
    ("oneOf", Alternatives),
    ("allOf", Alternatives),
    ("enum", Values),
    ("const", Values),
    ("type", Bound),
    ("properties", Named),
    ("patternProperties", ByPattern),
    ("additionalProperties", Schema),
    ("required", Values),
    ("minProperties", Bound),
    ("maxProperties", Bound),
    ("items", Items),
    ("prefixItems", Schemas),
    ("additionalItems", Schema),
    ("minItems", Bound),
    ("maxItems", Bound),
    ("minLength", Bound),
    ("maxLength", Bound),
    ("pattern", Pattern),
    ("format", Bound),
    ("minimum", Bound),
    ("maximum", Bound),
    ("exclusiveMinimum", Bound),
    ("exclusiveMaximum", Bound),
    ("multipleOf", Factor),
    ("$schema", Remark),
    ("$id", Remark),
    ("id", Remark),
    ("$anchor", Remark),
    ("$comment", Remark),
    ("title", Remark),
    ("description", Remark),
    ("default", Remark),
    ("example", Remark),
    ("examples", Remark),
    ("deprecated", Remark),
    ("discriminator", Remark),
    ("externalDocs", Remark),
    ("readOnly", Remark),
    ("writeOnly", Remark),
    ("contentMediaType", Remark),
    ("contentEncoding", Remark),
];

/// Of these a schema has one.
const CHOICES: [&str; 6] = ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"];

/// What schemas that are compiled together come to so far: the bounds are on that.
#[derive(Default)]
pub(super) struct Sizes {
    parts: usize,
    name_patterns: usize,
    pattern_bytes: usize,
}

/// Reads a schema, and looks at all of it.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn read(source: &str, sizes: &mut Sizes) -> Result<Map<String, Value>, String> {
    let schema: Value = serde_json::from_str(source).map_err(|error| format!("it is not JSON: {error}"))?;
    Check { root: &schema, path: Vec::new(), embedded: 0, sizes }.schema(&schema)?;
    let Value::Object(mut schema) = schema else { return Err("it must be an object".to_owned()) };
    // The compiler would read an older draft as it was then, without the keywords that came later.
    schema.shift_remove("$schema");
    Ok(schema)
}

fn meaning(keyword: &str) -> Option<Meaning> {
    let known = KEYWORDS.iter().find(|(known, _)| *known == keyword).map(|(_, meaning)| *meaning);
    // Extensions are remarks by convention; the compiler takes this one as an instruction.
    known.or_else(|| (keyword.starts_with("x-") && keyword != "x-guidance").then_some(Remark))
}

/// Whether a keyword takes nothing away from what alternatives, or another place, say.
fn goes_with_a_choice(keyword: &str) -> bool {
    ["type", "$defs", "definitions"].contains(&keyword)
        || meaning(keyword).is_none_or(|meaning| meaning == Remark)
}

/// A way through a schema.
struct Check<'s, 'z> {
    root: &'s Value,
    /// The keywords, names and numbers that lead to where it is.
    path: Vec<String>,
    /// How many schemas that it is in, below the root, have an `$id`.
    embedded: usize,
    sizes: &'z mut Sizes,
}

impl<'s> Check<'s, '_> {
    /// Serde's own bound on the depth of JSON is one on this.
    fn schema(&mut self, schema: &'s Value) -> Result<(), String> {
        self.count(1)?;
        let members = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(members) => members,
            _ => return Err(self.problem("there must be a schema: an object, or true or false")),
        };
        self.combination(members)?;
        let is_embedded = !self.path.is_empty() && members.contains_key("$id");
        self.embedded += usize::from(is_embedded);
        for (keyword, value) in members {
            let meaning = meaning(keyword).ok_or_else(|| {
                self.problem(&format!("the keyword `{}` is not supported", excerpt(keyword)))
            })?;
            self.below(keyword, |check| check.keyword(keyword, meaning, value))?;
        }
        self.embedded -= usize::from(is_embedded);
        Ok(())
    }

    /// What stands side by side must all hold, and alternatives would have to be multiplied out with it.
    fn combination(&self, members: &Map<String, Value>) -> Result<(), String> {
        let has = |keyword: &str| members.contains_key(keyword);
        let chosen: Vec<&str> = CHOICES.into_iter().filter(|keyword| has(keyword)).collect();
        let beside = match chosen[..] {
            [] | ["enum" | "const"] => None,
            [only] => members
                .keys()
                .find(|other| *other != only && !goes_with_a_choice(other))
                .map(|other| (only, other.as_str())),
            [first, second, ..] => Some((first, second)),
        };
        if let Some((choice, other)) = beside {
            return Err(self.problem(&format!("`{choice}` beside `{}` is not supported", excerpt(other))));
        }
        if members.get("allOf").and_then(Value::as_array).is_some_and(|all| all.len() > 1) {
            return Err(self.problem("`allOf` of several schemas is not supported; make one of them"));
        }
        let exclusive = members.get("oneOf").and_then(Value::as_array).map_or(0, Vec::len);
        if exclusive > MOST_EXCLUSIVE {
            return Err(self.problem(&format!("`oneOf` has {exclusive} schemas, more than {MOST_EXCLUSIVE}")));
        }
        let is_older = has("additionalItems") || members.get("items").is_some_and(Value::is_array);
        if has("prefixItems") && is_older {
            return Err(self.problem("`prefixItems` is beside what it took the place of"));
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, meaning: Meaning, value: &'s Value) -> Result<(), String> {
        match (meaning, value) {
            (Schema | Items, Value::Object(_) | Value::Bool(_)) => self.schema(value),
            (Items | Alternatives | Schemas, Value::Array(schemas)) => schemas
                .iter()
                .enumerate()
                .try_for_each(|(index, schema)| self.below(&index.to_string(), |check| check.schema(schema))),
            (Named | ByPattern, Value::Object(schemas)) => schemas.iter().try_for_each(|(name, schema)| {
                if meaning == ByPattern {
                    self.name_pattern(name)?;
                }
                self.below(name, |check| check.schema(schema))
            }),
            (Pattern, Value::String(pattern)) => self.pattern(pattern),
            (Values, value) => self.count(parts_of(value)),
            (Reference, Value::String(reference)) => self.reference(reference),
            (Factor, Value::Number(factor)) => self.factor(&factor.to_string()),
            (Bound | Remark, _) => Ok(()),
            _ => Err(self.problem(&format!("this is no value for `{keyword}`"))),
        }
    }

    fn name_pattern(&mut self, pattern: &str) -> Result<(), String> {
        self.sizes.name_patterns += 1;
        if self.sizes.name_patterns > MOST_NAME_PATTERNS {
            return Err(self.problem(&format!("there are more than {MOST_NAME_PATTERNS} patterns for names")));
        }
        self.pattern(pattern)
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), String> {
        self.sizes.pattern_bytes += pattern.len();
        if self.sizes.pattern_bytes > LONGEST_PATTERNS {
            return Err(self.problem(&format!("all patterns have more than {LONGEST_PATTERNS} bytes")));
        }
        Ok(())
    }

    fn factor(&self, factor: &str) -> Result<(), String> {
        let digits = factor.bytes().filter(u8::is_ascii_digit).count();
        let is_positive = factor.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        if !is_positive || factor.contains(['-', 'e']) || digits > MOST_FACTOR_DIGITS {
            let wanted = format!("must be above 0, with at most {MOST_FACTOR_DIGITS} digits");
            return Err(self.problem(&wanted));
        }
        Ok(())
    }

    /// A reference leads to a schema that was looked at: `#`, or the way of keywords and names to it.
    fn reference(&self, reference: &str) -> Result<(), String> {
        let unsupported = |why: &str| self.problem(&format!("`{}` {why}", excerpt(reference)));
        if self.embedded > 0 {
            return Err(unsupported("is relative to an `$id` around it, which is not supported"));
        }
        if reference == "#" {
            return Ok(());
        }
        let way = reference.strip_prefix("#/").ok_or_else(|| unsupported("does not begin with `#/`"))?;
        if way.contains(['~', '%']) {
            return Err(unsupported("has an escaped character, which is not supported"));
        }
        let mut segments = way.split('/');
        let mut schema = self.root;
        while let Some(keyword) = segments.next() {
            let next = schema.get(keyword).and_then(|value| match (meaning(keyword)?, value) {
                (Schema | Items, Value::Object(_) | Value::Bool(_)) => Some(value),
                (Items | Alternatives | Schemas, Value::Array(schemas)) => {
                    schemas.get(segments.next()?.parse::<usize>().ok()?)
                }
                (Named | ByPattern, Value::Object(schemas)) => schemas.get(segments.next()?),
                _ => None,
            });
            schema = next.ok_or_else(|| unsupported("leads to no schema"))?;
        }
        Ok(())
    }

    fn count(&mut self, parts: usize) -> Result<(), String> {
        self.sizes.parts += parts;
        if self.sizes.parts > MOST_PARTS {
            return Err(format!("there are more than {MOST_PARTS} schemas, values and required names"));
        }
        Ok(())
    }

    fn below<T>(&mut self, step: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(excerpt(step));
        let seen = look(self);
        self.path.pop();
        seen
    }

    fn problem(&self, problem: &str) -> String {
        let place = self.path.iter().fold("#".to_owned(), |place, step| place + "/" + step);
        format!("{problem} (at `{}`)", crate::gguf::excerpt_of(&place, LONGEST_PLACE))
    }
}

/// A value, and all the values in it.
fn parts_of(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(parts_of).sum(),
        Value::Object(values) => values.values().map(parts_of).sum(),
        _ => 0,
    }
}

fn excerpt(text: &str) -> String {
    crate::gguf::excerpt(text)
}
