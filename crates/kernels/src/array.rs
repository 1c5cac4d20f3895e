//! A matrix on a device, one sample a row, and the bridge that lends it to burn without a copy.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use burn_backend::{DType, Shape, TensorData, TensorMetadata, tensor::FloatTensor};
use burn_cubecl::cubecl::server::Handle;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, CubeDevice};
use burn_flex::{Flex, FlexDevice, FlexTensor};

use crate::device::{Allocation, Device, Gpu};
use crate::{Error, launch};

/// An element of an array: 32 bits on every device.
pub trait Word: bytemuck::Pod + PartialEq + PartialOrd + Debug + Send + Sync {}

impl Word for f32 {}
impl Word for u32 {}

/// A dense row-major matrix of `rows` x `cols` on one device; a row is one sample.
///
/// Not `Clone`: kernels write in place, so two arrays never share memory. [`Array::copy`] is
/// deep. An array lent to burn by [`Bridge::import`] does share its buffer with that tensor: do
/// not run a kernel that writes it while burn may still read the tensor.
#[derive(Debug)]
pub struct Array<T: Word = f32> {
    rows: usize,
    cols: usize,
    storage: Storage<T>,
}

#[derive(Debug)]
enum Storage<T> {
    Cpu(Vec<T>),
    Gpu {
        gpu: Arc<Gpu>,
        memory: Allocation,
        word: PhantomData<T>,
    },
}

impl<T: Word> Array<T> {
    /// Puts `data`, in row order, on `device`.
    pub fn from_vec(
        device: &Device,
        rows: usize,
        cols: usize,
        data: Vec<T>,
    ) -> Result<Self, Error> {
        let len = checked_len(device, rows, cols)?;
        if data.len() != len {
            return Err(Error::Shape {
                kernel: "from_vec",
                expected: format!("{rows} x {cols} = {len} elements"),
                got: format!("{} elements", data.len()),
            });
        }
        let storage = match device {
            Device::Cpu => Storage::Cpu(data),
            Device::Gpu(gpu) => on_gpu(gpu, upload(gpu, data)),
        };
        Ok(Array {
            rows,
            cols,
            storage,
        })
    }

    /// An array of zeros.
    pub fn zeros(device: &Device, rows: usize, cols: usize) -> Result<Self, Error> {
        Self::filled(device, rows, cols, T::zeroed())
    }

    /// An array with `value` in every element.
    pub fn filled(device: &Device, rows: usize, cols: usize, value: T) -> Result<Self, Error> {
        match device {
            Device::Cpu => {
                let len = checked_len(device, rows, cols)?;
                Self::from_vec(device, rows, cols, vec![value; len])
            }
            Device::Gpu(gpu) => {
                let array = Self::uninit(device, rows, cols)?;
                launch::fill(gpu, array.buffer("filled", gpu)?, rows * cols, value)?;
                Ok(array)
            }
        }
    }

    /// An array whose elements are unspecified until a kernel writes them.
    pub(crate) fn uninit(device: &Device, rows: usize, cols: usize) -> Result<Self, Error> {
        let len = checked_len(device, rows, cols)?;
        let storage = match device {
            Device::Cpu => Storage::Cpu(vec![T::zeroed(); len]),
            Device::Gpu(gpu) => on_gpu(gpu, reserve(gpu, len * size_of::<T>())),
        };
        Ok(Array {
            rows,
            cols,
            storage,
        })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Cpu(_) => Device::Cpu,
            Storage::Gpu { gpu, .. } => Device::Gpu(gpu.clone()),
        }
    }

    /// The elements in row order, read back when they lie on a GPU: waits for all queued work.
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        match &self.storage {
            Storage::Cpu(data) => Ok(data.clone()),
            Storage::Gpu { gpu, memory, .. } => {
                download(gpu, memory.handle(), self.rows * self.cols)
            }
        }
    }

    /// A deep copy on the same device.
    pub fn copy(&self) -> Result<Self, Error> {
        let (rows, cols) = (self.rows, self.cols);
        match &self.storage {
            Storage::Cpu(data) => Self::from_vec(&Device::Cpu, rows, cols, data.clone()),
            Storage::Gpu { gpu, memory, .. } => {
                let copy = Self::uninit(&Device::Gpu(gpu.clone()), rows, cols)?;
                let target = copy.buffer("copy", gpu)?;
                launch::copy(gpu, (memory, 0), (target, 0), rows * cols)?;
                Ok(copy)
            }
        }
    }

    /// The elements in row order, of an array on the CPU.
    pub fn as_slice(&self) -> Option<&[T]> {
        match &self.storage {
            Storage::Cpu(data) => Some(data),
            Storage::Gpu { .. } => None,
        }
    }

    /// The elements of an array on the CPU; an error for one that lies elsewhere.
    pub(crate) fn host(&self, kernel: &'static str) -> Result<&[T], Error> {
        match &self.storage {
            Storage::Cpu(data) => Ok(data),
            Storage::Gpu { .. } => Err(Error::DeviceMismatch { kernel }),
        }
    }

    /// As [`Array::host`], to write.
    pub(crate) fn host_mut(&mut self, kernel: &'static str) -> Result<&mut [T], Error> {
        match &mut self.storage {
            Storage::Cpu(data) => Ok(data),
            Storage::Gpu { .. } => Err(Error::DeviceMismatch { kernel }),
        }
    }

    /// Keeps the first `rows` of an array on the CPU, and does nothing elsewhere.
    pub(crate) fn truncate(&mut self, rows: usize) {
        if let Storage::Cpu(data) = &mut self.storage {
            self.rows = rows.min(self.rows);
            data.truncate(self.rows * self.cols);
        }
    }

    /// The buffer of an array on `gpu`; an error for one that lies elsewhere.
    pub(crate) fn buffer(
        &self,
        kernel: &'static str,
        gpu: &Arc<Gpu>,
    ) -> Result<&Allocation, Error> {
        match &self.storage {
            Storage::Gpu {
                gpu: own, memory, ..
            } if Arc::ptr_eq(own, gpu) => Ok(memory),
            _ => Err(Error::DeviceMismatch { kernel }),
        }
    }

    /// Checks the shape of a kernel's argument.
    pub(crate) fn expect_shape(
        &self,
        kernel: &'static str,
        what: &str,
        rows: usize,
        cols: usize,
    ) -> Result<(), Error> {
        if (self.rows, self.cols) == (rows, cols) {
            return Ok(());
        }
        Err(Error::Shape {
            kernel,
            expected: format!("{what} of {rows} x {cols}"),
            got: format!("{} x {}", self.rows, self.cols),
        })
    }
}

/// Rows of `cols` elements that make a task worth a thread of its own on the CPU.
pub(crate) fn row_grain(cols: usize) -> usize {
    (8192 / cols.max(1)).max(1)
}

/// The number of elements, if an array of that shape is within the device's limit.
fn checked_len(device: &Device, rows: usize, cols: usize) -> Result<usize, Error> {
    let limit = device.memory_limit();
    let bytes = (rows as u64).saturating_mul(cols as u64).saturating_mul(4);
    if bytes > limit {
        return Err(Error::TooLarge { bytes, limit });
    }
    Ok(rows * cols)
}

fn on_gpu<T>(gpu: &Arc<Gpu>, handle: Handle) -> Storage<T> {
    Storage::Gpu {
        gpu: gpu.clone(),
        memory: Allocation::new(handle),
        word: PhantomData,
    }
}

/// wgpu has no empty bindings: an empty array owns one word that nobody reads.
#[cfg(not(test))]
fn upload<T: Word>(gpu: &Gpu, mut data: Vec<T>) -> Handle {
    if data.is_empty() {
        data.push(T::zeroed());
    }
    gpu.client.create(burn_std::Bytes::from_elems(data))
}

#[cfg(not(test))]
fn reserve(gpu: &Gpu, bytes: usize) -> Handle {
    gpu.client.empty(bytes.max(4))
}

/// In tests every array lies between canary words, which each read back checks.
#[cfg(test)]
fn upload<T: Word>(gpu: &Gpu, data: Vec<T>) -> Handle {
    crate::testing::guarded(gpu, bytemuck::cast_slice(&data))
}

#[cfg(test)]
fn reserve(gpu: &Gpu, bytes: usize) -> Handle {
    crate::testing::guarded(gpu, &vec![0xa5; bytes])
}

fn download<T: Word>(gpu: &Gpu, handle: &Handle, len: usize) -> Result<Vec<T>, Error> {
    let bytes = len * size_of::<T>();
    let failed = |reason: String| Error::ReadBack {
        bytes: bytes as u64,
        reason,
    };
    gpu.submit()?;
    #[cfg(test)]
    crate::testing::check_guard(gpu, handle);
    let data = gpu
        .client
        .read_one(handle.clone())
        .map_err(|e| failed(format!("{e:?}")))?
        .to_vec();
    let data = data
        .get(..bytes)
        .ok_or_else(|| failed(format!("got {} only", data.len())))?;
    Ok(bytemuck::pod_collect_to_vec(data))
}

/// A burn backend to which arrays are lent and from which they are taken.
///
/// On a GPU both directions share the buffer: see [`Array`] for what that forbids.
pub trait Bridge: burn_backend::Backend {
    /// The array's elements as a tensor of `shape`.
    fn import(array: &Array, shape: &[usize]) -> Result<FloatTensor<Self>, Error>;

    /// As [`import`](Self::import), of an array that nobody needs any more: no device copies it.
    fn take(array: Array, shape: &[usize]) -> Result<FloatTensor<Self>, Error>;

    /// The tensor's elements, made contiguous where they are not, as `rows` x `cols`.
    fn export(tensor: FloatTensor<Self>, rows: usize, cols: usize) -> Result<Array, Error>;

    /// The backend's own name for the device.
    fn device(device: &Device) -> Result<Self::Device, Error>;
}

impl Bridge for Flex {
    fn import(array: &Array, shape: &[usize]) -> Result<FlexTensor, Error> {
        Self::take(array.copy()?, shape)
    }

    fn take(array: Array, shape: &[usize]) -> Result<FlexTensor, Error> {
        expect_elements("import", array.rows * array.cols, shape)?;
        let Storage::Cpu(data) = array.storage else {
            return Err(Error::DeviceMismatch { kernel: "import" });
        };
        Ok(FlexTensor::from_data(TensorData::new(data, shape.to_vec())))
    }

    fn export(tensor: FlexTensor, rows: usize, cols: usize) -> Result<Array, Error> {
        expect_elements("export", rows.saturating_mul(cols), &tensor.shape())?;
        let data = tensor.into_data().try_into_vec::<f32>();
        let data = data.map_err(|e| Error::device("exporting a tensor", format!("{e:?}")))?;
        Array::from_vec(&Device::Cpu, rows, cols, data)
    }

    fn device(device: &Device) -> Result<FlexDevice, Error> {
        match device {
            Device::Cpu => Ok(FlexDevice),
            Device::Gpu(_) => Err(Error::DeviceMismatch {
                kernel: "flex runs on the CPU",
            }),
        }
    }
}

impl Bridge for CubeBackend {
    fn import(array: &Array, shape: &[usize]) -> Result<CubeTensor, Error> {
        expect_elements("import", array.rows * array.cols, shape)?;
        let Storage::Gpu { gpu, memory, .. } = &array.storage else {
            return Err(Error::DeviceMismatch { kernel: "import" });
        };
        gpu.submit()?;
        Ok(CubeTensor::new_contiguous(
            gpu.client.clone(),
            gpu.burn.clone(),
            Shape::from(shape.to_vec()),
            memory.handle().clone(),
            DType::F32,
        ))
    }

    fn take(array: Array, shape: &[usize]) -> Result<CubeTensor, Error> {
        Self::import(&array, shape)
    }

    fn export(tensor: CubeTensor, rows: usize, cols: usize) -> Result<Array, Error> {
        expect_elements("export", rows.saturating_mul(cols), &tensor.shape())?;
        if tensor.dtype != DType::F32 {
            let reason = format!("it holds {:?}, not f32", tensor.dtype);
            return Err(Error::device("exporting a tensor", reason));
        }
        let gpu = Gpu::of(&tensor.device).ok_or(Error::DeviceMismatch { kernel: "export" })?;
        let storage = on_gpu(&gpu, into_contiguous(tensor).handle);
        Ok(Array {
            rows,
            cols,
            storage,
        })
    }

    fn device(device: &Device) -> Result<CubeDevice, Error> {
        match device {
            Device::Gpu(gpu) => Ok(gpu.burn.clone()),
            Device::Cpu => Err(Error::DeviceMismatch {
                kernel: "burn's wgpu runs on a GPU",
            }),
        }
    }
}

fn expect_elements(kernel: &'static str, elements: usize, shape: &[usize]) -> Result<(), Error> {
    let product = shape
        .iter()
        .try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    if product == Some(elements) {
        return Ok(());
    }
    let expected = format!("a tensor of {elements} elements");
    Err(Error::Shape {
        kernel,
        expected,
        got: format!("shape {shape:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn data_survives_the_trip_and_copies_are_deep() {
        for device in testing::devices() {
            for (rows, cols) in [(1, 1), (3, 5), (257, 3), (0, 4), (4, 0)] {
                let data: Vec<f32> = (0..rows * cols).map(|i| i as f32 - 7.5).collect();
                let array = Array::from_vec(&device, rows, cols, data.clone()).unwrap();
                assert_eq!(array.to_vec().unwrap(), data);
                let copy = array.copy().unwrap();
                drop(array);
                assert_eq!((copy.rows(), copy.cols()), (rows, cols));
                assert_eq!(copy.to_vec().unwrap(), data);
            }
            assert_eq!(
                Array::filled(&device, 2, 2, 7_u32)
                    .unwrap()
                    .to_vec()
                    .unwrap(),
                [7; 4]
            );
            assert_eq!(
                Array::<f32>::zeros(&device, 1, 2)
                    .unwrap()
                    .to_vec()
                    .unwrap(),
                [0.0; 2]
            );
        }
    }

    #[test]
    fn wrong_lengths_and_sizes_are_refused_before_allocating() {
        for device in testing::devices() {
            let short = Array::from_vec(&device, 2, 3, vec![0.0_f32; 5]);
            assert!(matches!(short, Err(Error::Shape { .. })));
            for (rows, cols) in [(1 << 20, 1 << 20), (usize::MAX, usize::MAX)] {
                let large = Array::<f32>::zeros(&device, rows, cols);
                assert!(matches!(large, Err(Error::TooLarge { .. })));
            }
        }
    }

    fn round_trip<B: Bridge>(device: &Device) {
        let data: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let array = Array::from_vec(device, 2, 12, data.clone()).unwrap();
        let tensor = B::import(&array, &[2, 3, 4]).unwrap();
        let turned = B::float_swap_dims(tensor.clone(), 1, 2);
        assert_eq!(B::export(tensor, 2, 12).unwrap().to_vec().unwrap(), data);

        let turned = B::export(turned, 2, 12).unwrap().to_vec().unwrap();
        let expected = (0..24).map(|i| (i / 12 * 12 + i % 3 * 4 + i % 12 / 3) as f32);
        assert_eq!(turned, expected.collect::<Vec<_>>());
        assert!(matches!(
            B::import(&array, &[5, 5]),
            Err(Error::Shape { .. })
        ));
    }

    #[test]
    fn burn_sees_our_arrays_and_we_see_its_tensors() {
        round_trip::<Flex>(&Device::Cpu);
        let cpu = Array::<f32>::zeros(&Device::Cpu, 1, 1).unwrap();
        assert!(matches!(
            CubeBackend::import(&cpu, &[1]),
            Err(Error::DeviceMismatch { .. })
        ));
        let Some(gpu) = testing::gpu() else { return };
        round_trip::<CubeBackend>(&gpu);
        assert!(<Flex as Bridge>::device(&gpu).is_err());
    }

    /// Burn queues its work; ours must see the results, and burn must see ours.
    #[test]
    fn our_kernels_and_burn_are_ordered() {
        let Some(gpu) = testing::gpu() else { return };
        let array = Array::from_vec(&gpu, 1, 1000, vec![1.0_f32; 1000]).unwrap();
        let mut tensor = CubeBackend::import(&array, &[1000]).unwrap();
        for round in 1..=5 {
            use burn_backend::ops::FloatTensorOps;
            let doubled = CubeBackend::float_add(tensor.clone(), tensor);
            let copied = CubeBackend::export(doubled, 1, 1000)
                .unwrap()
                .copy()
                .unwrap();
            assert_eq!(copied.to_vec().unwrap(), vec![f32::powi(2.0, round); 1000]);
            tensor = CubeBackend::import(&copied, &[1000]).unwrap();
        }
    }

    #[test]
    fn arrays_may_be_made_on_one_thread_and_used_on_another() {
        let Some(gpu) = testing::gpu() else { return };
        let threads = (0..4).map(|i| {
            let gpu = gpu.clone();
            std::thread::spawn(move || {
                let array = Array::filled(&gpu, 7, 11, i).unwrap();
                (i, array.copy().unwrap())
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            let (i, array) = thread.join().unwrap();
            assert_eq!(array.copy().unwrap().to_vec().unwrap(), vec![i; 77]);
        }
    }
}
