//! Values of flags, and what is said of those that are wrong.

use std::num::{IntErrorKind, ParseIntError};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// An eps: a fraction `8/255` or a decimal `0.03`, in pixels of `[0,1]`.
pub fn eps(text: &str) -> Result<f64, String> {
    let number = |part: &str| part.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    let value = match text.split_once('/') {
        Some((above, below)) => number(above)
            .zip(number(below))
            .filter(|(_, b)| *b != 0.0)
            .map(|(a, b)| a / b),
        None => number(text),
    };
    match value {
        Some(eps) if eps > 0.0 => Ok(eps),
        Some(_) => Err(format!("eps {text}: must be above 0")),
        None => Err(format!(
            "`{text}` is no eps: write a fraction such as 8/255 or a decimal such as 0.03"
        )),
    }
}

/// One rung of a ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// An eps, a severity, or changed words.
    Number(f64),
    /// Changed words as a share of all words of a text.
    Share(f64),
}

impl Budget {
    pub fn number(&self) -> Option<f64> {
        match *self {
            Budget::Number(number) => Some(number),
            Budget::Share(_) => None,
        }
    }

    pub fn share(&self) -> Option<f64> {
        match *self {
            Budget::Share(share) => Some(share),
            Budget::Number(_) => None,
        }
    }
}

/// An eps, or a share of a text's words such as `10%`.
pub fn budget(text: &str) -> Result<Budget, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        return eps(text).map(Budget::Number);
    };
    match percent.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Budget::Share(percent / 100.0)),
        _ => Err(format!(
            "`{text}`: a share of a text's words is above 0% and at most 100%"
        )),
    }
}

/// A number.
pub fn real<T: FromStr>(text: &str) -> Result<T, String> {
    let no_number = |_| format!("`{text}` is no number");
    text.parse().map_err(no_number)
}

/// A whole number.
pub fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => format!("`{text}` is too large"),
            _ => format!("`{text}` is no whole number"),
        })
}

/// A whole number of at least 1.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match whole(text)? {
        0 => Err("must be at least 1".into()),
        n => Ok(n),
    }
}

/// A file to write.
pub fn output() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match path.as_os_str() == "-" {
        true => Err("stdout is for what --format says; name a file"),
        false => Ok(path),
    })
}

/// A time above 0.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err(format!("`{text}` is no number of seconds above 0")),
    }
}

/// The largest batch: more gains no speed, and memory grows with it.
const MOST_AT_ONCE: usize = 4096;

/// A batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// What model and device allow.
    Auto,
    Of(usize),
}

/// `auto` or a number.
pub fn batch(text: &str) -> Result<Batch, String> {
    if text == "auto" {
        return Ok(Batch::Auto);
    }
    match at_least_one(text) {
        Ok(n) if n > MOST_AT_ONCE => Err(format!("must be at most {MOST_AT_ONCE}")),
        Ok(n) => Ok(Batch::Of(n)),
        Err(why) => Err(format!("{why}: give a number, or auto")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eps_as_fraction_or_decimal() {
        assert_eq!(eps("8/255"), Ok(8.0 / 255.0));
        assert_eq!(eps("0.5/255"), Ok(0.5 / 255.0));
        assert_eq!(eps("0.03"), Ok(0.03));
        for wrong in ["", "x", "1/0", "0", "-1/255", "nan", "inf", "1/2/3"] {
            assert!(eps(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn budgets_are_numbers_or_shares() {
        assert_eq!(budget("4/255"), Ok(Budget::Number(4.0 / 255.0)));
        assert_eq!(budget("10%"), Ok(Budget::Share(0.1)));
        assert_eq!(budget("12.5%"), Ok(Budget::Share(0.125)));
        for wrong in ["%", "0%", "-1%", "101%", "1/2%", "x%", "x"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_above_zero() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for wrong in ["", "0", "-1", "nan", "inf", "1s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_start_at_one() {
        assert_eq!(at_least_one("3"), Ok(3));
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err());
        assert_eq!(batch("4096"), Ok(Batch::Of(4096)));
        assert_eq!(batch("auto"), Ok(Batch::Auto));
        assert_eq!(whole::<u64>("7"), Ok(7));
        let said = |text| whole::<u32>(text).unwrap_err();
        assert!(
            said("abc").contains("no whole number") && said("4294967296").contains("too large")
        );
        for wrong in ["4097", "0", "automatic", ""] {
            assert!(batch(wrong).is_err(), "{wrong}");
        }
    }
}
