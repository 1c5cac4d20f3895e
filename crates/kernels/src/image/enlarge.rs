//! Images of large pixels: each small pixel becomes a block (nearest neighbour).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "enlarge";
const SHADER: Shader = shader!("enlarge");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    height: u32,
    width: u32,
    from_height: u32,
    from_width: u32,
}

/// Each row of `small`, laid out as `from`, at the size of `to`: pixel i of a side of `to` is pixel i * from / to, rounded
/// down, of that side of `from`. Both have as many channels.
pub fn enlarge(small: &Array, from: Image, to: Image) -> Result<Array, Error> {
    let (rows, device) = (small.rows(), small.device());
    let (plane, from_plane) = (to.height * to.width, from.height * from.width);
    small.expect_shape(KERNEL, "small", rows, to.channels * from_plane)?;
    let cols = to.channels * plane;
    let mut large = Array::uninit(&device, rows, cols)?;
    if large.is_empty() {
        return Ok(large);
    }
    match &device {
        Device::Cpu => {
            let planes = large.host_mut(KERNEL)?.par_chunks_mut(plane);
            let smalls = small.host(KERNEL)?.par_chunks(from_plane);
            planes
                .zip(smalls)
                .with_min_len(8)
                .for_each(|(large, small)| {
                    for (y, line) in large.chunks_exact_mut(to.width).enumerate() {
                        let small =
                            &small[y * from.height / to.height * from.width..][..from.width];
                        for (x, value) in line.iter_mut().enumerate() {
                            *value = small[x * from.width / to.width];
                        }
                    }
                });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                elements: (rows * cols) as u32,
                height: to.height as u32,
                width: to.width as u32,
                from_height: from.height as u32,
                from_width: from.width as u32,
            };
            let arrays = [small.buffer(KERNEL, gpu)?, large.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn image(channels: usize, height: usize, width: usize) -> Image {
        Image {
            channels,
            height,
            width,
        }
    }

    #[test]
    fn a_pixel_becomes_a_block_on_every_device() {
        let expected = [1, 1, 2, 1, 1, 2, 3, 3, 4].map(|v| v as f32);
        for device in testing::devices() {
            let small = Array::from_vec(&device, 1, 4, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
            let large = enlarge(&small, image(1, 2, 2), image(1, 3, 3)).unwrap();
            assert_eq!(large.to_vec().unwrap(), expected, "{device:?}");
            assert!(enlarge(&small, image(1, 2, 1), image(1, 3, 3)).is_err());
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(97);
        for _ in 0..100 {
            let to = image(
                1 + random.below(3),
                1 + random.below(30),
                1 + random.below(30),
            );
            let (height, width) = (1 + random.below(to.height), 1 + random.below(to.width));
            let from = image(to.channels, height, width);
            let rows = 1 + random.below(5);
            let cols = to.channels * height * width;
            let small = random.floats(rows * cols, -1.0, 1.0);
            let run = |device: &Device| {
                let small = Array::from_vec(device, rows, cols, small.clone()).unwrap();
                enlarge(&small, from, to).unwrap().to_vec().unwrap()
            };
            assert_eq!(run(&gpu), run(&Device::Cpu), "{from:?} to {to:?}");
        }
    }
}
