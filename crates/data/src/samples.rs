//! The values of samples, read or made when they are asked for.

use std::ops::Range;

use rayon::prelude::*;

use crate::dataset::pixels;
use crate::glyphs::{self, Glyphs};
use crate::store::Store;
use crate::{Error, Features};

/// Where the values of a data set come from.
#[derive(Debug)]
pub(crate) enum Samples {
    Records(Records),
    Glyphs(Glyphs),
    Cells(Cells),
}

impl Samples {
    /// Adds the values of the samples `rows` to `values`.
    pub(crate) fn read(&self, rows: Range<usize>, values: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Samples::Records(records) => records.read(rows, values),
            Samples::Cells(cells) => {
                cells.read(rows, values);
                Ok(())
            }
            Samples::Glyphs(glyphs) => {
                let start = values.len();
                values.resize(start + rows.len() * glyphs::LEN, 0.0);
                let images = values[start..].par_chunks_exact_mut(glyphs::LEN);
                images
                    .zip(rows)
                    .for_each(|(image, row)| glyphs.draw(row, image));
                Ok(())
            }
        }
    }
}

/// A table: a number a cell, whatever elements stand for it.
#[derive(Debug)]
pub(crate) struct Cells {
    features: Features,
    /// Row after row.
    cells: Vec<f32>,
}

impl Cells {
    /// Of columns of equal length, one a feature.
    pub(crate) fn new(features: Features, columns: Vec<Vec<f32>>) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        let row = |row: usize| columns.iter().filter_map(move |c| c.get(row).copied());
        let cells = (0..rows).flat_map(row).collect();
        Cells { features, cells }
    }

    fn read(&self, rows: Range<usize>, values: &mut Vec<f32>) {
        let width = self.features.columns.len().max(1);
        let cells = self.cells.chunks_exact(width);
        for row in cells.skip(rows.start).take(rows.len()) {
            for (feature, &cell) in self.features.columns.iter().zip(row) {
                feature.spread(cell, values);
            }
        }
    }
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// A byte: 0 to 255 -> [0, 1].
    Byte,
    /// A little-endian f32, which must be finite.
    F32,
}

/// Samples of one size, one after the other.
#[derive(Debug)]
pub(crate) struct Records {
    pub store: Store,
    /// Bytes of a sample.
    pub size: usize,
    /// Of those, bytes before its values.
    pub lead: usize,
    pub encoding: Encoding,
}

impl Records {
    fn read(&self, rows: Range<usize>, values: &mut Vec<f32>) -> Result<(), Error> {
        let at = rows.start as u64 * self.size as u64;
        let bytes = self.store.read(at, rows.len() * self.size)?;
        for (row, record) in rows.zip(bytes.chunks_exact(self.size)) {
            let stored = &record[self.lead..];
            match self.encoding {
                Encoding::Byte => values.extend(pixels(stored)),
                Encoding::F32 => {
                    let start = values.len();
                    let stored = stored.as_chunks().0.iter();
                    values.extend(stored.map(|&b| f32::from_le_bytes(b)));
                    self.check_finite(row, &values[start..])?;
                }
            }
        }
        Ok(())
    }

    fn check_finite(&self, sample: usize, values: &[f32]) -> Result<(), Error> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(element) => Err(Error::NonFinite {
                path: self.store.path().to_owned(),
                sample,
                element,
                value: values[element],
            }),
        }
    }
}
