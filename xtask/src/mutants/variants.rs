//! Sound variants: other legal forms of the same answers, which must fail nothing.

use super::mutant::{End, Framing, Mutant};

pub(super) const VARIANTS: &[Mutant] = &[
    Mutant::new("as-it-is", "the proxy alone", &[]),
    Mutant::new("crlf", "lines of streams end with CRLF", &[]).tell(|_, told| {
        if told.is_stream() {
            for piece in &mut told.pieces {
                let text = String::from_utf8_lossy(&piece.bytes).replace('\n', "\r\n");
                piece.bytes = text.into_bytes();
            }
        }
    }),
    Mutant::new("closing-connections", "each answer is the last on its connection", &[])
        .tell(|_, told| told.end = End::ThenClose),
    Mutant::new("until-the-close", "the end of the connection is the end of each answer", &[])
        .tell(|_, told| told.framing = Framing::Close),
];
