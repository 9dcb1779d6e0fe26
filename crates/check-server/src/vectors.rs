//! Vectors, as embeddings have them.
//!
//! Owns how near two are to each other, and how base64 spells them. Numbers are compared with room for what rounding and
//! other batches do to them. Knows no requirement.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Two vectors with a cosine of at least this are of the same text.
pub(crate) const SAME: f64 = 0.99;
/// Bytes of a number in base64.
const FLOAT_BYTES: usize = 4;

/// An array of numbers; nothing if it is anything else.
pub(crate) fn of_numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(Value::as_f64).collect()
}

/// Numbers of 32 bits in little-endian order, in base64 with padding, as SDKs read them.
///
/// # Errors
/// Why a text is none, for people; `count` is how many numbers there should be.
pub(crate) fn of_base64(text: &str, count: usize) -> Result<Vec<f64>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("no base64: {error}"))?;
    if bytes.len() != count * FLOAT_BYTES {
        let wide = if bytes.len() == 2 * count * FLOAT_BYTES { ", as of 64 bits each" } else { "" };
        return Err(format!("{} bytes for {count} numbers{wide}", bytes.len()));
    }
    let (numbers, _) = bytes.as_chunks::<FLOAT_BYTES>();
    Ok(numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
}

/// The cosine of the angle between two: 1 where they point the same way. Nothing where one is of another length, is zero,
/// or has something in it that is no number.
pub(crate) fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = product(a, b) / (product(a, a) * product(b, b)).sqrt();
    (a.len() == b.len() && cosine.is_finite()).then_some(cosine)
}

/// Whether two are the same, but for what rounding does to them.
///
/// # Errors
/// How far they are from it, for people.
pub(crate) fn same(a: &[f64], b: &[f64]) -> Result<(), String> {
    // What is zero has no direction, and is itself all the same.
    if a == b {
        return Ok(());
    }
    match cosine(a, b) {
        Some(near) if near >= SAME => Ok(()),
        Some(near) => Err(format!("a cosine of {near:.4}")),
        None if a.len() != b.len() => Err(format!("{} and {} numbers", a.len(), b.len())),
        None => Err("one of them is nothing but zeros".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base64_is_read_as_little_endian_numbers_of_32_bits() {
        let bytes: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(of_base64(&STANDARD.encode(&bytes), 2), Ok(vec![1.5, -2.0]));
        assert_eq!(of_base64(&STANDARD.encode(&bytes), 3).unwrap_err(), "8 bytes for 3 numbers");
        assert_eq!(
            of_base64(&STANDARD.encode(&bytes), 1).unwrap_err(),
            "8 bytes for 1 numbers, as of 64 bits each"
        );
        assert!(of_base64("[1.5]", 1).unwrap_err().starts_with("no base64"));
    }

    #[test]
    fn the_cosine_tells_directions_apart() {
        assert_eq!(cosine(&[1.0, 0.0], &[2.0, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[1.0, 0.0], &[1.0]), None);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(of_numbers(&json!([1, 2.5])), Some(vec![1.0, 2.5]));
        assert_eq!(of_numbers(&json!([1, null])), None);
    }

    #[test]
    fn vectors_of_zeros_are_the_same() {
        assert_eq!(same(&[0.0, 0.0], &[0.0, -0.0]), Ok(()));
        assert_eq!(same(&[1.0, 0.001], &[1.0, 0.0]), Ok(()));
        assert_eq!(same(&[1.0, 0.0], &[0.0, 1.0]).unwrap_err(), "a cosine of 0.0000");
        assert_eq!(same(&[1.0, 0.0], &[0.0, 0.0]).unwrap_err(), "one of them is nothing but zeros");
        assert_eq!(same(&[1.0, 0.0], &[1.0]).unwrap_err(), "2 and 1 numbers");
    }
}
