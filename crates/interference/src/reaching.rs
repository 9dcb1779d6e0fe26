//! How a server that is judged or measured is reached: its key, headers besides, and whom to trust.

use std::path::PathBuf;

use interference_target::{Target, TargetError};
use interference_wire::ConnectError;
use interference_wire::rustls::{self, CertificateError};

use crate::failure::{Failure, WRONG_USAGE};
use crate::judging::shell_word;
use crate::settings;

/// What the commands take that judge or measure a server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReachingArguments {
    /// The key; `env:NAME` or `@FILE` keep it off the command line. By default what OPENAI_API_KEY holds
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// A header that every request brings, as `Name: value` (repeatable)
    #[arg(long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Certificates of authorities to trust besides the system's, a PEM file
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl ReachingArguments {
    /// The server of this base URL, for the command of this verb; `more` are headers besides.
    ///
    /// # Errors
    /// The key is not where it is said to be, or one of them is of no use.
    pub(crate) fn target(
        &self,
        verb: &str,
        base_url: &str,
        more: Vec<(String, String)>,
    ) -> anyhow::Result<Target> {
        let key = match &self.api_key {
            Some(given) => Some(settings::api_key(given)?),
            None => std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty()).map(Into::into),
        };
        let mut headers = self.header.clone();
        headers.extend(more);
        let target =
            Target::parse(base_url, key, headers).and_then(|target| target.trust(self.cacert.as_deref()));
        Ok(target.map_err(|error| wrong_target(verb, &error))?)
    }

    /// The same arguments again, each with a space before it; a key only by its place.
    pub(crate) fn repeated(&self) -> String {
        let mut words = String::new();
        if let Some(key) = self.api_key.as_ref().filter(|key| key.starts_with("env:") || key.starts_with('@'))
        {
            words.push_str(&format!(" --api-key {}", shell_word(key)));
        } else if self.api_key.is_some() {
            words.push_str(" --api-key env:OPENAI_API_KEY");
        }
        for (name, value) in &self.header {
            words.push_str(&format!(" --header {}", shell_word(&format!("{name}: {value}"))));
        }
        if let Some(path) = &self.cacert {
            words.push_str(&format!(" --cacert {}", shell_word(&path.display().to_string())));
        }
        words
    }
}

fn wrong_target(verb: &str, error: &TargetError) -> Failure {
    let hint = match error {
        TargetError::NotAUrl { .. } => format!("as in: interference {verb} http://localhost:1337/v1"),
        TargetError::Header { .. } => "a key and a header are printable ASCII on one line".to_owned(),
        TargetError::Certificates { .. } => {
            "`--cacert` takes a file with certificates in PEM form".to_owned()
        }
    };
    Failure::new(WRONG_USAGE, error.to_string(), hint)
}

/// What to do where no connection came about.
pub(crate) fn without_connection(error: &ConnectError) -> &'static str {
    let ConnectError::Handshake { source, .. } = error else {
        return "is the server running, and is this its address?";
    };
    match source.get_ref().and_then(|source| source.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(flaw)) => without_trust(flaw),
        Some(rustls::Error::InvalidMessage(_)) => {
            "a server that does not speak TLS on this port has a base URL that begins with http://"
        }
        _ => "the server must speak TLS 1.2 or 1.3 on this port",
    }
}

fn without_trust(flaw: &CertificateError) -> &'static str {
    match flaw {
        CertificateError::UnknownIssuer => {
            "if the server is to be trusted, give the certificate of its authority by `--cacert FILE`"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate must be renewed, or the clock of this machine set right"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is the clock of this machine right?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the base URL must name the server as its certificate does"
        }
        _ => "the server needs another certificate",
    }
}

/// A header, given as `Name: value`, whose name is a token (RFC 9110 section 5.6.2).
fn header(given: &str) -> Result<(String, String), String> {
    let expected = || "expected `Name: value`".to_owned();
    let (name, value) = given.split_once(':').ok_or_else(expected)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(expected());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}
