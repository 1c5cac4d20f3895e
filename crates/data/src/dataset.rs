//! Samples in row order with their labels.

use sha2::{Digest, Sha256};

use crate::Error;

/// A labelled data set in memory, samples one after the other in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Format and file name, for reports.
    pub name: String,
    /// Shape of one sample: `[C, H, W]` for images, the model's own for raw data.
    pub shape: Vec<usize>,
    /// `len * sample_len` values; images in [0, 1].
    pub x: Vec<f32>,
    /// One label a sample, each below `classes`.
    pub y: Vec<u32>,
    /// Number of classes: the format's own, or the largest label of the whole file + 1.
    pub classes: usize,
    /// `classes` names; the label in decimal where the format has none.
    pub class_names: Vec<String>,
    /// The values are what the model takes as they stand, not pixels.
    pub raw: bool,
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

    /// The values of sample `i`. Panics when `i >= len`.
    pub fn sample(&self, i: usize) -> &[f32] {
        let n = self.sample_len();
        &self.x[i * n..(i + 1) * n]
    }

    /// The first `n` samples, or all where there are fewer; an error if that leaves none.
    pub fn take(&self, n: usize) -> Result<Dataset, Error> {
        let n = n.min(self.len());
        if n == 0 {
            return Err(Error::Empty {
                what: self.name.clone(),
            });
        }
        Ok(Dataset {
            name: self.name.clone(),
            shape: self.shape.clone(),
            x: self.x[..n * self.sample_len()].to_vec(),
            y: self.y[..n].to_vec(),
            classes: self.classes,
            class_names: self.class_names.clone(),
            raw: self.raw,
        })
    }

    /// SHA-256, in hex, over what the data are: rank and dimensions as u64, then `x`, then `y`, all
    /// little-endian.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.shape.len() as u64).to_le_bytes());
        self.shape
            .iter()
            .for_each(|&d| hash.update((d as u64).to_le_bytes()));
        self.x.iter().for_each(|v| hash.update(v.to_le_bytes()));
        self.y.iter().for_each(|v| hash.update(v.to_le_bytes()));
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
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

    fn two() -> Dataset {
        Dataset {
            name: "two".into(),
            shape: vec![1, 1, 2],
            x: vec![0.0, 0.25, 0.5, 1.0],
            y: vec![1, 0],
            classes: 2,
            class_names: decimal_names(2),
            raw: false,
        }
    }

    #[test]
    fn samples_are_rows() {
        let d = two();
        assert_eq!((d.len(), d.sample_len()), (2, 2));
        assert_eq!(d.sample(1), [0.5, 1.0]);
    }

    #[test]
    fn take_keeps_the_first() {
        let d = two();
        let first = d.take(1).unwrap();
        assert_eq!(
            (first.x.as_slice(), first.y.as_slice()),
            ([0.0, 0.25].as_slice(), [1].as_slice())
        );
        assert_eq!(d.take(99).unwrap(), d);
        assert!(matches!(d.take(0), Err(Error::Empty { .. })));
    }

    /// The digest is that of `printf` piped into sha256sum: 3,1,1,2 as u64, the four f32, the two
    /// u32.
    #[test]
    fn hash_covers_shape_values_and_labels() {
        let d = two();
        let expected = "81d370a424f0e1ea23ff2d7e6c53241578d556a33c72e45ae745bb22c88d45a8";
        assert_eq!(d.sha256(), expected);
        for changed in [
            Dataset {
                shape: vec![1, 2, 1],
                ..two()
            },
            Dataset {
                x: vec![0.0, 0.25, 0.5, 0.75],
                ..two()
            },
            Dataset {
                y: vec![1, 1],
                ..two()
            },
        ] {
            assert_ne!(changed.sha256(), expected);
        }
        assert_eq!(
            Dataset {
                name: "renamed".into(),
                ..two()
            }
            .sha256(),
            expected
        );
    }
}
