//! Lists of a document, read within bounds.
//!
//! A document comes from a file, and a file may be anybody's: no list is read beyond what this program would write.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Machines that can share a run, at most.
pub const MOST_SHARDS: usize = 1_024;
/// Runs of a series, at most.
pub(super) const MOST_POINTS: usize = 10_000;
/// Objectives of a run, at most.
pub(super) const MOST_OBJECTIVES: usize = 1_000;
/// Notes of a document, at most.
pub(super) const MOST_NOTES: usize = 1_000;

/// Reads a list of at most `MOST` items; one more is an error, which says so.
pub(super) fn list<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<T, MOST>(PhantomData))
}

struct List<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format_args!("there are more than {MOST}")));
            }
            list.push(item);
        }
        Ok(list)
    }
}
