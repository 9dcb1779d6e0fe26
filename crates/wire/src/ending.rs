//! How a message ended, and what was wrong with it.
//!
//! Owns the vocabulary of verdicts: endings, places, flaws that end reading, and liberties that are only remarked
//! upon. Each rule names its clause. Which of them a judge should mind is the judge's business.

use std::io;

/// How reading a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The message was whole.
    Complete {
        /// What told where it ends.
        by: Framing,
    },
    /// The peer closed the connection before the message was whole.
    Cut(Place),
    /// The peer closed the connection before as many bytes of the body had come as Content-Length had promised.
    LengthMismatch {
        /// The value of Content-Length.
        expected: u64,
        /// Bytes that came.
        received: u64,
    },
    /// The peer reset the connection.
    Reset(Place),
    /// A limit of time passed.
    TimedOut {
        /// Which.
        bound: TimeBound,
        /// What had been read by then.
        place: Place,
    },
    /// The bytes are no HTTP/1.1 that a recipient may accept.
    Malformed {
        /// What is wrong.
        flaw: Flaw,
        /// Where, from the first byte of the message.
        offset: usize,
    },
    /// A bound of [`ReadLimits`](crate::ReadLimits) was passed.
    TooLarge(SizeBound),
    /// Reading failed otherwise.
    Failed {
        /// As the system, or TLS, has it.
        kind: io::ErrorKind,
        /// What had been read by then.
        place: Place,
    },
    /// The reader itself stopped here; also what a message that still runs has.
    Abandoned(Place),
}

impl Ending {
    /// Whether the message was whole.
    pub fn is_complete(&self) -> bool {
        matches!(self, Ending::Complete { .. })
    }
}

/// What tells where a message ends: RFC 9112 section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body: an answer to HEAD, a status 101, 204 or 304, a tunnel; a request without a length.
    NoBody,
    /// Content-Length.
    Length(u64),
    /// The last chunk and the trailers after it.
    Chunks,
    /// The end of the connection.
    ConnectionEnd,
}

/// How far a message had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// No byte of the head (of the final one, after interim answers) had come.
    BeforeHead,
    /// Inside the head.
    Head,
    /// Inside a body that is not chunked.
    Body,
    /// After the head or a chunk, before the size line of the next chunk was whole.
    BetweenChunks,
    /// Inside a chunk's data, or before the line end after it.
    Chunk,
    /// After the last chunk, before the blank line.
    Trailers,
    /// After the message, which was whole.
    AfterEnd,
}

/// Which limit of time passed: a field of [`TimeLimits`](crate::TimeLimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeBound {
    /// `connect`.
    Connect,
    /// `send`.
    Send,
    /// `first_byte`.
    FirstByte,
    /// `between_reads`.
    BetweenReads,
    /// `total`.
    Total,
}

/// Which bound was passed: a field of [`ReadLimits`](crate::ReadLimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeBound {
    /// `head_bytes`, by the head.
    Head,
    /// `head_bytes`, by the trailers.
    Trailers,
    /// `body_bytes`.
    Body,
    /// `raw_bytes`.
    Raw,
    /// `reads`.
    Reads,
    /// `chunks`.
    Chunks,
    /// `chunk_line_bytes`.
    ChunkLine,
    /// `interim_answers`.
    InterimAnswers,
}

/// How a connection ended, as the reader tells the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The peer sent its last byte: FIN, or in TLS close_notify.
    Closed,
    /// In TLS, a FIN without close_notify before it.
    ClosedWithoutNotify,
    /// The peer reset it.
    Reset,
    /// A limit of time passed.
    TimedOut(TimeBound),
    /// Reading failed otherwise.
    Failed(io::ErrorKind),
    /// The reader stops.
    Abandoned,
}

/// What makes bytes no HTTP/1.1 that a recipient may accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// An answer does not begin with `HTTP/`.
    #[error("an answer begins with `HTTP/`")]
    NotHttp,
    /// The version is not `HTTP/1.` and a digit.
    #[error("the version is `HTTP/1.` and a digit")]
    Version,
    /// The status line has no three digits after one space.
    #[error("a status line is version, space, three digits, space, reason")]
    StatusLine,
    /// The request line is not method, target and version with one space between.
    #[error("a request line is method, space, target, space, version")]
    RequestLine,
    /// A carriage return without a line feed.
    #[error("a carriage return stands only before a line feed")]
    BareCarriageReturn,
    /// A zero byte in a head, a trailer or a chunk's line.
    #[error("a zero byte is invalid")]
    ZeroByte,
    /// White space between the start line and the first field.
    #[error("the first field begins with white space")]
    LeadingWhiteSpace,
    /// A field line without a colon.
    #[error("a field line has a colon")]
    NoColon,
    /// A field's name is empty, or not a token.
    #[error("a field's name is a token")]
    FieldName,
    /// A request has white space between a field's name and its colon.
    #[error("a field's name ends at the colon")]
    SpaceBeforeColon,
    /// Content-Length is not one number, is too large for 64 bits, or has several values.
    #[error("Content-Length is one number")]
    ContentLength,
    /// A request's Transfer-Encoding does not end with chunked, so that its length cannot be known.
    #[error("a request's last transfer coding is chunked")]
    RequestCoding,
    /// Chunked is applied more than once.
    #[error("chunked is applied once, and last")]
    RepeatedChunked,
    /// A chunk's size is not hexadecimal digits, or too large for 64 bits.
    #[error("a chunk's size is hexadecimal digits")]
    ChunkSize,
    /// A chunk's size line ends with a bare line feed.
    #[error("a chunk's size line ends with CRLF")]
    ChunkLineEnd,
    /// No CRLF after a chunk's data.
    #[error("a chunk's data is followed by CRLF")]
    ChunkDataEnd,
}

impl Flaw {
    /// The clause that is broken.
    pub fn clause(self) -> &'static str {
        match self {
            Flaw::NotHttp | Flaw::Version => "RFC 9112 section 2.3",
            Flaw::StatusLine => "RFC 9112 section 4",
            Flaw::RequestLine => "RFC 9112 section 3",
            Flaw::BareCarriageReturn | Flaw::LeadingWhiteSpace => "RFC 9112 section 2.2",
            Flaw::ZeroByte => "RFC 9110 section 5.5",
            Flaw::NoColon => "RFC 9112 section 5",
            Flaw::FieldName => "RFC 9110 section 5.1",
            Flaw::SpaceBeforeColon => "RFC 9112 section 5.1",
            Flaw::ContentLength | Flaw::RequestCoding => "RFC 9112 section 6.3",
            Flaw::RepeatedChunked => "RFC 9112 section 6.1",
            Flaw::ChunkSize | Flaw::ChunkLineEnd | Flaw::ChunkDataEnd => "RFC 9112 section 7.1",
        }
    }
}

/// A liberty that the reader went along with, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remark {
    /// What.
    pub liberty: Liberty,
    /// Where, from the first byte of the message.
    pub offset: usize,
}

/// What a sender must not do, or a recipient may mind, though the message can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Liberty {
    /// A line of a head or of the trailers ends with a bare line feed.
    #[error("a line ends without a carriage return")]
    BareLineFeed,
    /// A request has an empty line before it.
    #[error("an empty line before the request line")]
    LeadingEmptyLine,
    /// No space after the status. (An empty reason after that space is legal, and no liberty.)
    #[error("no space after the status")]
    NoSpaceAfterStatus,
    /// The status is below 100 or above 599.
    #[error("the status is not in 100 to 599")]
    StatusOutOfRange,
    /// A control character other than a tab in a reason or a field's value.
    #[error("a control character")]
    ControlCharacter,
    /// A field goes on in the next line; the parts were joined by a space.
    #[error("a field goes on in a second line")]
    ObsoleteFold,
    /// An answer has white space between a field's name and its colon; the name was taken without.
    #[error("white space before a colon")]
    SpaceBeforeColon,
    /// Content-Length beside Transfer-Encoding, which won.
    #[error("Content-Length beside Transfer-Encoding")]
    LengthBesideCoding,
    /// Content-Length more than once, always with the same value.
    #[error("Content-Length more than once")]
    RepeatedLength,
    /// Content-Length in an answer of status 1xx or 204; it was ignored.
    #[error("Content-Length in an answer that has no body")]
    LengthWithoutBody,
    /// Transfer-Encoding in an answer of status 1xx or 204; it was ignored.
    #[error("Transfer-Encoding in an answer that has no body")]
    CodingWithoutBody,
    /// Transfer-Encoding in HTTP/1.0; it was obeyed.
    #[error("Transfer-Encoding in HTTP/1.0")]
    CodingInVersion10,
    /// A transfer coding other than chunked; the body is given still encoded.
    #[error("a transfer coding other than chunked")]
    ForeignCoding,
    /// An answer's last transfer coding is not chunked, so that only the end of the connection ends it.
    #[error("the last transfer coding is not chunked")]
    ChunkedNotLast,
    /// White space after a chunk's size.
    #[error("white space after a chunk's size")]
    SpaceAfterChunkSize,
    /// A chunk's extension does not follow the grammar; it was kept and ignored.
    #[error("an extension of a chunk that does not follow the grammar")]
    ChunkExtension,
    /// A trailer that frames or routes the message; it was kept and ignored.
    #[error("a field that must not be a trailer")]
    ForbiddenTrailer,
    /// TLS ended without close_notify: the end may be an attacker's.
    #[error("TLS ended without close_notify")]
    NoCloseNotify,
}

impl Liberty {
    /// The clause that it rests on.
    pub fn clause(self) -> &'static str {
        match self {
            Liberty::BareLineFeed | Liberty::LeadingEmptyLine => "RFC 9112 section 2.2",
            Liberty::NoSpaceAfterStatus => "RFC 9112 section 4",
            Liberty::StatusOutOfRange => "RFC 9110 section 15",
            Liberty::ControlCharacter => "RFC 9110 section 5.5",
            Liberty::ObsoleteFold => "RFC 9112 section 5.2",
            Liberty::SpaceBeforeColon => "RFC 9112 section 5.1",
            Liberty::LengthBesideCoding | Liberty::ChunkedNotLast => "RFC 9112 section 6.3",
            Liberty::RepeatedLength | Liberty::LengthWithoutBody => "RFC 9110 section 8.6",
            Liberty::CodingWithoutBody | Liberty::CodingInVersion10 => "RFC 9112 section 6.1",
            Liberty::ForeignCoding => "RFC 9112 section 7",
            Liberty::SpaceAfterChunkSize | Liberty::ChunkExtension => "RFC 9112 section 7.1.1",
            Liberty::ForbiddenTrailer => "RFC 9110 section 6.5.1",
            Liberty::NoCloseNotify => "RFC 9112 section 9.8",
        }
    }
}
