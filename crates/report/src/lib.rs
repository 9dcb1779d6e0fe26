//! What a judge has found, or a run of load has measured, and the forms in which it is told.
//!
//! Owns the documents of verdicts ([`Verdicts`]) and of load ([`load::LoadReport`]), which are also the JSON that other
//! programs read, and what is made of them for people and for machines. Refuses to know how a verdict or a number came
//! about: no HTTP, no cases, no clock.

mod adding;
pub mod badge;
pub mod baseline;
mod conclusion;
mod counting;
mod duration;
mod error;
mod format;
pub mod html;
pub mod json;
pub mod junit;
mod kind;
pub mod load;
pub mod matrix;
pub mod merge;
mod output;
pub mod sarif;
mod symbols;
pub mod terminal;
mod text_file;
mod verdicts;
mod visible;
mod wire_log;
mod wrapping;
mod xml;

pub use baseline::{Baseline, BaselineError};
pub use error::{DocumentError, ReportError};
pub use format::{Form, Format};
pub use kind::Kind;
pub use output::Output;
pub use verdicts::{
    CaseVerdict, Clause, Direction, Exchange, FORMAT, Finding, Level, Summary, Tool, Verdict, Verdicts,
    WireEntry,
};
pub use visible::{one_line, shortened};
pub use wire_log::{abridged, milliseconds};
