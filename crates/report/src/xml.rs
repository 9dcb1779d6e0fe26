//! Text inside XML: the same rule for JUnit and for pictures.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use crate::visible::visible;

/// A text as the content of an element, or as an attribute between double quotes.
///
/// What XML does not allow at all (section 2.2 of XML 1.0), such as most control characters, is shown as an escape. Line
/// feeds are references, so that those of attributes survive (section 3.3.3).
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let text: Cow<'_, str> = visible(self.0);
        for character in text.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\n' => formatter.write_str("&#10;")?,
                _ => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}
