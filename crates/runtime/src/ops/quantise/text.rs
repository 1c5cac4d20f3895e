//! Numbers as text and text as numbers, as onnxruntime's Cast has them.

/// `value` with eight significant digits, as C's `%.8g` prints it.
pub(super) fn of_float(value: f32) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.into();
    }
    let scientific = format!("{value:.7e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..8).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let decimals = usize::try_from(7 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}")).into()
}

/// Without the zeros that a fraction ends in.
fn trimmed(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

/// The number that `text` is.
pub(super) fn to_float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// The integer that `text` is, its fraction cut off.
pub(super) fn to_int(text: &str) -> Option<i64> {
    let whole = text.trim().parse().ok();
    whole.or_else(|| {
        let value = to_float(text).filter(|value| value.is_finite());
        value.map(|value| value as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_onnxruntime_prints_them() {
        for (value, text) in [
            (0.1, "0.1"),
            (1e-5, "9.9999997e-06"),
            (123_456_789.0, "1.2345679e+08"),
            (1e20, "1e+20"),
            (1.0 / 3.0, "0.33333334"),
            (-0.0, "-0"),
            (f32::NAN, "NaN"),
            (f32::INFINITY, "INF"),
            (f32::NEG_INFINITY, "-INF"),
            (100.0, "100"),
            (16_777_216.0, "16777216"),
            (1e-7, "1e-07"),
            (123_456.79, "123456.79"),
            (1e8, "1e+08"),
            (1e7, "10000000"),
            (0.000_1, "9.9999997e-05"),
            (99_999_999.5, "1e+08"),
        ] {
            assert_eq!(of_float(value), text);
        }
    }

    #[test]
    fn numbers_are_read() {
        assert_eq!(to_float(" 7"), Some(7.0));
        assert_eq!(to_float("-INF"), Some(f64::NEG_INFINITY));
        assert!(to_float("nan").is_some_and(f64::is_nan));
        assert_eq!(to_float("1.5x"), None);
        assert_eq!(to_int("+3"), Some(3));
        assert_eq!(to_int("1.5"), Some(1));
        assert_eq!(to_int("inf"), None);
        assert_eq!(to_int(""), None);
    }
}
