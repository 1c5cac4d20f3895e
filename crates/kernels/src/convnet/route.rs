//! A pass through a network: its dispatches in order, and the buffer of every value.

use std::collections::BTreeSet;

use scoville_convnet::Schedule;

use super::dispatch::Dispatch;
use super::pack::{Constants, pack};

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// What the caller gives.
    Input,
    /// What the caller gets.
    Output,
    /// A buffer of the workspace.
    Buffer(usize),
}

#[derive(Debug)]
pub(super) struct Route {
    pub dispatches: Vec<Dispatch>,
    /// By value.
    pub places: Vec<Place>,
    /// Whether what comes out is what went in.
    pub is_identity: bool,
}

impl Route {
    /// Packs `schedule`; `buffers` are the elements of a sample that each buffer of the workspace holds, and grow. `None` if
    /// a kernel is too large for a workgroup.
    pub fn new(
        schedule: &Schedule,
        constants: &mut Constants,
        buffers: &mut Vec<usize>,
    ) -> Option<Route> {
        let mut last_use = vec![0; schedule.shapes.len()];
        for (i, step) in schedule.steps.iter().enumerate() {
            step.reads().for_each(|value| last_use[value] = i);
        }
        let mut places = vec![Place::Input; schedule.shapes.len()];
        let (mut free, mut count) = (Vec::new(), 0);
        for (i, step) in schedule.steps.iter().enumerate() {
            places[step.to] = match step.to == schedule.output {
                true => Place::Output,
                false => {
                    let buffer = free.pop().unwrap_or_else(|| {
                        count += 1;
                        count - 1
                    });
                    let size = schedule.shapes[step.to].iter().product::<usize>();
                    buffers.resize(buffers.len().max(buffer + 1), 0);
                    buffers[buffer] = buffers[buffer].max(size);
                    Place::Buffer(buffer)
                }
            };
            let read: BTreeSet<usize> = step.reads().collect();
            free.extend(read.into_iter().filter_map(|value| match places[value] {
                Place::Buffer(buffer) if last_use[value] == i => Some(buffer),
                _ => None,
            }));
        }
        Some(Route {
            dispatches: pack(schedule, constants)?,
            places,
            is_identity: schedule.input == schedule.output,
        })
    }
}
