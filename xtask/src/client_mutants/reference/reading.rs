//! From the pieces of an answer's body to a chat.
//!
//! Owns which form a body has: a stream, JSON, a page, or nothing. Its content type is not asked, since servers and
//! proxies label bodies wrongly; no stream begins like JSON or like a page.

use std::io::Read;

use super::bug::{Bug, Manner};
use super::chat::Chat;
use super::event_stream::EventStream;
use super::failure::{Failure, Kind};
use super::http::Response;

/// White space before anything else that could tell the form.
const LONGEST_OPENING: usize = 1 << 10;

/// Of a body that is no stream.
const LONGEST_DOCUMENT: usize = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Stream,
    Json,
    Page,
}

/// Reads a body to its end, or to that of the chat in it. What has arrived is in the chat, whatever the outcome.
///
/// # Errors
/// When it breaks off, tells of an error, or is no chat answer.
pub(super) fn read<R: Read>(
    response: &mut Response<R>,
    chat: &mut Chat,
    manner: Manner,
) -> Result<(), Failure> {
    let closes = response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    read_form(response, chat, manner).or_else(|failure| {
        let is_taken_for_the_end = match failure.kind {
            Kind::CutChunks => {
                manner.has(Bug::CutChunksAreTheEnd) || closes && manner.has(Bug::CloseEndsChunks)
            }
            Kind::Reset => manner.has(Bug::ResetIsTheEnd),
            Kind::ShortBody => manner.has(Bug::ShortBodyIsTheEnd),
            Kind::Timeout => manner.has(Bug::TimeoutIsTheEnd),
            Kind::Incomplete => manner.has(Bug::EndOfBodyIsSuccess),
            _ => false,
        };
        match failure.kind {
            _ if is_taken_for_the_end => Ok(()),
            Kind::Timeout if manner.has(Bug::TimeoutEscapes) => {
                Err(Failure { kind: Kind::Escaped, ..failure })
            }
            _ => Err(failure),
        }
    })
}

fn read_form<R: Read>(response: &mut Response<R>, chat: &mut Chat, manner: Manner) -> Result<(), Failure> {
    let mut opening = Vec::new();
    let form = loop {
        let Some(piece) = response.next_piece()? else { break None };
        opening.extend(piece);
        if let Some(form) = Form::of(&opening) {
            break Some(form);
        }
    };
    match form {
        None if manner.has(Bug::NothingIsSuccess) => Ok(()),
        None => Err(Failure::new(Kind::Incomplete, "the answer is empty")),
        Some(Form::Stream) => read_stream(response, &opening, chat, manner),
        Some(Form::Json) => chat.take_whole(&document(response, opening)?),
        Some(Form::Page) if manner.has(Bug::PageIsEmpty) => Ok(()),
        Some(Form::Page) => Err(Failure::new(Kind::Format, "a page came instead of a chat answer")),
    }
}

fn read_stream<R: Read>(
    response: &mut Response<R>,
    opening: &[u8],
    chat: &mut Chat,
    manner: Manner,
) -> Result<(), Failure> {
    let mut stream = EventStream::new(manner);
    let mut events = stream.push(opening)?;
    loop {
        for event in &events {
            if chat.take(event)?.is_break() {
                return Ok(());
            }
        }
        let Some(piece) = response.next_piece()? else { break };
        events = stream.push(&piece)?;
    }
    match stream.end()? {
        Some(event) if chat.take(&event)?.is_break() => Ok(()),
        _ => chat.end(),
    }
}

fn document<R: Read>(response: &mut Response<R>, mut document: Vec<u8>) -> Result<Vec<u8>, Failure> {
    while let Some(piece) = response.next_piece()? {
        document.extend(piece);
        if document.len() > LONGEST_DOCUMENT {
            let message = format!("the answer has more than {LONGEST_DOCUMENT} bytes of JSON");
            return Err(Failure::new(Kind::TooLong, message));
        }
    }
    Ok(document)
}

impl Form {
    /// The form of a body that begins so, if that can be told yet.
    fn of(opening: &[u8]) -> Option<Form> {
        match opening.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[') => Some(Form::Json),
            Some(b'<') => Some(Form::Page),
            Some(_) => Some(Form::Stream),
            None if opening.len() > LONGEST_OPENING => Some(Form::Stream),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_tells_the_form() {
        for (opening, form) in [
            ("\n data: {}", Some(Form::Stream)),
            (": alive", Some(Form::Stream)),
            ("\r\n{", Some(Form::Json)),
            ("<!doctype html>", Some(Form::Page)),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(Form::of(opening.as_bytes()), form, "{opening:?}");
        }
        assert_eq!(Form::of(&[b'\n'; LONGEST_OPENING + 1]), Some(Form::Stream));
    }
}
