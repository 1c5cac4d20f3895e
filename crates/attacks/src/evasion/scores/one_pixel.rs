//! One-pixel attack: differential evolution of the places and colours of a few pixels, from scores alone.
//!
//! Su, Vargas and Sakurai 2019, <https://arxiv.org/abs/1710.08864>.

use scoville_kernels::philox::{key, philox4x32, unit};
use scoville_kernels::{
    Array, Ball, Image, Map, Noise, Zip, combine, keep_lower, map, noise, select, zip,
};
use scoville_targets::Scores;

use super::{ask, compact};
use crate::parts::patch::{Lies, in_range, keep_inside};
use crate::registry::{Access, Algorithm, BLACK_BOX, L0, Row, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "one-pixel",
    summary: "Evolves the places and colours of a few pixels, by differences of random sets",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("queries", 2000.0, 1e7, "most queries about a sample"),
        whole("population", 100.0, 1e4, "sets of pixels that evolve"),
        whole("pixels", 5.0, 1e3, "most pixels that are changed"),
    ],
    paper: "Su 2019, arXiv:1710.08864",
    build: |v| {
        Algorithm::BlackBox(Box::new(OnePixel {
            queries: v.whole("queries"),
            population: v.whole("population"),
            pixels: v.whole("pixels"),
        }))
    },
};

/// The paper's scale factor: how much of the difference of two members is added to a third.
const SCALE: f32 = 0.5;

/// Tells the numbers of a choice from those of other uses of the seed.
const PURPOSE: u32 = 7;

/// Differential evolution with `queries` queries a sample, of as many pixels as the ball lets change, but at most `pixels`.
///
/// A member of the `population` is a set of pixels. It begins at random; then, member by member, a child of three others that are
/// drawn at random takes its place if the margin is lower there. There is no crossover, as in the paper; which members meet is the
/// same for every sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnePixel {
    pub queries: usize,
    pub population: usize,
    pub pixels: usize,
}

impl BlackBox for OnePixel {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let changed = search.ball.eps as usize / search.image.channels.max(1);
        let pixels = self.pixels.min(changed);
        if pixels == 0 {
            return Ok(());
        }
        let mut members: Vec<Member> = Vec::new();
        // Three others and the one whose place is at stake.
        let population = self.population.max(4);
        for query in 0..self.queries {
            let mut state = members
                .iter_mut()
                .flat_map(Member::arrays)
                .collect::<Vec<_>>();
            if compact(search, &mut state)? {
                return Ok(());
            }
            if query < population {
                let start = Pixels::random(query * pixels, pixels, search)?;
                let margin = ask(&start.paint(search)?, search, target)?;
                members.push(Member {
                    pixels: start,
                    margin,
                });
                continue;
            }
            let child = Pixels::child(&members, query, search)?;
            let margin = ask(&child.paint(search)?, search, target)?;
            let at = query % population;
            if let Some(member) = members.get_mut(at) {
                let better = keep_lower(&mut member.margin, &margin)?;
                member.pixels.replace(&child, &better)?;
            }
        }
        Ok(())
    }
}

/// One set of pixels for each running sample, and what it does to the margin.
struct Member {
    pixels: Pixels,
    margin: Array,
}

impl Member {
    fn arrays(&mut self) -> impl Iterator<Item = &mut Array> {
        let Pixels { places, colours } = &mut self.pixels;
        let pixels = places.iter_mut().chain(colours);
        pixels.chain(std::iter::once(&mut self.margin))
    }
}

/// For each pixel of the set, its row and column (n x 2) and its colour (n x channels).
struct Pixels {
    places: Vec<Array>,
    colours: Vec<Array>,
}

impl Pixels {
    /// Anywhere, of any colour.
    fn random(stream: usize, count: usize, search: &Search<'_>) -> Result<Self, Error> {
        let Search {
            ids, seed, image, ..
        } = search;
        let draw = |cols, number: usize| noise(ids, cols, Noise::Uniform, *seed, number as u32);
        let mut pixels = Self {
            places: Vec::new(),
            colours: Vec::new(),
        };
        for number in stream..stream + count {
            let mut place = draw(2, 2 * number)?;
            let n = search.running();
            let sides = [image.height as f32, image.width as f32].repeat(n);
            let sides = Array::from_vec(&search.device(), n, 2, sides)?;
            zip(&mut place, Zip::Multiply, &sides)?;
            let (scale, shift) = (1.0, -0.5);
            map(&mut place, Map::Affine { scale, shift })?;
            pixels.places.push(place);
            let mut colour = draw(image.channels, 2 * number + 1)?;
            in_range(&mut colour, search)?;
            pixels.colours.push(colour);
        }
        pixels.keep_valid(search)?;
        Ok(pixels)
    }

    /// A member plus half the difference of two others, all drawn at random.
    fn child(members: &[Member], query: usize, search: &Search<'_>) -> Result<Self, Error> {
        let [a, b, c] = others(query, members.len(), search.seed).map(|at| &members[at].pixels);
        let mix = |a: &[Array], b: &[Array], c: &[Array]| {
            let pixels = a.iter().zip(b).zip(c).map(|((a, b), c)| {
                let mut mixed = a.copy()?;
                combine(&mut mixed, 1.0, b, SCALE)?;
                combine(&mut mixed, 1.0, c, -SCALE)?;
                Ok(mixed)
            });
            pixels.collect::<Result<Vec<Array>, Error>>()
        };
        let mut child = Self {
            places: mix(&a.places, &b.places, &c.places)?,
            colours: mix(&a.colours, &b.colours, &c.colours)?,
        };
        child.keep_valid(search)?;
        Ok(child)
    }

    fn keep_valid(&mut self, search: &Search<'_>) -> Result<(), Error> {
        let Ball { lo, hi, .. } = search.ball;
        for place in &mut self.places {
            keep_inside(place, one(search.image), search.image)?;
        }
        for colour in &mut self.colours {
            map(colour, Map::Clamp { lo, hi })?;
        }
        Ok(())
    }

    /// The clean samples with these pixels.
    fn paint(&self, search: &Search<'_>) -> Result<Array, Error> {
        let mut x = search.x0.copy()?;
        for (place, colour) in self.places.iter().zip(&self.colours) {
            let lies = Lies::upright(place.copy()?)?;
            x = lies.paste_on(&x, colour, one(search.image), search)?;
        }
        Ok(x)
    }

    /// Takes the other's pixels where `mask` is set.
    fn replace(&mut self, other: &Self, mask: &Array<u32>) -> Result<(), Error> {
        let own = self.places.iter_mut().chain(&mut self.colours);
        for (own, other) in own.zip(other.places.iter().chain(&other.colours)) {
            select(own, other, mask)?;
        }
        Ok(())
    }
}

/// A patch of one pixel.
fn one(image: Image) -> Image {
    Image {
        height: 1,
        width: 1,
        ..image
    }
}

/// Three different members other than the one whose turn it is, of at least four.
fn others(query: usize, population: usize, seed: u64) -> [usize; 3] {
    let words = philox4x32([query as u32, 0, 0, PURPOSE], key(seed));
    let mut taken = vec![query % population];
    for word in words.into_iter().take(3) {
        let mut at = (unit(word) * (population - taken.len()) as f32) as usize;
        let mut passed = taken.clone();
        passed.sort_unstable();
        for other in passed {
            at += usize::from(other <= at);
        }
        taken.push(at);
    }
    [taken[1], taken[2], taken[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_others_meet() {
        for population in [4, 5, 100] {
            for query in 0..500 {
                let drawn = others(query, population, 9);
                let mut all = drawn.to_vec();
                all.push(query % population);
                all.sort_unstable();
                all.dedup();
                assert!(
                    all.len() == 4 && all.iter().all(|&at| at < population),
                    "{drawn:?}"
                );
            }
        }
    }
}
