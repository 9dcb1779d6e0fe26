//! An upstream as its owner describes it, and the options of a relay.
//!
//! Owns what can be said about an upstream, the bounds of it, and the short form `NAME=URL`. It refuses to know files
//! (`upstreams_file`), sockets, and whether the upstream is well.

use std::time::Duration;

use interference_client::{RootCertStore, Target};
use secrecy::SecretString;

use crate::RelayError;

/// How long an upstream's name may be, in bytes.
pub const LONGEST_NAME: usize = 64;

/// How many upstreams a relay may have.
pub const MOST_UPSTREAMS: usize = 256;

/// How many patterns of models an upstream may have.
pub const MOST_PATTERNS: usize = 1_000;

/// The largest weight of an upstream.
pub const LARGEST_WEIGHT: u32 = 1_000;

/// How often a request may be tried again at most.
pub const MOST_RETRIES: u32 = 10;

/// How many fall-backs an upstream may have.
pub const MOST_FALLBACKS: usize = 32;

/// The longest time that an upstream may be given for anything.
pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(3_600);

/// An OpenAI-compatible server that requests are passed on to.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name in models (`NAME/model`), headers and messages: letters, digits, `-`, `_` and `.`, the first of them a
    /// letter or a digit, at most [`LONGEST_NAME`]. No two upstreams have the same.
    pub name: String,
    /// Its URL as SDKs take it; as a rule it ends in `/v1`.
    pub base_url: String,
    /// The key that it wants.
    pub key: Option<SecretString>,
    /// Whether it gets the client's own key, even beside others. Refused with a key of its own, and where
    /// [`RelayOptions::pass_client_keys`] says no. Default: no.
    pub pass_client_keys: bool,
    /// The models that are known to be here; `*` at the end of one stands for anything. At most [`MOST_PATTERNS`].
    pub models: Vec<String>,
    /// Its share of the requests, beside other upstreams with the same models: from 1 to [`LARGEST_WEIGHT`].
    pub weight: u32,
    /// The names of the upstreams that are asked, in this order, when this one and those beside it fail. At most
    /// [`MOST_FALLBACKS`].
    pub fallbacks: Vec<String>,
    /// How long it may take.
    pub timeouts: UpstreamTimeouts,
    /// How often a request whose first turn was here may be tried again, at most [`MOST_RETRIES`]. Default: 2.
    pub retries: u32,
}

/// Whose key an upstream gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    /// Its own, which this server knows.
    Upstream,
    /// That of the client that asks.
    Client,
    /// It gets none.
    Nobody,
}

/// How long an upstream may take, each at most [`LONGEST_TIMEOUT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To be connected: name resolution, TCP and TLS together. Default: 5 s.
    pub connect: Duration,
    /// From the connection to the head of the answer, and from there to the first byte of its body. Default: 300 s,
    /// since an answer that is not streamed comes only when all of it is made; and well below the time that this server
    /// gives a request, which would end it without a word about the upstream.
    pub first_byte: Duration,
    /// From one byte of the body to the next, whatever they mean: comments keep a stream alive. Default: 300 s.
    pub between_bytes: Duration,
}

impl Default for UpstreamTimeouts {
    fn default() -> UpstreamTimeouts {
        UpstreamTimeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(300),
            between_bytes: Duration::from_secs(300),
        }
    }
}

/// What holds for all upstreams of a relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Whether clients' own keys may go anywhere: to the only upstream, if it has no key, and to those that say
    /// [`Upstream::pass_client_keys`]. Meant for a server that asks for no key itself: else its own keys would be told to
    /// others. Default: no.
    pub pass_client_keys: bool,
    /// How many requests one upstream may have at the same time, answers that are under way included. Default: 1,024.
    pub in_flight_max: u32,
    /// The wait before the first retry; it doubles from one to the next, and each is shortened by up to a half, by
    /// chance. Default: 100 ms.
    pub backoff: Duration,
    /// How long an upstream may take for its list of models. Default: 5 s; at most [`LONGEST_TIMEOUT`].
    pub list_timeout: Duration,
    /// The certificate authorities that are trusted; without any, those of the machine.
    pub roots: Option<RootCertStore>,
}

impl Default for RelayOptions {
    fn default() -> RelayOptions {
        RelayOptions {
            pass_client_keys: false,
            in_flight_max: 1_024,
            backoff: Duration::from_millis(100),
            list_timeout: Duration::from_secs(5),
            roots: None,
        }
    }
}

impl Upstream {
    /// An upstream with the defaults of everything else.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Upstream {
        Upstream {
            name: name.into(),
            base_url: base_url.into(),
            key: None,
            pass_client_keys: false,
            models: Vec::new(),
            weight: 1,
            fallbacks: Vec::new(),
            timeouts: UpstreamTimeouts::default(),
            retries: 2,
        }
    }

    /// Reads `NAME=URL`. The key is the value of the variable that [`key_variable`] names, where `environment` has it.
    ///
    /// # Errors
    /// [`RelayError::Argument`] and [`RelayError::BaseUrl`] say what is wrong.
    pub fn from_argument(
        argument: &str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Upstream, RelayError> {
        let problem = |problem| RelayError::Argument { given: shown(argument), problem };
        let (name, base_url) = argument.split_once('=').ok_or_else(|| problem("it has no `=`"))?;
        if name.contains("://") {
            return Err(problem("the name is missing"));
        }
        check_name(name).map_err(problem)?;
        let key = environment(&key_variable(name)).map(|key| key.trim().to_owned());
        let key = key.filter(|key| !key.is_empty()).map(SecretString::from);
        let upstream = Upstream { key, ..Upstream::new(name, base_url) };
        upstream.target()?;
        Ok(upstream)
    }

    /// Where its requests go.
    ///
    /// # Errors
    /// [`RelayError::BaseUrl`], also for a key that no header can carry.
    pub(crate) fn target(&self) -> Result<Target, RelayError> {
        let target = Target::parse(&self.base_url, self.key.clone());
        let target = target.and_then(|target| target.authorization().map(|_| target));
        target.map_err(|source| RelayError::BaseUrl { upstream: self.name.clone(), source: Box::new(source) })
    }
}

/// The variable of the environment that holds the key of an upstream: `OPENAI_API_KEY` of `openai`, `MY_HOST_API_KEY` of
/// `my-host`.
pub fn key_variable(name: &str) -> String {
    format!("{}_API_KEY", name.to_ascii_uppercase().replace(['-', '.'], "_"))
}

/// Refuses what cannot be the name of an upstream.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is missing");
    }
    if name.len() > LONGEST_NAME {
        return Err("the name is longer than 64 bytes");
    }
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if !name.chars().all(fits) || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(
            "a name is made of letters, digits, `-`, `_` and `.`, and begins with a letter or a digit",
        );
    }
    Ok(())
}

/// Refuses what cannot be a pattern of models.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), &'static str> {
    match pattern.find('*') {
        _ if pattern.is_empty() => Err("a pattern must not be empty"),
        Some(star) if star + 1 < pattern.len() => Err("`*` may stand at the end of a pattern only"),
        _ => Ok(()),
    }
}

/// What a message may repeat of an argument: a URL may hold a password.
fn shown(argument: &str) -> String {
    match (argument.find("://"), argument.rfind('@')) {
        (Some(scheme_end), Some(at)) if scheme_end < at => {
            format!("{}…{}", &argument[..scheme_end + 3], &argument[at..])
        }
        _ => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(argument: &str) -> Result<Upstream, String> {
        let environment = |name: &str| (name == "MY_HOST_API_KEY").then(|| " key\n".to_owned());
        Upstream::from_argument(argument, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn an_argument_is_a_name_and_a_url() {
        let upstream = read("my-host=http://localhost:8000/v1?a=b").unwrap();
        assert_eq!(
            (upstream.name.as_str(), upstream.base_url.as_str()),
            ("my-host", "http://localhost:8000/v1?a=b")
        );
        assert_eq!(upstream.key.unwrap().expose_secret(), "key");
        assert!(read("other=https://example.org/v1").unwrap().key.is_none());
    }

    #[test]
    fn what_is_wrong_with_an_argument_is_told_without_secrets() {
        for (argument, problem) in [
            ("http://localhost/v1", "it has no `=`"),
            ("http://localhost/v1?a=b", "the name is missing"),
            ("=http://localhost/v1", "the name is missing"),
            ("a/b=http://localhost/v1", "a name is made of"),
            ("-a=http://localhost/v1", "a name is made of"),
            ("a=localhost:8000", "must begin with `http://`"),
            ("a=http://user:secret@localhost/v1", "password"),
            ("a/b=http://user:secret@localhost/v1", "a name is made of"),
        ] {
            let error = read(argument).unwrap_err();
            assert!(error.contains(problem) && !error.contains("secret"), "{argument}: {error}");
        }
        assert!(read(&format!("{}=http://localhost", "a".repeat(65))).is_err());
    }

    #[test]
    fn stars_stand_at_the_end_of_patterns() {
        assert_eq!(check_pattern("gpt-*"), Ok(()));
        assert_eq!(check_pattern("*"), Ok(()));
        assert!(
            check_pattern("*-mini").is_err() && check_pattern("").is_err() && check_pattern("a**").is_err()
        );
    }
}
