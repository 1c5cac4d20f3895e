//! Compiled shaders of one device, and the driver's own form of them, which the next run finds on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use burn_cubecl::cubecl::wgpu::wgpu::{
    self, ComputePipeline, Features, PipelineCache, PipelineCacheDescriptor,
};

use super::AdapterInfo;
use crate::Cache;

pub(crate) struct Pipelines {
    compiled: Mutex<HashMap<String, ComputePipeline>>,
    /// Where the driver has one (Vulkan).
    cache: Option<PipelineCache>,
    /// What it is stored as.
    name: String,
    /// Whether something was compiled that is not stored.
    grown: AtomicBool,
}

impl Pipelines {
    /// Those of a device that was just opened, with what an earlier run left in `folder`.
    pub fn open(device: &wgpu::Device, info: &AdapterInfo, folder: &Cache) -> Pipelines {
        let name = format!("pipelines-{}", slug(&[&info.api, &info.name, &info.driver]));
        let supported = device.features().contains(Features::PIPELINE_CACHE);
        let cache = supported.then(|| {
            let data = folder.load(&name);
            let descriptor = PipelineCacheDescriptor {
                label: Some("scoville"),
                data: data.as_deref(),
                fallback: true,
            };
            // SAFETY: the data are what `get_data` gave to an earlier run, whole by their digest, from a folder into which
            // only the user may write; wgpu ignores those of another device or version.
            unsafe { device.create_pipeline_cache(&descriptor) }
        });
        Pipelines {
            compiled: Mutex::default(),
            cache,
            name,
            grown: AtomicBool::new(false),
        }
    }

    /// The pipeline that goes by `key`, compiled at its first use: by each thread that needs it then.
    pub fn get(
        &self,
        key: String,
        compile: impl FnOnce(Option<&PipelineCache>) -> ComputePipeline,
    ) -> ComputePipeline {
        let compiled = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = compiled().get(&key).cloned();
        known.unwrap_or_else(|| {
            let new = compile(self.cache.as_ref());
            self.grown.store(true, Ordering::Relaxed);
            compiled().entry(key).or_insert(new).clone()
        })
    }

    /// Leaves them to the next run, if there are new ones.
    pub fn store(&self, folder: &Cache) {
        let Some(cache) = &self.cache else { return };
        if self.grown.swap(false, Ordering::Relaxed)
            && let Some(data) = cache.get_data()
            && folder.load(&self.name).as_ref() != Some(&data)
        {
            folder.store(&self.name, &data);
        }
    }
}

/// A file name of what `parts` say.
fn slug(parts: &[&String]) -> String {
    let words = parts.iter().map(|part| {
        let letters = part.chars().map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        });
        letters.take(60).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Device, testing};

    #[test]
    fn what_is_compiled_is_stored_and_taken_again() {
        let Some(device) = testing::gpu() else { return };
        let Device::Gpu(gpu) = &device else { return };
        let path = std::env::temp_dir().join(format!("scoville-pipelines-{}", std::process::id()));
        let folder = Cache::at(&path);
        Array::filled(&device, 1, 3, 1.0).unwrap().copy().unwrap();
        if gpu.pipelines.cache.is_some() {
            gpu.pipelines.grown.store(true, Ordering::Relaxed);
            gpu.pipelines.store(&folder);
            assert!(
                folder
                    .load(&gpu.pipelines.name)
                    .is_some_and(|data| !data.is_empty())
            );
            let again = Pipelines::open(&gpu.device, &gpu.info, &folder);
            assert!(again.cache.is_some_and(|cache| cache.get_data().is_some()));
            std::fs::remove_dir_all(&path).unwrap();
        }
    }

    #[test]
    fn a_name_is_a_file_name() {
        let parts = ["vulkan", "A/B (C)", ""].map(String::from);
        assert_eq!(slug(&[&parts[0], &parts[1], &parts[2]]), "vulkan-a-b--c--");
    }
}
