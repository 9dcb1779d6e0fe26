//! Text inside XML: the same rule for JUnit and for pictures.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

use crate::visible::visible;

/// A text as the content of an element, or as an attribute between double quotes, where its line feeds are read as spaces
/// (section 3.3.3 of XML 1.0).
///
/// What XML does not allow at all (section 2.2), such as most control characters, is shown as an escape.
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
                _ => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}
