//! What tells one answer from another: its id, its time, and a seed where the request has none.
//!
//! Every backend takes these from here, so that `--fixed-ids` means the same for all.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// The id of every answer when ids are fixed.
const FIXED_ID: &str = "chatcmpl-interference";

/// The time of every answer when ids are fixed: 2025-01-01T00:00:00Z.
const FIXED_CREATED: u64 = 1_735_689_600;

/// Whether answers carry marks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Each answer has its own id and time.
    Individual,
    /// All have the same, so that whole answers can be compared.
    Fixed,
}

impl Identity {
    /// The id of the next answer.
    pub fn id(self) -> String {
        match self {
            Identity::Individual => format!("chatcmpl-{}", individual()),
            Identity::Fixed => FIXED_ID.to_owned(),
        }
    }

    /// Seconds since the epoch, now.
    pub fn created(self) -> u64 {
        match self {
            Identity::Individual => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
            }
            Identity::Fixed => FIXED_CREATED,
        }
    }
}

/// A seed for a request without one. It has 53 bits, so that clients whose numbers are all floating can send it back.
pub fn random_seed() -> u64 {
    random() >> 11
}

/// What tells one thing from all others: 32 hexadecimal digits.
pub fn individual() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// 64 bits that nobody foresees, from the operating system by way of the keys of the standard library's hasher.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_unless_fixed() {
        assert_ne!(Identity::Individual.id(), Identity::Individual.id());
        assert_eq!(Identity::Fixed.id(), Identity::Fixed.id());
        assert_eq!(Identity::Fixed.created(), Identity::Fixed.created());
        assert!(Identity::Individual.created() > FIXED_CREATED);
    }

    #[test]
    fn seeds_survive_a_floating_point_number() {
        let seed = random_seed();
        assert_eq!((seed as f64) as u64, seed);
    }
}
