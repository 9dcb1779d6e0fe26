//! How an answer ended, in the words of a report.

use interference_wire::{Ending, Place, SizeBound, TimeBound};

/// In a few words: `the server closed the connection inside the body`.
pub(crate) fn told_ending(ending: &Ending) -> String {
    match ending {
        Ending::Complete { .. } => "the answer is whole".to_owned(),
        Ending::Cut(place) => format!("the server closed the connection {}", told_place(*place)),
        Ending::LengthMismatch { expected, received } => {
            format!("the server closed the connection after {received} of {expected} bytes")
        }
        Ending::Reset(place) => format!("the server reset the connection {}", told_place(*place)),
        Ending::TimedOut { bound, place } => {
            let what = match bound {
                TimeBound::Total => "it went on for longer than was waited",
                _ => "nothing came for as long as was waited",
            };
            format!("{what} {}", told_place(*place))
        }
        Ending::Malformed { flaw, offset } => {
            format!("no HTTP/1.1 at byte {offset}: {flaw} ({})", flaw.clause())
        }
        Ending::TooLarge(bound) => format!("more than is read: {}", told_bound(*bound)),
        Ending::Failed { kind, place } => format!("reading failed ({kind}) {}", told_place(*place)),
        Ending::Abandoned(place) => format!("reading was given up {}", told_place(*place)),
    }
}

fn told_place(place: Place) -> &'static str {
    match place {
        Place::BeforeHead => "before the first byte of an answer",
        Place::Head => "inside the head",
        Place::Body => "inside the body",
        Place::BetweenChunks => "inside the body, between two chunks",
        Place::Chunk => "inside a chunk of the body",
        Place::Trailers => "before the end of the trailers",
        Place::AfterEnd => "after the answer",
    }
}

fn told_bound(bound: SizeBound) -> &'static str {
    match bound {
        SizeBound::Head => "the head is too long",
        SizeBound::Trailers => "the trailers are too long",
        SizeBound::Body | SizeBound::Raw => "the body is too long",
        SizeBound::Reads | SizeBound::Chunks => "the body is in too many pieces",
        SizeBound::ChunkLine => "a chunk's size line is too long",
        SizeBound::InterimAnswers => "too many interim answers",
    }
}
