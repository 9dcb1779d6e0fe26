//! A file of requests, one JSON object on each line.
//!
//! Owns the reading of the file within bounds, the order of its requests in time, and which of them an arrival takes.
//! What a line can be is in `line.rs`; prompts of which only the length is known, in `measured.rs`. Refuses to know when
//! anything is sent.

mod line;
mod measured;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use line::Line;
use measured::Measured;

use super::form::{Form, MadeUp};
use super::problems::Problems;
use super::recorded::Recorded;
use super::token_scale::TokenScale;
use super::{Conversation, Endpoint, Work, WorkError};

/// Bytes of a file: 1 GiB.
pub const LARGEST_FILE: u64 = 1024 * 1024 * 1024;
/// Bytes of a line: 16 MiB.
pub const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// Requests of a file.
pub const MOST_REQUESTS: usize = 1_000_000;

const BOUNDS: Bounds = Bounds { file: LARGEST_FILE, line: LONGEST_LINE, requests: MOST_REQUESTS };

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    file: u64,
    line: usize,
    requests: usize,
}

/// A file of requests that has been read.
#[derive(Debug, Clone)]
pub struct RequestFile {
    /// As it was named.
    name: String,
    /// At least one; in the order of their times, if they have any.
    requests: Vec<Asked>,
    /// One for each request, or none.
    times: Option<Vec<Duration>>,
}

/// What one line asks.
#[derive(Debug, Clone)]
enum Asked {
    /// What it says.
    Recorded(Recorded),
    /// An answer to a prompt of such a length.
    Measured(Measured),
}

impl RequestFile {
    /// Reads a file, with what is said of all requests.
    ///
    /// A line is the body of a request; or has it as `body`, beside perhaps `at_ms`, and `endpoint`, or `method` and `url`
    /// (and `custom_id`) as batches have them; or is a line of a Mooncake trace. Blank lines are passed over.
    ///
    /// # Errors
    /// [`WorkError::Unreadable`]; [`WorkError::File`] with the first mistakes by line, also beyond a bound
    /// ([`LARGEST_FILE`], [`LONGEST_LINE`], [`MOST_REQUESTS`]); [`WorkError::Empty`].
    pub fn read(path: &Path, form: &Form) -> Result<RequestFile, WorkError> {
        let unreadable = |source| WorkError::Unreadable { path: path.to_owned(), source };
        let file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut reading = Reading::new(path.display().to_string(), form, BOUNDS);
        reading.read(file).map_err(unreadable)?;
        reading.finish()
    }

    /// [`RequestFile::read`] for a file of these bytes.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn holding(bytes: &[u8], form: &Form) -> Result<RequestFile, WorkError> {
        let mut reading = Reading::new("bytes".to_owned(), form, BOUNDS);
        reading.read(bytes).map_err(|source| WorkError::Unreadable { path: "bytes".into(), source })?;
        reading.finish()
    }

    /// Whether it has prompts of which only the length is known, so that a scale is needed.
    pub fn needs_scale(&self) -> bool {
        self.requests.iter().any(|asked| matches!(asked, Asked::Measured(_)))
    }

    /// Whether it has bodies, which are sent as they are.
    pub fn has_bodies(&self) -> bool {
        self.requests.iter().any(|asked| matches!(asked, Asked::Recorded(_)))
    }

    /// Whether its requests have times.
    pub fn has_times(&self) -> bool {
        self.times.is_some()
    }

    /// The same requests without their times: they are taken in turn.
    pub fn in_turn(self) -> RequestFile {
        RequestFile { times: None, ..self }
    }

    /// The work of this file; made-up prompts depend on the seed.
    ///
    /// # Errors
    /// [`WorkError::NoScale`] where one is needed and not given.
    pub fn work(self, scale: Option<TokenScale>, seed: u64) -> Result<Requests, WorkError> {
        let sent = |asked| match asked {
            Asked::Recorded(recorded) => Ok(Sent::Recorded(recorded)),
            Asked::Measured(measured) => Ok(Sent::Measured(measured, scale.ok_or(WorkError::NoScale)?)),
        };
        let requests = self.requests.into_iter().map(sent).collect::<Result<_, WorkError>>()?;
        Ok(Requests { name: self.name, requests, times: self.times, seed })
    }
}

/// The requests of a file as work: with times, each once; without, in turn, and from the first again.
#[derive(Debug, Clone)]
pub struct Requests {
    name: String,
    /// At least one.
    requests: Vec<Sent>,
    times: Option<Vec<Duration>>,
    seed: u64,
}

/// What one arrival sends.
#[derive(Debug, Clone)]
enum Sent {
    Recorded(Recorded),
    Measured(Measured, TokenScale),
}

impl Work for Requests {
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation> {
        self.conversation_of(0, arrival)
    }

    fn conversation_of(&self, run: u32, arrival: u64) -> Box<dyn Conversation> {
        match &self.requests[(arrival % self.requests.len() as u64) as usize] {
            Sent::Recorded(recorded) => recorded.conversation(),
            Sent::Measured(measured, scale) => measured.conversation(*scale, run, self.seed, arrival),
        }
    }

    fn describe(&self) -> String {
        let how = if self.times.is_some() { "at their times" } else { "in turn" };
        let noun = if self.requests.len() == 1 { "request" } else { "requests" };
        let mut words = format!("{} {noun} of {} {how}", self.requests.len(), self.name);
        let cannot_be_had =
            |sent: &&Sent| matches!(sent, Sent::Measured(measured, scale) if !measured.can_be_had(*scale));
        match self.requests.iter().filter(cannot_be_had).count() {
            0 => {}
            count => {
                words +=
                    &format!(", {count} of them with a longer prompt, since one word has more tokens here")
            }
        }
        words
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |sent: &Sent| match sent {
            Sent::Recorded(recorded) => recorded.endpoint,
            Sent::Measured(measured, _) => measured.endpoint(),
        };
        self.requests.iter().map(endpoint).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn times(&self) -> Option<&[Duration]> {
        self.times.as_deref()
    }
}

/// What is said of all requests, of those that are written out and of those that are made up.
struct Forms<'f> {
    recorded: &'f Form,
    measured: Result<Arc<MadeUp>, WorkError>,
}

/// A file as far as it has been read.
struct Reading<'f> {
    forms: Forms<'f>,
    bounds: Bounds,
    name: String,
    /// With the line.
    requests: Vec<(usize, Option<Duration>, Asked)>,
    problems: Problems,
}

impl Reading<'_> {
    fn new(name: String, recorded: &Form, bounds: Bounds) -> Reading<'_> {
        let forms = Forms { recorded, measured: recorded.made_up().map(Arc::new) };
        Reading { forms, bounds, problems: Problems::of(&name), name, requests: Vec::new() }
    }

    /// Reads all lines, up to the first that is too long, or the end of what is read of a file.
    fn read(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let Bounds { file: file_max, line: line_max, .. } = self.bounds;
        let mut bytes = Vec::new();
        let mut total = 0;
        for number in 1.. {
            bytes.clear();
            let read = file.by_ref().take(line_max as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                break;
            }
            total += read as u64;
            if total > file_max {
                self.problems.push(number, format!("the file is longer than {file_max} bytes; split it"));
                break;
            }
            if bytes.len() > line_max && !bytes.ends_with(b"\n") {
                let reason = format!("it is longer than {line_max} bytes; no further line was read");
                self.problems.push(number, reason);
                break;
            }
            if let Err(reason) = self.take(number, &bytes) {
                self.problems.push(number, reason);
            }
        }
        Ok(())
    }

    /// Takes a line.
    fn take(&mut self, number: usize, bytes: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
        // Some editors begin every file with one.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(());
        }
        let requests_max = self.bounds.requests;
        if self.requests.len() == requests_max {
            return Err(format!("the file has more than {requests_max} requests; split it"));
        }
        let Line { at, asked } = Line::read(text, &self.forms)?;
        if let Some((first, time, _)) = self.requests.first()
            && time.is_some() != at.is_some()
        {
            let (this, other) = if at.is_some() { ("a", "none") } else { ("no", "one") };
            return Err(format!("it has {this} time, and the request in line {first} has {other}"));
        }
        self.requests.push((number, at, asked));
        Ok(())
    }

    /// The file, if all of it was good.
    fn finish(mut self) -> Result<RequestFile, WorkError> {
        if !self.problems.is_empty() {
            return Err(WorkError::File { problems: self.problems });
        }
        if self.requests.is_empty() {
            return Err(WorkError::Empty { file: self.name });
        }
        // Requests of one time stay in the order of their lines.
        self.requests.sort_by_key(|(_, at, _)| *at);
        let times = self.requests.iter().map(|(_, at, _)| *at).collect();
        let requests = self.requests.into_iter().map(|(.., asked)| asked).collect();
        Ok(RequestFile { name: self.name, requests, times })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::work::form::Ending;

    const SCALE: TokenScale = TokenScale { base: 10.0, per_word: 2.0 };

    fn model() -> Form {
        Form { model: Some("m".to_owned()), ..Form::default() }
    }

    fn read(text: &[u8], form: &Form) -> Result<RequestFile, WorkError> {
        read_within(text, form, BOUNDS)
    }

    fn read_within(text: &[u8], form: &Form, bounds: Bounds) -> Result<RequestFile, WorkError> {
        let mut reading = Reading::new("a.jsonl".to_owned(), form, bounds);
        reading.read(text).unwrap();
        reading.finish()
    }

    fn told(text: &str) -> String {
        read(text.as_bytes(), &Form::default()).unwrap_err().to_string()
    }

    /// The work of a file, and the body of its first requests.
    fn bodies(text: &str, form: &Form, count: u64) -> (Requests, Vec<Value>) {
        let work = read(text.as_bytes(), form).unwrap().work(Some(SCALE), 42).unwrap();
        let body = |arrival| work.conversation(arrival).next("").unwrap().body;
        let bodies = (0..count).map(|arrival| serde_json::from_slice(&body(arrival)).unwrap()).collect();
        (work, bodies)
    }

    fn milliseconds(work: &Requests) -> Vec<u128> {
        work.times().unwrap().iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = [
            r#"{"model":"m","messages":[]}"#,
            "",
            "hello",
            r#"{"model":"m","messages":[],}"#,
            r#"{"model":"m"}"#,
            r#"{"body":{"model":"m","prompt":""},"at_ms":5}"#,
            r#"{"body":{"model":"m","prompt":""},"at":5}"#,
            r#"{"body":[],"endpoint":"chat"}"#,
            r#"{"body":{"model":"m","prompt":""},"method":"GET","url":"/v1/models"}"#,
            r#"{"body":{"model":"m","prompt":""},"method":"POST","url":"/v1/files"}"#,
            r#"{"body":{"model":"m","prompt":""},"endpoint":"chat","url":"/v1/completions"}"#,
            r#"{"body":{"model":"m","prompt":""},"endpoint":5}"#,
            r#"{"body":{"model":"m","prompt":""},"endpoint":"talk"}"#,
            r#"{"body":{"model":"m","prompt":""},"at_ms":-1}"#,
            r#"{"timestamp":0,"input_length":5}"#,
        ];
        assert_eq!(
            told(&text.join("\r\n")),
            "a.jsonl:3: it is no JSON object\n\
             a.jsonl:4: trailing comma (column 28)\n\
             a.jsonl:5: it is no request: it has none of `messages`, `prompt` and `input`\n\
             a.jsonl:6: it has a time, and the request in line 1 has none\n\
             a.jsonl:7: `at` is unknown; known are `at_ms`, `endpoint`, `custom_id`, `method`, `url` and `body`\n\
             a.jsonl:8: `body`: it is no JSON object\n\
             a.jsonl:9: `method` is `GET`, and only POST is sent\n\
             a.jsonl:10: `url` is `/v1/files`, and no load can be put on that\n\
             a.jsonl:11: it has both `endpoint` and `url`; leave one of them out\n\
             a.jsonl:12: `endpoint` is `5`, and not a text\n\
             and 3 more"
        );
    }

    #[test]
    fn lines_of_a_trace_are_checked() {
        let lines = [
            r#"{"timestamp":0,"input_length":600,"hash_ids":[1,2,3]}"#,
            r#"{"timestamp":0,"input_length":0}"#,
            r#"{"timestamp":0,"input_length":4000001}"#,
            r#"{"timestamp":0,"input_length":1.5}"#,
            r#"{"timestamp":"now","input_length":5}"#,
            r#"{"timestamp":1764136800000,"input_length":5}"#,
            r#"{"timestamp":0,"input_length":5,"hash_ids":[-1]}"#,
            r#"{"timestamp":0,"input_length":5,"session":1}"#,
        ];
        assert_eq!(
            read(lines.join("\n").as_bytes(), &model()).unwrap_err().to_string(),
            "a.jsonl:1: `hash_ids` has 3 blocks of 512 tokens, and 600 tokens have at most 2\n\
             a.jsonl:2: `input_length` is 0, and not from 1 to 4000000 tokens\n\
             a.jsonl:3: `input_length` is 4000001, and not from 1 to 4000000 tokens\n\
             a.jsonl:4: `input_length` is `1.5`, and not a whole number of tokens\n\
             a.jsonl:5: `timestamp` is `\"now\"`, and not a number of milliseconds\n\
             a.jsonl:6: `timestamp` is 1764136800000, and not from 0 to 31536000000 milliseconds from the start of the \
             trace\n\
             a.jsonl:7: `hash_ids` is `[-1]`, and not a list of whole numbers\n\
             a.jsonl:8: `session` is unknown; known are `timestamp`, `input_length`, `output_length` and `hash_ids`"
        );
        assert_eq!(
            told(r#"{"timestamp":0,"input_length":5}"#),
            "a.jsonl:1: no model is named, and requests that are made up need one; name it with `-m`"
        );
        let endless = Form { ending: Ending::AtLimit, ..model() };
        assert_eq!(
            read(br#"{"input_length":5}"#, &endless).unwrap_err().to_string(),
            "a.jsonl:1: answers that go on to their limit need one; say how many tokens they may have"
        );
        let embeddings = Form { endpoint: Some(Endpoint::Embeddings), ..model() };
        assert_eq!(
            read(br#"{"input_length":5,"output_length":5}"#, &embeddings).unwrap_err().to_string(),
            "a.jsonl:1: `output_length` means nothing to embeddings; leave it out, or ask another endpoint"
        );
        let file = read(br#"{"timestamp":0,"input_length":5}"#, &model()).unwrap();
        assert!(file.needs_scale());
        assert!(matches!(file.work(None, 42), Err(WorkError::NoScale)));
    }

    #[test]
    fn a_file_is_read_within_its_bounds() {
        for text in ["", "\n \r\n\u{feff}\n"] {
            assert_eq!(told(text), "a.jsonl has no request in it; write one on each line");
        }
        let refused = read(b"\xff", &Form::default()).unwrap_err();
        assert_eq!(refused.to_string(), "a.jsonl:1: it is no UTF-8");
        let line = r#"{"model":"m","input":""}"#;
        let text = [line, line, line, ""].join("\n");
        let exact = Bounds { file: text.len() as u64, line: line.len(), requests: 3 };
        assert!(read_within(text.as_bytes(), &Form::default(), exact).is_ok());
        for (bounds, reason) in [
            (Bounds { file: exact.file - 1, ..exact }, "3: the file is longer than 74 bytes; split it"),
            (
                Bounds { line: exact.line - 1, ..exact },
                "1: it is longer than 23 bytes; no further line was read",
            ),
            (Bounds { requests: 2, ..exact }, "3: the file has more than 2 requests; split it"),
        ] {
            let refused = read_within(text.as_bytes(), &Form::default(), bounds).unwrap_err();
            assert_eq!(refused.to_string(), format!("a.jsonl:{reason}"));
        }
        let endless = RequestFile::read(Path::new("/dev/zero"), &Form::default()).unwrap_err();
        assert_eq!(
            endless.to_string(),
            "/dev/zero:1: it is longer than 16777216 bytes; no further line was read"
        );
        let missing = RequestFile::read(Path::new("/nowhere/a.jsonl"), &Form::default()).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/a.jsonl cannot be read: "), "{missing}");
    }

    #[test]
    fn requests_without_times_are_sent_in_turn() {
        let text = "\u{feff}{\"model\":\"a\",\"messages\":[]}\n\n{\"model\":\"b\",\"prompt\":\"\"}";
        let (work, sent) = bodies(text, &Form::default(), 5);
        let models: Vec<&str> = sent.iter().map(|body| body["model"].as_str().unwrap()).collect();
        assert_eq!(models, ["a", "b", "a", "b", "a"]);
        assert_eq!(work.times(), None);
        assert_eq!(work.endpoints(), [Endpoint::Chat, Endpoint::Completions]);
        assert_eq!(work.describe(), "2 requests of a.jsonl in turn");
        assert_eq!(bodies(text, &model(), 2).1[1]["model"], "m");
    }

    #[test]
    fn envelopes_have_times_and_are_sent_in_their_order() {
        let text = r#"
            {"at_ms": 20.5, "body": {"model":"late","input":""}, "endpoint": "embeddings"}
            {"custom_id": "x", "method": "POST", "url": "/v1/responses", "body": {"model":"first","input":""}, "at_ms": 0}
            {"at_ms": 20.5, "body": {"model":"later","input":""}}
        "#;
        let (work, sent) = bodies(text, &Form::default(), 3);
        let models: Vec<&str> = sent.iter().map(|body| body["model"].as_str().unwrap()).collect();
        assert_eq!(models, ["first", "late", "later"]);
        assert_eq!(milliseconds(&work), [0, 20, 20]);
        assert_eq!(work.endpoints(), [Endpoint::Responses, Endpoint::Embeddings]);
        assert_eq!(work.describe(), "3 requests of a.jsonl at their times");
    }

    #[test]
    fn blocks_of_a_trace_are_shared() {
        let text = r#"
            {"timestamp": 0, "input_length": 1200, "output_length": 500, "hash_ids": [0, 1, 2]}
            {"timestamp": 3052, "input_length": 1100, "output_length": 0, "hash_ids": [0, 1, 9]}
            {"timestamp": 3052, "input_length": 600}
            {"timestamp": 4000, "input_length": 3}
        "#;
        let (work, sent) = bodies(text, &model(), 4);
        let words = |request: usize| -> Vec<&str> {
            sent[request]["messages"][0]["content"].as_str().unwrap().split(' ').collect()
        };
        let counts: Vec<usize> = (0..4).map(|request| words(request).len()).collect();
        assert_eq!(counts, [595, 545, 295, 1]);
        // Two blocks of 512 tokens are 512 words.
        assert_eq!(words(0)[..512], words(1)[..512]);
        assert_ne!(words(0)[512..520], words(1)[512..520]);
        assert_ne!(words(0)[..8], words(2)[..8]);
        let limits: Vec<Option<u64>> = sent.iter().map(|body| body["max_tokens"].as_u64()).collect();
        assert_eq!(limits, [Some(500), Some(1), None, None]);
        assert_eq!(milliseconds(&work), [0, 3_052, 3_052, 4_000]);
        assert_eq!(
            work.describe(),
            "4 requests of a.jsonl at their times, 1 of them with a longer prompt, since one word has more tokens here"
        );
        assert_eq!(work.endpoints(), [Endpoint::Chat]);
    }

    proptest! {
        /// Pieces of lines of every form, in any order.
        #[test]
        fn any_file_is_read_or_refused(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", ":", ",", "\n", "null", "0", "1e99", "-1", "\"\"", "[]", "{}", "\"m\"", "\"body\":", "\"model\":",
                "\"input\":", "\"prompt\":", "\"at_ms\":", "\"timestamp\":", "\"input_length\":", "\"hash_ids\":", "[1,2]",
                "\"endpoint\":", "\"chat\"", "\"url\":", "\"stream\":", "true",
            ]), 0..40),
        ) {
            let text = pieces.concat();
            match read(text.as_bytes(), &model()) {
                Ok(file) => {
                    let work = file.work(Some(SCALE), 42).unwrap();
                    let mut conversation = work.conversation(u64::MAX);
                    prop_assert!(serde_json::from_slice::<Value>(&conversation.next("").unwrap().body).is_ok());
                    prop_assert_eq!(conversation.next(""), None);
                }
                Err(error) => prop_assert!(error.to_string().starts_with("a.jsonl"), "{}", error),
            }
        }
    }
}
