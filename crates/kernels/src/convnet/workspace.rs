//! Memory that passes of one network use again: activations, the tape, and what is prepared for a batch.

use std::sync::Arc;

use burn_cubecl::cubecl::wgpu::wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferDescriptor, BufferSize, BufferUsages,
};

use super::Network;
use super::params::Params;
use super::route::{Place, Route};
use crate::Error;
use crate::device::{Dispatch, Gpu, SLOT, Slice};

/// Elements that one value may have: shaders count in `i32`.
const MAX_ELEMENTS: u64 = i32::MAX as u64;

/// Memory for up to `capacity` samples.
#[derive(Debug)]
pub(super) struct Workspace {
    pub capacity: usize,
    buffers: Vec<Buffer>,
    marks: Buffer,
    params: Buffer,
    /// The batch that is prepared.
    batch: usize,
    /// What is ready to run of each dispatch, forward and then backward.
    ready: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    workgroups: (u32, u32),
    /// `None` where the caller's arrays are bound.
    group: Option<BindGroup>,
}

impl Workspace {
    pub fn new(network: &Network, capacity: usize) -> Result<Workspace, Error> {
        let gpu = &network.gpu;
        let limit = gpu.memory_limit().min(MAX_ELEMENTS * 4);
        let checked = |words: usize| match words as u64 * 4 {
            bytes if bytes <= limit => Ok(bytes.max(4)),
            bytes => Err(Error::TooLarge { bytes, limit }),
        };
        let storage = |words: usize| Ok(buffer(gpu, checked(words)?, BufferUsages::STORAGE));
        let sizes = network.buffers.iter();
        let buffers = sizes.map(|size| storage(size.saturating_mul(capacity)));
        let slots = network.dispatches().count();
        Ok(Workspace {
            capacity,
            buffers: buffers.collect::<Result<_, Error>>()?,
            marks: storage(network.marks.words(capacity))?,
            params: buffer(gpu, (slots * SLOT) as u64, BufferUsages::UNIFORM),
            batch: 0,
            ready: Vec::new(),
        })
    }

    /// Prepares both passes for `batch` samples, at most the capacity.
    pub fn prepare(&mut self, network: &Network, batch: usize) -> Result<(), Error> {
        if self.batch == batch {
            return Ok(());
        }
        let gpu = &network.gpu;
        // A recorded pass still needs the parameters of the batch before.
        gpu.submit()?;
        let max = gpu.info.limits.max_workgroups_per_dimension;
        let mut bytes = vec![0; network.dispatches().count() * SLOT];
        let mut ready = Vec::new();
        for (i, (route, dispatch)) in network.dispatches().enumerate() {
            let params = dispatch.params(batch, |value| network.marks.at(value, batch));
            bytes[i * SLOT..][..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&params));
            let values = [Some(dispatch.source), dispatch.add, Some(dispatch.to)];
            let inner = values
                .into_iter()
                .flatten()
                .all(|value| matches!(route.places.get(value), Some(Place::Buffer(_))));
            let kept = self.ready.get_mut(i).and_then(|ready| ready.group.take());
            let group = kept.or_else(|| inner.then(|| self.group(network, route, i, [None, None])));
            ready.push(Ready {
                workgroups: dispatch.grid(batch).dimensions(max),
                group,
            });
        }
        gpu.queue.write_buffer(&self.params, 0, &bytes);
        (self.batch, self.ready) = (batch, ready);
        Ok(())
    }

    /// The dispatches of `route`, the first of which is the network's `first`th, from the array of input to that of output.
    pub fn dispatches(
        &self,
        network: &Network,
        route: &Route,
        first: usize,
        ends: &[Arc<Slice>],
    ) -> Vec<Dispatch> {
        let end = |i: usize| ends.get(i).map(|end| end.binding());
        let (input, output) = (end(0), end(1));
        let all = self.ready.iter().zip(&network.pipelines).enumerate();
        let all = all.skip(first).take(route.dispatches.len());
        all.map(|(i, (ready, pipeline))| Dispatch {
            pipeline: pipeline.clone(),
            group: ready.group.clone().unwrap_or_else(|| {
                self.group(network, route, i, [input.as_ref(), output.as_ref()])
            }),
            offset: Some((i * SLOT) as u32),
            workgroups: ready.workgroups,
        })
        .collect()
    }

    fn group(
        &self,
        network: &Network,
        route: &Route,
        index: usize,
        [input, output]: [Option<&BindingResource>; 2],
    ) -> BindGroup {
        let constants = network.constants.as_entire_binding();
        let place = |value: usize| match route.places.get(value) {
            Some(Place::Input) => input.cloned(),
            Some(Place::Output) => output.cloned(),
            Some(&Place::Buffer(buffer)) => self.buffers.get(buffer).map(Buffer::as_entire_binding),
            None => None,
        };
        let place = |value: Option<usize>| value.and_then(place).unwrap_or(constants.clone());
        let dispatch = network
            .dispatches()
            .nth(index)
            .map(|(_, dispatch)| dispatch);
        let bindings = [
            BindingResource::Buffer(BufferBinding {
                buffer: &self.params,
                offset: 0,
                size: BufferSize::new(size_of::<Params>() as u64),
            }),
            place(dispatch.map(|dispatch| dispatch.source)),
            constants.clone(),
            place(dispatch.and_then(|dispatch| dispatch.add)),
            self.marks.as_entire_binding(),
            place(dispatch.map(|dispatch| dispatch.to)),
        ];
        let entries: Vec<_> = (0..)
            .zip(bindings)
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        network.gpu.device.create_bind_group(&BindGroupDescriptor {
            label: Some("a convolutional network"),
            layout: &network.layout.0,
            entries: &entries,
        })
    }
}

pub(super) fn buffer(gpu: &Arc<Gpu>, size: u64, usage: BufferUsages) -> Buffer {
    gpu.device.create_buffer(&BufferDescriptor {
        label: Some("a convolutional network"),
        size,
        usage: usage | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
