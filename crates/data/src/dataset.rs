//! Samples in row order with their labels.

use sha2::{Digest, Sha256};

use crate::samples::Samples;
use crate::{Error, Features};

/// Values read at once by a pass over all samples: 1 MiB.
const PASS: usize = 1 << 18;

/// A labelled data set. Labels are in memory; values are read or made when they are asked for, so that memory does not
/// grow with the samples (a compressed file is held as the bytes that it decompresses to).
#[derive(Debug)]
pub struct Dataset {
    /// Format and file name, for reports.
    pub name: String,
    /// Shape of one sample: `[C, H, W]` for images, the model's own for raw data.
    pub shape: Vec<usize>,
    /// One label a sample, each below `classes`.
    pub y: Vec<u32>,
    /// Number of classes: the format's own, or the largest label of the whole file + 1.
    pub classes: usize,
    /// `classes` names; the label in decimal where the format has none.
    pub class_names: Vec<String>,
    /// The values are what the model takes as they stand, not pixels.
    pub raw: bool,
    /// What the values stand for, where they are those of a table.
    pub features: Option<Features>,
    pub(crate) samples: Samples,
}

impl Dataset {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Values in one sample.
    pub fn sample_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values of the samples `rows`, each below `len`, one after the other in C order; images in [0, 1].
    pub fn read(&self, rows: &[usize]) -> Result<Vec<f32>, Error> {
        let mut values = Vec::with_capacity(rows.len() * self.sample_len());
        for run in rows.chunk_by(|a, b| a + 1 == *b) {
            self.samples.read(run[0]..run[0] + run.len(), &mut values)?;
        }
        Ok(values)
    }

    /// The values of all samples.
    pub fn read_all(&self) -> Result<Vec<f32>, Error> {
        let mut values = Vec::new();
        self.samples.read(0..self.len(), &mut values)?;
        Ok(values)
    }

    /// Reads every sample once, a few at a time, so that what cannot be used is found before a run and not in it: values
    /// that are not finite, and, where they have to be `pixels`, values outside of [0, 1].
    ///
    /// Gives the SHA-256, in hex, over what the data are: rank and dimensions as u64, then all values, then the labels,
    /// all little-endian.
    pub fn check(&self, pixels: bool) -> Result<String, Error> {
        let mut hash = Sha256::new();
        hash.update((self.shape.len() as u64).to_le_bytes());
        for &dimension in &self.shape {
            hash.update((dimension as u64).to_le_bytes());
        }
        let step = (PASS / self.sample_len().max(1)).max(1);
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        for start in (0..self.len()).step_by(step) {
            values.clear();
            bytes.clear();
            let rows = start..self.len().min(start + step);
            self.samples.read(rows, &mut values)?;
            if pixels {
                self.check_pixels(start, &values)?;
            }
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
            hash.update(&bytes);
        }
        for label in &self.y {
            hash.update(label.to_le_bytes());
        }
        let digest = hash.finalize();
        Ok(digest.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// How much each element tells of the class: the size of its correlation with the class that it tells most of, from 0
    /// to 1. One pass over all samples.
    pub fn importance(&self) -> Result<Vec<f32>, Error> {
        let (d, classes) = (self.sample_len().max(1), self.classes);
        let mut sums = vec![0.0f64; d];
        let mut squares = vec![0.0f64; d];
        let mut of_class = vec![0.0f64; d * classes];
        let mut counts = vec![0.0f64; classes];
        let step = (PASS / d).max(1);
        let mut values = Vec::new();
        for start in (0..self.len()).step_by(step) {
            values.clear();
            let rows = start..self.len().min(start + step);
            self.samples.read(rows.clone(), &mut values)?;
            for (row, &y) in values.chunks_exact(d).zip(&self.y[rows]) {
                let class = y as usize;
                counts[class] += 1.0;
                for (j, &v) in row.iter().enumerate() {
                    let v = f64::from(v);
                    sums[j] += v;
                    squares[j] += v * v;
                    of_class[class * d + j] += v;
                }
            }
        }
        let n = self.len().max(1) as f64;
        let correlation = |j: usize, class: usize| {
            let (mean, share) = (sums[j] / n, counts[class] / n);
            let spread = (squares[j] / n - mean * mean).max(0.0) * share * (1.0 - share);
            let together = of_class[class * d + j] / n - mean * share;
            if spread > 1e-12 {
                (together / spread.sqrt()).abs()
            } else {
                0.0
            }
        };
        let most = |j| {
            (0..classes)
                .map(|class| correlation(j, class))
                .fold(0.0, f64::max)
        };
        Ok((0..d).map(|j| most(j).min(1.0) as f32).collect())
    }

    fn check_pixels(&self, first: usize, values: &[f32]) -> Result<(), Error> {
        match values.iter().position(|v| !(0.0..=1.0).contains(v)) {
            None => Ok(()),
            Some(at) => Err(Error::NotPixel {
                name: self.name.clone(),
                sample: first + at / self.sample_len(),
                element: at % self.sample_len(),
                value: values[at],
            }),
        }
    }
}

/// The labels `0..classes` in decimal, for formats without class names.
pub(crate) fn decimal_names(classes: usize) -> Vec<String> {
    (0..classes).map(|c| c.to_string()).collect()
}

/// Pixels of one byte as values in [0, 1].
pub(crate) fn pixels(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.iter().map(|&b| f32::from(b) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Encoding, Records};
    use crate::store::Store;

    fn dataset(shape: &[usize], values: &[f32], y: &[u32]) -> Dataset {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let classes = 2;
        Dataset {
            name: "two".into(),
            shape: shape.to_vec(),
            y: y.to_vec(),
            classes,
            class_names: decimal_names(classes),
            raw: false,
            features: None,
            samples: Samples::Records(Records {
                store: Store::held("two".as_ref(), bytes),
                size: 4 * shape.iter().product::<usize>(),
                lead: 0,
                encoding: Encoding::F32,
            }),
        }
    }

    const VALUES: [f32; 4] = [0.0, 0.25, 0.5, 1.0];

    fn two() -> Dataset {
        dataset(&[1, 1, 2], &VALUES, &[1, 0])
    }

    #[test]
    fn samples_are_rows_in_any_order() {
        let d = two();
        assert_eq!((d.len(), d.sample_len()), (2, 2));
        assert_eq!(d.read(&[1]).unwrap(), [0.5, 1.0]);
        assert_eq!(
            d.read(&[1, 0, 0, 1]).unwrap(),
            [0.5, 1.0, 0.0, 0.25, 0.0, 0.25, 0.5, 1.0]
        );
        assert_eq!(d.read(&[]).unwrap(), []);
        assert_eq!(d.read_all().unwrap(), VALUES);
    }

    /// The digest is that of `printf` piped into sha256sum: 3,1,1,2 as u64, the four f32, the two
    /// u32.
    #[test]
    fn hash_covers_shape_values_and_labels() {
        let expected = "81d370a424f0e1ea23ff2d7e6c53241578d556a33c72e45ae745bb22c88d45a8";
        assert_eq!(two().check(true).unwrap(), expected);
        for changed in [
            dataset(&[1, 2, 1], &VALUES, &[1, 0]),
            dataset(&[1, 1, 2], &[0.0, 0.25, 0.5, 0.75], &[1, 0]),
            dataset(&[1, 1, 2], &VALUES, &[1, 1]),
        ] {
            assert_ne!(changed.check(true).unwrap(), expected);
        }
        let mut renamed = two();
        renamed.name = "renamed".into();
        assert_eq!(renamed.check(true).unwrap(), expected);
    }

    #[test]
    fn importance_is_the_correlation_with_the_class() {
        // One element is the class, one the opposite of it, one the same throughout, one hardly told by it.
        let values = [
            0.0, 1.0, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0,
        ];
        let data = dataset(&[4], &values, &[0, 1, 0, 1]);
        assert_eq!(data.importance().unwrap(), [1.0, 1.0, 0.0, 0.0]);
        let half = dataset(&[1], &[0.0, 1.0, 1.0, 1.0], &[0, 1, 0, 1])
            .importance()
            .unwrap();
        assert!((half[0] - 1.0 / 3f32.sqrt()).abs() < 1e-6, "{half:?}");
    }

    #[test]
    fn what_is_no_pixel_is_named_where_pixels_are_wanted() {
        let d = dataset(&[1, 1, 2], &[0.0, 0.25, 0.5, 1.5], &[1, 0]);
        assert!(d.check(false).is_ok());
        let error = d.check(true).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NotPixel {
                    sample: 1,
                    element: 1,
                    ..
                }
            ),
            "{error}"
        );
    }
}
