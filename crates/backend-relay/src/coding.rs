//! The content codings that are undone here to look at an answer, which is passed on as it came.
//!
//! Owns their names (RFC 9110, section 8.4.1), and which of them a body has. It refuses to know what is looked for.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding of this name, in `Content-Encoding` or `Accept-Encoding`.
    pub(crate) fn named(name: &str) -> Option<Coding> {
        match name.trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Some(Coding::Identity),
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            _ => None,
        }
    }

    /// That of an answer; none, if it was coded in another way, or several times.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Coding> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        match (values.next(), values.next()) {
            (None, _) => Some(Coding::Identity),
            (Some(value), None) => Coding::named(value.to_str().ok()?),
            (Some(_), Some(_)) => None,
        }
    }

    /// A whole body without its coding, if that is of at most so many bytes.
    pub(crate) fn undone(self, body: Vec<u8>, bytes_max: usize) -> Option<Vec<u8>> {
        let reader: &mut dyn Read = match self {
            Coding::Identity => return (body.len() <= bytes_max).then_some(body),
            Coding::Gzip => &mut MultiGzDecoder::new(body.as_slice()),
            Coding::Deflate => &mut ZlibDecoder::new(body.as_slice()),
        };
        let mut text = Vec::new();
        let bound = u64::try_from(bytes_max).ok()?.saturating_add(1);
        reader.take(bound).read_to_end(&mut text).ok()?;
        (text.len() <= bytes_max).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn a_coding_is_undone_within_a_bound() {
        let text = b"tree".repeat(1_000);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        let bodies = [
            (Coding::Identity, text.clone()),
            (Coding::Gzip, gzip.finish().unwrap()),
            (Coding::Deflate, zlib.finish().unwrap()),
        ];
        for (coding, body) in bodies {
            assert_eq!(coding.undone(body.clone(), text.len()).unwrap(), text);
            assert_eq!(coding.undone(body.clone(), text.len() - 1), None, "{coding:?}");
            let half = body[..body.len() / 2].to_vec();
            assert_ne!(coding.undone(half, text.len()).unwrap_or_default(), text);
        }
        assert_eq!(Coding::Gzip.undone(text, 10_000), None);
    }

    #[test]
    fn one_coding_is_known_and_more_are_none() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
            Coding::of(&values.collect())
        };
        assert_eq!(of(&[]), Some(Coding::Identity));
        assert_eq!(of(&["GZip"]), Some(Coding::Gzip));
        for unknown in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"]] {
            assert_eq!(of(unknown), None, "{unknown:?}");
        }
    }
}
