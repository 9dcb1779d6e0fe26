//! HTTP in plain bytes: what is sent is what the test says, and every read is kept with its time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::PATIENCE;
use crate::description::Description;

/// What a stream has from its first token on, and not before.
pub(crate) const TOKEN: &str = "\"delta\":{\"content\":\"";

/// One connection with one request on it, whose answer is read by and by.
pub(crate) struct Exchange {
    connection: TcpStream,
    sent: Instant,
    /// What was asked, and what is promised of its answer; none where nothing is.
    promised: Option<(String, &'static Description)>,
    reads: Vec<TimedRead>,
}

/// What one call to `read` gave.
pub(crate) struct TimedRead {
    pub(crate) after: Duration,
    pub(crate) bytes: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, as they came.
    pub(crate) head: String,
    /// Without the framing of chunks.
    pub(crate) body: String,
}

impl Exchange {
    /// Sends these bytes on a new connection. A whole answer must be as the server describes it.
    pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Exchange {
        let description = Description::of(address);
        let line = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
        Exchange { promised: Some((line, description)), ..Exchange::undescribed(address, bytes) }
    }

    /// The same, where nothing is promised of the answer.
    pub(crate) fn undescribed(address: SocketAddr, bytes: &[u8]) -> Exchange {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.set_nodelay(true).unwrap();
        let sent = Instant::now();
        connection.write_all(bytes).unwrap();
        Exchange { connection, sent, promised: None, reads: Vec::new() }
    }

    /// Sends a chat request on a new connection.
    pub(crate) fn chat(address: SocketAddr, request: &Value) -> Exchange {
        Exchange::send(address, post("/v1/chat/completions", &request.to_string()).as_bytes())
    }

    /// Reads once; `false` at the end of the connection.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = vec![0; 65536];
        let length = self.connection.read(&mut buffer).unwrap();
        buffer.truncate(length);
        self.reads.push(TimedRead { after: self.sent.elapsed(), bytes: buffer });
        length > 0
    }

    /// Reads until this has come, and gives the time that took.
    #[track_caller]
    pub(crate) fn read_until(&mut self, awaited: &str) -> Duration {
        while !self.text().contains(awaited) {
            assert!(self.read(), "`{awaited}` never came, but:\n{}", self.text());
        }
        self.sent.elapsed()
    }

    /// Whether what was read begins so.
    pub(crate) fn begins_with(&self, beginning: &str) -> bool {
        self.text().starts_with(beginning)
    }

    /// Reads to the end of the connection.
    pub(crate) fn read_whole(mut self) -> (Answer, Vec<TimedRead>) {
        while self.read() {}
        let answer = Answer::parse(&self.text());
        if let Some((line, description)) = &self.promised {
            let (method, rest) = line.split_once(' ').unwrap_or_default();
            description.check(method, rest.split(' ').next().unwrap_or_default(), &answer);
        }
        (answer, self.reads)
    }

    /// All that was read, with the framing of chunks.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.reads.iter().flat_map(|read| read.bytes.clone()).collect()).unwrap()
    }
}

impl Answer {
    fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(body);
        }
        answer
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The text of a chat completion, whole or streamed.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        assert_eq!(self.status, 200, "{self:#?}");
        if self.body.starts_with('{') {
            return self.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        }
        let chunks = chunks(&self.body);
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
    }
}

/// A request with a body of JSON, after whose answer the connection closes.
pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// A chat request with the default model's usual alias, greedy, with more members on top.
pub(crate) fn request(prompt: &str, members: Value) -> Value {
    let mut request = json!({
        "model": "gpt-3.5-turbo",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
    });
    let Value::Object(members) = members else { panic!("members are an object") };
    request.as_object_mut().unwrap().extend(members);
    request
}

/// Asks for a chat completion.
pub(crate) fn ask(address: SocketAddr, request: &Value) -> Answer {
    Exchange::chat(address, request).read_whole().0
}

/// The same, of a server that passes on what others say: no description of ours has all of it.
pub(crate) fn ask_relayed(address: SocketAddr, request: &Value) -> Answer {
    let bytes = post("/v1/chat/completions", &request.to_string());
    Exchange::undescribed(address, bytes.as_bytes()).read_whole().0
}

/// Gets a path.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    Exchange::send(address, request.as_bytes()).read_whole().0
}

/// Reads the metrics until the one of this name has this value, and gives the time that took.
#[track_caller]
pub(crate) fn until_metric(address: SocketAddr, name: &str, value: usize) -> Duration {
    let (began, line) = (Instant::now(), format!("interference_{name} {value}\n"));
    loop {
        let metrics = get(address, "/metrics").body;
        if metrics.contains(&line) {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "{name} never became {value}:\n{metrics}");
    }
}

/// The chunks of a stream that has a sound end.
#[track_caller]
pub(crate) fn chunks(stream: &str) -> Vec<Value> {
    let events = stream.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("no end: {stream}"));
    let data = events.split_terminator("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// Takes away the framing of chunks; their end must be in order.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").unwrap_or_else(|| panic!("cut off: {whole}"));
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap();
        if length == 0 {
            assert_eq!(body, "", "something follows the last chunk");
            return whole;
        }
    }
}
