//! Dispatches that are recorded one after the other and submitted together, in one command buffer.
//!
//! What keeps the order on the queue the program's:
//!
//! - whoever lends an array to burn, or reads one back, submits first, so burn never overtakes what it depends on;
//! - what burn has queued is flushed before every submission, so a dispatch finds the tensors that it was given;
//! - an array that a recorded dispatch uses is held until the submission: burn's pool neither hands its memory out again nor
//!   moves it, and burn writes no tensor in place that shares it;
//! - the parameters of a dispatch have a slot of their own, which is written with the submission.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_cubecl::cubecl::wgpu::wgpu::{
    self, BindGroup, Buffer, BufferDescriptor, BufferUsages, CommandEncoder,
    CommandEncoderDescriptor, ComputePass, ComputePassDescriptor, ComputePipeline,
};

use super::{Gpu, Slice};
use crate::Error;
use crate::launch::contain;

/// The most dispatches in a command buffer: a submission is little beside so many, and the device starts while more are recorded.
const MOST: usize = 32;
/// The share of the largest array's bytes that recorded dispatches may hold.
const SHARE: u64 = 8;
/// From one dispatch's parameters to the next's: what devices may ask an offset to be aligned to.
pub(crate) const SLOT: usize = 256;

pub(crate) struct Recorder {
    parameters: Buffer,
    recording: Mutex<Recording>,
    submissions: AtomicU64,
}

/// One dispatch, ready to run.
pub(crate) struct Dispatch {
    pub pipeline: ComputePipeline,
    pub group: BindGroup,
    /// Where the parameters lie, if the layout leaves that open.
    pub offset: Option<u32>,
    pub workgroups: (u32, u32),
}

/// What is recorded and not submitted.
#[derive(Default)]
struct Recording {
    pass: Option<(ComputePass<'static>, CommandEncoder)>,
    dispatches: usize,
    parameters: Vec<u8>,
    /// By where they lie.
    held: HashMap<(Buffer, u64), Arc<Slice>>,
    bytes: u64,
}

impl Recorder {
    pub fn new(device: &wgpu::Device) -> Recorder {
        Recorder {
            parameters: device.create_buffer(&BufferDescriptor {
                label: Some("parameters"),
                size: (MOST * SLOT) as u64,
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            recording: Mutex::default(),
            submissions: AtomicU64::new(0),
        }
    }

    /// The buffer in which each dispatch has a slot.
    pub fn parameters(&self) -> &Buffer {
        &self.parameters
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gpu {
    /// How often so far recorded kernels were handed in because something waited for them, and not because they were many.
    pub fn submissions(&self) -> u64 {
        self.recorder.submissions.load(Ordering::Relaxed)
    }

    /// Records the dispatches that `make` gives, which use `arrays`. It is told where `parameters` will lie.
    pub(crate) fn record(
        &self,
        parameters: &[u8],
        arrays: Vec<Arc<Slice>>,
        make: impl FnOnce(u64, &[Arc<Slice>]) -> Vec<Dispatch>,
    ) -> Result<(), String> {
        let mut recording = self.recorder.lock();
        let slot = recording.parameters.len();
        // Made before anything is recorded: what is not valid would spoil all that shares its command buffer.
        let dispatches = contain(self, || make(slot as u64, &arrays))?;
        recording.parameters.extend_from_slice(parameters);
        let end = recording.parameters.len().next_multiple_of(SLOT);
        recording.parameters.resize(end, 0);
        recording.add(&self.device, &dispatches);
        recording.hold(arrays);
        match recording.dispatches >= MOST || recording.bytes > self.memory_limit() / SHARE {
            true => self.hand_in(&mut recording),
            false => Ok(()),
        }
    }

    /// Hands what is recorded to the device, behind all that burn has queued.
    pub(crate) fn submit(&self) -> Result<(), Error> {
        let mut recording = self.recorder.lock();
        if recording.pass.is_some() {
            self.recorder.submissions.fetch_add(1, Ordering::Relaxed);
        }
        let done = self.hand_in(&mut recording);
        done.map_err(|reason| Error::device("submitting kernels", reason))
    }

    fn hand_in(&self, recording: &mut Recording) -> Result<(), String> {
        let recorded = std::mem::take(recording);
        let Some((pass, encoder)) = recorded.pass else {
            return Ok(());
        };
        self.client.flush().map_err(|e| format!("{e:?}"))?;
        contain(self, || {
            drop(pass);
            let parameters = &recorded.parameters;
            self.queue
                .write_buffer(&self.recorder.parameters, 0, parameters);
            self.queue.submit([encoder.finish()]);
        })
    }
}

impl Recording {
    fn add(&mut self, device: &wgpu::Device, dispatches: &[Dispatch]) {
        let (pass, _) = self.pass.get_or_insert_with(|| {
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor::default());
            let pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
            (pass.forget_lifetime(), encoder)
        });
        for dispatch in dispatches {
            let (x, y) = dispatch.workgroups;
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.group, dispatch.offset.as_slice());
            pass.dispatch_workgroups(x, y, 1);
        }
        self.dispatches += dispatches.len();
    }

    fn hold(&mut self, arrays: Vec<Arc<Slice>>) {
        for array in arrays {
            let bytes = array.bytes();
            if self.held.insert(array.place(), array).is_none() {
                self.bytes += bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_backend::ops::FloatTensorOps;
    use burn_cubecl::CubeBackend;

    use crate::{Array, Bridge, Device, combine, testing};

    use super::*;

    fn row(device: &Device, value: f32) -> Array {
        Array::filled(device, 1, 700, value).unwrap()
    }

    /// More than fit into one command buffer, each with parameters of its own and an array that is gone before the submission.
    #[test]
    fn arrays_and_parameters_stay_until_they_were_used() {
        let Some(device) = testing::gpu() else { return };
        let mut sum = row(&device, 0.0);
        let terms = 0..2 * MOST as u32;
        for i in terms.clone() {
            let term = row(&device, (i % 7) as f32);
            combine(&mut sum, 1.0, &term, i as f32).unwrap();
        }
        let expected: u32 = terms.map(|i| i * (i % 7)).sum();
        assert_eq!(sum.to_vec().unwrap(), [expected as f32; 700]);
    }

    /// Where burn held the only tensor it would write in place, before what is recorded reads it.
    #[test]
    fn burn_does_not_write_what_is_still_to_be_read() {
        let Some(device) = testing::gpu() else { return };
        let [one, two] = [1.0, 2.0].map(|value| {
            let lent = CubeBackend::import(&row(&device, value), &[1, 700]);
            let lent = lent.unwrap();
            CubeBackend::float_add(lent.clone(), lent)
        });
        let array = CubeBackend::export(two.clone(), 1, 700).unwrap();
        let copy = array.copy().unwrap();
        drop(array);
        let sum = CubeBackend::float_add(two, one);
        assert_eq!(copy.to_vec().unwrap(), [4.0; 700]);
        let sum = CubeBackend::export(sum, 1, 700).unwrap();
        assert_eq!(sum.to_vec().unwrap(), [6.0; 700]);
    }
}
