//! An array's memory: a cubecl allocation, and where in a wgpu buffer it lies.

use std::fmt;
use std::sync::{Arc, OnceLock};

use burn_cubecl::cubecl::server::{BufferBinding as Bound, Handle};
use burn_cubecl::cubecl::wgpu::wgpu::{BindingResource, Buffer};
use burn_cubecl::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};

use super::Gpu;
use crate::Error;

/// An allocation, whose place is asked for once.
pub(crate) struct Allocation {
    handle: Handle,
    slice: OnceLock<Arc<Slice>>,
}

impl Allocation {
    pub fn new(handle: Handle) -> Allocation {
        Allocation {
            handle,
            slice: OnceLock::new(),
        }
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub fn slice(&self, gpu: &Gpu) -> Result<Arc<Slice>, Error> {
        if let Some(slice) = self.slice.get() {
            return Ok(slice.clone());
        }
        let slice = Arc::new(Slice::of(gpu, &self.handle)?);
        Ok(self.slice.get_or_init(|| slice).clone())
    }
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// A part of a wgpu buffer. While it lives, burn neither frees nor moves the part, nor writes there in place.
pub(crate) struct Slice {
    resource: WgpuResource,
    /// What is bound stays where it is, and what has two handles is not written in place.
    _held: (Bound, Handle),
}

impl Slice {
    fn of(gpu: &Gpu, handle: &Handle) -> Result<Slice, Error> {
        let held = (handle.clone().binding(), handle.clone());
        let found = gpu
            .client
            .get_resource::<WgpuServer<AutoCompiler>>(bound(handle));
        let found = found.map_err(|e| Error::device("finding an array", format!("{e:?}")))?;
        Ok(Slice {
            resource: found.resource().clone(),
            _held: held,
        })
    }

    pub fn binding(&self) -> BindingResource<'_> {
        self.resource.as_wgpu_bind_resource()
    }

    /// The buffer, and where in it the part begins.
    pub fn place(&self) -> (Buffer, u64) {
        (self.resource.buffer.clone(), self.resource.offset)
    }

    pub fn bytes(&self) -> u64 {
        self.resource.size
    }
}

#[cfg(not(test))]
fn bound(handle: &Handle) -> Handle {
    handle.clone()
}

/// In tests a shader may write past an array, into the canaries: at the end of a binding the driver
/// would stop it, and hide that an index is not checked.
#[cfg(test)]
fn bound(handle: &Handle) -> Handle {
    crate::testing::with_tail(handle)
}
