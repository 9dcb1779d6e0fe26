//! The relay's name in `Via` (RFC 9110 section 7.6.3), by which it knows its own requests when they come back.
//!
//! Owns the name, which is random, so that relays in a row are told apart, and what a loop is answered with. It refuses
//! to know where requests go.

use std::hash::{BuildHasher, Hasher, RandomState};

use http::header::VIA;
use http::{HeaderMap, HeaderValue};
use interference_backend::{Refusal, UpstreamCode, UpstreamFailure};

/// A name that no other relay has.
#[derive(Debug)]
pub(crate) struct Pseudonym(String);

impl Pseudonym {
    /// A new one.
    pub(crate) fn new() -> Pseudonym {
        // The keys of a hash table are random, and that is enough here.
        Pseudonym(format!("interference-{:016x}", RandomState::new().build_hasher().finish()))
    }

    /// Says that a request has passed here, behind all that it has passed before.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&format!("1.1 {}", self.0)) {
            headers.append(VIA, value);
        }
    }

    /// Refuses a request that has passed here before: it would go round until all connections wait for each other.
    ///
    /// # Errors
    /// It has.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
        if !values.flat_map(|value| value.split([',', ' ', '\t'])).any(|word| word == self.0) {
            return Ok(());
        }
        Err(Refusal::Upstream {
            message: "The request has come back to the relay that passed it on. Look for the upstream whose base URL \
                      leads here, perhaps through others."
                .to_owned(),
            code: UpstreamCode::Loop.name(),
            failure: UpstreamFailure::Broken,
        })
    }
}

/// What a request has passed on its way here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passed(Vec<HeaderValue>);

impl Passed {
    pub(crate) fn of(headers: &HeaderMap) -> Passed {
        Passed(headers.get_all(VIA).iter().cloned().collect())
    }

    /// The header that tells it, alone.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.0.iter().map(|value| (VIA, value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_name_is_a_loop() {
        let (own, other) = (Pseudonym::new(), Pseudonym::new());
        let mut headers = HeaderMap::new();
        headers.append(VIA, HeaderValue::from_static("1.0 fred, 1.1 p.example.net (a proxy)"));
        other.add_to(&mut headers);
        assert_eq!(own.check(&headers), Ok(()));
        own.add_to(&mut headers);
        assert!(matches!(own.check(&headers), Err(Refusal::Upstream { code: "upstream_loop", .. })));
        // Proxies may write the values into one line.
        let joined: Vec<&str> = headers.get_all(VIA).iter().map(|value| value.to_str().unwrap()).collect();
        let joined = HeaderMap::from_iter([(VIA, joined.join(",").parse().unwrap())]);
        assert!(own.check(&joined).is_err());
    }
}
