//! The check that weights are numbers.

use crate::error::Error;
use crate::tensor::{Data, bf16_to_f32, f16_to_f32};

/// Refuses NaN, and +infinity beside finite values other than 0. Attention masks hold -infinity among whatever else, open
/// bounds of Clip are either infinity; training that diverged leaves NaN or both infinities.
pub(crate) fn check_finite(name: &str, data: &Data) -> Result<(), Error> {
    match data {
        Data::F32(v) => finite(name, v.iter().map(|&x| x.into())),
        Data::F64(v) => finite(name, v.iter().copied()),
        Data::F16(v) => finite(name, v.iter().map(|&bits| f16_to_f32(bits).into())),
        Data::BF16(v) => finite(name, v.iter().map(|&bits| bf16_to_f32(bits).into())),
        _ => Ok(()),
    }
}

fn finite(name: &str, elements: impl Iterator<Item = f64> + Clone) -> Result<(), Error> {
    let refuse = |kind, is_bad: fn(f64) -> bool| {
        let mut bad = elements
            .clone()
            .enumerate()
            .filter(|(_, x)| is_bad(*x))
            .map(|(index, _)| index);
        let Some(index) = bad.next() else {
            return Ok(());
        };
        Err(Error::NotFinite {
            tensor: name.into(),
            kind,
            count: 1 + bad.count(),
            index,
        })
    };
    if elements.clone().all(f64::is_finite) {
        return Ok(());
    }
    refuse("NaN", f64::is_nan)?;
    if elements.clone().all(|x| x == 0.0 || x.is_infinite()) {
        return Ok(());
    }
    refuse("infinite", |x| x == f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f32 = f32::INFINITY;

    #[test]
    fn diverged_weights_are_refused() {
        let f32s = |values: &[f32]| Data::F32(values.into());
        let cases = [
            (
                f32s(&[1.0, f32::NAN, f32::NAN]),
                "\"w\" are not finite: 2 NaN, first at element 1",
            ),
            (f32s(&[-INF, f32::NAN]), "1 NaN, first at element 1"),
            (f32s(&[1.0, -INF, INF]), "1 infinite, first at element 2"),
            (Data::F64(vec![0.5, f64::INFINITY]), "1 infinite"),
            (Data::F16(vec![0x7c01]), "1 NaN"),
            (Data::BF16(vec![0x3f80, 0x7f80]), "1 infinite"),
        ];
        for (data, expected) in cases {
            let error = check_finite("w", &data).unwrap_err().to_string();
            assert!(error.contains(expected), "{data:?}: {error}");
        }
    }

    #[test]
    fn masks_and_open_bounds_may_be_infinite() {
        let cases = [
            vec![INF],
            vec![-INF],
            vec![-INF, INF],
            vec![0.0, -INF, -0.0],
            vec![0.5, -INF, -3.0],
        ];
        for values in cases {
            check_finite("w", &Data::F32(values)).unwrap();
        }
        check_finite("w", &Data::F16(vec![0x3c00, 0xfc00])).unwrap();
    }
}
