//! A mutant: a plausible bug, put between a sound server and the judge.
//!
//! Owns the form of bugs, and what they can lay hands on: the request before the sound server sees it, and the answer
//! before the judge sees it. A bug knows no case; which cases it fails stands beside it, and is put to the proof.

use std::time::Duration;

use serde_json::Value;

use crate::proof::Declared;
pub(super) use crate::proof::{Fails, MEANT};

/// A bug of a server, and the cases that it fails.
#[derive(Clone, Copy)]
pub(super) struct Mutant {
    /// In a few words with hyphens: `done-twice`.
    pub(super) name: &'static str,
    /// What is wrong, in one sentence.
    pub(super) bug: &'static str,
    /// The exact set of cases that it fails; the first is the one that it is meant for.
    pub(super) fails: &'static [Fails],
    /// What it does to a request.
    pub(super) ask: fn(&mut Asked),
    /// What it does to an answer.
    pub(super) tell: fn(&Asked, &mut Told),
    /// How many answers it gives at once, and what becomes of a place whose client has gone.
    pub(super) places: Places,
}

/// How many answers a server gives at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Any number.
    Unbounded,
    /// So many; others wait. A place whose client has gone is free at once.
    Bounded(usize),
    /// So many, and a place whose client goes in the middle of its answer is held on.
    Leaking(usize),
}

impl Mutant {
    /// A bug that does nothing yet.
    pub(super) const fn new(name: &'static str, bug: &'static str, fails: &'static [Fails]) -> Mutant {
        Mutant { name, bug, fails, ask: |_| {}, tell: |_, _| {}, places: Places::Unbounded }
    }

    /// What it is called, and what it must fail.
    pub(super) fn declared(&self) -> Declared {
        Declared { name: self.name.to_owned(), wrong: self.bug.to_owned(), fails: self.fails.to_vec() }
    }

    /// Does this to each request before the sound server gets it.
    pub(super) const fn ask(self, ask: fn(&mut Asked)) -> Mutant {
        Mutant { ask, ..self }
    }

    /// Does this to each answer of the sound server.
    pub(super) const fn tell(self, tell: fn(&Asked, &mut Told)) -> Mutant {
        Mutant { tell, ..self }
    }

    /// Gives so many answers at once.
    pub(super) const fn places(self, places: Places) -> Mutant {
        Mutant { places, ..self }
    }
}

/// A request as the judge has sent it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `POST`
    pub(super) method: String,
    /// With the base path: `/v1/chat/completions`.
    pub(super) path: String,
    /// In their order.
    pub(super) headers: Vec<(String, String)>,
    /// As it came.
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// The body as JSON; null if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Another body.
    pub(super) fn set_json(&mut self, body: &Value) {
        self.body = body.to_string().into_bytes();
    }

    /// Changes the body, if it is a JSON object.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        if let Value::Object(mut body) = self.json() {
            edit(&mut body);
            self.set_json(&Value::Object(body));
        }
    }

    /// Whether it came to this endpoint: `/chat/completions`.
    pub(super) fn is_for(&self, endpoint: &str) -> bool {
        self.path.trim_start_matches("/v1").trim_end_matches('/') == endpoint
    }

    /// Whether it is a chat.
    pub(super) fn is_chat(&self) -> bool {
        self.is_for("/chat/completions")
    }

    /// Whether the answer is to be streamed.
    pub(super) fn is_streamed(&self) -> bool {
        self.json().get("stream") == Some(&Value::Bool(true))
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// An answer before the judge sees it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) status: u16,
    /// In their order; without those that frame the body.
    pub(super) headers: Vec<(String, String)>,
    /// The body in pieces, each with the pause before it. The events of a stream are pieces of their own, blank line
    /// included; any other body is one piece.
    pub(super) pieces: Vec<Piece>,
    pub(super) framing: Framing,
    pub(super) end: End,
    /// The pause before the head.
    pub(super) head_pause: Duration,
}

/// A part of a body.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) pause: Duration,
    pub(super) bytes: Vec<u8>,
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// In chunks, one for each piece.
    Chunked,
    /// By its length, all of it known before the head.
    Length,
    /// In chunks, and with a length beside.
    Both,
    /// By the end of the connection.
    Close,
}

/// How the answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As its framing says; the connection goes on.
    Clean,
    /// As its framing says, and the connection closes, as a header says.
    ThenClose,
    /// As its framing says, and the connection closes, without a header that says so.
    Unannounced,
    /// The connection closes without what its framing demands at the end.
    Cut,
}

impl Told {
    /// An answer of one piece of JSON.
    pub(super) fn json(status: u16, body: &Value) -> Told {
        Told {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            pieces: vec![Piece { pause: Duration::ZERO, bytes: body.to_string().into_bytes() }],
            framing: Framing::Length,
            end: End::Clean,
            head_pause: Duration::ZERO,
        }
    }

    /// An answer with the error envelope.
    pub(super) fn error(status: u16, message: &str) -> Told {
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        let body =
            serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
        Told::json(status, &body)
    }

    /// Whether it is an event stream.
    pub(super) fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|value| value.starts_with("text/event-stream"))
    }

    /// Whether the request was accepted.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Puts a header in the place of any of that name.
    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        self.remove_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a header away.
    pub(super) fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// The whole body.
    pub(super) fn body(&self) -> Vec<u8> {
        self.pieces.iter().map(|piece| piece.bytes.as_slice()).collect::<Vec<_>>().concat()
    }

    /// Changes a whole body, if it is JSON and no stream.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        if self.is_stream() {
            return;
        }
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body()) {
            edit(&mut body);
            self.pieces = vec![Piece { pause: Duration::ZERO, bytes: body.to_string().into_bytes() }];
        }
    }

    /// Changes the value of each event of a stream that has one, with its position among them from 0; `[DONE]` has none.
    pub(super) fn edit_events(&mut self, mut edit: impl FnMut(usize, &mut Value)) {
        if !self.is_stream() {
            return;
        }
        let mut index = 0;
        for piece in &mut self.pieces {
            let Some((before, data)) = split_event(&piece.bytes) else { continue };
            let Ok(mut value) = serde_json::from_str::<Value>(&data) else { continue };
            edit(index, &mut value);
            index += 1;
            piece.bytes = format!("{before}data: {value}\n\n").into_bytes();
        }
    }

    /// Changes each choice of each chunk of a chat stream, with the chunk's position from 0.
    pub(super) fn edit_choices(&mut self, mut edit: impl FnMut(usize, &mut Value)) {
        self.edit_events(|index, value| {
            let choices = value.get_mut("choices").and_then(Value::as_array_mut);
            choices.into_iter().flatten().for_each(|choice| edit(index, choice));
        });
    }

    /// The values of a stream's events, with the index of their pieces; `[DONE]` has none.
    pub(super) fn events(&self) -> Vec<(usize, Value)> {
        let value = |(index, piece): (usize, &Piece)| {
            let (_, data) = split_event(&piece.bytes)?;
            Some((index, serde_json::from_str(&data).ok()?))
        };
        self.pieces.iter().enumerate().filter_map(value).collect()
    }

    /// The index of the piece that is `[DONE]`.
    pub(super) fn done(&self) -> Option<usize> {
        self.pieces
            .iter()
            .position(|piece| split_event(&piece.bytes).is_some_and(|(_, data)| data == "[DONE]"))
    }
}

impl Piece {
    /// A piece without a pause before it.
    pub(super) fn new(bytes: impl Into<Vec<u8>>) -> Piece {
        Piece { pause: Duration::ZERO, bytes: bytes.into() }
    }
}

/// What stands before the data line of an event, and its data, if it has exactly one such line.
fn split_event(bytes: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let at = if text.starts_with("data: ") { 0 } else { text.find("\ndata: ")? + 1 };
    let data = text[at..].strip_prefix("data: ")?.trim_end_matches('\n');
    (!data.contains('\n')).then(|| (text[..at].to_owned(), data.to_owned()))
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
