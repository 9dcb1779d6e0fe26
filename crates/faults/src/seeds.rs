//! Where chance comes from: seeds of requests, and a generator for each fault.
//!
//! Each fault has a generator of its own, so that adding one to a plan does not move the draws of another. Seeds have
//! 53 bits, so that clients whose numbers are all floating can send them back.

use std::hash::{BuildHasher, Hasher, RandomState};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest seed: 2^53 - 1.
pub const SEED_MAX: u64 = (1 << 53) - 1;

/// The bits of a 64-bit number that a seed leaves out.
const UNUSED_BITS: u32 = 11;

/// The bytes of a generator's key that hold the name of the fault; longer names are cut.
const NAME_BYTES: usize = 24;

/// A seed that nobody foresees, from the operating system by way of the keys of the standard library's hasher.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> UNUSED_BITS
}

/// The seed of request `number` (from 0) of a plan with this seed. The first has the plan's own.
pub(crate) fn of_request(seed: u64, number: u64) -> u64 {
    if number == 0 {
        return seed;
    }
    let mut generator = keyed(seed, "request");
    generator.set_stream(number);
    generator.random::<u64>() >> UNUSED_BITS
}

/// The generator of one fault of one request.
pub(crate) fn keyed(seed: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    let (seed_bytes, name_bytes) = key.split_at_mut(32 - NAME_BYTES);
    seed_bytes.copy_from_slice(&seed.to_le_bytes());
    for (byte, of_name) in name_bytes.iter_mut().zip(name.bytes()) {
        *byte = of_name;
    }
    ChaCha8Rng::from_seed(key)
}

/// Whether something with this probability, from 0 to 1, comes true.
pub(crate) fn comes_true(generator: &mut ChaCha8Rng, probability: f64) -> bool {
    generator.random::<f64>() < probability
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_has_the_seed_of_the_plan_and_others_their_own() {
        assert_eq!(of_request(7, 0), 7);
        let seeds: Vec<u64> = (0..1_000).map(|number| of_request(7, number)).collect();
        assert!(seeds.iter().all(|seed| *seed <= SEED_MAX));
        assert_eq!(seeds.iter().collect::<std::collections::BTreeSet<_>>().len(), 1_000);
        assert_ne!(of_request(7, 1), of_request(8, 1));
    }

    #[test]
    fn generators_differ_by_seed_and_by_name() {
        let first = |seed, name| keyed(seed, name).random::<u64>();
        assert_eq!(first(1, "drop"), first(1, "drop"));
        assert_ne!(first(1, "drop"), first(2, "drop"));
        assert_ne!(first(1, "latency.first_token"), first(1, "latency.between_tokens"));
    }

    #[test]
    fn drawn_seeds_fit_into_53_bits() {
        assert!((0..100).all(|_| random_seed() <= SEED_MAX));
    }
}
