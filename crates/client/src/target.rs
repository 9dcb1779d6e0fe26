//! Where requests go: a base URL, taken apart once, and the key that the server wants.

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::ClientError;

/// A server, as a base URL and an API key describe it.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) security: Security,
    /// The host without brackets, to be resolved.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as the URL spells them: the `host` header.
    pub(crate) authority: String,
    /// The path without a slash at its end; it may be empty.
    path: String,
    /// The query of the base URL (some gateways want their version there), with its question mark; it may be empty.
    query: String,
    api_key: Option<SecretString>,
}

/// Whether the connection is encrypted.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    Plain,
    Tls(ServerName<'static>),
}

impl Target {
    /// Reads a base URL such as `http://localhost:1337/v1`; the paths of the API are appended to it.
    ///
    /// # Errors
    /// [`ClientError::BaseUrl`] says what is wrong with the URL.
    pub fn parse(base_url: &str, api_key: Option<SecretString>) -> Result<Target, ClientError> {
        let problem = |problem| ClientError::BaseUrl { given: without_credentials(base_url), problem };
        let uri: Uri = base_url.trim().parse().map_err(|_| problem("it is not a URL"))?;
        let encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(problem("it must begin with `http://` or `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| problem("it names no host"))?.as_str();
        if authority.contains('@') {
            return Err(problem("it must not hold a user name or a password"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(problem("it names no host"));
        }
        let port = match (uri.port_u16(), encrypted) {
            (Some(port), _) => port,
            (None, _) if authority.len() > uri.host().unwrap_or_default().len() => {
                return Err(problem("its port is not a number up to 65535"));
            }
            (None, true) => 443,
            (None, false) => 80,
        };
        let security = if encrypted {
            let name = ServerName::try_from(host.clone());
            Security::Tls(name.map_err(|_| problem("its host is neither a name nor an address"))?)
        } else {
            Security::Plain
        };
        Ok(Target {
            security,
            host,
            port,
            authority: authority.to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
            query: uri.query().map(|query| format!("?{query}")).unwrap_or_default(),
            api_key,
        })
    }

    /// The URL that requests go to, without the paths of the API and without secrets.
    pub fn base_url(&self) -> String {
        let scheme = match self.security {
            Security::Plain => "http",
            Security::Tls(_) => "https",
        };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// The path and query of an endpoint, for example of `/models`.
    pub(crate) fn path_of(&self, endpoint: &str) -> String {
        format!("{}{endpoint}{}", self.path, self.query)
    }

    /// The same with a query of the request's own, which stands behind that of the base URL.
    pub fn path_with_query(&self, endpoint: &str, query: Option<&str>) -> String {
        let path = self.path_of(endpoint);
        match query {
            None => path,
            Some(query) => format!("{path}{}{query}", if self.query.is_empty() { '?' } else { '&' }),
        }
    }

    /// Host and port as the URL spells them: the `host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The value of the `authorization` header, if there is a key.
    ///
    /// # Errors
    /// [`ClientError::ApiKey`].
    pub fn authorization(&self) -> Result<Option<http::HeaderValue>, ClientError> {
        let Some(api_key) = &self.api_key else { return Ok(None) };
        let bearer = format!("Bearer {}", api_key.expose_secret());
        let mut value = http::HeaderValue::try_from(bearer).map_err(|_| ClientError::ApiKey)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// What a message may quote of a URL.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme_end), Some(at)) if scheme_end < at => {
            format!("{}…{}", &url[..scheme_end + 3], &url[at..])
        }
        (None, Some(at)) => format!("…{}", &url[at..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(base_url: &str) -> String {
        Target::parse(base_url, None).unwrap_err().to_string()
    }

    #[test]
    fn takes_a_base_url_apart() {
        let target = Target::parse("http://localhost:1337/v1/", None).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("localhost", 1337));
        assert_eq!(target.authority, "localhost:1337");
        assert_eq!(target.path_of("/models"), "/v1/models");
        assert_eq!(target.base_url(), "http://localhost:1337/v1");
    }

    #[test]
    fn ports_follow_the_scheme_and_paths_may_be_missing() {
        let target = Target::parse("https://example.org", None).unwrap();
        assert_eq!((target.port, target.authority.as_str()), (443, "example.org"));
        assert_eq!(target.path_of("/models"), "/models");
        assert_eq!(Target::parse("http://example.org/v1", None).unwrap().port, 80);
    }

    #[test]
    fn addresses_lose_their_brackets() {
        let target = Target::parse("http://[::1]:8080/v1", None).unwrap();
        assert_eq!((target.host.as_str(), target.authority.as_str()), ("::1", "[::1]:8080"));
    }

    #[test]
    fn a_query_stays_behind_the_path() {
        let target = Target::parse("https://example.org/openai?api-version=1", None).unwrap();
        assert_eq!(target.path_of("/models"), "/openai/models?api-version=1");
        assert_eq!(target.path_with_query("/files", Some("limit=2")), "/openai/files?api-version=1&limit=2");
        let target = Target::parse("https://example.org/v1", None).unwrap();
        assert_eq!(target.path_with_query("/files", Some("limit=2")), "/v1/files?limit=2");
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(problem_of("localhost:1337").contains("must begin with"));
        assert!(problem_of("localhost:1337/v1").contains("cannot be used"));
        assert!(problem_of("ftp://localhost").contains("must begin with"));
        assert!(problem_of("http://").contains("cannot be used"));
        assert!(problem_of("").contains("not a URL"));
        assert!(problem_of("http://localhost:99999/v1").contains("cannot be used"));
        assert!(problem_of("http://local host/").contains("not a URL"));
    }

    #[test]
    fn shows_no_secrets() {
        let problem = problem_of("http://user:secret@localhost/v1");
        assert!(problem.contains("password") && !problem.contains("secret"), "{problem}");
        let target = Target::parse("http://localhost", Some("secret".into())).unwrap();
        assert!(!format!("{target:?} {:?}", target.authorization()).contains("secret"));
    }

    #[test]
    fn a_key_must_fit_a_header() {
        let target = Target::parse("http://localhost", Some("se\ncret".into())).unwrap();
        assert!(matches!(target.authorization(), Err(ClientError::ApiKey)));
    }
}
