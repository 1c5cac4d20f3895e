//! Devices by the words that a user has for them.

use std::fmt;
use std::str::FromStr;

use burn_cubecl::cubecl::wgpu::wgpu::Backend;

use crate::Error;

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

    pub(super) fn carries(self, backend: Backend) -> bool {
        match self {
            Api::Vulkan => backend == Backend::Vulkan,
            Api::Metal => backend == Backend::Metal,
            Api::Dx12 => backend == Backend::Dx12,
            Api::WebGpu => true,
        }
    }

    /// What to do where no adapter carries it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Api::Vulkan if cfg!(target_os = "linux") => {
                "install the GPU's Vulkan driver (Debian: mesa-vulkan-drivers, or nvidia-driver), \
             or use --device cpu"
            }
            Api::Vulkan => {
                "install the GPU vendor's driver, which brings Vulkan, or use --device cpu"
            }
            Api::Metal => "Metal needs macOS; elsewhere use --device vulkan or cpu",
            Api::Dx12 => "DX12 needs Windows; elsewhere use --device vulkan or cpu",
            Api::WebGpu => "install a Vulkan, Metal or DX12 driver, or use --device cpu",
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
