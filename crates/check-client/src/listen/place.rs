//! What the target of a request names.
//!
//! Owns the addresses: the page and what it loads, documents, and for each case its answers and its reports, with the
//! name of a client before them or without. Names need no escapes in an address, so none are read. Refuses to know
//! which cases and clients there are.

use interference_wire::Request;

use super::reply::Problem;
use crate::examiner::origin_form;

/// Bytes of a client's name.
const LONGEST_NAME: usize = 64;

/// A client at the addresses without a name.
pub(super) const UNNAMED: &str = "unnamed";

/// What a target names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// What a client asks of a case: `/SLUG/v1/…`, `/as/NAME/SLUG/v1/…`.
    Case {
        /// The name in the path.
        client: Option<&'a str>,
        /// Which case.
        slug: &'a str,
    },
    /// Where its account goes: `/SLUG/report`, `/as/NAME/SLUG/report`.
    Report {
        /// The name in the path.
        path_client: Option<&'a str>,
        /// The name in the query.
        query_client: Option<&'a str>,
        /// Which case.
        slug: &'a str,
    },
    /// `/`, and the files that it loads.
    File(&'a str),
    /// `/cases`: the catalogue.
    Cases,
    /// `/verdicts`: of one client, or an overview of all.
    Verdicts {
        /// The name in the query.
        client: Option<&'a str>,
    },
    /// `/report/FORMAT`: of one client, or of all.
    Download {
        /// Which.
        format: &'a str,
        /// The name in the query.
        client: Option<&'a str>,
    },
}

impl Place<'_> {
    /// The methods that it takes.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Place::Case { .. } => "GET, POST, OPTIONS",
            Place::Report { .. } => "POST, DELETE, OPTIONS",
            Place::Verdicts { .. } => "GET, HEAD, DELETE, OPTIONS",
            Place::File(_) | Place::Cases | Place::Download { .. } => "GET, HEAD, OPTIONS",
        }
    }

    /// The place that a request names.
    ///
    /// # Errors
    /// There is no such place, or a client's name is none.
    pub(super) fn of(request: &Request) -> Result<Place<'_>, Problem> {
        let target = request.head.as_ref().map(|head| head.target.as_slice()).unwrap_or_default();
        let target =
            str::from_utf8(origin_form(target)).map_err(|_| Problem::malformed("the target is no UTF-8"))?;
        place(target)
    }
}

fn place(target: &str) -> Result<Place<'_>, Problem> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let nowhere =
        || Problem::not_found(format!("there is nothing at `{path}`; the page at / has every address"));
    let segments: Vec<&str> = path.strip_prefix('/').ok_or_else(nowhere)?.split('/').collect();
    let client = query.split('&').find_map(|pair| pair.strip_prefix("client=")).map(name).transpose()?;
    Ok(match segments.as_slice() {
        [file @ ("" | "page.css" | "page.js")] => Place::File(file),
        ["cases"] => Place::Cases,
        ["verdicts"] => Place::Verdicts { client },
        ["report", format] => Place::Download { format, client },
        ["as", path_client, slug, "report"] => {
            Place::Report { path_client: Some(name(path_client)?), query_client: client, slug }
        }
        ["as", client, slug, _, ..] => Place::Case { client: Some(name(client)?), slug },
        [slug, "report"] => Place::Report { path_client: None, query_client: client, slug },
        [slug, _, ..] if slug.contains('.') => Place::Case { client: None, slug },
        _ => return Err(nowhere()),
    })
}

/// A client's name: what stands in an address as it is.
///
/// # Errors
/// It is empty, too long, or has other characters.
pub(super) fn name(text: &str) -> Result<&str, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(plain) {
        let message = format!(
            "a client's name has 1 to {LONGEST_NAME} letters, digits, `.`, `_` and `-`, and no other characters"
        );
        return Err(Problem::malformed(message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_names_its_place() {
        let report = |path_client, query_client| Place::Report { path_client, query_client, slug: "a.b" };
        for (target, expected) in [
            ("/", Place::File("")),
            ("/page.js?x", Place::File("page.js")),
            ("/cases", Place::Cases),
            ("/verdicts", Place::Verdicts { client: None }),
            ("/verdicts?x=1&client=app", Place::Verdicts { client: Some("app") }),
            ("/report/html?client=app", Place::Download { format: "html", client: Some("app") }),
            ("/a.b/v1/chat/completions", Place::Case { client: None, slug: "a.b" }),
            ("/as/app/a.b/v1/models?client=other", Place::Case { client: Some("app"), slug: "a.b" }),
            ("/as/app/a.b/chat/completions", Place::Case { client: Some("app"), slug: "a.b" }),
            ("/a.b/report", report(None, None)),
            ("/a.b/report?client=app", report(None, Some("app"))),
            ("/as/app/a.b/report", report(Some("app"), None)),
        ] {
            assert_eq!(place(target), Ok(expected), "{target}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        let long = format!("/verdicts?client={}", "x".repeat(LONGEST_NAME + 1));
        for target in [
            "",
            "*",
            "http://evil.example/",
            "/nowhere",
            "/a.b",
            "/as",
            "/as/a/b",
            "/as/a%2f/a.b/v1",
            &long,
            "/verdicts?client=",
        ] {
            assert!(place(target).is_err(), "{target}");
        }
    }
}
