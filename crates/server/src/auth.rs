//! API keys: which ones open the server.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::error_response::Rejection;

/// The keys that are taken. Without any, everyone is.
#[derive(Debug)]
pub(crate) struct ApiKeys(pub(crate) Vec<SecretString>);

impl ApiKeys {
    /// Looks for one of the keys as a bearer token.
    ///
    /// The time that it takes depends on the lengths of keys, not on their characters, nor on which one fits.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Rejection> {
        if self.0.is_empty() {
            return Ok(());
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let given = given.ok_or(Rejection::MissingKey)?;
        let fits = self
            .0
            .iter()
            .fold(Choice::from(0), |fits, key| fits | key.expose_secret().as_bytes().ct_eq(given));
        if fits.into() { Ok(()) } else { Err(Rejection::WrongKey) }
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(keys: &[&str], authorization: Option<&'static str>) -> Result<(), Rejection> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        ApiKeys(keys.iter().map(|key| SecretString::from(*key)).collect()).check(&headers)
    }

    #[test]
    fn one_of_the_keys_is_needed() {
        assert!(check(&[], None).is_ok());
        assert!(check(&["one", "two"], Some("Bearer two")).is_ok());
        assert!(check(&["one"], Some("bearer one")).is_ok());
        for missing in [None, Some("Basic one"), Some("Bearer"), Some("Bearer "), Some("")] {
            assert!(matches!(check(&["one"], missing), Err(Rejection::MissingKey)), "{missing:?}");
        }
        for wrong in ["Bearer on", "Bearer onee", "Bearer ONE"] {
            assert!(matches!(check(&["one"], Some(wrong)), Err(Rejection::WrongKey)), "{wrong}");
        }
    }
}
