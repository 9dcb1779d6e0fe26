//! What a judge has found, and the forms in which it is told.
//!
//! Owns the document of verdicts ([`Verdicts`]), which is also the JSON that other programs read, and what is made of
//! it for people and for machines. Refuses to know how a verdict came about: no HTTP, no cases, no clock.

mod counting;
mod error;
mod format;
pub mod json;
mod symbols;
pub mod terminal;
mod verdicts;
mod visible;
mod wrapping;

pub use error::{DocumentError, ReportError};
pub use format::Format;
pub use verdicts::{
    CaseVerdict, Clause, Direction, Exchange, FORMAT, Finding, Level, Summary, Tool, Verdict, Verdicts,
    WireEntry,
};
