//! The faults of a plan as data.

use std::time::Duration;

use crate::delay::Latency;
use crate::http_faults::{HttpFaults, LengthFault};

/// All faults. What is absent leaves the answer alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Faults {
    pub(crate) drop: Option<Which>,
    pub(crate) duplicate: Option<Which>,
    pub(crate) reorder: Option<Which>,
    pub(crate) delay: Option<DelayFault>,
    pub(crate) stall: Option<StallFault>,
    pub(crate) error: Option<ErrorFault>,
    pub(crate) cut: Option<CutFault>,
    pub(crate) finish_reason: Option<FinishReasonFault>,
    pub(crate) done: Option<DoneFault>,
    pub(crate) role: Option<RoleFault>,
    pub(crate) usage: Option<UsageFault>,
    pub(crate) split: Option<Split>,
    pub(crate) join: bool,
    pub(crate) drip: Option<Drip>,
    pub(crate) corrupt: Option<Corrupt>,
    pub(crate) byte_order_mark: bool,
    pub(crate) line_ends: Option<LineEnds>,
    pub(crate) http: HttpFaults,
    pub(crate) length: Option<LengthFault>,
    pub(crate) latency: Latency,
}

/// Which events a fault chooses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Which {
    /// These, counted from 1, ascending.
    Events(Vec<u64>),
    /// Those whose number is a multiple.
    Every(u64),
    /// Each with this probability.
    Probability(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DelayFault {
    pub(crate) time: Duration,
    pub(crate) which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StallFault {
    pub(crate) after_events: u64,
    /// Without one it lasts until the client goes.
    pub(crate) time: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ErrorFault {
    pub(crate) after_events: u64,
    pub(crate) form: ErrorForm,
    pub(crate) message: Option<String>,
    pub(crate) then: AfterError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ErrorForm {
    #[default]
    Envelope,
    Event,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AfterError {
    #[default]
    Done,
    End,
    GoOn,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CutFault {
    pub(crate) place: CutPlace,
    pub(crate) by: CutBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutPlace {
    AfterEvents(u64),
    AfterBytes(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CutBy {
    Reset,
    #[default]
    Close,
    HalfClose,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FinishReasonFault {
    Omit,
    Null,
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoneFault {
    Omit,
    Double,
    More,
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleFault {
    Omit,
    Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageFault {
    Omit,
    Null,
    Zero,
    Negative,
    Text,
    EveryChunk,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Split {
    Every(u64),
    InsideCodePoints,
    InsideLineEnds,
    At(Vec<u64>),
    /// Pieces of random length with this mean.
    Random(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drip {
    pub(crate) bytes: u64,
    pub(crate) every: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Corrupt {
    pub(crate) place: CorruptPlace,
    pub(crate) with: CorruptWith,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CorruptPlace {
    /// Offsets, ascending.
    At(Vec<u64>),
    /// Each byte with this probability.
    Probability(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CorruptWith {
    /// One bit, drawn.
    #[default]
    Flip,
    /// 0xFF, which is nowhere in UTF-8.
    Invalid,
    /// 0x00.
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    CarriageReturnLineFeed,
    CarriageReturn,
    Mixed,
}
