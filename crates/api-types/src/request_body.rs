//! Reads a request's body: JSON text in, a typed request and the names of what it does not know out.
//!
//! What a type passes over must be JSON, too, and no deeper than the rest, so where it does, the text is looked at as a
//! whole. A duplicate member, a wrong type or a broken text is told where it stands: by the path of the field, and by line
//! and column. Nothing here knows a particular endpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::error::Category;

/// A request that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<T> {
    /// What was understood.
    pub request: T,
    /// Paths of members that the type does not have, each once, in the order of their first appearance. Positions in
    /// arrays are left out: `messages[].colour`.
    pub unknown: Vec<String>,
}

/// Why a body is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    /// The text is not JSON.
    #[error("The request body is not valid JSON: {detail}.")]
    NotJson {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// It is JSON, but not a request.
    #[error("The request body is not as expected: {detail}.")]
    NotARequest {
        /// What is wrong, with line and column.
        detail: String,
    },
    /// One field is not what it should be.
    #[error("Invalid value for '{param}': {detail}.")]
    InvalidField {
        /// The field's path, such as `messages[0].content`.
        param: String,
        /// What is wrong, with line and column.
        detail: String,
    },
}

impl RequestBodyError {
    /// A stable word for programs, as the API has it; none for what is no request at all.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            RequestBodyError::InvalidField { .. } => Some("invalid_value"),
            RequestBodyError::NotJson { .. } | RequestBodyError::NotARequest { .. } => None,
        }
    }

    /// The field that it is about.
    pub fn into_param(self) -> Option<String> {
        match self {
            RequestBodyError::InvalidField { param, .. } => Some(param),
            RequestBodyError::NotJson { .. } | RequestBodyError::NotARequest { .. } => None,
        }
    }
}

/// Reads a body that must be one JSON object.
///
/// # Errors
/// Broken JSON (nested deeper than 128 levels counts as broken), a duplicate of a known member, a wrong type.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<Parsed<T>, RequestBodyError> {
    let mut unknown: Vec<String> = Vec::new();
    let mut note_unknown = |path: serde_ignored::Path<'_>| {
        let name = path_of(&path);
        if unknown.len() < MOST_UNKNOWN_NAMES && !unknown.contains(&name) {
            unknown.push(name);
        }
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let reader = serde_ignored::Deserializer::new(&mut json, &mut note_unknown);
    let read = Object::deserialize(reader).and_then(|object| json.end().map(|()| object));
    // Serde has looked at nothing that it passed over, and stopped at the first mistake.
    if read.is_err() || !unknown.is_empty() {
        let Sound = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
    }
    match read {
        Ok(Object(request)) => Ok(Parsed { request, unknown }),
        Err(error) => Err(placed::<T>(body, &error)),
    }
}

/// The mistake in a body, with its path. To know the path all the time takes longer than the reading itself, so a body
/// is read with it only when something is wrong.
fn placed<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> RequestBodyError {
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Err(error) => at_path(error.path(), error.inner()),
        Ok(_) => RequestBodyError::NotARequest { detail: error.to_string() },
    }
}

/// How many unknown members are remembered; more of them say nothing new to anyone.
const MOST_UNKNOWN_NAMES: usize = 64;

fn at_path(path: &serde_path_to_error::Path, error: &serde_json::Error) -> RequestBodyError {
    match error.classify() {
        Category::Data if path.iter().next().is_some() => {
            RequestBodyError::InvalidField { param: path.to_string(), detail: error.to_string() }
        }
        Category::Data => RequestBodyError::NotARequest { detail: error.to_string() },
        Category::Syntax | Category::Eof | Category::Io => not_json(error),
    }
}

fn not_json(error: &serde_json::Error) -> RequestBodyError {
    RequestBodyError::NotJson { detail: error.to_string() }
}

fn path_of(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, .. } => format!("{}[]", path_of(parent)),
        Path::Map { parent, key } => {
            let parent = path_of(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            path_of(parent)
        }
    }
}

/// Any value, of which only is known that it is JSON: characters and numbers that there are, at most 128 levels deep.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SoundVisitor;
        impl<'de> Visitor<'de> for SoundVisitor {
            type Value = Sound;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_unit<E: Error>(self) -> Result<Sound, E> {
                Ok(Sound)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Sound, A::Error> {
                while let Some(Sound) = elements.next_element()? {}
                Ok(Sound)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Sound, A::Error> {
                while let Some((Sound, Sound)) = members.next_entry()? {}
                Ok(Sound)
            }
        }
        deserializer.deserialize_any(SoundVisitor)
    }
}

/// Reads a structure from a JSON object only. Serde's own structures also take an array, member by member, which no
/// client means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// An optional structure, `null` being none.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// An optional list of structures.
pub(crate) fn optional_objects<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Option::<Vec<Object<T>>>::deserialize(deserializer)?;
    Ok(objects.map(|objects| objects.into_iter().map(|Object(value)| value).collect()))
}

/// An optional number, written with or without a fraction.
pub(crate) fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.map(|Number(value)| value))
}

/// An optional object whose members are numbers, by their names.
pub(crate) fn optional_numbers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, f64>>, D::Error> {
    let numbers = Option::<BTreeMap<String, Number>>::deserialize(deserializer)?;
    Ok(numbers.map(|numbers| numbers.into_iter().map(|(name, Number(value))| (name, value)).collect()))
}

/// An optional whole number from 0.
pub(crate) fn optional_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Count>::deserialize(deserializer)?.map(|Count(value)| value))
}

/// An optional whole number of 64 bits, signed or not; a negative one becomes its two's complement.
pub(crate) fn optional_seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Seed>::deserialize(deserializer)?.map(|Seed(value)| value))
}

struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number that is not negative")
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                u64::try_from(value)
                    .map(Count)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

struct Seed(u64);

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SeedVisitor;
        impl Visitor<'_> for SeedVisitor {
            type Value = Seed;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number of 64 bits")
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Seed, E> {
                Ok(Seed(value.cast_unsigned()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Seed, E> {
                Ok(Seed(value))
            }
        }
        deserializer.deserialize_any(SeedVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Empty {}

    #[test]
    fn a_body_is_one_object_and_nothing_behind_it() {
        assert!(parse::<Empty>(b" {} ").is_ok());
        for body in ["{} {}", "{}x", "{", ""] {
            let error = parse::<Empty>(body.as_bytes()).unwrap_err();
            assert!(matches!(error, RequestBodyError::NotJson { .. }), "{body}: {error}");
        }
    }

    /// Serde passes over what a type does not have without looking at it.
    #[test]
    fn what_is_passed_over_is_json_all_the_same() {
        let read = |value: &[u8]| parse::<Empty>(&[b"{\"zeal\":", value, b"}"].concat());
        let deep = |levels: usize| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        for sound in ["1.5e3", "[{\"a\":[null,true,\"\\ud83c\\udf33\"]}]", "-7", "18446744073709551615"] {
            assert_eq!(read(sound.as_bytes()).unwrap().unknown, ["zeal"], "{sound}");
        }
        assert!(read(&deep(120)).is_ok());
        let broken: [&[u8]; 6] = [b"\"\xff\"", b"\"\\ud800\"", b"1e999", b"[1,]", b"01", b"{\"a\" 1}"];
        for value in broken.into_iter().chain([&*deep(10_000)]) {
            let error = read(value).unwrap_err();
            assert!(matches!(error, RequestBodyError::NotJson { .. }), "{}", String::from_utf8_lossy(value));
        }
    }
}
