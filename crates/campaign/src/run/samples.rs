//! Samples in memory, on their way through the attacks.

/// Correctly classified samples: ids, values row after row, labels.
#[derive(Default)]
pub(crate) struct Samples {
    pub ids: Vec<u32>,
    pub x: Vec<f32>,
    pub y: Vec<u32>,
}

impl Samples {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The values of one of them.
    pub fn sample(&self, row: usize) -> &[f32] {
        let cols = self.x.len() / self.len().max(1);
        &self.x[row * cols..(row + 1) * cols]
    }

    pub fn append(&mut self, mut other: Samples) {
        self.ids.append(&mut other.ids);
        self.x.append(&mut other.x);
        self.y.append(&mut other.y);
    }

    pub fn select(&self, rows: &[usize]) -> Samples {
        Samples {
            ids: rows.iter().map(|&i| self.ids[i]).collect(),
            x: rows.iter().flat_map(|&i| self.sample(i)).copied().collect(),
            y: rows.iter().map(|&i| self.y[i]).collect(),
        }
    }
}
