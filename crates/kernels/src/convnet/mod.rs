//! Convolutional networks on a GPU: the forward pass, and the gradient by the input. The CPU's twin is the crate
//! `scoville-convnet`, which also makes the schedule that both follow.
//!
//! A pass is a dispatch a layer (a few where a stride is walked back), recorded with the kernels before and behind it, over weights
//! that were packed once and buffers that are used again. What the gradient needs of the forward pass is a bit for each rectified
//! element, a word for each pooled one, and numbers where a layer bends, multiplies or normalises ([`Tape`]).

mod dispatch;
mod marks;
mod pack;
mod params;
mod route;
#[cfg(test)]
mod tests;
mod tile;
mod workspace;

use std::sync::{Arc, Mutex, PoisonError};

use burn_cubecl::cubecl::wgpu::wgpu::{
    BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, Buffer,
    BufferBindingType, BufferSize, BufferUsages, ComputePipeline, PipelineLayout,
    PipelineLayoutDescriptor, ShaderStages,
};
use rayon::prelude::*;
use scoville_convnet::{Layer, Schedule};

use crate::device::{Device, Gpu};
use crate::launch::{contain, pipeline};
use crate::{Array, Error};
use dispatch::Dispatch;
use marks::Marks;
use pack::Constants;
use params::Params;
use route::Route;
use tile::WORKGROUP_MEMORY;
use workspace::{Workspace, buffer};

/// Workspaces that are kept: where samples run one by one, each has its own until the gradient was taken.
const MAX_IDLE: usize = 8;

/// A convolutional network on a GPU, with packed weights.
#[derive(Debug)]
pub struct ConvNet {
    network: Arc<Network>,
}

/// What a gradient needs of the forward pass.
#[derive(Debug)]
pub struct Tape {
    network: Arc<Network>,
    workspace: Option<Workspace>,
    samples: usize,
}

#[derive(Debug)]
struct Network {
    gpu: Arc<Gpu>,
    forward: Route,
    /// `None` if no gradient reaches the input.
    backward: Option<Route>,
    constants: Buffer,
    layout: (BindGroupLayout, PipelineLayout),
    /// Of each dispatch, forward and then backward.
    pipelines: Vec<ComputePipeline>,
    marks: Marks,
    /// Elements of a sample that each buffer of a workspace holds.
    buffers: Vec<usize>,
    /// Elements of a sample.
    inputs: usize,
    outputs: usize,
    idle: Mutex<Vec<Workspace>>,
}

impl ConvNet {
    /// A network of samples of `input` channels, rows and columns; the last layer makes the output.
    pub fn new(device: &Device, input: [usize; 3], layers: &[Layer]) -> Result<ConvNet, Error> {
        let refused = |reason: String| Error::device("packing a convolutional network", reason);
        let Device::Gpu(gpu) = device else {
            return Err(refused("the CPU has a crate of its own for it".into()));
        };
        if gpu.info.limits.workgroup_memory < WORKGROUP_MEMORY {
            return Err(refused("its workgroups have too little memory".into()));
        }
        let schedule = Schedule::forward(input, layers).map_err(|e| refused(e.to_string()))?;
        let (mut constants, mut buffers) = (Constants::default(), Vec::new());
        let marks = Marks::new(&schedule);
        let mut route = |schedule: &Schedule| {
            let route = Route::new(schedule, &mut constants, &mut buffers);
            route.ok_or_else(|| refused("a kernel is too large for a workgroup's memory".into()))
        };
        let forward = route(&schedule)?;
        let backward = Schedule::backward(input, layers);
        let backward = backward.as_ref().map(&mut route).transpose()?;
        let elements = |value: usize| schedule.shapes[value].iter().product();
        let bytes = constants.0.len() as u64 * 4;
        let limit = gpu.memory_limit();
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit });
        }
        let (inputs, outputs) = (elements(schedule.input), elements(schedule.output));
        let made = contain(gpu, || {
            let packed = buffer(gpu, bytes.max(16), BufferUsages::STORAGE);
            gpu.queue
                .write_buffer(&packed, 0, bytemuck::cast_slice(&constants.0));
            (packed, layout(gpu))
        });
        let (constants, layout) = made.map_err(refused)?;
        let routes = std::iter::once(&forward).chain(&backward);
        let pipelines = pipelines(gpu, &layout.1, routes).map_err(refused)?;
        let network = Network {
            gpu: gpu.clone(),
            forward,
            backward,
            constants,
            layout,
            pipelines,
            marks,
            buffers,
            inputs,
            outputs,
            idle: Mutex::default(),
        };
        Ok(ConvNet {
            network: Arc::new(network),
        })
    }

    /// Bytes that the tape takes for a sample.
    pub fn tape_bytes(&self) -> usize {
        self.network.marks.words(1) * 4
    }

    /// Bytes that running `samples` takes, beside inputs and outputs.
    pub fn work_bytes(&self, samples: usize) -> usize {
        let elements: usize = self.network.buffers.iter().sum();
        elements.saturating_mul(samples).saturating_mul(4)
    }

    /// The outputs of the samples `x`, each of channels, rows, columns, and the tape.
    pub fn forward(&self, x: &Array) -> Result<(Array, Tape), Error> {
        let network = &self.network;
        let samples = x.rows();
        x.expect_shape("convnet", "samples", samples, network.inputs)?;
        let tape = Tape {
            network: network.clone(),
            workspace: Some(network.workspace(samples)?),
            samples,
        };
        let out = network.run(&tape, Pass::Forward, x, network.outputs)?;
        Ok((out, tape))
    }

    /// From the derivative by the outputs to the one by the inputs, of the samples that left `tape`.
    pub fn backward(&self, tape: &Tape, by_output: &Array) -> Result<Array, Error> {
        let network = &self.network;
        by_output.expect_shape("convnet", "derivatives", tape.samples, network.outputs)?;
        network.run(tape, Pass::Backward, by_output, network.inputs)
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        let mut idle = self.network.lock();
        idle.extend(self.workspace.take());
        idle.truncate(MAX_IDLE);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Forward,
    Backward,
}

impl Network {
    /// Every dispatch, forward and then backward.
    fn dispatches(&self) -> impl Iterator<Item = (&Route, &Dispatch)> {
        let routes = [Some(&self.forward), self.backward.as_ref()];
        let routes = routes.into_iter().flatten();
        routes.flat_map(|route| {
            route
                .dispatches
                .iter()
                .map(move |dispatch| (route, dispatch))
        })
    }

    /// One that no other pass uses, prepared for `samples`.
    fn workspace(&self, samples: usize) -> Result<Workspace, Error> {
        let idle = self.lock().pop();
        contain(&self.gpu, || {
            let fits = idle.filter(|workspace| workspace.capacity >= samples);
            let mut workspace = match fits {
                Some(workspace) => workspace,
                None => Workspace::new(self, samples)?,
            };
            workspace.prepare(self, samples)?;
            Ok(workspace)
        })
        .map_err(failed)?
    }

    fn run(&self, tape: &Tape, pass: Pass, from: &Array, cols: usize) -> Result<Array, Error> {
        let (gpu, samples) = (&self.gpu, from.rows());
        let device = Device::Gpu(gpu.clone());
        let (route, first) = match (pass, &self.backward) {
            (Pass::Forward, _) => (&self.forward, 0),
            (Pass::Backward, Some(route)) => (route, self.forward.dispatches.len()),
            (Pass::Backward, None) => return Array::zeros(&device, samples, cols),
        };
        if route.is_identity {
            return from.copy();
        }
        let out = Array::uninit(&device, samples, cols)?;
        let Some(workspace) = tape.workspace.as_ref().filter(|_| samples > 0) else {
            return Ok(out);
        };
        let [input, output] = [from, &out].map(|end| end.buffer("convnet", gpu)?.slice(gpu));
        let recorded = gpu.record(&[], vec![input?, output?], |_, ends| {
            workspace.dispatches(self, route, first, ends)
        });
        recorded.map_err(failed)?;
        Ok(out)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(reason: String) -> Error {
    Error::device("running a convolutional network", reason)
}

/// Of each dispatch. Different ones are compiled at once: a driver may take a good part of a second for one.
fn pipelines<'a>(
    gpu: &Gpu,
    layout: &PipelineLayout,
    routes: impl Iterator<Item = &'a Route>,
) -> Result<Vec<ComputePipeline>, String> {
    let compile = |dispatch: &Dispatch| {
        // Errors are seen on the thread that they happen on.
        contain(gpu, || {
            pipeline(gpu, dispatch.shader(), &dispatch.overrides(), Some(layout))
        })
    };
    let dispatches: Vec<_> = routes.flat_map(|route| &route.dispatches).collect();
    let mut different = dispatches.clone();
    different.sort_by_key(|dispatch| dispatch.identity());
    different.dedup_by_key(|dispatch| dispatch.identity());
    different
        .into_par_iter()
        .try_for_each(|dispatch| compile(dispatch).map(drop))?;
    // Now each is found.
    dispatches.into_iter().map(compile).collect()
}

/// Parameters, and five arrays that are read or written.
fn layout(gpu: &Gpu) -> (BindGroupLayout, PipelineLayout) {
    let entry = |binding: u32| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer {
            ty: match binding {
                0 => BufferBindingType::Uniform,
                _ => BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: binding == 0,
            min_binding_size: match binding {
                0 => BufferSize::new(size_of::<Params>() as u64),
                _ => None,
            },
        },
        count: None,
    };
    let entries: Vec<_> = (0..6).map(entry).collect();
    let bindings = gpu
        .device
        .create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: Some("a convolutional network"),
            entries: &entries,
        });
    let pipeline = gpu
        .device
        .create_pipeline_layout(&PipelineLayoutDescriptor {
            label: Some("a convolutional network"),
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
    (bindings, pipeline)
}
