//! Numbers as people read them.

use super::measure::{Measure, Unit};

/// `12,345`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// To some three digits, whatever the size: `0.042`, `4.21`, `42.1`, `12,345`.
pub(crate) fn amount(number: f64) -> String {
    match number.abs() {
        whole if whole >= 100.0 || whole == 0.0 => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(whole.round() as u64))
        }
        tens if tens >= 10.0 => format!("{number:.1}"),
        ones if ones >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// With no more digits than it has, to a millionth: `0.05`, `5`, `472.831`, `2,000`.
pub(crate) fn exact(number: f64) -> String {
    let rounded = (number * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 && (0.0..1e15).contains(&rounded) {
        return grouped(rounded as u64);
    }
    rounded.to_string()
}

/// `97.3 %`; what is not all is never told as 100 %, and what is something never as 0 %.
pub(crate) fn percent(ratio: f64) -> String {
    let rounded = (ratio * 1e3).round() / 10.0;
    match rounded {
        all if all >= 100.0 && ratio < 1.0 => "> 99.9 %".to_owned(),
        none if none <= 0.0 && ratio > 0.0 => "< 0.1 %".to_owned(),
        whole if whole.fract() == 0.0 => format!("{whole:.0} %"),
        other => format!("{other:.1} %"),
    }
}

/// `1 request`, `2,000 requests`
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A measure without its unit, in words: `first content`.
pub(crate) fn in_words(measure: Measure) -> String {
    measure.name().trim_end_matches("_ms").replace('_', " ")
}

/// The unit of a measure, as tables tell it.
pub(crate) fn unit(measure: Measure) -> &'static str {
    match measure.unit() {
        Unit::Time => "ms",
        Unit::Count => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_it_needs() {
        assert_eq!([0, 12, 1_234, 1_234_567].map(grouped), ["0", "12", "1,234", "1,234,567"]);
        assert_eq!(
            [0.0, 0.0421, 4.206, 42.06, 1_234.5, -1_234.5].map(amount),
            ["0", "0.042", "4.21", "42.1", "1,235", "-1,235"]
        );
        assert_eq!([0.05, 5.0, 472.831, 2_000.0, -3.5].map(exact), ["0.05", "5", "472.831", "2,000", "-3.5"]);
        assert_eq!(
            [0.0, 0.0001, 0.973, 0.9999, 1.0].map(percent),
            ["0 %", "< 0.1 %", "97.3 %", "> 99.9 %", "100 %"]
        );
    }
}
