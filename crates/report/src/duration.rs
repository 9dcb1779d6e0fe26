//! How long something took, as people read it.

/// `412 ms`, `8.2 s`, `3.5 min`
pub(crate) fn duration(milliseconds: f64) -> String {
    match milliseconds {
        short if short < 1_000.0 => format!("{short:.0} ms"),
        middle if middle < 120_000.0 => format!("{:.1} s", middle / 1_000.0),
        long => format!("{:.1} min", long / 60_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_fits_its_number() {
        assert_eq!([0.4, 412.0, 8_215.4, 210_000.0].map(duration), ["0 ms", "412 ms", "8.2 s", "3.5 min"]);
    }
}
