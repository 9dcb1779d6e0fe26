//! Plots of a run, as geometry: what is where, in the units of a picture.
//!
//! Owns scales, ticks and paths. How they are drawn is the business of the templates in `templates/load/`, and of their
//! style sheet. Refuses to know markup.

mod arrivals;
mod chart;
mod latency;
mod percentiles;
mod scale;
mod series;
mod streams;

pub(super) use arrivals::{in_flight, rates};
pub(super) use chart::Chart;
pub(super) use latency::over_time;
pub(super) use percentiles::curves;
pub(super) use series::{goodput, latency};
pub(super) use streams::{Clock, StreamChart};
