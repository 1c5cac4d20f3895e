//! Raw little-endian f32 in row order beside a file of labels. The file has no header: the shape is
//! the model's, and the values are taken as the model wants them, whatever their range.

use std::path::Path;

use crate::dataset::decimal_names;
use crate::input::{Input, name};
use crate::samples::{Encoding, Records, Samples};
use crate::{Dataset, Error, labels};

const WIDTH: u64 = size_of::<f32>() as u64;

/// Opens the first `limit` samples of `shape`; the lengths of both files are checked to their ends.
pub(crate) fn load(
    values: &Path,
    labels: &Path,
    shape: Option<&[usize]>,
    limit: Option<usize>,
) -> Result<Dataset, Error> {
    let (shape, record) = record(values, shape)?;
    let mut y = labels::read(labels)?;
    let keep = limit.map_or(u64::MAX, |n| record.saturating_mul(n as u64));
    let (store, total) = Input::open(values)?.store(keep, u64::MAX)?;
    if total % record != 0 {
        let layout = format!("f32 of the model's sample shape {shape:?}");
        return Err(Error::RecordSize {
            path: values.to_owned(),
            bytes: total,
            record,
            layout,
        });
    }
    let samples = total / record;
    if samples != y.len() as u64 {
        let (samples_path, labels_path) = (values.to_owned(), labels.to_owned());
        return Err(Error::Counts {
            samples_path,
            samples,
            labels_path,
            labels: y.len() as u64,
        });
    }
    let classes = y.iter().max().map_or(0, |&m| m as usize + 1);
    y.truncate(limit.unwrap_or(usize::MAX));
    Ok(Dataset {
        name: name("f32", values),
        shape,
        y,
        classes,
        class_names: decimal_names(classes),
        raw: true,
        features: None,
        samples: Samples::Records(Records {
            store,
            size: record as usize,
            lead: 0,
            encoding: Encoding::F32,
        }),
    })
}

/// The shape of one sample and its bytes.
fn record(path: &Path, shape: Option<&[usize]>) -> Result<(Vec<usize>, u64), Error> {
    let product = |shape: &[usize]| {
        shape
            .iter()
            .try_fold(WIDTH, |n, &d| n.checked_mul(d as u64))
    };
    match shape.map(|s| (s, product(s))) {
        Some((shape, Some(bytes))) if bytes > 0 => Ok((shape.to_vec(), bytes)),
        other => {
            let hint = other.map_or("nothing".to_owned(), |(shape, _)| format!("{shape:?}"));
            Err(Error::ShapeNeeded {
                path: path.to_owned(),
                hint,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, gzip};

    fn stored(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn reads_any_finite_value_as_raw() {
        let scratch = Scratch::new();
        let labels = scratch.file("l", b"label\n2\n0\n");
        let bytes = stored(&[-3.5, 0.0, 255.0, 1e9]);
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let values = scratch.file("v", &bytes);
            let data = load(&values, &labels, Some(&[2, 1]), None).unwrap();
            assert_eq!(
                (data.read_all().unwrap(), data.shape.as_slice()),
                (vec![-3.5, 0.0, 255.0, 1e9], [2, 1].as_slice())
            );
            assert_eq!(
                (data.y.as_slice(), data.classes, data.raw),
                ([2, 0].as_slice(), 3, true)
            );
            let first = load(&values, &labels, Some(&[2, 1]), Some(1)).unwrap();
            let first_values = first.read_all().unwrap();
            assert_eq!((first.y, first.classes), (vec![2], 3));
            assert_eq!(data.read(&[1]).unwrap(), [255.0, 1e9]);
            assert_eq!(first_values, [-3.5, 0.0]);
        }
    }

    #[test]
    fn hostile_files_are_typed_errors() {
        let scratch = Scratch::new();
        let good = stored(&[1.0; 4]);
        type Case<'a> = (
            &'a str,
            Vec<u8>,
            &'a [u8],
            Option<&'a [usize]>,
            fn(&Error) -> bool,
        );
        let cases: [Case; 10] = [
            ("no shape", good.clone(), b"0\n1", None, |e| {
                matches!(e, Error::ShapeNeeded { .. })
            }),
            ("zero shape", good.clone(), b"0\n1", Some(&[0, 2]), |e| {
                matches!(e, Error::ShapeNeeded { .. })
            }),
            (
                "vast shape",
                good.clone(),
                b"0\n1",
                Some(&[usize::MAX, 2]),
                |e| matches!(e, Error::ShapeNeeded { .. }),
            ),
            ("other shape", good.clone(), b"0\n1", Some(&[3]), |e| {
                matches!(
                    e,
                    Error::RecordSize {
                        bytes: 16,
                        record: 12,
                        ..
                    }
                )
            }),
            ("cut", good[..15].to_vec(), b"0\n1", Some(&[2]), |e| {
                matches!(e, Error::RecordSize { .. })
            }),
            ("empty", vec![], b"0\n1", Some(&[2]), |e| {
                matches!(e, Error::Counts { samples: 0, .. })
            }),
            ("counts differ", good.clone(), b"0", Some(&[2]), |e| {
                matches!(
                    e,
                    Error::Counts {
                        samples: 2,
                        labels: 1,
                        ..
                    }
                )
            }),
            (
                "nan",
                stored(&[f32::NAN, 0.0, 0.0, 0.0]),
                b"0\n1",
                Some(&[2]),
                |e| {
                    matches!(
                        e,
                        Error::NonFinite {
                            sample: 0,
                            element: 0,
                            ..
                        }
                    )
                },
            ),
            (
                "infinite",
                stored(&[0.0, f32::NEG_INFINITY, 0.0, 0.0]),
                b"0\n1",
                Some(&[2]),
                |e| {
                    matches!(
                        e,
                        Error::NonFinite {
                            sample: 0,
                            element: 1,
                            ..
                        }
                    )
                },
            ),
            ("bad label", good.clone(), b"0\nx", Some(&[2]), |e| {
                matches!(e, Error::LabelNotNumber { line: 2, .. })
            }),
        ];
        for (case, values, labels, shape, expected) in cases {
            for limit in [None, Some(1)] {
                let (values, labels) = (scratch.file("v", &values), scratch.file("l", labels));
                let loaded = load(&values, &labels, shape, limit);
                let error = loaded.and_then(|data| data.check(false)).unwrap_err();
                assert!(expected(&error), "{case}, {limit:?}: {error}");
            }
        }
    }
}
