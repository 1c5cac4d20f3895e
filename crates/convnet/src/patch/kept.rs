//! The groups of a batch that is kept.

use rayon::prelude::*;

use super::group::{Group, Step};
use super::spread::{Spread, live};
use crate::map::ViewMut;
use crate::net::Net;
use crate::plan::Program;
use crate::rect::Rect;
use crate::run::Pass;

#[derive(Debug)]
pub(super) struct Kept {
    /// The first steps of the program, whose values are kept.
    pub depth: usize,
    /// As many samples in each but the last, a group for each thread.
    groups: Vec<Group>,
    /// Calls that it served.
    pub calls: usize,
}

impl Kept {
    /// The first `depth` steps on the images `x`.
    pub fn new(net: &Net, depth: usize, x: &[f32]) -> Kept {
        let len = net.inputs();
        let share = (x.len() / len).div_ceil(rayon::current_num_threads());
        let groups = x.par_chunks(share * len);
        let group =
            |x: &[f32]| net.work(|work| Group::new(net.program(), depth, x.len() / len, x, work));
        Kept {
            depth,
            groups: groups.map(group).collect(),
            calls: 0,
        }
    }

    pub fn samples(&self) -> usize {
        self.groups.iter().map(Group::samples).sum()
    }

    /// Each group's way to `x`, and how far it spreads.
    pub fn steps(
        &self,
        program: &Program,
        x: &[f32],
        image: [usize; 3],
    ) -> Vec<(Vec<Step>, Spread)> {
        let share = self.share() * image.iter().product::<usize>();
        let groups = self.groups.par_iter().zip(x.par_chunks(share));
        let steps = groups.map(|(group, x)| {
            let steps = group.steps(x, image);
            let changed: Vec<Rect> = steps.iter().map(|step| step.changed).collect();
            (steps, Spread::of(program, &changed))
        });
        steps.collect()
    }

    /// Goes to `x` by those ways.
    pub fn advance(&mut self, net: &Net, x: &[f32], steps: Vec<(Vec<Step>, Spread)>) {
        self.calls += 1;
        let (depth, share) = (self.depth, self.share() * net.inputs());
        let groups = self.groups.par_iter_mut().zip(x.par_chunks(share));
        groups.zip(steps).for_each(|((group, x), (steps, spread))| {
            net.work(|work| group.advance(net.program(), depth, x, (&steps, spread), work));
        });
    }

    /// Samples of each group but the last.
    fn share(&self) -> usize {
        self.groups.first().map_or(1, Group::samples)
    }

    /// Runs what comes after the values that are kept.
    pub fn finish(&self, net: &Net, out: &mut [f32]) {
        let (program, depth) = (net.program(), self.depth);
        let live = live(program, depth);
        let rest = depth - 1..program.ops.len();
        let groups = self
            .groups
            .par_iter()
            .zip(out.par_chunks_mut(self.share() * net.outputs()));
        groups.for_each(|(kept, out)| {
            let group = net.group().min(kept.samples());
            for (i, out) in out.chunks_mut(group * net.outputs()).enumerate() {
                let size = out.len() / net.outputs();
                net.work(|work| {
                    for &id in &live {
                        let copy = |to: &mut ViewMut, _: &mut _| kept.copy_out(id, i * group, to);
                        work.write(program, size, id, copy);
                    }
                    work.run_ops(program, rest.clone(), size, &mut Pass::Forget);
                    work.give(program, size, out);
                });
            }
        });
    }
}
