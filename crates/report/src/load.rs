//! What a run of load has measured, and the forms in which it is told.
//!
//! Owns the document of a run ([`LoadReport`]), what it is made of, and how the parts of several machines become one:
//! counts are added and histograms merged, so that a quantile is always one of all values, never one of quantiles.
//! Refuses to know how anything was measured: no sockets, no clock, no schedule.

mod bounded;
mod certificate;
pub mod comparison;
pub mod csv;
mod document;
mod figure;
mod format;
mod histogram;
pub mod html;
mod measure;
mod measurements;
mod merge;
mod number;
mod plot;
mod sentences;
mod series;
mod slo;
mod streams;
pub mod terminal;
mod timeline;

pub use bounded::MOST_SHARDS;
pub use certificate::{Bounds, Calibration, Certificate, Quantiles, Watch};
pub use document::{Basis, FORMAT, LoadReport, Plan, Shard, SloVerdict};
pub use figure::{Figure, RunFigure, Statistic, UnknownFigure, Worse};
pub use format::Format;
pub use histogram::{Histogram, LONGEST};
pub use measure::{Measure, Unit};
pub use measurements::{Counts, Measurements};
pub use merge::MergeError;
pub use series::{Point, Series, Sums};
pub use slo::{Comparator, Objective, ObjectiveError, Subject};
pub use streams::{MOST_CHUNKS, MOST_STREAMS, StreamLine, Streams};
pub use timeline::{Interval, MOST_INTERVALS, Timeline};
