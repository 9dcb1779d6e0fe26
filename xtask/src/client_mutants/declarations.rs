//! Which cases each bug of a client fails, and why.
//!
//! Owns nothing but the list, in the order of the judge's groups. How a bug bites lies in the reference client.

use super::reference::Bug;
use crate::proof::{Fails, MEANT};

/// A bug and the exact set of cases that it fails; the first is the one that it is meant for.
pub(super) type Declaration = (Bug, &'static [Fails]);

pub(super) const ALL: &[&[Declaration]] =
    &[STREAM, FRAMING, SIZES, ENDS, ERRORS, TYPES, CHUNKS, TOOLS, TIME, RETRY];

const NO_LINE_END: &str = "a carriage return ends no line";
const NOT_ASCII: &str = "there are characters in its text that ASCII has not";
const EMPTY_TOO: &str = "whoever parses an event without data parses empty data, too";
const READ_TO_ITS_END: &str = "the line is read for as long as it comes";
const NO_ANSWER_LEFT: &str = "what is missing from the body is missing from the answer";
const NO_CALLS_LEFT: &str = "a chunk with a fragment of a call has no text";
const SAME_EVENT: &str = "the same event";
const SAME_BREAK: &str = "the same break";
const TOLD_TWICE: &str = "what came before the break comes again with each try";

const STREAM: &[Declaration] = &[
    (
        Bug::TextInLatin1,
        &[
            Fails("stream.ordinary", MEANT),
            Fails("stream.finish-reason", NOT_ASCII),
            Fails("framing.crlf", NOT_ASCII),
            Fails("framing.cr", NOT_ASCII),
            Fails("framing.mixed-line-ends", NOT_ASCII),
            Fails("framing.no-space", NOT_ASCII),
            Fails("framing.comment", NOT_ASCII),
            Fails("framing.retry-only", NOT_ASCII),
            Fails("framing.event-only", NOT_ASCII),
            Fails("framing.empty-data", NOT_ASCII),
            Fails("framing.byte-order-mark", NOT_ASCII),
            Fails("framing.multi-line-data", NOT_ASCII),
            Fails("framing.id-and-unknown-fields", NOT_ASCII),
            Fails("framing.byte-per-packet", NOT_ASCII),
            Fails("framing.utf8-split", NOT_ASCII),
            Fails("framing.crlf-split", NOT_ASCII),
            Fails("framing.one-packet", NOT_ASCII),
            Fails("ends.finish-without-done", NOT_ASCII),
            Fails("ends.no-finish", NOT_ASCII),
            Fails("ends.chunked-cut-keep-alive", NOT_ASCII),
            Fails("ends.chunked-cut-close", NOT_ASCII),
            Fails("ends.reset", NOT_ASCII),
            Fails("ends.length-cut", NOT_ASCII),
            Fails("ends.text-kept", NOT_ASCII),
            Fails("ends.after-done", NOT_ASCII),
            Fails("ends.done-twice", NOT_ASCII),
            Fails("ends.done-space", NOT_ASCII),
            Fails("ends.unterminated-event", NOT_ASCII),
            Fails("errors.mid-stream", NOT_ASCII),
            Fails("errors.message-kept", NOT_ASCII),
            Fails("errors.event-error-flat", NOT_ASCII),
            Fails("errors.object-error", NOT_ASCII),
            Fails("errors.bad-json", NOT_ASCII),
            Fails("errors.interleaved", NOT_ASCII),
            Fails("errors.bad-utf8", NOT_ASCII),
            Fails("types.gzip", NOT_ASCII),
            Fails("chunks.choices-empty", NOT_ASCII),
            Fails("chunks.choices-missing", NOT_ASCII),
            Fails("chunks.delta-null", NOT_ASCII),
            Fails("chunks.unknown-fields", NOT_ASCII),
            Fails("chunks.finish-null", NOT_ASCII),
            Fails("time.stall", NOT_ASCII),
            Fails("time.slow-drip", NOT_ASCII),
            Fails("retry.after-seconds", NOT_ASCII),
            Fails("retry.after-date", NOT_ASCII),
            Fails("retry.after-ms", NOT_ASCII),
            Fails("retry.503-then-success", NOT_ASCII),
            Fails("retry.no-text-twice", NOT_ASCII),
        ],
    ),
    (
        Bug::TextAlone,
        &[
            Fails("stream.finish-reason", MEANT),
            Fails("ends.finish-without-done", "the finish reason stands beside no text"),
            Fails("tools.ordinary", NO_CALLS_LEFT),
            Fails("tools.index-missing", NO_CALLS_LEFT),
            Fails("tools.interleaved", NO_CALLS_LEFT),
            Fails("tools.name-late", NO_CALLS_LEFT),
            Fails("tools.arguments-cut", NO_CALLS_LEFT),
            Fails("tools.id-repeated", NO_CALLS_LEFT),
            Fails("tools.id-empty", NO_CALLS_LEFT),
        ],
    ),
];

const FRAMING: &[Declaration] = &[
    (
        Bug::LineFeedsAlone,
        &[
            Fails("framing.crlf", MEANT),
            Fails("framing.cr", NO_LINE_END),
            Fails("framing.mixed-line-ends", NO_LINE_END),
            Fails("framing.crlf-split", NO_LINE_END),
        ],
    ),
    (
        Bug::NoLoneCarriageReturns,
        &[Fails("framing.cr", MEANT), Fails("framing.mixed-line-ends", "some of its line ends are such")],
    ),
    (Bug::SimilarLineEnds, &[Fails("framing.mixed-line-ends", MEANT)]),
    (
        Bug::CrlfOfEachRead,
        &[
            Fails("framing.crlf-split", MEANT),
            Fails("framing.cr", NO_LINE_END),
            Fails("framing.mixed-line-ends", NO_LINE_END),
        ],
    ),
    (Bug::SplitCrlfIsTwoLineEnds, &[Fails("framing.crlf-split", MEANT)]),
    (
        Bug::LinesOfEachRead,
        &[
            Fails("framing.byte-per-packet", MEANT),
            Fails("framing.utf8-split", "what follows the character is another read"),
            Fails("sizes.line-65kb", "the line is longer than a read"),
            Fails("sizes.events-10000", "some reads end within a line"),
            Fails("sizes.line-without-end", "no read is a line without an end"),
        ],
    ),
    (
        Bug::CharactersOfEachRead,
        &[
            Fails("framing.utf8-split", MEANT),
            Fails("framing.byte-per-packet", "characters are split there, too"),
        ],
    ),
    (
        Bug::ChunksCutAt1Kib,
        &[
            Fails("framing.one-packet", MEANT),
            Fails("sizes.line-65kb", NO_ANSWER_LEFT),
            Fails("sizes.events-10000", NO_ANSWER_LEFT),
            Fails("sizes.line-without-end", "what is kept of it is no long line"),
        ],
    ),
    (Bug::SpaceDemanded, &[Fails("framing.no-space", MEANT)]),
    (Bug::CommentsAreErrors, &[Fails("framing.comment", MEANT)]),
    (Bug::UnknownFieldsAreErrors, &[Fails("framing.id-and-unknown-fields", MEANT)]),
    (
        Bug::RetryBlocksAreEvents,
        &[Fails("framing.retry-only", MEANT), Fails("framing.empty-data", EMPTY_TOO)],
    ),
    (
        Bug::NamedBlocksAreEvents,
        &[Fails("framing.event-only", MEANT), Fails("framing.empty-data", EMPTY_TOO)],
    ),
    (Bug::EmptyDataIsParsed, &[Fails("framing.empty-data", MEANT)]),
    (Bug::ByteOrderMarkKept, &[Fails("framing.byte-order-mark", MEANT)]),
    (
        Bug::LastDataLine,
        &[
            Fails("framing.multi-line-data", MEANT),
            Fails("framing.crlf-split", "one of its events has several lines"),
        ],
    ),
    (
        Bug::EachDataLine,
        &[
            Fails("framing.multi-line-data", MEANT),
            Fails("framing.crlf-split", "one of its events has several lines"),
        ],
    ),
];

const SIZES: &[Declaration] = &[
    (
        Bug::LinesCutAt64Kib,
        &[Fails("sizes.line-65kb", MEANT), Fails("sizes.line-without-end", READ_TO_ITS_END)],
    ),
    (
        Bug::LinesSkippedAt1Mib,
        &[Fails("sizes.line-2mb", MEANT), Fails("sizes.line-without-end", READ_TO_ITS_END)],
    ),
    (Bug::LinesWithoutBound, &[Fails("sizes.line-without-end", MEANT)]),
    (Bug::EventsCountedTo4096, &[Fails("sizes.events-10000", MEANT)]),
];

const ENDS: &[Declaration] = &[
    (Bug::DoneDemanded, &[Fails("ends.finish-without-done", MEANT)]),
    (
        Bug::EndOfBodyIsSuccess,
        &[
            Fails("ends.no-finish", MEANT),
            Fails("ends.unterminated-event", "the event that is dropped is all that says so"),
            Fails("types.empty", "an empty body has an end, too"),
        ],
    ),
    (
        Bug::CutChunksAreTheEnd,
        &[
            Fails("ends.chunked-cut-keep-alive", MEANT),
            Fails("ends.chunked-cut-close", SAME_BREAK),
            Fails("ends.text-kept", SAME_BREAK),
            Fails("retry.no-text-twice", SAME_BREAK),
        ],
    ),
    (Bug::CloseEndsChunks, &[Fails("ends.chunked-cut-close", MEANT)]),
    (Bug::ResetIsTheEnd, &[Fails("ends.reset", MEANT)]),
    (Bug::ShortBodyIsTheEnd, &[Fails("ends.length-cut", MEANT)]),
    (Bug::TextDroppedWithError, &[Fails("ends.text-kept", MEANT)]),
    (Bug::DoneEndsNothing, &[Fails("ends.after-done", MEANT)]),
    (
        Bug::AfterDoneIsParsed,
        &[Fails("ends.done-twice", MEANT), Fails("ends.after-done", "what is parsed is text")],
    ),
    (Bug::DoneUntrimmed, &[Fails("ends.done-space", MEANT)]),
    (Bug::UnclosedEventCounts, &[Fails("ends.unterminated-event", MEANT)]),
];

const ERRORS: &[Declaration] = &[
    (
        Bug::ErrorMemberIgnored,
        &[
            Fails("errors.mid-stream", MEANT),
            Fails("errors.message-kept", SAME_EVENT),
            Fails("errors.first-event", SAME_EVENT),
        ],
    ),
    (Bug::ErrorInOwnWords, &[Fails("errors.message-kept", MEANT)]),
    (Bug::ErrorEventIgnored, &[Fails("errors.event-error-flat", MEANT)]),
    (Bug::ErrorObjectIgnored, &[Fails("errors.object-error", MEANT)]),
    (
        Bug::FirstEventDropped,
        &[
            Fails("errors.first-event", MEANT),
            Fails("framing.byte-order-mark", "its first event has text"),
            Fails("framing.byte-per-packet", "its first event has text"),
        ],
    ),
    (
        Bug::BadJsonSkipped,
        &[Fails("errors.bad-json", MEANT), Fails("errors.interleaved", "what comes of it is no JSON")],
    ),
    (
        Bug::BadJsonAwaited,
        &[Fails("errors.interleaved", MEANT), Fails("errors.bad-json", "it never becomes JSON")],
    ),
    (
        Bug::BadJsonEscapes,
        &[Fails("errors.bad-json", MEANT), Fails("errors.interleaved", "what comes of it is no JSON")],
    ),
    (Bug::BadCharactersEscape, &[Fails("errors.bad-utf8", MEANT)]),
];

const TYPES: &[Declaration] = &[
    (Bug::WholeAnswerIsEmpty, &[Fails("types.json-completion", MEANT)]),
    (Bug::ErrorAnswerIsEmpty, &[Fails("types.json-error", MEANT)]),
    (Bug::PageIsEmpty, &[Fails("types.html", MEANT)]),
    (Bug::NothingIsSuccess, &[Fails("types.empty", MEANT)]),
    (Bug::CompressedIsNotDecoded, &[Fails("types.gzip", MEANT)]),
];

const CHUNKS: &[Declaration] = &[
    (Bug::EmptyChoicesEscape, &[Fails("chunks.choices-empty", MEANT)]),
    (Bug::MissingChoicesEscape, &[Fails("chunks.choices-missing", MEANT)]),
    (Bug::NullDeltaEscapes, &[Fails("chunks.delta-null", MEANT)]),
    (
        Bug::UnknownMembersAreErrors,
        &[
            Fails("chunks.unknown-fields", MEANT),
            Fails("chunks.reasoning-only", "reasoning is such a member"),
        ],
    ),
    (Bug::NoFinishIsStop, &[Fails("chunks.finish-null", MEANT)]),
    (Bug::ReasoningIsText, &[Fails("chunks.reasoning-only", MEANT)]),
];

const TOOLS: &[Declaration] = &[
    (
        Bug::LastArguments,
        &[
            Fails("tools.ordinary", MEANT),
            Fails("tools.index-missing", "the arguments come in fragments"),
            Fails("tools.interleaved", "the arguments come in fragments"),
            Fails("tools.name-late", "the arguments come in fragments"),
            Fails("tools.id-repeated", "the arguments come in fragments"),
            Fails("tools.id-empty", "the arguments come in fragments"),
        ],
    ),
    (Bug::MissingIndexEscapes, &[Fails("tools.index-missing", MEANT)]),
    (Bug::MissingIndexDropped, &[Fails("tools.index-missing", MEANT)]),
    (Bug::FragmentsInOrderOfArrival, &[Fails("tools.interleaved", MEANT)]),
    (Bug::FragmentsByPosition, &[Fails("tools.interleaved", MEANT)]),
    (Bug::NameOfFirstFragment, &[Fails("tools.name-late", MEANT)]),
    (Bug::IdentifiersJoined, &[Fails("tools.id-repeated", MEANT)]),
    (Bug::LastIdentifier, &[Fails("tools.id-empty", MEANT)]),
    (Bug::ArgumentsRepaired, &[Fails("tools.arguments-cut", MEANT)]),
    (Bug::CallsAreTheFinish, &[Fails("tools.arguments-cut", MEANT)]),
];

const TIME: &[Declaration] = &[
    (Bug::NoTimeout, &[Fails("time.stall", MEANT)]),
    (Bug::TimeoutOfTheWhole, &[Fails("time.slow-drip", MEANT)]),
    (Bug::TimeoutIsTheEnd, &[Fails("time.stall", MEANT)]),
    (Bug::TimeoutEscapes, &[Fails("time.stall", MEANT)]),
];

const RETRY: &[Declaration] = &[
    (Bug::RetryAfterSecondsIgnored, &[Fails("retry.after-seconds", MEANT)]),
    (Bug::RetryAfterSecondsAreShort, &[Fails("retry.after-seconds", MEANT)]),
    (Bug::RetryAfterDateIgnored, &[Fails("retry.after-date", MEANT)]),
    (Bug::RetryAfterMillisecondsIgnored, &[Fails("retry.after-ms", MEANT)]),
    (
        Bug::BodyOnlyAtFirst,
        &[
            Fails("retry.503-then-success", MEANT),
            Fails("retry.after-seconds", "a 429 is tried again in the same way"),
            Fails("retry.after-date", "a 429 is tried again in the same way"),
            Fails("retry.after-ms", "a 429 is tried again in the same way"),
        ],
    ),
    (
        Bug::StatusEscapes,
        &[
            Fails("retry.503-then-success", MEANT),
            Fails("retry.after-seconds", "a 429 is a status, too"),
            Fails("retry.after-date", "a 429 is a status, too"),
            Fails("retry.after-ms", "a 429 is a status, too"),
            Fails("retry.400-never", "a 400 is a status, too"),
        ],
    ),
    (Bug::EveryStatusRetried, &[Fails("retry.400-never", MEANT)]),
    (
        Bug::BrokenStreamsRetried,
        &[
            Fails("retry.no-text-twice", MEANT),
            Fails("ends.no-finish", TOLD_TWICE),
            Fails("ends.chunked-cut-keep-alive", TOLD_TWICE),
            Fails("ends.chunked-cut-close", TOLD_TWICE),
            Fails("ends.reset", TOLD_TWICE),
            Fails("ends.length-cut", TOLD_TWICE),
            Fails("ends.text-kept", TOLD_TWICE),
            Fails("ends.unterminated-event", TOLD_TWICE),
        ],
    ),
];
