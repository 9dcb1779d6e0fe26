//! In what a client may differ from the reference.
//!
//! Owns the names of bugs and of sound variants. Each is asked for at the one place of the client where it bites, and
//! is what the author of a client could have written in good faith; none knows a case.

use clap::ValueEnum;

/// A plausible mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Bug {
    /// Text is decoded as ISO 8859-1, the default of HTTP's first years
    TextInLatin1,
    /// Chunks without text are passed over
    TextAlone,

    /// Lines end with a line feed, and a carriage return before it belongs to the line
    LineFeedsAlone,
    /// Lines end with a line feed, with or without a carriage return before it
    NoLoneCarriageReturns,
    /// An event is over where two line ends of the same kind meet
    SimilarLineEnds,
    /// CRLF is replaced by a line feed in what a read brings, and lines end with line feeds
    CrlfOfEachRead,
    /// What lies between the two bytes of a CRLF makes two line ends of it
    SplitCrlfIsTwoLineEnds,
    /// What a read brings is split into lines, and what is left over is taken for a line
    LinesOfEachRead,
    /// What a read brings is decoded as UTF-8 by itself
    CharactersOfEachRead,
    /// A chunk of the body is read into a buffer of 1 KiB, and what has no room in it is lost
    ChunksCutAt1Kib,
    /// A field is recognised by its name, the colon and a space
    SpaceDemanded,
    /// A line that begins with a colon is no field, and so an error
    CommentsAreErrors,
    /// A field that the standard does not name is an error
    UnknownFieldsAreErrors,
    /// A block that has an identifier or a time of reconnection is an event, data or not
    RetryBlocksAreEvents,
    /// A block that has a name is an event, data or not
    NamedBlocksAreEvents,
    /// Empty data is parsed as JSON, too
    EmptyDataIsParsed,
    /// A byte order mark belongs to the first field's name
    ByteOrderMarkKept,
    /// Of several lines of data, the last is kept
    LastDataLine,
    /// Each line of data is an event; blank lines mean nothing
    EachDataLine,
    /// Lines go through a buffer of 64 KiB, and what has no room in it is lost
    LinesCutAt64Kib,
    /// A line that has no room in 1 MiB is skipped
    LinesSkippedAt1Mib,
    /// A line may have any length
    LinesWithoutBound,
    /// After 4,096 events nobody expects more
    EventsCountedTo4096,

    /// An answer is whole only if the end marker came
    DoneDemanded,
    /// The end of the body is the end of the answer
    EndOfBodyIsSuccess,
    /// A body in chunks ends where the connection does
    CutChunksAreTheEnd,
    /// A body in chunks ends where the connection does, if the server said that it would close
    CloseEndsChunks,
    /// What breaks a read ends the answer
    ResetIsTheEnd,
    /// Fewer bytes than Content-Length told are as good
    ShortBodyIsTheEnd,
    /// An error leaves nothing of the text
    TextDroppedWithError,
    /// The end marker is passed over like any event without text
    DoneEndsNothing,
    /// What follows the end marker is parsed as JSON
    AfterDoneIsParsed,
    /// The end marker is compared without trimming
    DoneUntrimmed,
    /// What lies in the buffer when the stream ends is an event
    UnclosedEventCounts,

    /// A member `error` is unknown, and passed over
    ErrorMemberIgnored,
    /// An error in a stream is told in the client's own words
    ErrorInOwnWords,
    /// The names of events are not looked at
    ErrorEventIgnored,
    /// The member `object` is not looked at
    ErrorObjectIgnored,
    /// The first event only tells the role, and is dropped
    FirstEventDropped,
    /// What is no JSON is skipped
    BadJsonSkipped,
    /// What is no JSON yet is kept, and the next data appended to it
    BadJsonAwaited,
    /// The exception of the JSON parser escapes
    BadJsonEscapes,
    /// The exception of the UTF-8 decoder escapes
    BadCharactersEscape,

    /// An answer that is no stream has no events, and so no text
    WholeAnswerIsEmpty,
    /// An error that is no event is no error
    ErrorAnswerIsEmpty,
    /// A page has no events, and so no text
    PageIsEmpty,
    /// A body without a byte is an answer without text
    NothingIsSuccess,
    /// Content codings are asked for, and not decoded
    CompressedIsNotDecoded,

    /// The first choice is taken without looking whether there is one
    EmptyChoicesEscape,
    /// The member `choices` is taken without looking whether it is there
    MissingChoicesEscape,
    /// The delta is taken without looking whether it is one
    NullDeltaEscapes,
    /// Chunks have the members that were known when the client was written
    UnknownMembersAreErrors,
    /// An answer without a finish reason has stopped
    NoFinishIsStop,
    /// Reasoning is text
    ReasoningIsText,

    /// A fragment's arguments replace those before
    LastArguments,
    /// A fragment's index is taken without looking whether it is there
    MissingIndexEscapes,
    /// Fragments without an index belong to no call
    MissingIndexDropped,
    /// A fragment belongs to the call that came last, unless it has another identifier
    FragmentsInOrderOfArrival,
    /// A fragment's place in its chunk is its index
    FragmentsByPosition,
    /// A call has the name that its first fragment tells
    NameOfFirstFragment,
    /// Names and identifiers are joined as arguments are
    IdentifiersJoined,
    /// A later identifier replaces the one before
    LastIdentifier,
    /// Arguments that break off are closed, so that they parse
    ArgumentsRepaired,
    /// An answer with calls has finished with calls
    CallsAreTheFinish,

    /// A read waits as long as it takes
    NoTimeout,
    /// The time-out is that of the whole answer
    TimeoutOfTheWhole,
    /// A time-out ends the answer
    TimeoutIsTheEnd,
    /// The exception of a read that timed out escapes
    TimeoutEscapes,

    /// Seconds in `retry-after` are not read
    RetryAfterSecondsIgnored,
    /// A number in `retry-after` is taken for milliseconds
    RetryAfterSecondsAreShort,
    /// A date in `retry-after` is not read
    RetryAfterDateIgnored,
    /// `retry-after-ms` is not known
    RetryAfterMillisecondsIgnored,
    /// The body is a stream that the first try has used up
    BodyOnlyAtFirst,
    /// The HTTP library's exception for statuses escapes, and nothing is tried again
    StatusEscapes,
    /// Whatever is no 2xx is tried again
    EveryStatusRetried,
    /// Streams that break are asked for again, and what comes is appended
    BrokenStreamsRetried,
}

/// A sound way of doing something else than the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Variant {
    /// Nothing is tried again
    NeverRetries,
    /// What has an odd shape is refused instead of passed over
    RefusesOddShapes,
    /// A line of more than 1 MiB is refused
    RefusesLongLines,
    /// Each read takes up to 16 bytes
    ReadsLittle,
    /// Each read takes up to 64 KiB
    ReadsMuch,
    /// The connection is to be closed after the answer
    ClosesConnections,
    /// Head and body of the request are two writes
    WritesTwice,
    /// Headers are spelled in small letters
    SmallHeaders,
    /// Headers are spelled in capitals
    CapitalHeaders,
    /// The usage is asked for
    AsksForUsage,
    /// The outcome is printed with indentation
    PrintsPretty,
}

/// How this client does things.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Manner {
    /// The mistake that it makes
    #[arg(long, conflicts_with = "variant", hide_possible_values = true)]
    pub(super) bug: Option<Bug>,
    /// What it does otherwise than the reference, and soundly
    #[arg(long, hide_possible_values = true)]
    pub(super) variant: Option<Variant>,
}

impl Manner {
    /// Whether it makes this mistake.
    pub(super) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether it does things in this way.
    pub(super) fn is(self, variant: Variant) -> bool {
        self.variant == Some(variant)
    }
}

#[cfg(test)]
impl Manner {
    /// The reference with one mistake.
    pub(super) fn with(bug: Bug) -> Manner {
        Manner { bug: Some(bug), variant: None }
    }
}
