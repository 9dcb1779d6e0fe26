//! Formatted text at the end of a string, for the forms that are written piece by piece.

/// Adds to a string what `format!` makes of the rest.
macro_rules! add {
    ($text:expr, $($argument:tt)*) => { $text.push_str(&format!($($argument)*)) };
}

pub(crate) use add;
