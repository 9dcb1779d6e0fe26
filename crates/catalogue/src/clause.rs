//! What a requirement rests on.
//!
//! Owns the sources and how they are named. A clause quotes a few words, so that a reader can find them again; the
//! documents themselves are not here.

use interference_report::Clause as ToldClause;

/// Words of a source, and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    /// Whose.
    pub source: Source,
    /// Where: a schema's property, a section, a file, an issue.
    pub place: &'static str,
    /// The words; empty where the place itself is the evidence (a required property, a report).
    pub quote: &'static str,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// OpenAI's API description, the OpenAPI file.
    OpenAi,
    /// The parser of OpenAI's Python SDK.
    OpenAiPython,
    /// The parser of OpenAI's Node SDK.
    OpenAiNode,
    /// The WHATWG's HTML standard, server-sent events.
    EventStream,
    /// HTTP semantics.
    Rfc9110,
    /// HTTP/1.1.
    Rfc9112,
    /// JSON.
    Rfc8259,
    /// A report of somebody whom it hurt.
    FieldReport,
    /// Any other document, named in the place.
    Other,
}

impl Source {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Source::OpenAi => "OpenAI API description",
            Source::OpenAiPython => "openai-python",
            Source::OpenAiNode => "openai-node",
            Source::EventStream => "WHATWG HTML, server-sent events",
            Source::Rfc9110 => "RFC 9110",
            Source::Rfc9112 => "RFC 9112",
            Source::Rfc8259 => "RFC 8259",
            Source::FieldReport => "field report",
            Source::Other => "document",
        }
    }
}

impl Clause {
    /// From OpenAI's API description: `CreateChatCompletionStreamResponse.id`, and its words.
    pub const fn openai(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::OpenAi, place, quote }
    }

    /// From the parser of OpenAI's Python SDK.
    pub const fn python(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::OpenAiPython, place, quote }
    }

    /// From the parser of OpenAI's Node SDK.
    pub const fn node(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::OpenAiNode, place, quote }
    }

    /// From the standard of server-sent events: `section 9.2.5`.
    pub const fn event_stream(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::EventStream, place, quote }
    }

    /// From HTTP semantics: `section 15.5.6`.
    pub const fn rfc9110(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::Rfc9110, place, quote }
    }

    /// From HTTP/1.1: `section 7.1`.
    pub const fn rfc9112(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::Rfc9112, place, quote }
    }

    /// From JSON: `section 8.1`.
    pub const fn rfc8259(place: &'static str, quote: &'static str) -> Clause {
        Clause { source: Source::Rfc8259, place, quote }
    }

    /// A report: `llama.cpp #14566`, and what happened, in our words.
    pub const fn field(place: &'static str, what: &'static str) -> Clause {
        Clause { source: Source::FieldReport, place, quote: what }
    }

    /// As reports tell it.
    pub fn told(&self) -> ToldClause {
        ToldClause {
            source: self.source.name().to_owned(),
            place: self.place.to_owned(),
            quote: self.quote.to_owned(),
        }
    }
}
