//! Where arrays live and kernels run: the CPU, or one adapter that wgpu reaches.
//!
//! A GPU is opened once per process and adapter, on a wgpu device that burn shares, so that a
//! burn tensor and an [`Array`](crate::Array) can be one buffer.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use burn_cubecl::cubecl::future::block_on;
use burn_cubecl::cubecl::wgpu::wgpu::{
    Adapter, Backend, Backends, ComputePipeline, DeviceDescriptor, DeviceType,
    ExperimentalFeatures, Features, Instance, InstanceDescriptor, MemoryHints, Queue, Trace,
};
use burn_cubecl::cubecl::wgpu::{RuntimeOptions, WgpuSetup, try_init_device, wgpu};
use burn_std::stream::{StreamPolicy, set_policy};

use crate::Error;
use crate::launch::WORKGROUP;
use crate::memory;

/// Kernels index with `u32`, with room for the last workgroup: the most elements on any device.
const MAX_ELEMENTS: u64 = 1 << 31;

/// A graphics API that carries WebGPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    Vulkan,
    Metal,
    Dx12,
    /// Whichever of the others the machine has.
    WebGpu,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Api::Vulkan => "vulkan",
            Api::Metal => "metal",
            Api::Dx12 => "dx12",
            Api::WebGpu => "webgpu",
        }
    }

    fn carries(self, backend: Backend) -> bool {
        match self {
            Api::Vulkan => backend == Backend::Vulkan,
            Api::Metal => backend == Backend::Metal,
            Api::Dx12 => backend == Backend::Dx12,
            Api::WebGpu => true,
        }
    }
}

/// What the user asked for: `auto`, `cpu`, or an API with an optional index, `vulkan:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DeviceSpec {
    /// The first real GPU (discrete before integrated), otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    /// An adapter of this API: the one at `index`, or the best, which may be a software one.
    Api {
        api: Api,
        index: Option<usize>,
    },
}

impl FromStr for DeviceSpec {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown {
            what: "device",
            got: spec.into(),
            expected: "auto, cpu, or vulkan, metal, dx12, webgpu, each with an optional :index",
        };
        let (name, index) = match spec.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (spec, None),
        };
        let api = match name {
            "auto" if index.is_none() => return Ok(DeviceSpec::Auto),
            "cpu" if index.is_none() => return Ok(DeviceSpec::Cpu),
            "vulkan" => Api::Vulkan,
            "metal" => Api::Metal,
            "dx12" => Api::Dx12,
            "webgpu" => Api::WebGpu,
            _ => return Err(unknown()),
        };
        Ok(DeviceSpec::Api { api, index })
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceSpec::Auto => f.write_str("auto"),
            DeviceSpec::Cpu => f.write_str("cpu"),
            DeviceSpec::Api { api, index: None } => f.write_str(api.name()),
            DeviceSpec::Api {
                api,
                index: Some(index),
            } => write!(f, "{}:{index}", api.name()),
        }
    }
}

/// One adapter that wgpu sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// `vulkan`, `metal` or `dx12`.
    pub api: String,
    /// Position within its API: what `vulkan:1` selects.
    pub index: usize,
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    pub driver: String,
    /// A rasteriser on the CPU: good for tests, never taken by `auto`.
    pub software: bool,
    pub limits: AdapterLimits,
}

/// The limits of an adapter that matter here; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterLimits {
    pub max_buffer_size: u64,
    pub max_storage_binding: u64,
    pub workgroup_memory: u32,
    pub max_workgroup_invocations: u32,
    pub max_workgroups_per_dimension: u32,
    /// Smallest and largest subgroup.
    pub subgroup: (u32, u32),
}

/// All adapters that wgpu sees; none on a machine without a driver.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().map(|(_, info)| info.clone()).collect()
}

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
    pub(crate) pipelines: Mutex<HashMap<&'static str, ComputePipeline>>,
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

    fn memory_limit(&self) -> u64 {
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
        CubeClRuntimeConfig::try_set(CubeClRuntimeConfig::default().override_from_env());
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
            info: info.clone(),
            device,
            queue,
            client,
            burn,
            pipelines: Mutex::default(),
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

/// The one instance of the process: the Vulkan loader does not bear several on several threads.
fn instance() -> &'static Instance {
    static INSTANCE: OnceLock<Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        Instance::new(InstanceDescriptor {
            backends: Backends::PRIMARY,
            ..InstanceDescriptor::new_without_display_handle()
        })
    })
}

/// All adapters, asked for once: asking is slow, and some drivers print on each time.
fn enumerate() -> &'static [(Adapter, AdapterInfo)] {
    static ADAPTERS: OnceLock<Vec<(Adapter, AdapterInfo)>> = OnceLock::new();
    ADAPTERS.get_or_init(|| {
        let mut seen = HashMap::new();
        block_on(instance().enumerate_adapters(Backends::PRIMARY))
            .into_iter()
            .map(|adapter| {
                let next = seen.entry(adapter.get_info().backend).or_insert(0);
                let info = describe(&adapter, *next);
                *next += 1;
                (adapter, info)
            })
            .collect()
    })
}

fn describe(adapter: &Adapter, index: usize) -> AdapterInfo {
    let (info, limits) = (adapter.get_info(), adapter.limits());
    AdapterInfo {
        api: backend_name(info.backend).into(),
        index,
        name: info.name,
        kind: kind_name(info.device_type).into(),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .into(),
        software: info.device_type == DeviceType::Cpu,
        limits: AdapterLimits {
            max_buffer_size: limits.max_buffer_size,
            max_storage_binding: limits.max_storage_buffer_binding_size,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        },
    }
}

fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Vulkan => "vulkan",
        Backend::Metal => "metal",
        Backend::Dx12 => "dx12",
        Backend::Gl => "gl",
        Backend::BrowserWebGpu => "webgpu",
        Backend::Noop => "noop",
    }
}

fn kind_name(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

/// Best first; enumeration order decides among equals.
fn rank(adapter: &Adapter) -> u8 {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
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
            advice: advice(api),
        });
    };
    open_once(adapter, info)
}

/// All adapters opened so far.
fn open_gpus() -> MutexGuard<'static, Vec<Arc<Gpu>>> {
    static OPEN: Mutex<Vec<Arc<Gpu>>> = Mutex::new(Vec::new());
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
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

fn advice(api: Api) -> &'static str {
    match api {
        Api::Vulkan if cfg!(target_os = "linux") => {
            "install the GPU's Vulkan driver (Debian: mesa-vulkan-drivers, or nvidia-driver), \
             or use --device cpu"
        }
        Api::Vulkan => "install the GPU vendor's driver, which brings Vulkan, or use --device cpu",
        Api::Metal => "Metal needs macOS; elsewhere use --device vulkan or cpu",
        Api::Dx12 => "DX12 needs Windows; elsewhere use --device vulkan or cpu",
        Api::WebGpu => "install a Vulkan, Metal or DX12 driver, or use --device cpu",
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn specs_round_trip() {
        for spec in [
            "auto", "cpu", "vulkan", "metal", "dx12", "webgpu", "vulkan:0", "dx12:3",
        ] {
            assert_eq!(spec.parse::<DeviceSpec>().unwrap().to_string(), spec);
        }
        for spec in [
            "",
            "gpu",
            "cpu:0",
            "auto:1",
            "vulkan:",
            "vulkan:-1",
            "vulkan:x",
            "Vulkan",
        ] {
            assert!(spec.parse::<DeviceSpec>().is_err(), "{spec}");
        }
    }

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
