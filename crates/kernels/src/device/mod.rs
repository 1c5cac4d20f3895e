//! Where arrays live and kernels run: the CPU, or one adapter that wgpu reaches.
//!
//! A GPU is opened once per process and adapter, on a wgpu device that burn shares, so that a
//! burn tensor and an [`Array`](crate::Array) can be one buffer.

mod adapters;
mod allocation;
mod pipelines;
mod recorder;
mod spec;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::client::Client;
#[cfg(feature = "keep-tuning")]
use burn_cubecl::cubecl::config::cache::CacheConfig;
use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use burn_cubecl::cubecl::future::block_on;
use burn_cubecl::cubecl::wgpu::wgpu::{
    Adapter, DeviceDescriptor, ExperimentalFeatures, Features, MemoryHints, Queue, Trace,
};
use burn_cubecl::cubecl::wgpu::{RuntimeOptions, WgpuSetup, try_init_device, wgpu};
use burn_std::stream::{StreamPolicy, set_policy};

use crate::launch::WORKGROUP;
use crate::memory;
use crate::{Cache, Error};
use adapters::{enumerate, instance, rank};
use pipelines::Pipelines;
use recorder::Recorder;

pub use adapters::{AdapterInfo, AdapterLimits, adapters};
pub(crate) use allocation::{Allocation, Slice};
pub(crate) use recorder::{Dispatch, SLOT};
pub use spec::{Api, DeviceSpec};

/// Kernels index with `u32`, with room for the last workgroup: the most elements on any device.
const MAX_ELEMENTS: u64 = 1 << 31;

/// A place where arrays live and kernels run.
#[derive(Clone)]
pub enum Device {
    Cpu,
    Gpu(Arc<Gpu>),
}

impl Device {
    /// Opens what `spec` asks for. `Auto` passes over software adapters and over GPUs whose
    /// driver refuses to open them, and ends at the CPU; an API asked for by name may give a
    /// software adapter when that is all there is.
    pub fn open(spec: &DeviceSpec) -> Result<Device, Error> {
        match *spec {
            DeviceSpec::Cpu => Ok(Device::Cpu),
            DeviceSpec::Auto => Ok(open_best()),
            DeviceSpec::Api { api, index } => open_named(spec, api, index),
        }
    }

    /// `cpu`, `vulkan`, `metal` or `dx12`.
    pub fn backend(&self) -> &str {
        match self {
            Device::Cpu => "cpu",
            Device::Gpu(gpu) => &gpu.info.api,
        }
    }

    /// The adapter's name, or the processor's.
    pub fn name(&self) -> String {
        match self {
            Device::Cpu => processor_name(),
            Device::Gpu(gpu) => gpu.info.name.clone(),
        }
    }

    /// Whether this is a graphics API run by a rasteriser on the CPU.
    pub fn is_software(&self) -> bool {
        matches!(self, Device::Gpu(gpu) if gpu.info.software)
    }

    pub fn is_gpu(&self) -> bool {
        matches!(self, Device::Gpu(_))
    }

    /// Bytes that a run may take now: what the system has available. A GPU does not say what it has, so for one that is what
    /// one array may have.
    pub fn available_memory(&self) -> u64 {
        match self {
            Device::Cpu => memory::available(),
            Device::Gpu(gpu) if gpu.info.software => memory::available().min(gpu.memory_limit()),
            Device::Gpu(gpu) => gpu.memory_limit(),
        }
    }

    /// The most bytes that one array may have.
    pub fn memory_limit(&self) -> u64 {
        match self {
            Device::Cpu => MAX_ELEMENTS * 4,
            Device::Gpu(gpu) => gpu.memory_limit(),
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Device::Cpu, Device::Cpu) => true,
            (Device::Gpu(a), Device::Gpu(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.backend(), self.name())
    }
}

/// An open adapter: wgpu's device and queue, and burn's client on top of the same two.
pub struct Gpu {
    pub(crate) info: AdapterInfo,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: Queue,
    pub(crate) client: Client,
    pub(crate) burn: CubeDevice,
    pub(crate) pipelines: Pipelines,
    pub(crate) recorder: Recorder,
}

impl Gpu {
    /// What the adapter is.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// The open adapter that burn knows as `device`.
    pub(crate) fn of(device: &CubeDevice) -> Option<Arc<Gpu>> {
        open_gpus().iter().find(|gpu| gpu.burn == *device).cloned()
    }

    pub(crate) fn memory_limit(&self) -> u64 {
        let limits = &self.info.limits;
        limits
            .max_buffer_size
            .min(limits.max_storage_binding)
            .min(MAX_ELEMENTS * 4)
    }

    fn open(adapter: &Adapter, info: &AdapterInfo) -> Result<Gpu, Error> {
        let refused = |reason: String| Error::device(format!("opening {}", info.name), reason);
        if info.limits.max_workgroup_invocations < WORKGROUP {
            return Err(refused(format!(
                "it runs fewer than {WORKGROUP} threads a workgroup"
            )));
        }
        let (device, queue) = request_device(adapter).map_err(|e| refused(e.to_string()))?;
        // One stream for all threads: otherwise burn records per thread, and what another
        // thread has recorded but not submitted would be overtaken by our own submissions.
        set_policy(StreamPolicy::Single);
        // First come, first served: without this cubecl would read `cubecl.toml` or `burn.toml` from
        // wherever the user stands.
        CubeClRuntimeConfig::try_set(burn_config());
        let setup = WgpuSetup {
            instance: instance().clone(),
            backend: adapter.get_info().backend,
            adapter: adapter.clone(),
            device: device.clone(),
            queue: queue.clone(),
        };
        let options = RuntimeOptions::try_default().map_err(|e| refused(e.to_string()))?;
        let burn = try_init_device(setup, options).map_err(|e| refused(e.to_string()))?;
        let burn = CubeDevice::Wgpu(burn);
        let client = burn.client();
        Ok(Gpu {
            pipelines: Pipelines::open(&device, info, &Cache::of_user()),
            recorder: Recorder::new(&device),
            info: info.clone(),
            device,
            queue,
            client,
            burn,
        })
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

fn open_best() -> Device {
    let mut real: Vec<_> = enumerate()
        .iter()
        .filter(|(_, info)| !info.software)
        .collect();
    real.sort_by_key(|(adapter, _)| rank(adapter));
    let mut opened = real
        .into_iter()
        .filter_map(|(adapter, info)| open_once(adapter, info).ok());
    opened.next().unwrap_or(Device::Cpu)
}

fn open_named(spec: &DeviceSpec, api: Api, index: Option<usize>) -> Result<Device, Error> {
    let all = enumerate();
    let carries = |(adapter, _): &&(Adapter, AdapterInfo)| api.carries(adapter.get_info().backend);
    let mut matching: Vec<_> = all.iter().filter(carries).collect();
    if index.is_none() {
        matching.sort_by_key(|(adapter, _)| rank(adapter));
    }
    let Some((adapter, info)) = matching.into_iter().nth(index.unwrap_or(0)) else {
        let (wanted, found) = (spec.to_string(), all.len());
        return Err(Error::NoAdapter {
            wanted,
            found,
            advice: api.advice(),
        });
    };
    open_once(adapter, info)
}

/// All adapters opened so far.
fn open_gpus() -> MutexGuard<'static, Vec<Arc<Gpu>>> {
    static OPEN: Mutex<Vec<Arc<Gpu>>> = Mutex::new(Vec::new());
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves the shaders that were compiled on any device to the next run, which starts sooner with them.
pub fn store_pipelines() {
    let cache = Cache::of_user();
    for gpu in open_gpus().iter() {
        gpu.pipelines.store(&cache);
    }
}

/// Opens an adapter, or gives the device that an earlier call opened on it.
fn open_once(adapter: &Adapter, info: &AdapterInfo) -> Result<Device, Error> {
    let mut open = open_gpus();
    if let Some(gpu) = open.iter().find(|gpu| gpu.info == *info) {
        return Ok(Device::Gpu(gpu.clone()));
    }
    let gpu = Arc::new(Gpu::open(adapter, info)?);
    open.push(gpu.clone());
    Ok(Device::Gpu(gpu))
}

/// As burn would request it: all that the adapter has, but for experiments.
fn request_device(adapter: &Adapter) -> Result<(wgpu::Device, Queue), wgpu::RequestDeviceError> {
    let left_out = Features::MAPPABLE_PRIMARY_BUFFERS | Features::all_experimental_mask();
    block_on(adapter.request_device(&DeviceDescriptor {
        label: Some("scoville"),
        required_features: adapter.features().difference(left_out),
        required_limits: adapter.limits(),
        memory_hints: MemoryHints::MemoryUsage,
        trace: Trace::Off,
        experimental_features: ExperimentalFeatures::disabled(),
    }))
}

fn processor_name() -> String {
    let listed = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
    listed
        .or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok())
        .unwrap_or_else(|| std::env::consts::ARCH.into())
}

/// What burn's runtime is told.
fn burn_config() -> CubeClRuntimeConfig {
    let config = CubeClRuntimeConfig::default();
    #[cfg(feature = "keep-tuning")]
    let config = keep_tuning(config);
    config.override_from_env()
}

/// Lets burn keep what it finds out about its kernels in the user's cache folder; without such a folder, nowhere.
#[cfg(feature = "keep-tuning")]
fn keep_tuning(mut config: CubeClRuntimeConfig) -> CubeClRuntimeConfig {
    match Cache::of_user().private_folder("burn") {
        Some(folder) => config.environment.path = CacheConfig::Directory(folder),
        None => config.autotune.disable_cache = true,
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn auto_is_never_software() {
        assert!(!Device::open(&DeviceSpec::Auto).unwrap().is_software());
    }

    #[test]
    fn the_cpu_has_a_name_and_a_limit() {
        let cpu = Device::open(&DeviceSpec::Cpu).unwrap();
        assert_eq!(cpu.backend(), "cpu");
        assert!(!cpu.name().is_empty() && !cpu.is_gpu() && cpu.memory_limit() > 1 << 30);
    }

    #[test]
    fn an_adapter_that_is_not_there_is_an_error_that_helps() {
        let spec = DeviceSpec::Api {
            api: Api::WebGpu,
            index: Some(999),
        };
        let error = Device::open(&spec).unwrap_err().to_string();
        assert!(
            error.contains("webgpu:999") && error.contains("install"),
            "{error}"
        );
    }

    #[test]
    fn an_index_selects_the_adapter_listed_there_once() {
        let Some(_) = testing::gpu() else { return };
        for info in adapters() {
            let spec: DeviceSpec = format!("{}:{}", info.api, info.index).parse().unwrap();
            let Ok(device) = Device::open(&spec) else {
                continue;
            };
            assert_eq!(
                (device.backend(), device.name()),
                (info.api.as_str(), info.name)
            );
            assert_eq!(device, Device::open(&spec).unwrap());
        }
    }
}
