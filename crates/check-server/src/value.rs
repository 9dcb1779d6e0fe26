//! JSON values as people are told of them.
//!
//! Owns that a value is told with its type where the type is what matters: `"0", a string` is no `0`. Knows no
//! requirement.

use serde_json::Value;

use crate::exchange::excerpt;
use crate::schema::shown;

/// What of a long text is told, in characters.
const VALUE_CHARACTERS: usize = 80;

/// `"0", a string`, `1.0, a float`, `null`; `absent` for none.
pub(crate) fn told(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => {
            format!("{}, a string", excerpt(text.as_bytes(), VALUE_CHARACTERS))
        }
        Some(Value::Number(number)) if number.is_f64() => format!("{number}, a float"),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
        Some(value @ Value::Array(_)) => format!("an array, {}", shown(value)),
        Some(value @ Value::Object(_)) => format!("an object, {}", shown(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_told_with_its_type() {
        for (value, expected) in [
            (json!("0"), r#""0", a string"#),
            (json!(0), "0"),
            (json!(-1), "-1"),
            (json!(0.0), "0.0, a float"),
            (json!(null), "null"),
            (json!(true), "true"),
            (json!([]), "an array, []"),
            (json!({"a": "é\n"}), r#"an object, {"a":"é\n"}"#),
        ] {
            assert_eq!(told(Some(&value)), expected);
        }
        assert_eq!(told(None), "absent");
        assert_eq!(told(Some(&json!(["x".repeat(100)]))).chars().count(), "an array, ".len() + 81);
    }
}
