//! The adapters of the machine.

use std::collections::HashMap;
use std::sync::OnceLock;

use burn_cubecl::cubecl::future::block_on;
use burn_cubecl::cubecl::wgpu::wgpu::{
    Adapter, Backend, Backends, DeviceType, Instance, InstanceDescriptor,
};

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

/// The one instance of the process: the Vulkan loader does not bear several on several threads.
pub(super) fn instance() -> &'static Instance {
    static INSTANCE: OnceLock<Instance> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        Instance::new(InstanceDescriptor {
            backends: Backends::PRIMARY,
            ..InstanceDescriptor::new_without_display_handle()
        })
    })
}

/// All adapters, asked for once: asking is slow, and some drivers print on each time.
pub(super) fn enumerate() -> &'static [(Adapter, AdapterInfo)] {
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
pub(super) fn rank(adapter: &Adapter) -> u8 {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}
