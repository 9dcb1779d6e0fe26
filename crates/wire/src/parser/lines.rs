//! Single lines, without their ends: start lines, fields, chunk sizes.
//!
//! Each function takes a line and the offset at which it stands, so that what it finds can be told by its place.

use crate::ending::{Flaw, Liberty, Remark};
use crate::received::{Field, note};

/// A flaw and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) flaw: Flaw,
    pub(super) offset: usize,
}

impl Broken {
    pub(super) fn at(flaw: Flaw, offset: usize) -> Broken {
        Broken { flaw, offset }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) minor_version: u8,
    pub(super) status: u16,
    pub(super) reason: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) minor_version: u8,
}

/// Whether white space before a colon may be overlooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpaceBeforeColon {
    Remarked,
    Refused,
}

/// What no line may hold.
pub(super) fn check_bytes(line: &[u8], offset: usize) -> Result<(), Broken> {
    match line.iter().position(|byte| matches!(byte, 0 | b'\r')) {
        Some(index) if line[index] == 0 => Err(Broken::at(Flaw::ZeroByte, offset + index)),
        Some(index) => Err(Broken::at(Flaw::BareCarriageReturn, offset + index)),
        None => Ok(()),
    }
}

/// RFC 9112 section 4: `HTTP/1.1 200 OK`.
pub(super) fn status_line(
    line: &[u8],
    offset: usize,
    remarks: &mut Vec<Remark>,
) -> Result<StatusLine, Broken> {
    let minor_version = version(line, offset)?;
    let after_version = VERSION_LEN;
    let broken = |index: usize| Broken::at(Flaw::StatusLine, offset + after_version + index);
    let [b' ', digits @ ..] = &line[after_version..] else { return Err(broken(0)) };
    let Some((code, rest)) = digits.split_first_chunk::<3>() else { return Err(broken(1)) };
    if !code.iter().all(u8::is_ascii_digit) {
        return Err(broken(1));
    }
    let status = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    if !(100..600).contains(&status) {
        note(remarks, Liberty::StatusOutOfRange, offset + after_version + 1);
    }
    let reason = match rest {
        [] => {
            note(remarks, Liberty::NoSpaceAfterStatus, offset + line.len());
            &[]
        }
        [b' ', reason @ ..] => reason,
        _ => return Err(broken(4)),
    };
    remark_controls(reason, offset + line.len() - reason.len(), remarks);
    Ok(StatusLine { minor_version, status, reason: reason.to_vec() })
}

/// RFC 9112 section 3: `POST /v1/chat/completions HTTP/1.1`.
pub(super) fn request_line(line: &[u8], offset: usize) -> Result<RequestLine, Broken> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').take(4).collect();
    let [method, target, last] = parts.as_slice() else { return Err(Broken::at(Flaw::RequestLine, offset)) };
    if !is_token(method) {
        return Err(Broken::at(Flaw::RequestLine, offset));
    }
    let target_offset = offset + method.len() + 1;
    if target.is_empty() || !target.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80) {
        return Err(Broken::at(Flaw::RequestLine, target_offset));
    }
    let version_offset = target_offset + target.len() + 1;
    let minor_version = version(last, version_offset)?;
    if last.len() > VERSION_LEN {
        return Err(Broken::at(Flaw::RequestLine, version_offset + VERSION_LEN));
    }
    Ok(RequestLine { method: method.to_vec(), target: target.to_vec(), minor_version })
}

const VERSION_LEN: usize = b"HTTP/1.1".len();

/// The minor version that a text begins with.
fn version(text: &[u8], offset: usize) -> Result<u8, Broken> {
    match text {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', digit @ b'0'..=b'9', ..] => Ok(digit - b'0'),
        _ => Err(Broken::at(Flaw::Version, offset)),
    }
}

/// RFC 9112 section 5: `name: value`.
pub(super) fn field_line(
    line: &[u8],
    offset: usize,
    space: SpaceBeforeColon,
    remarks: &mut Vec<Remark>,
) -> Result<Field, Broken> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Err(Broken::at(Flaw::NoColon, offset));
    };
    let (before, after) = (&line[..colon], &line[colon + 1..]);
    let name = trim_end(before);
    if !is_token(name) {
        return Err(Broken::at(Flaw::FieldName, offset));
    }
    if name.len() < before.len() {
        match space {
            SpaceBeforeColon::Refused => {
                return Err(Broken::at(Flaw::SpaceBeforeColon, offset + name.len()));
            }
            SpaceBeforeColon::Remarked => note(remarks, Liberty::SpaceBeforeColon, offset + name.len()),
        }
    }
    remark_controls(after, offset + colon + 1, remarks);
    Ok(Field { name: name.to_vec(), value: trim(after).to_vec(), offset })
}

/// RFC 9112 section 5.2: a line that begins with white space goes on with the field before.
pub(super) fn fold(field: &mut Field, line: &[u8], offset: usize, remarks: &mut Vec<Remark>) {
    note(remarks, Liberty::ObsoleteFold, offset);
    remark_controls(line, offset, remarks);
    if !field.value.is_empty() && !trim(line).is_empty() {
        field.value.push(b' ');
    }
    field.value.extend_from_slice(trim(line));
}

fn remark_controls(text: &[u8], offset: usize, remarks: &mut Vec<Remark>) {
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    if let Some(index) = text.iter().position(is_control) {
        note(remarks, Liberty::ControlCharacter, offset + index);
    }
}

/// RFC 9112 section 7.1: a size, and what follows it.
pub(super) fn chunk_line(
    line: &[u8],
    offset: usize,
    remarks: &mut Vec<Remark>,
) -> Result<(u64, Vec<u8>), Broken> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
    let Some(size) = size else { return Err(Broken::at(Flaw::ChunkSize, offset)) };
    let rest = trim_start(extension);
    if !rest.is_empty() && !rest.starts_with(b";") {
        return Err(Broken::at(Flaw::ChunkSize, offset + line.len() - rest.len()));
    }
    if rest.len() < extension.len() {
        note(remarks, Liberty::SpaceAfterChunkSize, offset + digits);
    }
    if !is_extension(rest) {
        note(remarks, Liberty::ChunkExtension, offset + line.len() - rest.len());
    }
    Ok((size, extension.to_vec()))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`
fn is_extension(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(after) = trim_start(text).strip_prefix(b";") else { return false };
        let Some(after) = after_token(trim_start(after)) else { return false };
        text = match trim_start(after).strip_prefix(b"=").map(trim_start) {
            None => after,
            Some(value) => match after_token(value).or_else(|| after_quoted(value)) {
                Some(after) => after,
                None => return false,
            },
        };
    }
    true
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().take_while(|byte| is_token_byte(**byte)).count();
    (len > 0).then(|| &text[len..])
}

fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., after @ ..] => after,
            [b'\t' | b' '..=b'[' | b']'..=b'~' | 0x80.., after @ ..] => after,
            _ => return None,
        };
    }
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_start(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_space(**byte)).count()..]
}

fn trim_end(text: &[u8]) -> &[u8] {
    &text[..text.len() - text.iter().rev().take_while(|byte| is_space(**byte)).count()]
}

/// Without spaces and tabs around it; other white space is no white space here.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}
