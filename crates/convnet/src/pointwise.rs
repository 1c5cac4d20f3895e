//! Element by element: a sum, an activation, or a derivative's mask.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{View, ViewMut};
use crate::rect::Area;
use crate::simd::{Kernel, dispatch, load, store};

/// Stores `end` of the source.
pub(crate) fn run(end: &End, source: View, to: &mut ViewMut, beside: &mut Beside, area: Area) {
    dispatch(Run {
        end,
        source,
        to,
        beside,
        area,
    });
}

struct Run<'a, 'b, 'c, 'd> {
    end: &'a End,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
    area: Area<'a>,
}

impl Kernel for Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let map = self.to.map;
        for b in 0..map.blocks() {
            for s in 0..self.to.group {
                let rect = self.area.of(s, [map.rows, map.cols]);
                for y in rect.from[0]..rect.to[0] {
                    for x in rect.from[1]..rect.to[1] {
                        let value =
                            load::<S, V>(&self.source.data[self.source.at(b, s, y, x)].0, 0);
                        let pixel = [b, s, y, x];
                        let value = self.end.apply::<S, V>(simd, value, self.beside, map, pixel);
                        let at = self.to.at(b, s, y, x);
                        store::<S, V>(&mut self.to.data[at].0, 0, value);
                    }
                }
            }
        }
    }
}
