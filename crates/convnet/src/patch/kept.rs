//! The groups of a batch that is kept.

use rayon::prelude::*;

use super::group::{Group, Step};
use super::spread::Spread;
use crate::net::Net;
use crate::plan::Program;
use crate::rect::Rect;

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
    /// Runs the images `x`, and keeps what the first `depth` steps make of them.
    pub fn new(net: &Net, depth: usize, x: &[f32]) -> Kept {
        let len = net.inputs();
        let share = (x.len() / len).div_ceil(rayon::current_num_threads());
        let groups = x.par_chunks(share * len);
        let group = |x: &[f32]| {
            let samples = [x.len() / len, net.group()];
            net.work(|work| Group::new(net.program(), depth, samples, x, work))
        };
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

    /// Goes to `x` by those ways, and writes its outputs.
    pub fn advance(
        &mut self,
        net: &Net,
        x: &[f32],
        steps: Vec<(Vec<Step>, Spread)>,
        out: &mut [f32],
    ) {
        self.calls += 1;
        let (share, sizes) = (self.share(), [self.depth, net.group()]);
        let inputs = x.par_chunks(share * net.inputs());
        let outputs = out.par_chunks_mut(share * net.outputs());
        let groups = self.groups.par_iter_mut().zip(steps);
        groups
            .zip(inputs.zip(outputs))
            .for_each(|((group, (steps, spread)), (x, out))| {
                net.work(|work| {
                    let way = (steps.as_slice(), spread);
                    out.copy_from_slice(group.advance(net.program(), sizes, x, way, work));
                });
            });
    }

    /// Samples of each group but the last.
    fn share(&self) -> usize {
        self.groups.first().map_or(1, Group::samples)
    }
}
