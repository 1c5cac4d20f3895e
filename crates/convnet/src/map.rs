//! Where the activations of a group of samples lie: blocks of 16 channels, outermost; then samples, rows,
//! columns. A halo of zeros around each sample stands for the padding of whatever reads it.

use crate::layer::Layout;
use crate::simd::{BLOCK, Block};

/// The shape of one value of one sample, and its halo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Map {
    pub channels: usize,
    pub rows: usize,
    pub cols: usize,
    pub halo: Halo,
}

/// Rows and columns of zeros on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Halo {
    pub top: usize,
    pub left: usize,
    pub bottom: usize,
    pub right: usize,
}

impl Halo {
    /// What serves both.
    pub fn or(self, other: Halo) -> Halo {
        Halo {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

impl Map {
    pub fn new([channels, rows, cols]: [usize; 3]) -> Map {
        Map {
            channels,
            rows,
            cols,
            halo: Halo::default(),
        }
    }

    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(BLOCK)
    }

    /// From a row to the next.
    pub fn row(&self) -> usize {
        self.halo.left + self.cols + self.halo.right
    }

    /// From a sample to the next.
    pub fn sample(&self) -> usize {
        (self.halo.top + self.rows + self.halo.bottom).saturating_mul(self.row())
    }

    /// Blocks that a sample takes in all.
    pub fn size(&self) -> usize {
        self.blocks().saturating_mul(self.sample())
    }

    /// Pixels without the halo.
    pub fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// The pixel (y, x) of a sample, from its start.
    pub fn at(&self, y: usize, x: usize) -> usize {
        (self.halo.top + y) * self.row() + self.halo.left + x
    }

    /// Writes zeros around each of `group` samples.
    pub fn clear_halo(&self, group: usize, data: &mut [Block]) {
        if self.halo == Halo::default() {
            return;
        }
        let row = self.row();
        let sides = self.halo.top * row..(self.halo.top + self.rows) * row;
        for sample in data
            .chunks_exact_mut(self.sample())
            .take(group * self.blocks())
        {
            sample[..sides.start].fill(Block::ZERO);
            for line in sample[sides.clone()].chunks_exact_mut(row) {
                line[..self.halo.left].fill(Block::ZERO);
                line[self.halo.left + self.cols..].fill(Block::ZERO);
            }
            sample[sides.end..].fill(Block::ZERO);
        }
    }

    /// Whether a sample is a line of blocks, and nothing else.
    fn is_flat(&self) -> bool {
        self.pixels() == 1 && self.halo == Halo::default()
    }

    /// Takes samples in; the halo is left as it is.
    pub fn import(&self, layout: Layout, group: usize, from: &[f32], to: &mut [Block]) {
        if layout == Layout::Last {
            return self.import_last(group, from, to);
        }
        if self.is_flat() {
            return self.import_flat(group, from, to);
        }
        let pixels = self.pixels();
        for (s, sample) in from
            .chunks_exact(self.channels * pixels)
            .take(group)
            .enumerate()
        {
            for (b, planes) in sample.chunks(BLOCK * pixels).enumerate() {
                let base = (b * group + s) * self.sample();
                for y in 0..self.rows {
                    let at = base + self.at(y, 0);
                    let line = &mut to[at..at + self.cols];
                    if planes.len() < BLOCK * pixels {
                        line.fill(Block::ZERO);
                    }
                    for (c, plane) in planes.chunks_exact(pixels).enumerate() {
                        let plane = &plane[y * self.cols..][..self.cols];
                        for (block, &value) in line.iter_mut().zip(plane) {
                            block.0[c] = value;
                        }
                    }
                }
            }
        }
    }

    /// Gives samples out.
    pub fn export(&self, layout: Layout, group: usize, from: &[Block], to: &mut [f32]) {
        if layout == Layout::Last {
            return self.export_last(group, from, to);
        }
        if self.is_flat() {
            return self.export_flat(group, from, to);
        }
        let pixels = self.pixels();
        for (s, sample) in to
            .chunks_exact_mut(self.channels * pixels)
            .take(group)
            .enumerate()
        {
            for (b, planes) in sample.chunks_mut(BLOCK * pixels).enumerate() {
                let base = (b * group + s) * self.sample();
                for y in 0..self.rows {
                    let at = base + self.at(y, 0);
                    let line = &from[at..at + self.cols];
                    for (c, plane) in planes.chunks_exact_mut(pixels).enumerate() {
                        let plane = &mut plane[y * self.cols..][..self.cols];
                        for (value, block) in plane.iter_mut().zip(line) {
                            *value = block.0[c];
                        }
                    }
                }
            }
        }
    }

    fn import_last(&self, group: usize, from: &[f32], to: &mut [Block]) {
        let sample = self.channels * self.pixels();
        for (s, sample) in from.chunks_exact(sample).take(group).enumerate() {
            for (y, line) in sample.chunks_exact(self.channels * self.cols).enumerate() {
                for (b, first) in (0..self.channels).step_by(BLOCK).enumerate() {
                    let at = (b * group + s) * self.sample() + self.at(y, 0);
                    let count = BLOCK.min(self.channels - first);
                    let pixels = line.chunks_exact(self.channels);
                    for (block, pixel) in to[at..at + self.cols].iter_mut().zip(pixels) {
                        let part = &pixel[first..first + count];
                        match part.try_into() {
                            Ok(whole) => block.0 = whole,
                            Err(_) => {
                                *block = Block::ZERO;
                                block.0[..count].copy_from_slice(part);
                            }
                        }
                    }
                }
            }
        }
    }

    fn export_last(&self, group: usize, from: &[Block], to: &mut [f32]) {
        let sample = self.channels * self.pixels();
        for (s, sample) in to.chunks_exact_mut(sample).take(group).enumerate() {
            for (y, line) in sample
                .chunks_exact_mut(self.channels * self.cols)
                .enumerate()
            {
                for (b, first) in (0..self.channels).step_by(BLOCK).enumerate() {
                    let at = (b * group + s) * self.sample() + self.at(y, 0);
                    let count = BLOCK.min(self.channels - first);
                    let pixels = line.chunks_exact_mut(self.channels);
                    for (block, pixel) in from[at..at + self.cols].iter().zip(pixels) {
                        pixel[first..first + count].copy_from_slice(&block.0[..count]);
                    }
                }
            }
        }
    }

    fn import_flat(&self, group: usize, from: &[f32], to: &mut [Block]) {
        for (s, sample) in from.chunks_exact(self.channels).take(group).enumerate() {
            let blocks = to[s..].iter_mut().step_by(group);
            for (channels, block) in sample.chunks(BLOCK).zip(blocks) {
                *block = Block::ZERO;
                block.0[..channels.len()].copy_from_slice(channels);
            }
        }
    }

    fn export_flat(&self, group: usize, from: &[Block], to: &mut [f32]) {
        let samples = to.chunks_exact_mut(self.channels).take(group);
        for (s, sample) in samples.enumerate() {
            let blocks = from[s..].iter().step_by(group);
            for (channels, block) in sample.chunks_mut(BLOCK).zip(blocks) {
                channels.copy_from_slice(&block.0[..channels.len()]);
            }
        }
    }
}

/// A value of a group of samples, to read.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub map: &'a Map,
    pub data: &'a [Block],
    pub group: usize,
}

impl View<'_> {
    /// Pixel (y, x) of block `b` of sample `s`.
    #[inline(always)]
    pub fn at(&self, b: usize, s: usize, y: usize, x: usize) -> usize {
        (b * self.group + s) * self.map.sample() + self.map.at(y, x)
    }
}

/// A value of a group of samples, to write.
pub(crate) struct ViewMut<'a> {
    pub map: &'a Map,
    pub data: &'a mut [Block],
    pub group: usize,
}

impl ViewMut<'_> {
    /// Pixel (y, x) of block `b` of sample `s`.
    #[inline(always)]
    pub fn at(&self, b: usize, s: usize, y: usize, x: usize) -> usize {
        (b * self.group + s) * self.map.sample() + self.map.at(y, x)
    }
}
