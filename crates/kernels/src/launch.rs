//! Running a WGSL kernel over buffers that burn allocated, on the queue that burn submits to (`device/recorder.rs`).
//!
//! Conventions of every file in `shaders/`: entry point `main`; binding 0 is a uniform struct of
//! 32-bit parameters, arrays follow from binding 1 in the order given to [`launch`]; workgroups
//! of [`WORKGROUP`] threads in a grid of two dimensions, so that the running number is
//! `id.x + id.y * count.x`; every index is checked against the parameters. Storage is declared
//! `read_write` even where it is only read: burn cuts tensors from shared wgpu buffers, and
//! wgpu refuses two kinds of access to one buffer in one dispatch.

use burn_cubecl::cubecl::future::block_on;
use burn_cubecl::cubecl::wgpu::wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding, BufferSize,
    ComputePipeline, ComputePipelineDescriptor, ErrorFilter, PipelineCompilationOptions,
    PipelineLayout, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource,
};
use bytemuck::Pod;

use crate::device::{Allocation, Dispatch, Gpu, SLOT};
use crate::{Error, Word};

/// Threads a workgroup, in every shader: WebGPU's guaranteed maximum.
pub(crate) const WORKGROUP: u32 = 256;

/// A kernel's WGSL, the snippets it needs included.
pub(crate) struct Shader {
    pub name: &'static str,
    pub source: &'static str,
}

/// `shader!("step_linf")`, or `shader!("start_linf", needs "philox")`: a file of `shaders/`, after
/// the snippets that its first line names (`// needs: philox.wgsl`).
macro_rules! shader {
    ($name:literal $(, needs $snippet:literal)*) => {
        $crate::launch::Shader {
            name: $name,
            source: concat!(
                $(include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/../../shaders/", $snippet, ".wgsl"
                )),)*
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shaders/", $name, ".wgsl"))
            ),
        }
    };
}
pub(crate) use shader;

/// How many threads a kernel needs.
#[derive(Clone, Copy)]
pub(crate) enum Grid {
    /// One thread each.
    Threads(usize),
    /// One workgroup each: for reductions over a row.
    Workgroups(usize),
}

impl Grid {
    /// Workgroups along x and y, neither above `max`.
    pub(crate) fn dimensions(self, max: u32) -> (u32, u32) {
        let groups = match self {
            Grid::Threads(threads) => (threads as u64).div_ceil(u64::from(WORKGROUP)),
            Grid::Workgroups(groups) => groups as u64,
        };
        let x = groups.clamp(1, u64::from(max));
        (x as u32, groups.div_ceil(x) as u32)
    }
}

/// Records `shader` behind all that was recorded and that burn has queued so far. `params` is what the shader declares at
/// binding 0: 32-bit fields only.
pub(crate) fn launch<P: Pod>(
    gpu: &Gpu,
    shader: &Shader,
    params: &P,
    arrays: &[&Allocation],
    grid: Grid,
) -> Result<(), Error> {
    const { assert!(size_of::<P>() <= SLOT) };
    record(gpu, shader, bytemuck::bytes_of(params), arrays, grid)
}

fn record(
    gpu: &Gpu,
    shader: &Shader,
    params: &[u8],
    arrays: &[&Allocation],
    grid: Grid,
) -> Result<(), Error> {
    let workgroups = grid.dimensions(gpu.info.limits.max_workgroups_per_dimension);
    if workgroups.1 == 0 {
        return Ok(());
    }
    let slices = arrays.iter().map(|array| array.slice(gpu));
    let slices = slices.collect::<Result<Vec<_>, _>>()?;
    let recorded = gpu.record(params, slices, |offset, slices| {
        let pipeline = pipeline(gpu, shader, &[], None);
        let uniform = BindingResource::Buffer(BufferBinding {
            buffer: gpu.recorder.parameters(),
            offset,
            size: BufferSize::new(params.len() as u64),
        });
        let bindings = std::iter::once(uniform).chain(slices.iter().map(|slice| slice.binding()));
        let entries: Vec<_> = (0..)
            .zip(bindings)
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let group = gpu.device.create_bind_group(&BindGroupDescriptor {
            label: Some(shader.name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        vec![Dispatch {
            pipeline,
            group,
            offset: None,
            workgroups,
        }]
    });
    recorded.map_err(|reason| Error::device(format!("running {}", shader.name), reason))
}

/// Copies `words` 32-bit words from a place in one array to a place in another.
pub(crate) fn copy(
    gpu: &Gpu,
    (source, from): (&Allocation, usize),
    (target, to): (&Allocation, usize),
    words: usize,
) -> Result<(), Error> {
    let params: [u32; 3] = [words as u32, from as u32, to as u32];
    let grid = Grid::Threads(words.div_ceil(4));
    launch(gpu, &shader!("copy"), &params, &[source, target], grid)
}

/// Writes `word` to all of the first `words` 32-bit words of `target`.
pub(crate) fn fill<T: Word>(
    gpu: &Gpu,
    target: &Allocation,
    words: usize,
    word: T,
) -> Result<(), Error> {
    let params: [u32; 2] = [words as u32, bytemuck::cast(word)];
    let grid = Grid::Threads(words);
    launch(gpu, &shader!("fill"), &params, &[target], grid)
}

/// The compiled pipeline: a shader's name and its overrides are its whole identity, nothing in it is a template. Without a
/// `layout` it has the one that the shader implies.
pub(crate) fn pipeline(
    gpu: &Gpu,
    shader: &Shader,
    overrides: &[(&str, f64)],
    layout: Option<&PipelineLayout>,
) -> ComputePipeline {
    let key = format!("{} {overrides:?}", shader.name);
    gpu.pipelines.get(key, |cache| {
        let descriptor = ShaderModuleDescriptor {
            label: Some(shader.name),
            source: ShaderSource::Wgsl(shader.source.into()),
        };
        // SAFETY: every shader is a file of `shaders/`, whose indices are checked against the parameters, whose loops end, and
        // whose divisors are not zero. Checked once more, convolutions take a fifth longer.
        let module = unsafe {
            gpu.device
                .create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked())
        };
        gpu.device
            .create_compute_pipeline(&ComputePipelineDescriptor {
                label: Some(shader.name),
                layout,
                module: &module,
                entry_point: Some("main"),
                compilation_options: PipelineCompilationOptions {
                    constants: overrides,
                    // No shader reads what its workgroup did not write.
                    zero_initialize_workgroup_memory: false,
                },
                cache,
            })
    })
}

/// Runs `work` and turns wgpu's errors, which would otherwise panic, into one message.
pub(crate) fn contain<T>(gpu: &Gpu, work: impl FnOnce() -> T) -> Result<T, String> {
    let memory = gpu.device.push_error_scope(ErrorFilter::OutOfMemory);
    let internal = gpu.device.push_error_scope(ErrorFilter::Internal);
    let validation = gpu.device.push_error_scope(ErrorFilter::Validation);
    let done = work();
    let errors = [validation, internal, memory].map(|scope| block_on(scope.pop()));
    match errors.into_iter().flatten().next() {
        Some(error) => Err(error.to_string()),
        None => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, momentum, testing};

    #[test]
    fn the_grid_covers_all_threads_within_the_limits() {
        let table = [
            (Grid::Threads(0), (1, 0)),
            (Grid::Threads(1), (1, 1)),
            (Grid::Threads(256), (1, 1)),
            (Grid::Threads(257), (2, 1)),
            (Grid::Workgroups(65535), (65535, 1)),
            (Grid::Workgroups(65536), (65535, 2)),
            (Grid::Threads(65535 * 256 * 2 + 1), (65535, 3)),
        ];
        for (grid, expected) in table {
            assert_eq!(grid.dimensions(65535), expected);
        }
    }

    /// More than 65535 workgroups: the grid's second dimension, in both kinds of kernel.
    #[test]
    fn kernels_reach_beyond_one_row_of_workgroups() {
        let Some(device) = testing::gpu() else { return };
        let long: Vec<u32> = (0..65535 * WORKGROUP + 300).collect();
        let array = Array::from_vec(&device, 1, long.len(), long.clone()).unwrap();
        assert!(array.copy().unwrap().to_vec().unwrap() == long);

        let rows = 65536 + 3;
        let tall: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        let mut velocity = Array::from_vec(&device, rows, 1, tall).unwrap();
        // A power of two, which devices divide without an error.
        let grad = Array::filled(&device, rows, 1, -4.0).unwrap();
        momentum(&mut velocity, &grad, 1.0).unwrap();
        let expected: Vec<f32> = (0..rows).map(|row| row as f32 - 1.0).collect();
        assert!(velocity.to_vec().unwrap() == expected);
    }
}
