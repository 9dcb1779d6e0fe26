//! The metadata of a model file: typed values by key.

use std::collections::BTreeMap;

use super::GgufError;
use super::reader::Reader;

/// The least bytes that a key and its value take: a length, a type, one byte.
pub(super) const SMALLEST_ENTRY: usize = 13;
/// More values than any model has.
pub(super) const MOST_VALUES: usize = 1 << 16;
/// More elements than all lists of a model have together. They take more memory here than in the file: a byte becomes
/// a [`Value`].
const MOST_ELEMENTS: usize = 1 << 22;
/// Lists of lists may be nested this deep; the format sets no bound.
const DEEPEST_LIST: usize = 4;

/// A value. Whole numbers of all widths are one kind, and so are floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Negative(i64),
    /// A float; those of the file's single precision are exact.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    String(String),
    /// Values of one type.
    List(Vec<Value>),
}

/// All values by key.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    pub(super) fn read(reader: &mut Reader<'_>, count: usize) -> Result<Metadata, GgufError> {
        let mut values = BTreeMap::new();
        let mut elements_left = MOST_ELEMENTS;
        for index in 0..count {
            let offset = reader.position();
            let key = reader.name(&format!("the key of metadata value {index}"))?;
            let what = format!("metadata `{key}`");
            let kind = reader.u32(&what)?;
            let value = read_value(reader, kind, &what, 0, &mut elements_left)?;
            if values.insert(key.to_owned(), value).is_some() {
                return Err(GgufError::Invalid { what, offset, problem: "is there twice".to_owned() });
            }
        }
        Ok(Metadata { values })
    }

    /// A value, if the key is there.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A text.
    pub(crate) fn string(&self, key: &str) -> Result<&str, GgufError> {
        match self.required(key)? {
            Value::String(text) => Ok(text),
            _ => Err(wrong(key, "a text")),
        }
    }

    /// A whole number of at most 32 bits.
    pub(crate) fn u32(&self, key: &str) -> Result<u32, GgufError> {
        match self.required(key)? {
            Value::Unsigned(number) => u32::try_from(*number).map_err(|_| wrong(key, "a number of 32 bits")),
            _ => Err(wrong(key, "a whole number")),
        }
    }

    /// A float.
    pub(crate) fn f32(&self, key: &str) -> Result<f32, GgufError> {
        match self.required(key)? {
            Value::Float(number) => Ok(*number as f32),
            _ => Err(wrong(key, "a float")),
        }
    }

    /// A truth value.
    pub(crate) fn bool(&self, key: &str) -> Result<bool, GgufError> {
        match self.required(key)? {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(wrong(key, "a truth value")),
        }
    }

    /// A list of texts.
    pub(crate) fn strings(&self, key: &str) -> Result<Vec<&str>, GgufError> {
        let texts = self.list(key)?.iter().map(|value| match value {
            Value::String(text) => Ok(text.as_str()),
            _ => Err(wrong(key, "a list of texts")),
        });
        texts.collect()
    }

    /// A list of whole numbers.
    pub(crate) fn numbers(&self, key: &str) -> Result<Vec<i64>, GgufError> {
        let numbers = self.list(key)?.iter().map(|value| match value {
            Value::Unsigned(number) => {
                i64::try_from(*number).map_err(|_| wrong(key, "a list of small numbers"))
            }
            Value::Negative(number) => Ok(*number),
            _ => Err(wrong(key, "a list of whole numbers")),
        });
        numbers.collect()
    }

    /// `Ok(None)` for a key that is not there; a value of the wrong kind stays an error.
    pub(crate) fn optional<'a, T>(
        &'a self,
        key: &str,
        read: impl FnOnce(&'a Metadata, &str) -> Result<T, GgufError>,
    ) -> Result<Option<T>, GgufError> {
        if self.values.contains_key(key) { read(self, key).map(Some) } else { Ok(None) }
    }

    fn list(&self, key: &str) -> Result<&[Value], GgufError> {
        match self.required(key)? {
            Value::List(values) => Ok(values),
            _ => Err(wrong(key, "a list")),
        }
    }

    fn required(&self, key: &str) -> Result<&Value, GgufError> {
        self.values.get(key).ok_or_else(|| GgufError::MissingMetadata { key: key.to_owned() })
    }
}

fn wrong(key: &str, expected: &str) -> GgufError {
    GgufError::WrongMetadata { key: key.to_owned(), expected: expected.to_owned() }
}

fn read_value(
    reader: &mut Reader<'_>,
    kind: u32,
    what: &str,
    depth: usize,
    elements_left: &mut usize,
) -> Result<Value, GgufError> {
    let offset = reader.position();
    let invalid = |problem: String| GgufError::Invalid { what: what.to_owned(), offset, problem };
    Ok(match kind {
        0 => Value::Unsigned(reader.u8(what)?.into()),
        1 => signed(reader.u8(what)?.cast_signed().into()),
        2 => Value::Unsigned(reader.u16(what)?.into()),
        3 => signed(reader.u16(what)?.cast_signed().into()),
        4 => Value::Unsigned(reader.u32(what)?.into()),
        5 => signed(reader.u32(what)?.cast_signed().into()),
        6 => Value::Float(f32::from_bits(reader.u32(what)?).into()),
        7 => match reader.u8(what)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => return Err(invalid(format!("is a truth value of {other}"))),
        },
        8 => Value::String(reader.string(what)?.to_owned()),
        9 => {
            if depth == DEEPEST_LIST {
                return Err(invalid(format!("has lists nested deeper than {DEEPEST_LIST}")));
            }
            let kind = reader.u32(what)?;
            let smallest = match kind {
                0 | 1 | 7 => 1,
                2 | 3 => 2,
                4..=6 => 4,
                8 | 10..=12 => 8,
                9 => 12,
                other => return Err(invalid(format!("has elements of unknown type {other}"))),
            };
            let count = reader.count(what, smallest, *elements_left)?;
            *elements_left -= count;
            let values = (0..count).map(|_| read_value(reader, kind, what, depth + 1, elements_left));
            Value::List(values.collect::<Result<_, _>>()?)
        }
        10 => Value::Unsigned(reader.u64(what)?),
        11 => signed(reader.u64(what)?.cast_signed()),
        12 => Value::Float(f64::from_bits(reader.u64(what)?)),
        other => return Err(invalid(format!("has unknown type {other}"))),
    })
}

fn signed(number: i64) -> Value {
    u64::try_from(number).map_or(Value::Negative(number), Value::Unsigned)
}
