//! The filter `tojson`, as the library has it that models' authors write their templates for.
//!
//! Minijinja's own makes JSON that could stand in a page of HTML: it escapes `<`, `>`, `&` and `'`, which no model was
//! trained on. Owns what is undone of that, and the bounds on indentation and on what is made. The marks of the fence
//! pass through it untouched, which is why it escapes nothing beyond what JSON itself asks for.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value, filters};

use super::confinement::excessive;

/// JSON is indented by so many spaces for a level.
const WIDEST_INDENT: usize = 16;
/// A byte of JSON costs as much as minijinja charges for it.
const BYTES_OF_A_UNIT: usize = 4;
/// What minijinja escapes beside what JSON asks for.
const HTML_ESCAPES: [(&str, char); 4] =
    [("\\u003c", '<'), ("\\u003e", '>'), ("\\u0026", '&'), ("\\u0027", '\'')];

/// The filter. Minijinja's would indent by any number of spaces, and would be charged for them afterwards.
pub(super) fn to_json(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<Value>,
    named: Kwargs,
) -> Result<Value, Error> {
    let width = indent.clone().or(named.peek("indent")?);
    if width.is_some_and(|width| usize::try_from(width).is_ok_and(|width| width > WIDEST_INDENT)) {
        return Err(excessive(format!("`tojson` indents by more than {WIDEST_INDENT}")));
    }
    let json = json_of(value, indent, named)?;
    state.consume_fuel((json.len() / BYTES_OF_A_UNIT) as u64)?;
    Ok(Value::from(json))
}

/// The JSON of a value, without bounds.
///
/// # Errors
/// For arguments that are not known, and for `ensure_ascii`, which would escape the marks of the fence.
pub(super) fn json_of(value: &Value, indent: Option<Value>, named: Kwargs) -> Result<String, Error> {
    if named.get::<Option<bool>>("ensure_ascii")? == Some(true) {
        return Err(Error::new(ErrorKind::InvalidOperation, "`tojson` cannot be told to `ensure_ascii`"));
    }
    let json = filters::tojson(value, indent, named)?;
    Ok(without_html_escapes(json.as_str().unwrap_or_default()))
}

/// JSON in which nothing is escaped for the sake of HTML.
fn without_html_escapes(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(position) = rest.find('\\') {
        plain.push_str(&rest[..position]);
        rest = &rest[position..];
        let html = HTML_ESCAPES.iter().find(|(escape, _)| rest.starts_with(escape));
        let length = if let Some((escape, character)) = html {
            plain.push(*character);
            escape.len()
        } else {
            // The backslash, and the ASCII character that it escapes: perhaps a backslash.
            plain.push_str(&rest[..2]);
            2
        };
        rest = &rest[length..];
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_json_asks_for_is_escaped() {
        let value = Value::from("<a href='x'>&\\u003c\\\"\n\u{1}\u{fdd0}é</a>");
        let json = json_of(&value, None, Kwargs::from_iter(Vec::<(String, Value)>::new())).unwrap();
        assert_eq!(json, "\"<a href='x'>&\\\\u003c\\\\\\\"\\n\\u0001\u{fdd0}é</a>\"");
    }

    proptest! {
        #[test]
        fn it_stays_the_same_json(text in r#"[<>&'"\\u003cn é\u{1}]{0,24}"#) {
            let json = json_of(&Value::from(&text), None, Kwargs::from_iter(Vec::<(String, Value)>::new())).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
