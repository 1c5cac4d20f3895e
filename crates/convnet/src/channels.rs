//! Channels of one value or several in another order: what concatenates, cuts and shuffles them.

use core::ops::Range;

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{View, ViewMut};
use crate::rect::Area;
use crate::simd::{BLOCK, Block, Kernel, dispatch, load, store};

/// A channel of one of the values that are read.
pub type Place = (usize, usize);

#[derive(Debug)]
pub(crate) struct Channels {
    /// What each block of channels is made of.
    blocks: Vec<Made>,
    end: End,
}

#[derive(Debug)]
enum Made {
    /// A block of an input as it is.
    Whole(Source),
    /// Lanes of several, each by its place among them; zero where there is none.
    Mixed(Vec<Source>, [Option<(u8, u8)>; BLOCK]),
}

/// A block of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source {
    input: usize,
    block: usize,
}

impl Made {
    fn new(places: &[Option<Place>]) -> Made {
        let (mut sources, mut lanes) = (Vec::new(), [None; BLOCK]);
        for (lane, place) in lanes.iter_mut().zip(places) {
            let &Some((input, channel)) = place else {
                continue;
            };
            let source = Source {
                input,
                block: channel / BLOCK,
            };
            let known = sources.iter().position(|known| *known == source);
            let at = known.unwrap_or(sources.len());
            if known.is_none() {
                sources.push(source);
            }
            // At most as many as lanes.
            *lane = Some((at as u8, (channel % BLOCK) as u8));
        }
        let straight = (0..BLOCK).all(|lane| lanes[lane] == Some((0, lane as u8)));
        match sources[..] {
            [source] if straight => Made::Whole(source),
            _ => Made::Mixed(sources, lanes),
        }
    }

    /// Writes the pixels `columns` of row `y` of sample `s` to a line that has all.
    #[inline(always)]
    fn line(&self, inputs: &[View], [s, y]: [usize; 2], columns: Range<usize>, to: &mut [Block]) {
        let line = |source: &Source| {
            let view = &inputs[source.input];
            &view.data[view.at(source.block, s, y, 0)..][columns.clone()]
        };
        let to = &mut to[columns.clone()];
        match self {
            Made::Whole(source) => to.copy_from_slice(line(source)),
            Made::Mixed(sources, lanes) => {
                to.fill(Block::ZERO);
                for (lane, place) in lanes.iter().enumerate() {
                    if let &Some((source, from)) = place {
                        let from = usize::from(from) % BLOCK;
                        let line = line(&sources[usize::from(source)]);
                        for (to, block) in to.iter_mut().zip(line) {
                            to.0[lane] = block.0[from];
                        }
                    }
                }
            }
        }
    }
}

impl Channels {
    /// Channel `i` is that of place `i`, or zero.
    pub fn new(places: &[Option<Place>], end: End) -> Channels {
        Channels {
            blocks: places.chunks(BLOCK).map(Made::new).collect(),
            end,
        }
    }

    pub fn run(&self, sources: &[View], to: &mut ViewMut, beside: &mut Beside, area: Area) {
        dispatch(Job {
            op: self,
            sources,
            to,
            beside,
            area,
        });
    }
}

struct Job<'a, 'b, 'c, 'd> {
    op: &'a Channels,
    sources: &'a [View<'a>],
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
    area: Area<'a>,
}

impl Kernel for Job<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (map, group) = (self.to.map, self.to.group);
        let bare = self.op.end.is_bare() && self.beside.add.is_none();
        for (b, made) in self.op.blocks.iter().enumerate() {
            for s in 0..group {
                let rect = self.area.of(s, [map.rows, map.cols]);
                for y in rect.from[0]..rect.to[0] {
                    let columns = rect.from[1]..rect.to[1];
                    let at = self.to.at(b, s, y, 0);
                    let to = &mut self.to.data[at..][..map.cols];
                    made.line(self.sources, [s, y], columns.clone(), to);
                    if bare {
                        continue;
                    }
                    for x in columns {
                        let value = load::<S, V>(&to[x].0, 0);
                        let pixel = [b, s, y, x];
                        let (end, beside) = (&self.op.end, &mut *self.beside);
                        let value = end.apply::<S, V>(simd, value, beside, map, pixel);
                        store::<S, V>(&mut to[x].0, 0, value);
                    }
                }
            }
        }
    }
}
