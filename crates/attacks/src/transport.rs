//! The least cost of moving the mass of one image so that it becomes another, exactly. A step to a pixel beside, above or
//! below costs 1 for each unit of mass, and mass stays in its channel: the 1-Wasserstein distance whose ground metric is L1.
//!
//! It is the least L1 length of a flow on the grid whose divergence is the difference of the images (Levine & Feizi 2020,
//! <https://arxiv.org/abs/1910.10783>), and so a norm of that difference. The network simplex method finds it, on strongly
//! feasible trees (Cunningham 1976) and in whole numbers: f32 values are multiples of a power of 2 and potentials are sums
//! of costs, so nothing is rounded, and it ends.
//!
//! Mass that appears or vanishes, as it does where pixels are rounded to f32, comes from outside the image or goes there. A
//! unit of it costs `height + width`, more than any way across the image.

use scoville_kernels::Image;

/// Masses are whole multiples of 2^-80; what is finer is cut off.
const BITS: i32 = 80;

/// Pixels that are looked at, at least, before the arc that promises most is taken.
const BLOCK: usize = 32;

/// The least cost of making `to` of `from`, both laid out as `image`, values in [0, 1].
pub fn cost(image: Image, from: &[f32], to: &[f32]) -> f64 {
    let area = image.height * image.width;
    let planes = from.chunks(area).zip(to.chunks(area));
    let costs = planes.filter(|(from, to)| from != to).map(|(from, to)| {
        let left = from.iter().zip(to).map(|(&a, &b)| mass(a) - mass(b));
        let mut network = Network::new(image.height, image.width, left.collect());
        network.solve();
        network.cost()
    });
    costs.sum::<i128>() as f64 * 2f64.powi(-BITS)
}

/// That cost over the mass of `from`: how much of it moves, times how many pixels far. Nothing can be made of an image
/// without any.
pub fn distance(image: Image, from: &[f32], to: &[f32]) -> f64 {
    let cost = cost(image, from, to);
    match cost > 0.0 {
        true => cost / from.iter().map(|&v| f64::from(v)).sum::<f64>(),
        false => 0.0,
    }
}

fn mass(value: f32) -> i128 {
    (f64::from(value) * 2f64.powi(BITS)) as i128
}

/// A spanning tree of the pixels, its root outside the image, and the flow on it.
struct Network {
    height: usize,
    width: usize,
    /// The node above each pixel.
    parent: Vec<usize>,
    /// Whether the flow between a pixel and the node above it goes up.
    up: Vec<bool>,
    /// How much flows; where nothing does, `up` holds, which is what makes the tree strongly feasible.
    flow: Vec<i128>,
    /// What a unit of mass at each node, the root last, still has to pay on its way to the root.
    potential: Vec<i64>,
    depth: Vec<u32>,
    stack: Vec<usize>,
}

impl Network {
    /// Every pixel hangs on the root, and has `left` over.
    fn new(height: usize, width: usize, left: Vec<i128>) -> Self {
        let pixels = left.len();
        let outside = (height + width) as i64;
        let up: Vec<bool> = left.iter().map(|&left| left >= 0).collect();
        let potential = up.iter().map(|&up| if up { outside } else { -outside });
        Self {
            height,
            width,
            parent: vec![pixels; pixels],
            potential: potential.chain([0]).collect(),
            depth: [vec![1; pixels], vec![0]].concat(),
            flow: left.iter().map(|left| left.abs()).collect(),
            up,
            stack: Vec::new(),
        }
    }

    fn root(&self) -> usize {
        self.parent.len()
    }

    fn length(&self, a: usize, b: usize) -> i64 {
        match a.max(b) == self.root() {
            true => (self.height + self.width) as i64,
            false => 1,
        }
    }

    fn cost(&self) -> i128 {
        let nodes = self.flow.iter().zip(&self.parent).enumerate();
        nodes
            .map(|(node, (flow, &parent))| flow * i128::from(self.length(node, parent)))
            .sum()
    }

    /// Lets flow enter arcs that save something, until none does.
    fn solve(&mut self) {
        let mut first = 0;
        while let Some((from, to)) = self.entering(&mut first) {
            self.pivot(from, to);
        }
    }

    /// An arc that is shorter than the way along the tree, sought from pixel `first` on.
    fn entering(&self, first: &mut usize) -> Option<(usize, usize)> {
        let (pixels, mut most, mut best) = (self.root(), 0, None);
        for seen in 1..=pixels {
            let node = *first;
            *first = (*first + 1) % pixels;
            let right = (!(node + 1).is_multiple_of(self.width)).then_some(node + 1);
            let below = (node + self.width < pixels).then_some(node + self.width);
            for other in [right, below, Some(pixels)].into_iter().flatten() {
                let fall = self.potential[node] - self.potential[other];
                let saved = fall.abs() - self.length(node, other);
                if saved > most {
                    most = saved;
                    best = Some(if fall > 0 {
                        (node, other)
                    } else {
                        (other, node)
                    });
                }
            }
            if best.is_some() && seen % BLOCK == 0 {
                break;
            }
        }
        best
    }

    /// Sends as much as can be round the cycle that the arc `from -> to` closes, and puts the arc in the place of the one
    /// that keeps more from flowing. Of several that is the last on the way round from the top of the cycle.
    fn pivot(&mut self, from: usize, to: usize) {
        let top = self.meeting(from, to);
        let (mut least, mut leaving) = (i128::MAX, None);
        let mut node = from;
        while node != top {
            if self.up[node] && self.flow[node] < least {
                (least, leaving) = (self.flow[node], Some((node, true)));
            }
            node = self.parent[node];
        }
        node = to;
        while node != top {
            if !self.up[node] && self.flow[node] <= least {
                (least, leaving) = (self.flow[node], Some((node, false)));
            }
            node = self.parent[node];
        }
        // Every cycle that saves something has an arc against it, because no arc's cost is below 0.
        let Some((leaving, behind)) = leaving else {
            return;
        };
        self.send(from, top, -least);
        self.send(to, top, least);
        let (inner, outer) = if behind { (from, to) } else { (to, from) };
        self.hang(inner, outer, behind, least, leaving);
        self.refresh(inner);
    }

    /// The node where the ways from `a` and `b` to the root meet.
    fn meeting(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            match self.depth[a] >= self.depth[b] {
                true => a = self.parent[a],
                false => b = self.parent[b],
            }
        }
        a
    }

    /// Adds `amount` to what flows up from `node` to `top`.
    fn send(&mut self, mut node: usize, top: usize, amount: i128) {
        while node != top {
            self.flow[node] += if self.up[node] { amount } else { -amount };
            node = self.parent[node];
        }
    }

    /// Turns the way from `node` to `last` upside down, and hangs it on `parent` with `flow` going up or not.
    fn hang(
        &mut self,
        mut node: usize,
        mut parent: usize,
        mut up: bool,
        mut flow: i128,
        last: usize,
    ) {
        loop {
            let above = std::mem::replace(&mut self.parent[node], parent);
            let was_up = std::mem::replace(&mut self.up[node], up);
            flow = std::mem::replace(&mut self.flow[node], flow);
            if node == last {
                return;
            }
            (parent, node, up) = (node, above, !was_up);
        }
    }

    /// Potentials and depths of all that hangs on `node`.
    fn refresh(&mut self, node: usize) {
        self.stack.push(node);
        while let Some(node) = self.stack.pop() {
            let parent = self.parent[node];
            let length = self.length(node, parent);
            let step = if self.up[node] { length } else { -length };
            self.potential[node] = self.potential[parent] + step;
            self.depth[node] = self.depth[parent] + 1;
            let column = node % self.width;
            let beside = [
                (column > 0).then(|| node - 1),
                (column + 1 < self.width).then_some(node + 1),
                node.checked_sub(self.width),
                Some(node + self.width),
            ];
            let beside = beside.into_iter().flatten();
            let parents = &self.parent;
            self.stack
                .extend(beside.filter(|&other| parents.get(other) == Some(&node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in [0, 1] from a small generator.
    fn values(n: usize, state: &mut u64) -> Vec<f32> {
        let mut next = || {
            *state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (*state >> 40) as f32 / 16_777_216.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn image(channels: usize, height: usize, width: usize) -> Image {
        Image {
            channels,
            height,
            width,
        }
    }

    /// No flow costs less than any potential earns that differs by at most 1 between neighbours and by at most the way
    /// outside from the root; one that earns as much as the flow costs proves that the flow is the cheapest.
    #[test]
    fn a_potential_proves_every_cost() {
        let mut state = 1;
        for case in 0..300 {
            let (height, width) = (1 + case % 9, 1 + case / 9 % 11);
            let n = height * width;
            let (from, mut to) = (values(n, &mut state), values(n, &mut state));
            if case % 3 == 0 {
                // Ties, and pixels with nothing to move.
                to = from
                    .iter()
                    .zip(&to)
                    .map(|(a, b)| a.max(*b).round())
                    .collect();
            }
            let left: Vec<i128> = from
                .iter()
                .zip(&to)
                .map(|(&a, &b)| mass(a) - mass(b))
                .collect();
            let mut network = Network::new(height, width, left.clone());
            network.solve();
            let phi = &network.potential;
            for i in 0..n {
                assert!(phi[i].abs() <= (height + width) as i64);
                if !(i + 1).is_multiple_of(width) {
                    assert!((phi[i] - phi[i + 1]).abs() <= 1, "{height} x {width}");
                }
                if i + width < n {
                    assert!((phi[i] - phi[i + width]).abs() <= 1, "{height} x {width}");
                }
            }
            let earned = left
                .iter()
                .zip(phi)
                .map(|(left, &phi)| left * i128::from(phi));
            assert_eq!(earned.sum::<i128>(), network.cost(), "{height} x {width}");
            assert!(network.flow.iter().all(|&flow| flow >= 0));
        }
    }

    #[test]
    fn on_a_line_it_is_the_sum_of_what_passes_each_place() {
        let mut state = 2;
        for n in 1..60 {
            let from = values(n, &mut state);
            let mut to = from.clone();
            to.rotate_left(n / 3);
            to.reverse();
            let mut passing = 0i128;
            let passed = from.iter().zip(&to).map(|(&a, &b)| {
                passing += mass(a) - mass(b);
                passing.abs()
            });
            let expected = passed.sum::<i128>() as f64 * 2f64.powi(-BITS);
            assert_eq!(cost(image(1, 1, n), &from, &to), expected);
            assert_eq!(cost(image(1, n, 1), &from, &to), expected);
        }
    }

    #[test]
    fn table() {
        for (shape, from, to, expected) in [
            (
                image(1, 2, 2),
                [1.0, 0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0, 1.0],
                2.0,
            ),
            (
                image(1, 2, 2),
                [0.5, 0.0, 0.0, 0.5],
                [0.0, 0.5, 0.5, 0.0],
                1.0,
            ),
            (
                image(1, 1, 4),
                [0.5, 0.0, 0.0, 0.0],
                [0.25, 0.0, 0.0, 0.25],
                0.75,
            ),
            // Each channel keeps its mass: what one loses and the other gains comes from outside.
            (
                image(2, 1, 2),
                [0.5, 0.0, 0.0, 0.0],
                [0.0, 0.0, 0.5, 0.0],
                3.0,
            ),
            (
                image(1, 2, 2),
                [0.5, 0.25, 0.0, 0.0],
                [0.5, 0.0, 0.0, 0.0],
                1.0,
            ),
            (image(1, 1, 4), [0.25; 4], [0.25; 4], 0.0),
        ] {
            assert_eq!(cost(shape, &from, &to), expected, "{from:?} {to:?}");
        }
    }

    /// Expected: `distance` of `benches/wasserstein.py`, which solves the linear programme.
    #[test]
    fn a_linear_programme_finds_no_other_distance() {
        let mut state = 4;
        for (shape, expected) in [
            (image(1, 3, 4), 2.714211455096),
            (image(1, 5, 5), 0.577787048681),
            (image(2, 7, 6), 3.191662837000),
            (image(3, 4, 9), 2.252944025870),
        ] {
            let n = shape.channels * shape.height * shape.width;
            let (from, to) = (values(n, &mut state), values(n, &mut state));
            let got = distance(shape, &from, &to);
            assert!((got - expected).abs() < 1e-9, "{shape:?}: {got}");
        }
    }

    #[test]
    fn it_grows_in_proportion_to_the_difference() {
        let mut state = 3;
        let from: Vec<f32> = values(56, &mut state).iter().map(|v| v.round()).collect();
        let mut to = from.clone();
        to.reverse();
        let half: Vec<f32> = from.iter().zip(&to).map(|(a, b)| 0.5 * (a + b)).collect();
        let shape = image(1, 7, 8);
        let whole = cost(shape, &from, &to);
        assert!(whole > 0.0);
        assert_eq!(cost(shape, &from, &half), 0.5 * whole);
        assert_eq!(cost(shape, &to, &from), whole);
    }
}
