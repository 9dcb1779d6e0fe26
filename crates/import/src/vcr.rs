//! VCR.py's recordings: its interactions as cassettes.
//!
//! Owns the forms in which its versions and its users' serializers keep requests and answers. VCR.py knows no times and
//! no boundaries: an event stream becomes one read for each event, all at the beginning. It refuses to know which
//! request a cassette answers.

mod body;

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use interference_backend::is_event_stream;
use interference_cassette::{Cassette, End, Outcome, Read, RecordedAnswer, RecordedRequest};

pub use self::body::LONGEST_BODY;
use self::body::{decompressed, event_blocks};
use crate::document::Document;
use crate::notes::{Listing, Notes, Unfit};
use crate::tree::{Members, Node, Value};

/// Headers of a connection (RFC 9110, section 7.6.1), which say nothing about the answer.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The cassettes of all files, each of which can be read again, and the notes of what they lack.
pub(crate) fn cassettes(documents: Vec<Document>, listing: &mut Listing) -> Vec<Cassette> {
    let entries = documents.into_iter().flat_map(|document| document.into_entries("interaction"));
    let cassettes = entries.filter_map(|(origin, node)| {
        let mut notes = Notes::new(&origin, listing);
        match cassette(node, &mut notes) {
            Ok(cassette) => Some(cassette),
            Err(Unfit(reason)) => {
                notes.whole(reason);
                None
            }
        }
    });
    cassettes.collect()
}

fn cassette(node: Node, notes: &mut Notes<'_>) -> Result<Cassette, Unfit> {
    node.check()?;
    let mut members = Members::of("", node)?;
    let missing = |what: &str| Unfit(format!("it has no `{what}`"));
    let request = members.members("request")?.ok_or_else(|| missing("request"))?;
    let response = members.members("response")?.ok_or_else(|| missing("response"))?;
    let (upstream, request) = self::request(request, notes)?;
    let answer = answer(response, notes)?;
    members.end(notes);
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let recorded_at = date.unwrap_or(SystemTime::UNIX_EPOCH);
    let cassette = Cassette { recorded_at, upstream, request, outcome: Outcome::Answered(answer) };
    match Cassette::from_json(cassette.to_json().as_bytes()) {
        Ok(cassette) => Ok(cassette),
        Err(mistake) => Err(Unfit(format!("no cassette can hold it: {mistake}"))),
    }
}

/// Who was asked, and what.
fn request(mut members: Members, notes: &mut Notes<'_>) -> Result<(Option<String>, RecordedRequest), Unfit> {
    let method = members.text("method")?.unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Unfit("`request.method` is no method of HTTP".to_owned()))?;
    let uri = members.text("uri")?.unwrap_or_default();
    let uri: Uri = uri.parse().map_err(|_| Unfit("`request.uri` is no address".to_owned()))?;
    let (base, path) = split_path(uri.path());
    if !["", "/v1"].contains(&base) {
        notes.changed("request.uri", format!("`{base}` is taken for the base of the address"));
    }
    let request = RecordedRequest {
        method,
        path: path.to_owned(),
        query: uri.query().map(str::to_owned),
        headers: headers(&mut members, notes)?,
        body: body::take(&mut members, notes)?,
    };
    members.end(notes);
    Ok((uri.host().map(str::to_owned), request))
}

/// The base of an address, which ends in `/v1`, and the path behind it.
fn split_path(path: &str) -> (&str, &str) {
    match path.split_once("/v1/") {
        Some((before, _)) => path.split_at(before.len() + "/v1".len()),
        None => ("", path),
    }
}

fn answer(mut members: Members, notes: &mut Notes<'_>) -> Result<RecordedAnswer, Unfit> {
    let status = status(&mut members, notes)?;
    let mut headers = headers(&mut members, notes)?;
    let body = body::take(&mut members, notes)?;
    // The form that older recordings of one library have.
    let _version = members.take("http_version");
    members.end(notes);
    let bytes = decompressed(body, &mut headers, notes)?;
    let length = bytes.len().to_string();
    if headers.get(CONTENT_LENGTH).is_some_and(|told| told.as_bytes() != length.as_bytes()) {
        headers.remove(CONTENT_LENGTH);
    }
    let pieces = if is_event_stream(&headers) && !headers.contains_key(CONTENT_ENCODING) {
        let blocks = event_blocks(&bytes);
        let reason = format!("it has no times: {} reads, one for each event, all at 0 ms", blocks.len());
        notes.changed("response.body", reason);
        blocks
    } else {
        vec![bytes]
    };
    let pieces = pieces.into_iter().filter(|bytes| !bytes.is_empty());
    Ok(RecordedAnswer {
        status,
        headers,
        head_at: Duration::ZERO,
        reads: pieces.map(|bytes| Read { at: Duration::ZERO, bytes }).collect(),
        end: End::Complete,
        ended_at: Duration::ZERO,
    })
}

/// `status: {code, message}`, or in older recordings `status_code`. What stands behind a status in its line says
/// nothing (RFC 9112, section 4).
fn status(members: &mut Members, notes: &mut Notes<'_>) -> Result<StatusCode, Unfit> {
    let code = match members.members("status")? {
        Some(mut status) => {
            let code = status.whole("code")?;
            let _message = status.take("message");
            status.end(notes);
            code
        }
        None => members.whole("status_code")?,
    };
    let status = code.and_then(|code| u16::try_from(code).ok()).map(StatusCode::from_u16);
    match status {
        Some(Ok(status)) => Ok(status),
        _ => Err(Unfit("`response.status.code` is no status of HTTP".to_owned())),
    }
}

/// Each header has a text, or a list of them.
fn headers(members: &mut Members, notes: &mut Notes<'_>) -> Result<HeaderMap, Unfit> {
    let mut headers = HeaderMap::new();
    let Some(mut given) = members.members("headers")? else { return Ok(headers) };
    for (name, node) in given.take_all() {
        if OF_THE_CONNECTION.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let values = match node.value {
            Value::List(values) => values,
            _ => vec![node],
        };
        for value in values {
            let bytes = match value.value {
                Value::Text(text) => text.into_bytes(),
                Value::Bytes(bytes) => bytes,
                // What was written down was a text: PyYAML leaves out quotes where another YAML sees a number.
                Value::Number(_, Some(letters)) => letters.into_string().into_bytes(),
                _ => value.to_json().to_string().into_bytes(),
            };
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&bytes)) {
                (Ok(name), Ok(value)) => drop(headers.append(name, value)),
                _ => notes.part(given.path(&name), "it is no header of HTTP"),
            }
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_of_an_address_ends_in_v1() {
        for (path, split) in [
            ("/v1/chat/completions", ("/v1", "/chat/completions")),
            ("/api/v1/models", ("/api/v1", "/models")),
            ("/chat/completions", ("", "/chat/completions")),
            ("/v1beta/models", ("", "/v1beta/models")),
            ("/v1", ("", "/v1")),
        ] {
            assert_eq!(split_path(path), split);
        }
    }
}
