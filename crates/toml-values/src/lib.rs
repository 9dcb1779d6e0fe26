//! Files of TOML, read by hand: typed values out of what was parsed, with a problem and its place for each that is not as
//! it should be.
//!
//! - [`Problems`]: all that is wrong with a file, and the values that are right.
//! - [`Lines`]: from offsets to lines and columns.
//! - [`listed`], [`shortened`]: names in messages.
//!
//! It refuses to know what a file is for, and how its problems are shown.

mod lines;
mod problems;
mod words;

use toml::Spanned;
use toml::de::DeValue;

pub use lines::{Lines, Place};
pub use problems::{MOST_PROBLEMS, Problems, Told, UnknownKeyHint, known_are, within};
pub use words::{listed, shortened};

/// A value with its place in the file.
pub type Node<'i> = Spanned<DeValue<'i>>;
