//! What tells one answer from another: its id, its time, and a seed where the request has none.
//!
//! Every backend takes these from here, so that `--fixed-ids` means the same for all.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// What every id ends with when ids are fixed.
const FIXED_ENDING: &str = "interference";

/// The time of every answer when ids are fixed: 2025-01-01T00:00:00Z.
const FIXED_CREATED: u64 = 1_735_689_600;

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// Whether answers carry marks of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Each answer has its own id and time.
    Individual,
    /// All have the same, so that whole answers can be compared.
    Fixed,
}

impl Identity {
    /// The id of the next answer to a chat.
    pub fn id(self) -> String {
        self.named("chatcmpl-")
    }

    /// The id of the next completion of a text.
    pub fn completion_id(self) -> String {
        self.named("cmpl-")
    }

    /// An id that begins so, as those of its kind do.
    fn named(self, beginning: &str) -> String {
        match self {
            Identity::Individual => with_digits(beginning),
            Identity::Fixed => format!("{beginning}{FIXED_ENDING}"),
        }
    }

    /// The id of a call of a function in an answer, by its position there: 24 letters and digits behind `call_`. Fixed
    /// ids differ within an answer alone.
    pub fn call_id(self, position: u32) -> String {
        match self {
            Identity::Individual => format!("call_{:016x}{:08x}", random(), random() >> 32),
            Identity::Fixed => format!("call_interference{position:012}"),
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

/// The name of a request, which its answer carries whatever becomes of it: `req_` and 32 hexadecimal digits. Never the
/// same twice, also where the ids of answers are fixed.
pub fn request_id() -> String {
    with_digits("req_")
}

/// A seed for a request without one. It has 53 bits, so that clients whose numbers are all floating can send it back.
pub fn random_seed() -> u64 {
    random() >> 11
}

/// What tells one thing from all others: 32 hexadecimal digits.
pub fn individual() -> String {
    with_digits("")
}

/// A beginning with 32 random hexadecimal digits behind it. Every request has several such names, and to format numbers
/// would take several times as long.
fn with_digits(beginning: &str) -> String {
    let bytes = [random(), random()].map(u64::to_le_bytes);
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes.as_flattened()) {
        pair.copy_from_slice(&[HEXADECIMAL[usize::from(byte >> 4)], HEXADECIMAL[usize::from(byte & 15)]]);
    }
    let mut name = String::with_capacity(beginning.len() + digits.len());
    name.push_str(beginning);
    name.push_str(str::from_utf8(&digits).unwrap_or_default());
    name
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
        assert_ne!(Identity::Individual.completion_id(), Identity::Individual.completion_id());
        assert_eq!(Identity::Fixed.id(), "chatcmpl-interference");
        assert_eq!(Identity::Fixed.completion_id(), "cmpl-interference");
        assert_eq!(Identity::Fixed.created(), Identity::Fixed.created());
        assert!(Identity::Individual.created() > FIXED_CREATED);
    }

    #[test]
    fn ids_of_calls_have_one_form() {
        for identity in [Identity::Individual, Identity::Fixed] {
            let ids = [0, 1, u32::MAX].map(|position| identity.call_id(position));
            for id in &ids {
                let own = id.strip_prefix("call_").unwrap();
                assert!(own.len() == 24 && own.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            }
            assert_ne!(ids[0], ids[1]);
        }
        assert_ne!(Identity::Individual.call_id(0), Identity::Individual.call_id(0));
        assert_eq!(Identity::Fixed.call_id(1), Identity::Fixed.call_id(1));
    }

    #[test]
    fn requests_have_names_of_one_form() {
        let id = request_id();
        let digits = id.strip_prefix("req_").unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        assert_ne!(request_id(), id);
    }

    #[test]
    fn seeds_survive_a_floating_point_number() {
        let seed = random_seed();
        assert_eq!((seed as f64) as u64, seed);
    }
}
