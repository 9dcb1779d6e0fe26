//! Clients in browsers, whose pages are of another origin than this one.
//!
//! Owns the fields without which a browser keeps an answer from its page. A case's head is literal and has none; they
//! are put behind the status line where a request tells its origin, and the steps that are kept have them too, so that
//! the evidence shows what was sent. Refuses to know which origins there are: all may ask.

use bytes::Bytes;
use interference_wire::{Request, Step};

use super::place::Place;
use super::reply::Reply;

/// Fetch standard, CORS protocol.
const FIELDS: &[u8] = b"Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\n";

/// Whether an answer needs to be opened to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// A page asks.
    ToPages,
    /// Something else does, and gets the case's bytes as they are.
    Unneeded,
}

impl Opened {
    /// What a request needs: only browsers tell an origin.
    pub(super) fn of(request: &Request) -> Opened {
        match request.head.as_ref().and_then(|head| head.fields.first("origin")) {
            Some(_) => Opened::ToPages,
            None => Opened::Unneeded,
        }
    }

    /// The steps with the fields behind the status line, in the write that ends it.
    pub(super) fn dress(self, mut steps: Vec<Step>) -> Vec<Step> {
        if self == Opened::Unneeded {
            return steps;
        }
        let line = steps.iter_mut().find_map(|step| match step {
            Step::Write(bytes) => bytes.iter().position(|byte| *byte == b'\n').map(|end| (bytes, end + 1)),
            _ => None,
        });
        if let Some((bytes, end)) = line {
            let (before, after) = bytes.split_at(end);
            *bytes = Bytes::from([before, FIELDS, after].concat());
        }
        steps
    }
}

/// The answer to a browser that asks beforehand, and to anybody who asks what can be done: a request with OPTIONS.
pub(super) fn preflight(request: &Request, place: &Place) -> Option<Reply> {
    let head = request.head.as_ref().filter(|head| head.method == b"OPTIONS")?;
    let methods = place.methods();
    let reply = Reply::bare("204 No Content").with("Allow", methods);
    if head.fields.first("access-control-request-method").is_none() {
        return Some(reply);
    }
    // Authorization is a field that no wildcard covers (Fetch standard, CORS protocol). Chromium asks for leave to go
    // from a page of the open web to this machine.
    let reply = reply
        .with("Access-Control-Allow-Methods", methods)
        .with("Access-Control-Allow-Headers", "Authorization, *")
        .with("Access-Control-Allow-Private-Network", "true")
        .with("Access-Control-Max-Age", "600");
    Some(reply)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::answer::write;

    #[test]
    fn the_fields_stand_behind_the_status_line_and_nothing_else_is_touched() {
        let steps = || {
            vec![
                write("HTTP/1.1 2"),
                Step::Wait(Duration::from_millis(1)),
                write("00 OK\r\nA: b\r\n\r\n"),
                write("x\n"),
            ]
        };
        assert_eq!(Opened::Unneeded.dress(steps()), steps());
        let mut expected = steps();
        expected[2] = write(
            "00 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: *\r\nA: b\r\n\r\n",
        );
        assert_eq!(Opened::ToPages.dress(steps()), expected);
        assert_eq!(Opened::ToPages.dress(vec![Step::Reset]), [Step::Reset]);
    }
}
