//! What is taken out of a cassette before anything touches a disk.
//!
//! Owns the rule by which names of headers and parameters tell of secrets, and the search for secrets that are known to
//! the letter. Those are overwritten byte by byte, so that lengths stay true, and pieces of a stream stay the pieces
//! that they were, also where a secret lies across two. Refuses to know where secrets come from.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LOCATION, COOKIE, LOCATION, REFERER, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem::Finder;
use percent_encoding::percent_decode_str;

use crate::cassette::{Cassette, Outcome, Read, RecordedRequest};

/// What stands in the place of a secret value.
pub const REDACTED: &str = "[redacted]";

/// A secret of fewer bytes is not looked for in texts, where it would be found by chance everywhere.
pub const SHORTEST_SECRET: usize = 8;

/// What the bytes of a secret are overwritten with.
const OVERWRITTEN: u8 = b'*';

/// A key that a client sends is looked for in texts from this length on. What clients without one send in its place, such
/// as `not-needed`, is shorter, and a word like others.
pub const SHORTEST_CLIENT_KEY: usize = 16;

/// What turns pages or counts tokens, and carries none: names in lower case without separators.
const COUNTS_AND_PAGES: [&str; 11] = [
    "continuationtoken",
    "maxcompletiontokens",
    "maxoutputtokens",
    "maxprompttokens",
    "maxtokens",
    "mintokens",
    "nextpagetoken",
    "nexttoken",
    "pagetoken",
    "previouspagetoken",
    "prevpagetoken",
];

/// Whether a header, or a parameter in a query, of this name carries what is not to be kept or repeated: messages,
/// journals and recordings end up in logs and reports. Upper and lower case alike.
///
/// Headers that tell of limits on rates count tokens, and do not carry them; nor do parameters such as `max_tokens` and
/// `page_token`.
pub fn is_secret(name: &str) -> bool {
    // This is asked of every header of every exchange: first those that nearly all of them have, then one pass.
    if matches!(
        name,
        "accept"
            | "accept-encoding"
            | "cache-control"
            | "connection"
            | "content-length"
            | "content-type"
            | "date"
            | "host"
            | "user-agent"
            | "x-request-id"
    ) {
        return false;
    }
    (0..name.len()).any(|start| {
        let rest = &name.as_bytes()[start..];
        match rest[0].to_ascii_lowercase() {
            b'a' => begins(rest, "authorization"),
            b'c' => begins(rest, "cookie"),
            b'k' => begins(rest, "key"),
            b'p' => begins(rest, "password"),
            b's' => begins(rest, "secret"),
            b't' => begins(rest, "token") && !tells_of_rates(name) && !counts_or_pages(name),
            _ => false,
        }
    })
}

/// Upper and lower case alike.
fn begins(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word.as_bytes()))
}

fn tells_of_rates(name: &str) -> bool {
    (0..name.len()).any(|start| begins(&name.as_bytes()[start..], "ratelimit"))
}

/// A query without the values of parameters whose names tell of secrets ([`is_secret`]), however they are spelled.
pub fn query_without_secrets(query: &str) -> String {
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if is_secret_parameter(name) => format!("{name}={REDACTED}"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("&")
}

/// The value of a header without what is secret in it: nothing is left of it where its name tells of a secret
/// ([`is_secret`]), and an address is left without the values of its secret parameters, behind `#`, too.
pub fn value_without_secrets<'a>(name: &HeaderName, value: &'a [u8]) -> Cow<'a, [u8]> {
    if is_secret(name.as_str()) {
        return Cow::Borrowed(REDACTED.as_bytes());
    }
    if ![LOCATION, CONTENT_LOCATION, REFERER].contains(name) {
        return Cow::Borrowed(value);
    }
    let Ok(address) = std::str::from_utf8(value) else { return Cow::Borrowed(REDACTED.as_bytes()) };
    if has_user(address) {
        return Cow::Borrowed(REDACTED.as_bytes());
    }
    match address.find(['?', '#']) {
        Some(end) => {
            let (before, parameters) = address.split_at(end + 1);
            let parameters = parameters.split('#').map(query_without_secrets).collect::<Vec<_>>().join("#");
            Cow::Owned(format!("{before}{parameters}").into_bytes())
        }
        None => Cow::Borrowed(value),
    }
}

/// Whether an address names a user, and perhaps a password (RFC 3986, section 3.2.1).
fn has_user(address: &str) -> bool {
    let authority = address.split_once("//").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// Whether a parameter's name tells of a secret, as a query spells it, with percent signs.
fn is_secret_parameter(spelled: &str) -> bool {
    let name = percent_decode_str(spelled).decode_utf8_lossy();
    let signs = |word: &str| (0..name.len()).any(|start| begins(&name.as_bytes()[start..], word));
    is_secret(&name) || name.eq_ignore_ascii_case("sig") || signs("signature") || signs("credential")
}

fn counts_or_pages(name: &str) -> bool {
    let letters = || {
        name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b'.')).map(|byte| byte.to_ascii_lowercase())
    };
    COUNTS_AND_PAGES.iter().any(|known| letters().eq(known.bytes()))
}

/// What is to be taken out of cassettes: by the names of headers and parameters ([`is_secret`]), and to the letter.
#[derive(Clone, Default)]
pub struct Redaction {
    literals: Vec<Finder<'static>>,
}

impl Redaction {
    /// Takes out these secrets, too, wherever they stand; those shorter than [`SHORTEST_SECRET`] by names alone.
    ///
    /// A secret is found as it is spelled here: not in a compressed body, and not where it is written in another way.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Redaction {
        let mut secrets: Vec<S> = secrets.into_iter().collect();
        secrets.retain(|secret| secret.as_ref().len() >= SHORTEST_SECRET);
        // One secret may be the beginning of another: the longer ones go first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.as_ref().len()));
        Redaction {
            literals: secrets.iter().map(|secret| Finder::new(secret.as_ref()).into_owned()).collect(),
        }
    }

    /// The same, and to the letter the keys that a request brings itself: the values of its secret headers, an
    /// `Authorization` without its scheme, and of the secret parameters of its query. Cookies are none, and neither is
    /// what is shorter than [`SHORTEST_CLIENT_KEY`].
    #[must_use]
    pub fn with_keys_of(&self, headers: &HeaderMap, query: Option<&str>) -> Redaction {
        let in_headers = headers.iter().filter(|(name, _)| is_secret(name.as_str()) && !is_cookie(name));
        let in_headers = in_headers.map(|(_, value)| without_scheme(value.as_bytes()));
        let parameters = query.unwrap_or_default().split('&').filter_map(|part| part.split_once('='));
        let in_query =
            parameters.filter(|(name, _)| is_secret_parameter(name)).map(|(_, value)| value.as_bytes());
        let is_key = |value: &&[u8]| value.len() >= SHORTEST_CLIENT_KEY && *value != REDACTED.as_bytes();
        Redaction::new(
            self.literals.iter().map(Finder::needle).chain(in_headers.chain(in_query).filter(is_key)),
        )
    }

    /// The cassette without secrets, those that its request has brought among them.
    pub fn apply(&self, cassette: &mut Cassette) {
        let RecordedRequest { headers, query, .. } = &cassette.request;
        self.with_keys_of(headers, query.as_deref()).take_out(cassette);
    }

    fn take_out(&self, cassette: &mut Cassette) {
        if let Some(upstream) = &mut cassette.upstream {
            self.overwrite_text(upstream);
        }
        let request = &mut cassette.request;
        self.overwrite_text(&mut request.path);
        request.query = request.query.as_deref().map(|query| self.query(query));
        self.headers(&mut request.headers);
        request.body = self.bytes(&request.body);
        match &mut cassette.outcome {
            Outcome::Answered(answer) => {
                self.headers(&mut answer.headers);
                self.reads(&mut answer.reads);
            }
            Outcome::Failed(failure) => {
                self.overwrite_text(&mut failure.message);
                self.overwrite_text(&mut failure.code);
            }
        }
    }

    /// A query without the values of secret parameters.
    pub fn query(&self, query: &str) -> String {
        let mut query = query_without_secrets(query);
        self.overwrite_text(&mut query);
        query
    }

    /// A text in which secrets are overwritten.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.overwrite_text(&mut text);
        text
    }

    /// Bytes in which secrets are overwritten.
    pub fn bytes(&self, bytes: &Bytes) -> Bytes {
        if self.literals.iter().all(|literal| literal.find(bytes).is_none()) {
            return bytes.clone();
        }
        let mut overwritten = bytes.to_vec();
        self.overwrite(&mut overwritten);
        overwritten.into()
    }

    fn headers(&self, headers: &mut HeaderMap) {
        for (name, value) in headers.iter_mut() {
            let mut kept = value_without_secrets(name, value.as_bytes());
            if self.literals.iter().any(|literal| literal.find(&kept).is_some()) {
                self.overwrite(kept.to_mut());
            }
            if kept != value.as_bytes() {
                // What takes a secret's place is fit for a header; if the rest were not, nothing of it would be kept.
                *value =
                    HeaderValue::from_bytes(&kept).unwrap_or_else(|_| HeaderValue::from_static(REDACTED));
            }
        }
    }

    fn reads(&self, reads: &mut [Read]) {
        if self.literals.is_empty() {
            return;
        }
        let mut whole = BytesMut::with_capacity(reads.iter().map(|read| read.bytes.len()).sum());
        reads.iter().for_each(|read| whole.extend_from_slice(&read.bytes));
        self.overwrite(&mut whole);
        let mut rest = whole.freeze();
        for read in reads {
            read.bytes = rest.split_to(read.bytes.len());
        }
    }

    fn overwrite_text(&self, text: &mut String) {
        if self.literals.iter().any(|literal| literal.find(text.as_bytes()).is_some()) {
            let mut bytes = std::mem::take(text).into_bytes();
            self.overwrite(&mut bytes);
            // A secret that is no UTF-8 can leave half a character behind.
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    fn overwrite(&self, bytes: &mut [u8]) {
        for literal in &self.literals {
            let mut start = 0;
            while let Some(found) = literal.find(&bytes[start..]) {
                let end = start + found + literal.needle().len();
                bytes[start + found..end].fill(OVERWRITTEN);
                start = end;
            }
        }
    }
}

fn is_cookie(name: &HeaderName) -> bool {
    [COOKIE, SET_COOKIE].contains(name)
}

/// The credentials of an `Authorization` (RFC 9110, section 11.4); the whole of what has no scheme.
fn without_scheme(value: &[u8]) -> &[u8] {
    let scheme = value.iter().position(|byte| *byte == b' ');
    scheme.map_or(value, |end| value[end..].trim_ascii())
}

/// Secrets are not shown.
impl std::fmt::Debug for Redaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Redaction({} secrets)", self.literals.len())
    }
}
