//! Secrets in bytes that came in pieces.
//!
//! Owns where they stand, whole or torn over reads and chunks, and how bytes are shown without them. A secret that a
//! server has spelled otherwise, by escapes or in pieces of JSON, is not known again. Refuses to know what the bytes mean.

use std::cmp::Reverse;
use std::ops::Range;

use interference_target::{KEY_PLACEHOLDER, Target};
use interference_wire::{BodyPart, Received, escaped};

/// Stands for what follows of a secret that has begun before.
const REST: &str = "…";

/// Where something secret stands in bytes, in order, apart from each other.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    parts: Vec<Part>,
}

/// A run of bytes of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    bytes: Range<usize>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Beginning,
    Rest,
}

impl Secrets {
    /// Those of a target, in bytes that lie together.
    pub(crate) fn in_bytes(bytes: &[u8], target: &Target) -> Secrets {
        let places = target.places_of_secrets(bytes).into_iter();
        Secrets { parts: places.map(|bytes| Part { bytes, place: Place::Beginning }).collect() }
    }

    /// Those of a target in all that was received, by its raw bytes: also where the framing of chunks tears them apart.
    pub(crate) fn in_answer(received: &Received, target: &Target) -> Secrets {
        let mut parts = Secrets::in_bytes(&received.raw, target).parts;
        for secret in target.places_of_secrets(&received.body) {
            parts.extend(in_raw(&secret, &received.body_parts));
        }
        Secrets::of(parts)
    }

    /// What overlaps becomes one.
    fn of(mut parts: Vec<Part>) -> Secrets {
        parts.sort_by_key(|part| (part.bytes.start, Reverse(part.bytes.end)));
        let mut apart: Vec<Part> = Vec::new();
        for part in parts {
            match apart.last_mut().filter(|last| part.bytes.start < last.bytes.end) {
                Some(last) => last.bytes.end = last.bytes.end.max(part.bytes.end),
                None => apart.push(part),
            }
        }
        Secrets { parts: apart }
    }

    /// A range of these bytes with escapes visible: a secret that begins in it is a placeholder, of one that has begun
    /// before is nothing shown.
    pub(crate) fn shown(&self, bytes: &[u8], range: Range<usize>) -> String {
        let mut text = String::new();
        let mut at = range.start;
        let within = |part: &&Part| part.bytes.start < range.end && part.bytes.end > range.start;
        for Part { bytes: secret, place } in self.parts.iter().filter(within) {
            text.push_str(&escaped(bytes.get(at..secret.start.max(at)).unwrap_or_default()));
            let begins = *place == Place::Beginning && secret.start >= range.start;
            text.push_str(if begins { KEY_PLACEHOLDER } else { REST });
            at = secret.end.min(range.end);
        }
        text.push_str(&escaped(bytes.get(at..range.end).unwrap_or_default()));
        text
    }
}

/// The bytes of a run of the body, where they stand in the raw bytes.
fn in_raw(run: &Range<usize>, parts: &[BodyPart]) -> Vec<Part> {
    let first = parts.partition_point(|part| part.offset_in_body + part.len <= run.start);
    let of_run = parts[first..].iter().take_while(|part| part.offset_in_body < run.end);
    let in_raw = of_run.map(|part| {
        let in_body = run.start.max(part.offset_in_body)..run.end.min(part.offset_in_body + part.len);
        let raw = |offset: usize| part.offset_in_raw + (offset - part.offset_in_body);
        let place = if in_body.start == run.start { Place::Beginning } else { Place::Rest };
        Part { bytes: raw(in_body.start)..raw(in_body.end), place }
    });
    in_raw.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-1f9d";

    fn target() -> Target {
        let headers = vec![("Cookie".to_owned(), "id=7".to_owned())];
        Target::parse("http://localhost/v1", Some(KEY.to_owned().into()), headers).unwrap()
    }

    /// As it is shown when it arrives in these pieces.
    fn in_pieces(bytes: &[u8], secrets: &Secrets, ends: &[usize]) -> Vec<String> {
        let starts = [0].into_iter().chain(ends.iter().copied());
        let ends = ends.iter().copied().chain([bytes.len()]);
        starts.zip(ends).map(|(start, end)| secrets.shown(bytes, start..end)).collect()
    }

    #[test]
    fn a_key_that_is_torn_over_reads_stands_in_none_of_them() {
        let bytes = b"x-echo: Bearer sk-1f9d\r\nset-cookie: id=7\r\n";
        let secrets = Secrets::in_bytes(bytes, &target());
        assert_eq!(
            in_pieces(bytes, &secrets, &[17, 20]),
            ["x-echo: Bearer $OPENAI_API_KEY", "…", "…\\r\\nset-cookie: $OPENAI_API_KEY\\r\\n"]
        );
        assert_eq!(in_pieces(bytes, &secrets, &[22])[1], "\\r\\nset-cookie: $OPENAI_API_KEY\\r\\n");
    }

    #[test]
    fn a_key_that_chunks_tear_apart_is_known_by_the_body() {
        let raw = b"4\r\n: sk\r\n7\r\n-1f9d\n\n\r\n0\r\n\r\n";
        let part = |offset_in_body, offset_in_raw, len| BodyPart {
            offset_in_body,
            offset_in_raw,
            len,
            read_index: 0,
        };
        let parts = in_raw(&(2..9), &[part(0, 3, 4), part(4, 12, 7)]);
        let secrets = Secrets::of(parts);
        assert_eq!(
            secrets.shown(raw, 0..raw.len()),
            "4\\r\\n: $OPENAI_API_KEY\\r\\n7\\r\\n…\\n\\n\\r\\n0\\r\\n\\r\\n"
        );
    }

    proptest! {
        #[test]
        fn wherever_it_is_torn_no_part_of_it_is_shown(
            before in "[a-j ]{0,8}", behind in "[a-j ]{0,8}", cuts in prop::collection::vec(0usize..24, 0..4),
        ) {
            let bytes = format!("{before}{KEY}{behind}");
            let secrets = Secrets::in_bytes(bytes.as_bytes(), &target());
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
            cuts.sort_unstable();
            let shown = in_pieces(bytes.as_bytes(), &secrets, &cuts).concat();
            prop_assert_eq!(shown.replace(REST, ""), format!("{before}{KEY_PLACEHOLDER}{behind}"));
        }
    }
}
