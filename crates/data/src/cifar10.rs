//! CIFAR-10's binary format: records of one label byte and 3,072 pixel bytes, the red, green and
//! blue planes of 32 x 32 in turn -> `[3, 32, 32]` in [0, 1].
//!
//! Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

use std::path::Path;

use crate::input::{Input, name};
use crate::samples::{Encoding, Records, Samples};
use crate::{Dataset, Error};

const SHAPE: [usize; 3] = [3, 32, 32];
const RECORD: usize = 1 + 3 * 32 * 32;
const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Opens the first `limit` records; the file's length is checked to its end.
pub(crate) fn load(path: &Path, limit: Option<usize>) -> Result<Dataset, Error> {
    let keep = limit.map_or(u64::MAX, |n| (n as u64).saturating_mul(RECORD as u64));
    let (store, total) = Input::open(path)?.store(keep, u64::MAX)?;
    if total == 0 {
        return Err(Error::Empty {
            what: path.display().to_string(),
        });
    }
    if total % RECORD as u64 != 0 {
        let layout = "CIFAR-10: a label and 3,072 pixels".to_owned();
        return Err(Error::RecordSize {
            path: path.to_owned(),
            bytes: total,
            record: RECORD as u64,
            layout,
        });
    }
    let records = (total / RECORD as u64) as usize;
    let records = limit.map_or(records, |n| records.min(n));
    let label = |i| {
        let byte = store.read(i as u64 * RECORD as u64, 1)?;
        label(path, i, byte[0])
    };
    let y = (0..records).map(label).collect::<Result<_, _>>()?;
    Ok(Dataset {
        name: name("cifar10", path),
        shape: SHAPE.to_vec(),
        y,
        classes: CLASSES.len(),
        class_names: CLASSES.map(str::to_owned).to_vec(),
        raw: false,
        features: None,
        samples: Samples::Records(Records {
            store,
            size: RECORD,
            lead: 1,
            encoding: Encoding::Byte,
        }),
    })
}

fn label(path: &Path, record: usize, byte: u8) -> Result<u32, Error> {
    if usize::from(byte) >= CLASSES.len() {
        let at = format!("record {record}");
        let max = CLASSES.len() as u32 - 1;
        return Err(Error::LabelTooLarge {
            path: path.to_owned(),
            at,
            found: byte.into(),
            max,
        });
    }
    Ok(byte.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, byte_sum, gzip, shared};

    fn records(labels: &[u8]) -> Vec<u8> {
        labels
            .iter()
            .flat_map(|&l| [vec![l], vec![51 * (l % 6); RECORD - 1]].concat())
            .collect()
    }

    #[test]
    fn reads_plain_and_gzip() {
        let scratch = Scratch::new();
        let stored = records(&[3, 0, 9]);
        for stored in [stored.clone(), gzip(&stored)] {
            let path = scratch.file("c", &stored);
            let data = load(&path, None).unwrap();
            assert_eq!(
                (data.y.as_slice(), data.classes),
                ([3, 0, 9].as_slice(), 10)
            );
            let all = data.read_all().unwrap();
            assert_eq!((all[0], all[2 * 3_072 - 1]), (0.6, 0.0));
            assert_eq!(data.class_names[3], "cat");
            assert_eq!(data.read(&[2, 0]).unwrap()[3_071..3_073], [0.6, 0.6]);
            let two = load(&path, Some(2)).unwrap();
            assert_eq!(two.y, [3, 0]);
            assert_eq!(two.read_all().unwrap(), all[..2 * 3_072]);
        }
    }

    #[test]
    fn hostile_files_are_typed_errors() {
        let scratch = Scratch::new();
        let two = records(&[0, 1]);
        type Check = fn(&Error) -> bool;
        let cases: [(&str, Vec<u8>, Check); 5] = [
            ("empty", vec![], |e| matches!(e, Error::Empty { .. })),
            ("empty gzip", gzip(&[]), |e| {
                matches!(e, Error::Empty { .. })
            }),
            ("cut", two[..two.len() - 1].to_vec(), |e| {
                matches!(e, Error::RecordSize { bytes: 6_145, .. })
            }),
            ("cut gzip", gzip(&two[..RECORD + 9]), |e| {
                matches!(e, Error::RecordSize { .. })
            }),
            ("label 10", records(&[10, 0]), |e| {
                matches!(
                    e,
                    Error::LabelTooLarge {
                        found: 10,
                        max: 9,
                        ..
                    }
                )
            }),
        ];
        for (case, stored, expected) in cases {
            for limit in [None, Some(1), Some(usize::MAX)] {
                let error = load(&scratch.file("c", &stored), limit).unwrap_err();
                assert!(expected(&error), "{case}, {limit:?}: {error}");
            }
        }
    }

    #[test]
    fn cifar10() {
        let Some(shared) = shared() else { return };
        let folder = shared.join("cifar10");
        for (stem, suffix, count) in [
            ("cifar10_test_exact", "bin", 414),
            ("cifar10_jpegcopy_test_1000", "bin.gz", 1_000),
        ] {
            let data = load(&folder.join(format!("{stem}.{suffix}")), None).unwrap();
            let labels = crate::labels::read(&folder.join(format!("{stem}.csv"))).unwrap();
            assert_eq!(data.len(), count);
            assert_eq!(data.y, labels);
        }
        let exact = load(&folder.join("cifar10_test_exact.bin"), None).unwrap();
        assert_eq!(
            [0, 413].map(|i| byte_sum(&exact.read(&[i]).unwrap())),
            [332_962, 285_559]
        );
    }
}
