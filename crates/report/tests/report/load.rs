//! Runs of load, and everything that is made of them.

pub(crate) mod sample;

mod comparison;
mod csv;
mod damaged;
mod html;
mod json;
mod merge;
mod output;
mod terminal;
