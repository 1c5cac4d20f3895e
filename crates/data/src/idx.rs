//! IDX, the format of MNIST and its kin: big-endian header `0 0 type rank`, one u32 a dimension,
//! then the bytes. Images are u8 of rank 3 `[n, rows, columns]` -> `[1, rows, columns]` in [0, 1];
//! labels are u8 of rank 1.
//!
//! LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998.

use std::cmp::Ordering;
use std::path::Path;

use crate::dataset::decimal_names;
use crate::input::{Input, guard, name};
use crate::samples::{Encoding, Records, Samples};
use crate::store::Store;
use crate::{Dataset, Error};

const UNSIGNED_BYTE: u8 = 0x08;

/// Opens the first `limit` images and labels; the lengths of both files are checked to their ends.
pub(crate) fn load(images: &Path, labels: &Path, limit: Option<usize>) -> Result<Dataset, Error> {
    let ([label_count], store) = array(labels, "IDX labels", None)?;
    let all_labels = store.read(0, label_count as usize)?;
    let ([count, rows, columns], store) = array(images, "IDX images", limit)?;
    if count != label_count {
        return Err(Error::Counts {
            samples_path: images.to_owned(),
            samples: count.into(),
            labels_path: labels.to_owned(),
            labels: label_count.into(),
        });
    }
    let classes = all_labels.iter().max().map_or(0, |&m| usize::from(m) + 1);
    let kept = all_labels.iter().take(limit.unwrap_or(usize::MAX));
    let shape = vec![1, rows as usize, columns as usize];
    Ok(Dataset {
        name: name("idx", images),
        y: kept.map(|&label| label.into()).collect(),
        classes,
        class_names: decimal_names(classes),
        raw: false,
        features: None,
        samples: Samples::Records(Records {
            store,
            size: shape.iter().product(),
            lead: 0,
            encoding: Encoding::Byte,
        }),
        shape,
    })
}

/// The dimensions of a u8 array of rank `RANK`, and the bytes of at least its first `limit` rows.
fn array<const RANK: usize>(
    path: &Path,
    what: &'static str,
    limit: Option<usize>,
) -> Result<([u32; RANK], Store), Error> {
    let mut input = Input::open(path)?;
    let dims = header(&mut input, path, what)?;
    let row: u128 = dims[1..].iter().map(|&d| u128::from(d)).product();
    let rows = u128::from(dims[0]);
    let kept_rows = limit.map_or(rows, |n| rows.min(n as u128));
    let declared = row * rows;
    if declared == 0 {
        return Err(Error::Empty {
            what: path.display().to_string(),
        });
    }
    guard(path, declared, u64::MAX - 1)?;
    let expected = declared as u64;
    let (store, found) = input.store((row * kept_rows) as u64, expected + 1)?;
    let path = path.to_owned();
    match found.cmp(&expected) {
        Ordering::Less => Err(Error::Truncated {
            path,
            expected,
            found,
        }),
        Ordering::Greater => Err(Error::Trailing { path, expected }),
        Ordering::Equal => Ok((dims, store)),
    }
}

fn header<const RANK: usize>(
    input: &mut Input,
    path: &Path,
    what: &'static str,
) -> Result<[u32; RANK], Error> {
    let expected = [0, 0, UNSIGNED_BYTE, RANK as u8];
    let magic = input.bytes(4)?;
    if magic != expected {
        let hex = |bytes: &[u8]| format!("{bytes:02x?}");
        return Err(Error::Magic {
            path: path.to_owned(),
            what,
            expected: hex(&expected),
            found: hex(&magic),
        });
    }
    let bytes = input.bytes(4 * RANK as u64)?;
    let mut dims = [0; RANK];
    let words = bytes.as_chunks::<4>().0;
    if words.len() < RANK {
        let (expected, found) = (4 * RANK as u64, bytes.len() as u64);
        return Err(Error::Truncated {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    dims.iter_mut()
        .zip(words)
        .for_each(|(dim, &word)| *dim = u32::from_be_bytes(word));
    Ok(dims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, byte_sum, gzip, shared};

    fn file(dims: &[u32], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, UNSIGNED_BYTE, dims.len() as u8];
        dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes.extend(body);
        bytes
    }

    #[test]
    fn reads_plain_and_gzip() {
        let scratch = Scratch::new();
        let images = file(&[3, 1, 2], &[0, 51, 102, 153, 204, 255]);
        let labels = file(&[3], &[4, 0, 2]);
        for (images, labels) in [
            (images.clone(), labels.clone()),
            (gzip(&images), gzip(&labels)),
        ] {
            let (images, labels) = (scratch.file("i", &images), scratch.file("l", &labels));
            let all = load(&images, &labels, None).unwrap();
            assert_eq!(all.shape, [1, 1, 2]);
            assert_eq!(all.read_all().unwrap(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
            assert_eq!(
                (all.y.as_slice(), all.classes, all.raw),
                ([4, 0, 2].as_slice(), 5, false)
            );
            let first = load(&images, &labels, Some(1)).unwrap();
            assert_eq!(
                (first.read_all().unwrap(), first.y.as_slice()),
                (vec![0.0, 0.2], [4].as_slice())
            );
            assert_eq!(first.classes, 5, "the classes are those of the whole file");
        }
    }

    #[test]
    fn hostile_files_are_typed_errors() {
        let scratch = Scratch::new();
        let good = (file(&[2, 1, 1], &[1, 2]), file(&[2], &[0, 1]));
        let huge = u32::MAX;
        type Check = fn(&Error) -> bool;
        let cases: [(&str, Vec<u8>, Vec<u8>, Check); 12] = [
            ("empty file", vec![], good.1.clone(), |e| {
                matches!(e, Error::Magic { .. })
            }),
            ("swapped", good.1.clone(), good.0.clone(), |e| {
                matches!(
                    e,
                    Error::Magic {
                        what: "IDX labels",
                        ..
                    }
                )
            }),
            (
                "float type",
                [&[0, 0, 0x0d, 3], &good.0[4..]].concat(),
                good.1.clone(),
                |e| {
                    matches!(
                        e,
                        Error::Magic {
                            what: "IDX images",
                            ..
                        }
                    )
                },
            ),
            ("cut header", good.0[..9].to_vec(), good.1.clone(), |e| {
                matches!(
                    e,
                    Error::Truncated {
                        expected: 12,
                        found: 5,
                        ..
                    }
                )
            }),
            ("cut images", file(&[2, 1, 1], &[1]), good.1.clone(), |e| {
                matches!(
                    e,
                    Error::Truncated {
                        expected: 2,
                        found: 1,
                        ..
                    }
                )
            }),
            ("cut labels", good.0.clone(), file(&[2], &[1]), |e| {
                matches!(e, Error::Truncated { .. })
            }),
            (
                "trailing",
                file(&[2, 1, 1], &[1, 2, 3]),
                good.1.clone(),
                |e| matches!(e, Error::Trailing { expected: 2, .. }),
            ),
            (
                "counts differ",
                good.0.clone(),
                file(&[3], &[0, 1, 2]),
                |e| {
                    matches!(
                        e,
                        Error::Counts {
                            samples: 2,
                            labels: 3,
                            ..
                        }
                    )
                },
            ),
            ("no images", file(&[0, 1, 1], &[]), file(&[0], &[]), |e| {
                matches!(e, Error::Empty { .. })
            }),
            ("no pixels", file(&[2, 0, 5], &[]), good.1.clone(), |e| {
                matches!(e, Error::Empty { .. })
            }),
            (
                "declares 2^96",
                file(&[huge; 3], &[]),
                good.1.clone(),
                |e| matches!(e, Error::TooLarge { .. }),
            ),
            (
                "bomb",
                gzip(&file(&[2, 1, 1], &vec![0; 1 << 22])),
                good.1.clone(),
                |e| matches!(e, Error::Trailing { .. }),
            ),
        ];
        for (case, images, labels, expected) in cases {
            for limit in [None, Some(1)] {
                let error = load(
                    &scratch.file("i", &images),
                    &scratch.file("l", &labels),
                    limit,
                )
                .unwrap_err();
                assert!(expected(&error), "{case}, {limit:?}: {error}");
            }
        }
    }

    #[test]
    fn mnist() {
        let Some(shared) = shared() else { return };
        let folder = shared.join("mnist");
        let paths = (
            folder.join("t10k-images-idx3-ubyte.gz"),
            folder.join("t10k-labels-idx1-ubyte.gz"),
        );
        let data = load(&paths.0, &paths.1, None).unwrap();
        assert_eq!((data.len(), data.classes), (10_000, 10));
        assert_eq!(data.shape, [1, 28, 28]);
        assert_eq!(data.y[..4], [7, 2, 1, 0]);
        let all = data.read_all().unwrap();
        assert_eq!(byte_sum(&all[..784]), 18_454);
        assert_eq!(byte_sum(&all), 264_923_200);
        let first = load(&paths.0, &paths.1, Some(5)).unwrap();
        assert_eq!(first.y, data.y[..5]);
        assert_eq!(first.read_all().unwrap(), all[..5 * 784]);
    }
}
