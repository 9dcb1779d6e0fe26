//! A folder of cassettes as a trace: what was asked then is asked again, at the distances of then.
//!
//! Owns which of them can be sent, and their times. Refuses to know the form of a cassette and what was answered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use http::Method;
use interference_cassette::{RecordedRequest, read_folder};

use super::body::Body;
use super::form::Form;
use super::problems::quoted;
use super::recorded::{Recorded, check_endpoint};
use super::{Conversation, Endpoint, Work, WorkError};

/// The requests of a folder of cassettes, in the order in which they were recorded.
#[derive(Debug, Clone)]
pub struct Cassettes {
    folder: PathBuf,
    /// At least one.
    requests: Vec<Recorded>,
    /// One for each request.
    times: Vec<Duration>,
    left_out: Vec<String>,
}

impl Cassettes {
    /// Reads a folder, with what is said of all requests. Sent are requests of POST to the four endpoints whose bodies
    /// are JSON objects; the first of them is at the start.
    ///
    /// # Errors
    /// [`WorkError::Folder`], and [`WorkError::NothingRecorded`] where nothing can be sent.
    pub fn read(folder: &Path, form: &Form) -> Result<Cassettes, WorkError> {
        let found = read_folder(folder)?;
        let mut left_out: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        let mut usable: Vec<(SystemTime, Recorded)> = Vec::new();
        for recording in found.recordings {
            match request(&recording.cassette.request, form) {
                Ok(recorded) => usable.push((recording.cassette.recorded_at, recorded)),
                Err(reason) => left_out.push(format!("{}: {reason}", recording.name)),
            }
        }
        usable.sort_by_key(|(at, _)| *at);
        let Some(first) = usable.first().map(|(at, _)| *at) else {
            return Err(WorkError::NothingRecorded { path: folder.to_owned(), left_out });
        };
        let since = |at: &SystemTime| at.duration_since(first).unwrap_or_default();
        let times = usable.iter().map(|(at, _)| since(at)).collect();
        let requests = usable.into_iter().map(|(_, recorded)| recorded).collect();
        Ok(Cassettes { folder: folder.to_owned(), requests, times, left_out })
    }

    /// What is not sent, and why: `000002-get-models.json: it is a GET, and only POST is sent`.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

fn request(request: &RecordedRequest, form: &Form) -> Result<Recorded, String> {
    if request.method != Method::POST {
        return Err(format!("it is a {}, and only POST is sent", request.method));
    }
    let no_load = || format!("no load can be put on {}", quoted(&request.path));
    let endpoint = Endpoint::of_path(&request.path).ok_or_else(no_load)?;
    check_endpoint(endpoint, form.endpoint)?;
    if request.query.is_some() {
        return Err("it has a query, which is not sent".to_owned());
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| "its body is no UTF-8".to_owned())?;
    let body = Body::read(text).map_err(|reason| format!("its body: {reason}"))?;
    Recorded::new(body, Some(endpoint), form)
}

impl Work for Cassettes {
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation> {
        self.requests[(arrival % self.requests.len() as u64) as usize].conversation()
    }

    fn describe(&self) -> String {
        let noun = if self.requests.len() == 1 { "request" } else { "requests" };
        let mut words = format!("{} recorded {noun} of {}", self.requests.len(), self.folder.display());
        if !self.left_out.is_empty() {
            words += &format!(" ({} left out)", self.left_out.len());
        }
        words
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let endpoints = self.requests.iter().map(|recorded| recorded.endpoint);
        endpoints.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn times(&self) -> Option<&[Duration]> {
        Some(&self.times)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A cassette of a request at this second, with this text in the place of its method, path and body.
    fn cassette(second: u32, request: &str) -> String {
        format!(
            r#"{{"interference_cassette": 1, "recorded_at": "2025-11-26T06:00:{second:02}.250Z", "request": {{"headers": [],
            {request}}}, "failure": {{"kind": "broken", "code": "", "message": "", "at_ms": 0}}}}"#
        )
    }

    const CHAT: &str = r#""method": "POST", "path": "/chat/completions", "body": {"json": {"model": "m", "messages": [], "stream": true}}"#;
    const COMPLETION: &str =
        r#""method": "POST", "path": "/completions", "body": {"json": {"model": "n", "prompt": ""}}"#;

    fn read(cassettes: &[String], form: &Form) -> Result<Cassettes, String> {
        let folder = tempfile::tempdir().unwrap();
        for (number, cassette) in cassettes.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.json")), cassette).unwrap();
        }
        let place = folder.path().display().to_string();
        Cassettes::read(folder.path(), form).map_err(|error| error.to_string().replace(&place, "F")).map(
            |mut read| {
                read.folder = PathBuf::from("F");
                read.left_out.iter_mut().for_each(|reason| *reason = reason.replace(&place, "F"));
                read
            },
        )
    }

    #[test]
    fn a_folder_in_which_nothing_can_be_sent_is_refused() {
        assert_eq!(
            read(&[], &Form::default()).unwrap_err(),
            "F has no cassette that can be sent; record some with `serve --record`"
        );
        let get = cassette(0, r#""method": "GET", "path": "/models""#);
        assert_eq!(
            read(&[get.clone(), get, "{}".to_owned()], &Form::default()).unwrap_err(),
            "F has no cassette that can be sent: F/2.json: it is no cassette: it has no member `interference_cassette`; \
             and 2 more"
        );
        let missing = Cassettes::read(Path::new("/nowhere"), &Form::default()).unwrap_err();
        assert!(missing.to_string().starts_with("the folder /nowhere cannot be read: "), "{missing}");
    }

    #[test]
    fn what_cannot_be_sent_is_listed() {
        let cassettes = [
            CHAT,
            r#""method": "GET", "path": "/chat/completions""#,
            r#""method": "POST", "path": "/audio/speech", "body": {"json": {}}"#,
            r#""method": "POST", "path": "/responses", "query": "a=1", "body": {"json": {"model": "m", "input": ""}}"#,
            r#""method": "POST", "path": "/responses", "body": {"text": "hello"}"#,
            r#""method": "POST", "path": "/responses", "body": {"base64": "/w=="}"#,
            r#""method": "POST", "path": "/responses", "body": {"json": {"input": ""}}"#,
            COMPLETION,
        ];
        let form = Form { endpoint: Some(Endpoint::Responses), ..Form::default() };
        let all = cassettes.map(|request| cassette(0, request));
        let read = read(&all, &Form::default()).unwrap();
        assert_eq!(
            read.left_out(),
            [
                "1.json: it is a GET, and only POST is sent",
                "2.json: no load can be put on `/audio/speech`",
                "3.json: it has a query, which is not sent",
                "4.json: its body: it is no JSON object",
                "5.json: its body is no UTF-8",
                "6.json: it names no model; add `model`, or name one for all with `-m`",
            ]
        );
        assert_eq!(read.describe(), "2 recorded requests of F (6 left out)");
        assert_eq!(
            super::tests::read(&all[..1], &form).unwrap_err(),
            "F has no cassette that can be sent: 0.json: it is a request for chat, and `--endpoint` says responses; leave \
             one of them out"
        );
    }

    #[test]
    fn what_was_recorded_is_sent_at_its_distances() {
        let form = Form { model: Some("other".to_owned()), ..Form::default() };
        let work = read(&[cassette(30, COMPLETION), cassette(2, CHAT), cassette(30, CHAT)], &form).unwrap();
        let seconds: Vec<f64> = work.times().unwrap().iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds, [0.0, 28.0, 28.0]);
        assert_eq!(work.endpoints(), [Endpoint::Chat, Endpoint::Completions]);
        assert_eq!(work.describe(), "3 recorded requests of F");
        let ask = |arrival| work.conversation(arrival).next("").unwrap();
        assert_eq!(
            [0, 1, 2, 3].map(|arrival| (ask(arrival).endpoint, ask(arrival).streamed)),
            [
                (Endpoint::Chat, true),
                (Endpoint::Completions, false),
                (Endpoint::Chat, true),
                (Endpoint::Chat, true)
            ]
        );
        let body = String::from_utf8(ask(0).body).unwrap();
        assert_eq!(body, r#"{"model":"other","messages":[],"stream":true}"#);
    }
}
