//! What is measured of a request, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In what a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Kept in microseconds, told in milliseconds.
    Time,
    /// Kept and told as a number of things.
    Count,
}

macro_rules! measures {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $unit:ident;)+) => {
        /// One thing that is measured of requests; each has a histogram of its own.
        ///
        /// Where a time has no `FromSent` it counts from the basis of the run: the scheduled time in an open loop, the
        /// sent time in a closed one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Measure {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Measure {
            /// Every measure, in the order in which they are told.
            pub const ALL: [Measure; [$($name),+].len()] = [$(Measure::$variant),+];

            /// As documents spell it, its unit included: `first_content_ms`.
            pub fn name(self) -> &'static str {
                match self { $(Measure::$variant => $name,)+ }
            }

            /// In what it counts.
            pub fn unit(self) -> Unit {
                match self { $(Measure::$variant => Unit::$unit,)+ }
            }
        }
    };
}

measures! {
    /// From the scheduled time to the first byte handed to the system, less what connecting took: the tester's own lateness.
    Lateness = "lateness_ms", Time;
    /// Name look-up, connecting and TLS, of requests that opened a connection.
    Connect = "connect_ms", Time;
    /// To the whole head of the answer.
    Headers = "headers_ms", Time;
    /// To the first byte of the answer's body.
    FirstByte = "first_byte_ms", Time;
    /// To the first event with reasoning in it.
    FirstReasoning = "first_reasoning_ms", Time;
    /// To the first event with text in it (or with arguments of a call); an empty role delta is none.
    FirstContent = "first_content_ms", Time;
    /// To the end of the answer.
    Total = "total_ms", Time;
    /// The same as `headers_ms`, from the sent time.
    HeadersFromSent = "headers_from_sent_ms", Time;
    /// The same as `first_byte_ms`, from the sent time.
    FirstByteFromSent = "first_byte_from_sent_ms", Time;
    /// The same as `first_reasoning_ms`, from the sent time.
    FirstReasoningFromSent = "first_reasoning_from_sent_ms", Time;
    /// The same as `first_content_ms`, from the sent time.
    FirstContentFromSent = "first_content_from_sent_ms", Time;
    /// The same as `total_ms`, from the sent time.
    TotalFromSent = "total_from_sent_ms", Time;
    /// From one chunk with output to the next of the same answer; 0 for two that came by one read.
    BetweenChunks = "between_chunks_ms", Time;
    /// (last chunk − first chunk) / (completion tokens by the server's usage − 1), one value for each request.
    TimePerOutputToken = "time_per_output_token_ms", Time;
    /// How many chunks with output came by one read, of reads that brought any.
    ChunksPerRead = "chunks_per_read", Count;
    /// By the server's usage.
    PromptTokens = "prompt_tokens", Count;
    /// By the server's usage.
    CompletionTokens = "completion_tokens", Count;
}

impl Measure {
    /// Of a measure from the sent time, the same from the basis of the run; any other is itself.
    pub fn from_basis(self) -> Measure {
        match self {
            Measure::HeadersFromSent => Measure::Headers,
            Measure::FirstByteFromSent => Measure::FirstByte,
            Measure::FirstReasoningFromSent => Measure::FirstReasoning,
            Measure::FirstContentFromSent => Measure::FirstContent,
            Measure::TotalFromSent => Measure::Total,
            other => other,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
