//! JSON with a space after each colon and comma, as Python writes it and models have read most of it.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::Formatter;

/// The text of a value, on one line.
pub(super) fn spaced_json(value: &Value) -> String {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Spaced);
    // A value of JSON has nothing that JSON cannot say, and a vector takes all bytes.
    let written = value.serialize(&mut serializer).ok().and_then(|()| String::from_utf8(json).ok());
    written.unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> std::io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> std::io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_and_commas_have_a_space_behind_them() {
        let value = serde_json::json!({"a": [1, "b,c:d", {}], "é\n": null});
        assert_eq!(spaced_json(&value), r#"{"a": [1, "b,c:d", {}], "é\n": null}"#);
    }
}
