//! Where a message ends: RFC 9112 section 6.3, in the order of its rules.

use super::BodyExpected;
use super::lines::{Broken, trim};
use super::machine::Role;
use crate::ending::{Flaw, Framing, Liberty, Remark};
use crate::received::{Field, Fields, note};

/// The framing of an answer with this status.
pub(super) fn of_answer(
    body_expected: BodyExpected,
    status: u16,
    minor_version: u8,
    fields: &Fields,
    remarks: &mut Vec<Remark>,
) -> Result<Framing, Broken> {
    if matches!(status, 100..=199 | 204) {
        for field in fields.named("content-length").take(1) {
            note(remarks, Liberty::LengthWithoutBody, field.offset);
        }
        for field in fields.named("transfer-encoding").take(1) {
            note(remarks, Liberty::CodingWithoutBody, field.offset);
        }
        return Ok(Framing::NoBody);
    }
    let is_tunnel = body_expected == BodyExpected::AfterConnect && matches!(status, 200..=299);
    if status == 304 || body_expected == BodyExpected::AfterHead || is_tunnel {
        return Ok(Framing::NoBody);
    }
    of_fields(Role::Answer(body_expected), minor_version, fields, remarks)
}

/// The framing of a request.
pub(super) fn of_request(
    minor_version: u8,
    fields: &Fields,
    remarks: &mut Vec<Remark>,
) -> Result<Framing, Broken> {
    of_fields(Role::Request, minor_version, fields, remarks)
}

fn of_fields(
    role: Role,
    minor_version: u8,
    fields: &Fields,
    remarks: &mut Vec<Remark>,
) -> Result<Framing, Broken> {
    let Some(coding) = fields.named("transfer-encoding").next() else {
        let without = if role == Role::Request { Framing::NoBody } else { Framing::ConnectionEnd };
        return Ok(length(fields, remarks)?.map_or(without, Framing::Length));
    };
    if minor_version == 0 {
        note(remarks, Liberty::CodingInVersion10, coding.offset);
    }
    for field in fields.named("content-length").take(1) {
        note(remarks, Liberty::LengthBesideCoding, field.offset);
    }
    of_codings(role, coding, fields, remarks)
}

fn of_codings(
    role: Role,
    first: &Field,
    fields: &Fields,
    remarks: &mut Vec<Remark>,
) -> Result<Framing, Broken> {
    let codings: Vec<&[u8]> = elements(fields, "transfer-encoding").map(|(_, coding)| coding).collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let chunked = codings.iter().copied().filter(|coding| is_chunked(coding)).count();
    if chunked > 1 {
        return Err(Broken::at(Flaw::RepeatedChunked, first.offset));
    }
    if chunked < codings.len() {
        note(remarks, Liberty::ForeignCoding, first.offset);
    }
    match (codings.last().is_some_and(is_chunked), role) {
        (true, _) => Ok(Framing::Chunks),
        (false, Role::Request) => Err(Broken::at(Flaw::RequestCoding, first.offset)),
        (false, Role::Answer(_)) => {
            note(remarks, Liberty::ChunkedNotLast, first.offset);
            Ok(Framing::ConnectionEnd)
        }
    }
}

fn length(fields: &Fields, remarks: &mut Vec<Remark>) -> Result<Option<u64>, Broken> {
    let mut length = None;
    let mut repeated_at = None;
    for (field, text) in elements_with_empty(fields, "content-length") {
        let value = Some(text)
            .filter(|text| !text.is_empty() && text.iter().all(u8::is_ascii_digit))
            .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
        match (value, length) {
            (Some(_), None) => length = value,
            (Some(value), Some(before)) if value == before => repeated_at = Some(field.offset),
            _ => return Err(Broken::at(Flaw::ContentLength, field.offset)),
        }
    }
    if let Some(offset) = repeated_at {
        note(remarks, Liberty::RepeatedLength, offset);
    }
    Ok(length)
}

/// The elements of a list; empty ones mean nothing there (RFC 9110 section 5.6.1).
fn elements<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = (&'a Field, &'a [u8])> {
    elements_with_empty(fields, name).filter(|(_, text)| !text.is_empty())
}

fn elements_with_empty<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = (&'a Field, &'a [u8])> {
    fields
        .named(name)
        .flat_map(|field| field.value.split(|byte| *byte == b',').map(move |part| (field, trim(part))))
}
