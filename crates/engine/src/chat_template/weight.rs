//! How large a value is when it is written out: the number that every bound on values is about.
//!
//! A list that holds another twice weighs twice as much, however little memory that takes: printing, comparing and
//! sorting go through it twice. A namespace or a loop changes after it was weighed, so that no other value may hold
//! one; a namespace could otherwise come to hold itself.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

/// Values inside values, at most: what prints or drops them calls itself for each level.
const DEEPEST: usize = 32;
/// So many bytes of a text weigh as much as a number.
const UNIT_BYTES: usize = 64;

/// Why a value may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// It is nested deeper than [`DEEPEST`].
    Depth,
    /// It weighs more than was asked for.
    Weight,
    /// It holds a namespace or a loop, or is a namespace where only its attributes may be used.
    Changing,
}

impl Excess {
    /// What is wrong, for a message.
    pub(super) fn problem(self, most: usize) -> String {
        match self {
            Excess::Depth => format!("it makes a value nested deeper than {DEEPEST}"),
            Excess::Weight => format!("it makes a value of more than {most} parts"),
            Excess::Changing => "it uses a namespace, or a loop, as a part of another value".to_owned(),
        }
    }
}

/// The messages or the tools, as a list whose weight is known: templates look at it again for each message.
#[derive(Debug)]
pub(super) struct WeighedList {
    items: Vec<Value>,
    weight: usize,
}

impl WeighedList {
    pub(super) fn new(items: Vec<Value>) -> WeighedList {
        let weights = items.iter().map(|item| weigh(item, usize::MAX, false).unwrap_or(usize::MAX));
        WeighedList { weight: weights.fold(1, usize::saturating_add), items }
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

impl Object for WeighedList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// What a value that may change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changing {
    Namespace,
    Loop,
}

/// The weight of a value, if it is no more than `most`. `is_new` says that it is the outcome of a call, and about to
/// get a name: only then it may be a namespace.
pub(super) fn weigh(value: &Value, most: usize, is_new: bool) -> Result<usize, Excess> {
    match changing(value) {
        Some(Changing::Namespace) if !is_new => return Err(Excess::Changing),
        // What it gives was weighed when it got there.
        Some(_) => return Ok(1),
        None => {}
    }
    let mut scale = Scale { weight: 0, most };
    scale.add(value, 0)?;
    Ok(scale.weight)
}

/// Minijinja's own types for these are not public; their names are, and tests know them.
fn changing(value: &Value) -> Option<Changing> {
    match value.as_object()?.type_name().rsplit("::").next() {
        Some("Namespace") => Some(Changing::Namespace),
        Some("Loop") => Some(Changing::Loop),
        _ => None,
    }
}

struct Scale {
    weight: usize,
    most: usize,
}

impl Scale {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Excess> {
        let weighed = value.downcast_object_ref::<WeighedList>();
        let itself = || 1 + value.as_bytes().map_or(0, <[u8]>::len) / UNIT_BYTES;
        self.weight = self.weight.saturating_add(weighed.map_or_else(itself, WeighedList::weight));
        if self.weight > self.most {
            return Err(Excess::Weight);
        }
        let Some(object) = value.as_object().filter(|_| weighed.is_none()) else { return Ok(()) };
        if depth > 0 && changing(value).is_some() {
            return Err(Excess::Changing);
        }
        if depth == DEEPEST {
            return Err(Excess::Depth);
        }
        match object.repr() {
            ObjectRepr::Map => {
                for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                    self.add(&key, depth + 1)?;
                    self.add(&value, depth + 1)?;
                }
            }
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                for item in object.try_iter().into_iter().flatten() {
                    self.add(&item, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
