//! The base URL of a server, as an SDK takes it.

use crate::bench::hinted;

/// `http://HOST[:PORT][/PATH]`, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// With brackets, where it is an IPv6 address.
    host: String,
    port: u16,
    /// Begins with a slash and ends without one, or is empty.
    path: String,
}

impl BaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is none, or of another scheme than `http`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<BaseUrl> {
        parts(text).ok_or_else(|| {
            hinted(
                format!("`{text}` is no base URL of the kind that can be measured"),
                "it reads http://HOST:PORT/v1, without https and without a query",
            )
        })
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path that every route comes behind.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.path)
    }
}

fn parts(text: &str) -> Option<BaseUrl> {
    let rest = text.strip_prefix("http://")?;
    if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_address..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            (host, port[1..].parse().ok()?)
        }
        None => (authority, 80),
    };
    (!host.is_empty()).then(|| BaseUrl {
        host: host.to_owned(),
        port,
        path: path.trim_end_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, shown) in [
            ("http://127.0.0.1:18080/v1", "http://127.0.0.1:18080/v1"),
            ("http://localhost:1/v1/", "http://localhost:1/v1"),
            ("http://host", "http://host:80"),
            ("http://[::1]:9/a/b", "http://[::1]:9/a/b"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_a_hint() {
        for text in
            ["", "127.0.0.1:80", "https://host/v1", "http://", "http://:80/", "http://h:x/", "http://h/?q=1"]
        {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains("\nhint: it reads http://HOST:PORT/v1"), "{error}");
        }
    }
}
