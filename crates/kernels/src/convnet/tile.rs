//! How a workgroup of `conv_correlate.wgsl` shares the work: chosen for each convolution.

use super::params::Params;
use crate::launch::WORKGROUP;

/// Bytes of workgroup memory that a tile takes at most: what every WebGPU device has.
pub(super) const WORKGROUP_MEMORY: u32 = 16 << 10;
/// Threads that have a strip, the most first.
const WORKERS: [u32; 6] = [WORKGROUP, 128, 64, 32, 16, 8];
/// Channels that are staged together, the most first.
const STAGED: [u32; 5] = [16, 8, 4, 2, 1];
/// Where they can, workgroups make at least so many strips, rather of fewer filters: pixels that lie together share what they see.
const LEAST_STRIPS: u32 = 16;
/// Pixels of a thread, one below the other.
const STRIP: u32 = 4;
/// Banks of a workgroup's memory.
const BANKS: u32 = 32;

/// The overrides of `conv_correlate.wgsl`, where each is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tile {
    pub rows: u32,
    pub filters: u32,
    pub wide: u32,
    pub high: u32,
    pub samples: u32,
    pub staged: u32,
    pub taps: [u32; 2],
    pub dilation: [u32; 2],
    pub stride: [u32; 2],
    pub step: u32,
    pub pitch: u32,
}

impl Tile {
    /// `None` if no tile fits into a workgroup's memory.
    pub fn choose(params: &Params) -> Option<Tile> {
        let fitting = |&workers: &u32| Tile::of(params, workers);
        WORKERS.iter().find_map(fitting)
    }

    /// The tile of so many strips times blocks of filters, with as much staged as fits.
    fn of(params: &Params, workers: u32) -> Option<Tile> {
        let filters = params.filters / params.groups;
        let rows = if filters <= 4 { 4 } else { 8 };
        let most = (rows * workers / LEAST_STRIPS).clamp(rows, 64);
        let filters = filters.next_power_of_two().clamp(rows, most);
        let strips = workers * rows / filters;
        let [height, width] = params.made;
        let [taps_y, taps_x] = params.kernel;
        let wide = side(width, taps_x, 1, strips.min(BANKS));
        let high = side(height.div_ceil(STRIP), taps_y, STRIP, strips / wide) * STRIP;
        // All rows of the kernel, or one by one.
        [taps_y, 1].into_iter().find_map(|taps| {
            let tile = Tile {
                rows,
                filters,
                wide,
                high,
                samples: strips * STRIP / (wide * high),
                staged: 1,
                taps: [taps, taps_x],
                dilation: params.dilation,
                stride: params.stride,
                step: if taps == 1 { params.stride[0] } else { 1 },
                pitch: 0,
            };
            let tile = Tile {
                pitch: tile.pitch(),
                ..tile
            };
            // No more than half in vain.
            let worthwhile = |n: &u32| *n == 1 || *n < 2 * params.depth;
            let staged = STAGED.into_iter().filter(worthwhile);
            let mut tiles = staged.map(|staged| Tile { staged, ..tile });
            tiles.find(Tile::fits)
        })
    }

    fn fits(&self) -> bool {
        let [rows, _] = self.seen();
        let product = |sizes: [u32; 3]| {
            let sizes = sizes.map(u64::from).into_iter();
            sizes.fold(u64::from(self.staged), u64::saturating_mul)
        };
        let seen = product([self.samples, rows, self.pitch]);
        let weights = product([self.taps[0], self.taps[1], self.filters]);
        seen.saturating_add(weights) <= u64::from(WORKGROUP_MEMORY / 4)
    }

    /// Workgroups over `batch` samples.
    pub fn workgroups(&self, params: &Params, batch: usize) -> usize {
        let [height, width] = params.made;
        let filters = (params.filters / params.groups).div_ceil(self.filters) * params.groups;
        let patches = height.div_ceil(self.high) as usize * width.div_ceil(self.wide) as usize;
        filters as usize * patches * batch.div_ceil(self.samples as usize)
    }

    /// Rows and columns that are staged.
    fn seen(&self) -> [u32; 2] {
        let down = self.stride[0] / self.step;
        let reach = [0, 1].map(|i| (self.taps[i] - 1).saturating_mul(self.dilation[i]));
        let rows = (self.high - 1)
            .saturating_mul(down)
            .saturating_add(reach[0]);
        let cols = (self.wide - 1)
            .saturating_mul(self.stride[1])
            .saturating_add(reach[1]);
        [rows.saturating_add(1), cols.saturating_add(1)]
    }

    /// From one staged row to the next, so that the strips of neighbouring threads lie in different banks.
    fn pitch(&self) -> u32 {
        let [_, cols] = self.seen();
        let strip = STRIP.saturating_mul(self.stride[0] / self.step);
        let apart = |pitch: &u32| {
            let bank = strip.wrapping_mul(*pitch) % BANKS;
            bank == self.wide || bank == BANKS - self.wide
        };
        let mut pitches = cols..cols.saturating_add(8);
        match self.wide < BANKS {
            true => pitches.find(apart).unwrap_or(cols),
            false => cols,
        }
    }

    pub fn overrides(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("ROWS", self.rows),
            ("FILTERS", self.filters),
            ("WIDE", self.wide),
            ("HIGH", self.high),
            ("SAMPLES", self.samples),
            ("STAGED", self.staged),
            ("TAPS_Y", self.taps[0]),
            ("TAPS_X", self.taps[1]),
            ("DILATION_Y", self.dilation[0]),
            ("DILATION_X", self.dilation[1]),
            ("STRIDE_Y", self.stride[0]),
            ("STRIDE_X", self.stride[1]),
            ("STEP_Y", self.step),
            ("PITCH", self.pitch),
        ];
        all.map(|(name, value)| (name, value.into())).to_vec()
    }
}

/// How many of `size` a workgroup makes along an axis, a power of two up to `most`: where the last workgroup makes little in
/// vain, and patches share most of what they see at their edges. `unit` is how many pixels one is.
fn side(size: u32, taps: u32, unit: u32, most: u32) -> u32 {
    let cost = |side: u32| {
        let made = f64::from(size.div_ceil(side) * side);
        made * (1.0 + 0.25 * f64::from(taps + 1) / f64::from(unit * side))
    };
    let sides = (0..=most.max(1).ilog2()).map(|log| 1 << log);
    sides
        .min_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(b.cmp(&a)))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A convolution over `[channels, rows, cols]`; kernel and stride are square.
    fn params([channels, rows, cols]: [u32; 3], filters: u32, kernel: u32, stride: u32) -> Params {
        let made = [rows, cols].map(|size| size.div_ceil(stride));
        Params {
            channels,
            size: [rows, cols],
            filters,
            groups: 1,
            made,
            stride: [stride; 2],
            depth: channels,
            kernel: [kernel; 2],
            dilation: [1; 2],
            ..Params::default()
        }
    }

    #[test]
    fn tiles_of_known_layers() {
        // Filters, width, height, samples, staged channels.
        let table = [
            (params([16, 32, 32], 16, 3, 1), [16, 32, 16, 1, 4]),
            (params([32, 16, 16], 32, 3, 1), [32, 16, 16, 1, 4]),
            (params([64, 8, 8], 64, 3, 1), [64, 8, 8, 2, 4]),
            (params([64, 8, 8], 64, 1, 1), [64, 8, 8, 2, 16]),
            (params([16, 32, 32], 3, 3, 1), [4, 32, 32, 1, 2]),
            (params([512, 1, 1], 100, 1, 1), [64, 1, 4, 32, 16]),
        ];
        for (params, expected) in table {
            let tile = Tile::choose(&params).unwrap();
            let found = [
                tile.filters,
                tile.wide,
                tile.high,
                tile.samples,
                tile.staged,
            ];
            assert_eq!(found, expected, "{params:?}");
        }
    }

    #[test]
    fn every_tile_fits_and_covers() {
        for (size, kernel, stride) in [(1, 1, 1), (7, 3, 1), (33, 5, 2), (56, 7, 2), (224, 16, 16)]
        {
            for (channels, filters) in [(1, 1), (3, 5), (20, 64), (300, 1000)] {
                let params = params([channels, size, size], filters, kernel, stride);
                let tile = Tile::choose(&params).unwrap();
                assert!(tile.fits());
                // As much as the shader's threads have room for on the way.
                let [rows, cols] = tile.seen();
                let elements = (tile.samples * rows * cols).div_ceil(WORKGROUP) * tile.staged;
                let weights = tile.staged * tile.taps[0] * tile.taps[1] * tile.filters / 4;
                assert!(
                    elements <= 16 && weights.div_ceil(WORKGROUP) <= 4,
                    "{tile:?}"
                );
                assert!(tile.taps[0] == kernel || tile.taps[0] == 1);
                let made = u64::from(params.made[0]) * u64::from(params.made[1]) * 6;
                let each = tile.filters * tile.wide * tile.high * tile.samples;
                let all = tile.workgroups(&params, 6) as u64 * u64::from(each);
                assert!(all >= made * u64::from(filters), "{tile:?}");
            }
        }
        assert_eq!(Tile::choose(&params([1, 5000, 5000], 1, 4999, 1)), None);
    }

    #[test]
    fn neighbouring_strips_lie_in_different_banks() {
        for cols in [4, 8, 16] {
            let tile = Tile::choose(&params([8, cols, cols], 64, 3, 1)).unwrap();
            let bank = STRIP * tile.pitch % BANKS;
            assert!(bank == cols || bank == BANKS - cols, "{cols}: {tile:?}");
        }
    }

    #[test]
    fn sides_leave_little_in_vain() {
        for (size, taps, most, expected) in [
            (32, 3, 32, 32),
            (28, 3, 32, 32),
            (14, 3, 32, 16),
            (56, 3, 32, 8),
            (40, 3, 32, 8),
            (5, 1, 32, 2),
            (1, 7, 32, 1),
            (100, 3, 4, 4),
        ] {
            assert_eq!(side(size, taps, 1, most), expected, "{size}");
        }
    }
}
