//! Two relays in a row before a script, with a plan of faults in the script's server, in the middle, or in the first: a client
//! gets the bytes that the plan tells of, wherever it is carried out, and an answer that breaks off on the way is closed and
//! told once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{Bench, PATIENCE, Server};
use crate::exchange::{get, post, request};

const SCRIPT: &str = "[[rule]]\nanswer.text = \"A green tree, 木が一本 🌳, and a bird.\"\n";

/// Where a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Last,
    Middle,
    First,
}

const PLACES: [Place; 3] = [Place::Last, Place::Middle, Place::First];

/// What came of an answer.
#[derive(PartialEq, Eq)]
struct Got {
    body: Vec<u8>,
    /// Whether the body ended as its framing demands.
    is_whole: bool,
}

impl std::fmt::Debug for Got {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.is_whole { "whole" } else { "broken off" };
        write!(formatter, "{end}: {}", String::from_utf8_lossy(&self.body))
    }
}

/// What the servers of a chain are made of.
struct Parts {
    bench: Bench,
    folder: TempDir,
}

/// The servers, the first that a client meets before the others.
struct Chain {
    first: Server,
    middle: Server,
    last: Server,
}

impl Parts {
    fn new() -> Parts {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("script.toml"), SCRIPT).unwrap();
        Parts { bench: Bench::take(), folder }
    }

    fn script(&self, faults: &[&str]) -> Server {
        let script = self.folder.path().join("script.toml");
        self.bench.serve(&[&["--fixed-ids", "--script", script.to_str().unwrap()], faults].concat())
    }

    /// A relay that waits so long for a byte.
    fn relay(&self, before: &Server, between_bytes: &str, faults: &[&str]) -> Server {
        let file = self.folder.path().join("upstreams.toml");
        let url = before.base_url();
        let text = format!(
            "[[upstream]]\nname = \"next\"\nurl = \"{url}\"\nbetween_bytes_timeout = \"{between_bytes}\"\n"
        );
        std::fs::write(&file, text).unwrap();
        self.bench.serve(&[&["--upstreams", file.to_str().unwrap()], faults].concat())
    }

    /// A chain with this plan at this place. The relay right before it waits so long for a byte.
    fn chain(&self, place: Place, plan: &str, between_bytes: &str) -> Chain {
        let at = |here: Place| if here == place { vec!["--faults", plan] } else { Vec::new() };
        let patience = |behind: Place| if behind == place { between_bytes } else { "5m" };
        let last = self.script(&at(Place::Last));
        let middle = self.relay(&last, patience(Place::Last), &at(Place::Middle));
        let first = self.relay(&middle, patience(Place::Middle), &at(Place::First));
        Chain { first, middle, last }
    }

    /// What a client gets that asks the script itself.
    fn whole(&self) -> String {
        let Got { body, is_whole: true } = chat(&self.script(&[])) else { panic!("the script breaks off") };
        String::from_utf8(body).unwrap()
    }
}

impl Chain {
    /// How the one answer ended in the eyes of each server, the first that a client meets before the others.
    fn ends(&self) -> [Value; 3] {
        [&self.first, &self.middle, &self.last].map(|server| {
            let journal = get(server.address, "/_interference/requests?min=1&ended=true").json();
            journal["requests"][0]["ended"].clone()
        })
    }
}

fn chat(server: &Server) -> Got {
    ask(server.address, "/v1/chat/completions", &request("a tree", json!({"stream": true})))
}

/// Asks, and reads to the end of the connection, whatever that is.
fn ask(address: SocketAddr, path: &str, request: &Value) -> Got {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(post(path, &request.to_string()).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A reset is an end, too: what had come before it stays.
    let _end = connection.read_to_end(&mut bytes);
    let head_length = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("there is a head") + 4;
    let (head, body) = bytes.split_at(head_length);
    let head = String::from_utf8(head.to_ascii_lowercase()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => Got { body: body.to_vec(), is_whole: length.parse() == Ok(body.len()) },
        None => unchunked(body),
    }
}

fn unchunked(mut framed: &[u8]) -> Got {
    let mut body = Vec::new();
    loop {
        let Some(line_end) = framed.windows(2).position(|window| window == b"\r\n") else {
            return Got { body, is_whole: false };
        };
        let length = usize::from_str_radix(str::from_utf8(&framed[..line_end]).unwrap(), 16).unwrap();
        framed = &framed[line_end + 2..];
        if length == 0 {
            return Got { body, is_whole: framed == b"\r\n" };
        }
        body.extend_from_slice(&framed[..length.min(framed.len())]);
        framed = framed.get(length + 2..).unwrap_or_default();
    }
}

fn events(stream: &str) -> Vec<&str> {
    stream.split_inclusive("\n\n").collect()
}

/// The end that a relay gives a stream that broke off.
fn told(message: &str, code: &str) -> String {
    format!(
        "data: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"param\":null,\"code\":\"{code}\"}}}}\n\n\
         data: [DONE]\n\n"
    )
}

fn broke_off() -> String {
    told("The upstream broke its answer off before the end.", "upstream_broke_off")
}

#[test]
fn what_a_plan_changes_arrives_wherever_it_is_changed() {
    let parts = Parts::new();
    let whole = parts.whole();
    let events = events(&whole);
    let (done, rest) = events.split_last().unwrap();
    assert_eq!(*done, "data: [DONE]\n\n");
    let mut zeroed = whole.clone().into_bytes();
    zeroed[6] = 0;
    for (plan, expected) in [
        ("drop.events = [2]", [&events[..1], &events[2..]].concat().concat().into_bytes()),
        ("duplicate.events = [3]", [&events[..3], &events[2..]].concat().concat().into_bytes()),
        (
            "reorder.events = [2]",
            [&events[..1], &[events[2], events[1]], &events[3..]].concat().concat().into(),
        ),
        ("done = \"omit\"", rest.concat().into_bytes()),
        ("done = \"double\"", format!("{whole}{done}").into_bytes()),
        ("cut = { after_events = 2, by = \"end\" }", events[..2].concat().into_bytes()),
        ("corrupt = { at = [6], with = \"zero\" }", zeroed),
        (
            "byte_order_mark = true, line_ends = \"crlf\"",
            format!("\u{feff}{}", whole.replace('\n', "\r\n")).into(),
        ),
        ("split.inside = \"code_point\"", whole.clone().into_bytes()),
        ("join = true", whole.clone().into_bytes()),
    ] {
        for place in PLACES {
            let chain = parts.chain(place, plan, "5m");
            assert_eq!(
                chat(&chain.first),
                Got { body: expected.clone(), is_whole: true },
                "{plan} {place:?}"
            );
        }
    }
}

#[test]
fn an_error_that_a_plan_puts_in_is_the_only_one() {
    let parts = Parts::new();
    let whole = parts.whole();
    for place in PLACES {
        let chain = parts.chain(place, "error = { after_events = 2, message = \"Out of order.\" }", "5m");
        let Got { body, is_whole: true } = chat(&chain.first) else { panic!("{place:?}: it breaks off") };
        let stream = String::from_utf8(body).unwrap();
        let [one, two, error, done] = events(&stream)[..] else { panic!("{place:?}: {stream}") };
        assert_eq!([one, two], events(&whole)[..2], "{place:?}");
        let error: Value = serde_json::from_str(error.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            (&error["error"]["message"], done),
            (&"Out of order.".into(), "data: [DONE]\n\n"),
            "{place:?}"
        );
    }
}

#[test]
fn an_answer_that_breaks_off_on_the_way_is_closed_and_told_once() {
    let parts = Parts::new();
    let whole = parts.whole();
    let before: String = events(&whole)[..3].concat();
    let within = before.len() + 10;
    for (plan, came, closing) in [
        ("cut = { after_events = 3, by = \"close\" }", before.as_str(), ""),
        ("cut = { after_events = 3, by = \"half_close\" }", &before, ""),
        ("cut = { after_events = 3, by = \"reset\" }", &before, ""),
        (&format!("cut = {{ after_bytes = {within}, by = \"close\" }}"), &whole[..within], "\n\n"),
        ("cut = { after_events = 0, by = \"close\" }", "", ""),
    ] {
        let mended = format!("{came}{closing}{}", broke_off());
        for place in PLACES {
            let chain = parts.chain(place, plan, "5m");
            let got = chat(&chain.first);
            let (body, is_whole) = match place {
                Place::Last | Place::Middle => (mended.as_bytes(), true),
                // Nobody is there who could mend it.
                Place::First => (came.as_bytes(), false),
            };
            assert_eq!(got, Got { body: body.to_vec(), is_whole }, "{plan} {place:?}");
            let [first, middle, last] = chain.ends();
            let (told, expected) = match place {
                Place::Last => (vec![first, middle, last], vec!["complete", "broken_off", "fault"]),
                // Who is behind the plan may have been done when it was left.
                Place::Middle => (vec![first, middle], vec!["broken_off", "fault"]),
                Place::First => (vec![first], vec!["fault"]),
            };
            assert_eq!(told, expected, "{plan} {place:?}");
        }
    }
}

#[test]
fn an_answer_that_falls_silent_on_the_way_is_told_once() {
    let parts = Parts::new();
    let whole = parts.whole();
    let came: String = events(&whole)[..3].concat();
    let end = told("The upstream fell silent in the middle of its answer.", "upstream_timeout");
    for place in [Place::Last, Place::Middle] {
        let chain = parts.chain(place, "stall.after_events = 3", "300ms");
        let expected = Got { body: format!("{came}{end}").into_bytes(), is_whole: true };
        assert_eq!(chat(&chain.first), expected, "{place:?}");
    }
}

/// A length that was told cannot be mended: the answer ends before it, all the way.
#[test]
fn a_length_that_is_wrong_is_wrong_to_the_end() {
    let parts = Parts::new();
    let whole = parts.whole();
    for place in PLACES {
        let chain = parts.chain(place, "length.more = 10", "5m");
        assert_eq!(
            chat(&chain.first),
            Got { body: whole.clone().into_bytes(), is_whole: false },
            "{place:?}"
        );
    }
}

/// Streams of the Responses API end with an event of their own, which is numbered like the others.
#[test]
fn a_response_that_breaks_off_on_the_way_is_told_once() {
    let parts = Parts::new();
    for place in [Place::Last, Place::Middle] {
        let chain = parts.chain(place, "cut = { after_events = 4, by = \"close\" }", "5m");
        let asked = json!({"model": "any", "input": "a tree", "stream": true});
        let Got { body, is_whole: true } = ask(chain.first.address, "/v1/responses", &asked) else {
            panic!("{place:?}: it breaks off")
        };
        let stream = String::from_utf8(body).unwrap();
        let events = events(&stream);
        let (error, before) = events.split_last().unwrap();
        assert_eq!((before.len(), stream.matches("event: error\n").count()), (4, 1), "{place:?}: {stream}");
        let data = error.strip_prefix("event: error\ndata: ").unwrap();
        let error: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&error["code"], &error["sequence_number"]), (&"upstream_broke_off".into(), &4.into()));
    }
}
