//! The sliding window of convolutions and pools: attributes, padding, output size. One to three
//! spatial axes, those after batch and channels.

use scoville_convnet as layer;
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::count;
use crate::ops::layer::two;

/// A padded input that would take more elements than this, and many times more than what comes in
/// or goes out, is refused.
const MAX_PADDED: usize = 1 << 30;

pub(super) enum Padding {
    /// Beginnings, then ends, as the node gives them.
    Explicit(Option<Vec<usize>>),
    Valid,
    SameUpper,
    SameLower,
}

/// Attributes of a window, one number for each spatial axis.
pub(super) struct Window {
    pub kernel: Option<Vec<usize>>,
    pub stride: Option<Vec<usize>>,
    pub dilation: Option<Vec<usize>>,
    pub padding: Padding,
    ceil: bool,
}

/// A window laid over one axis of known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub size: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Padding before the axis.
    pub begin: usize,
    /// Padding after it; with it windows fit exactly.
    pub end: usize,
    /// What of `end` the node asks for; ceil mode adds the rest.
    pub asked_end: usize,
    /// How many windows there are.
    pub output: usize,
}

impl Axis {
    /// An axis of one element, under a window of one.
    pub const ONE: Axis = Axis {
        size: 1,
        kernel: 1,
        stride: 1,
        dilation: 1,
        begin: 0,
        end: 0,
        asked_end: 0,
        output: 1,
    };

    /// From the first to the last place of a window.
    pub fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    pub fn padding(&self) -> (usize, usize) {
        (self.begin, self.end)
    }

    pub fn is_padded(&self) -> bool {
        self.padding() != (0, 0)
    }
}

/// One number of each of `N` axes.
pub(super) fn each<T, const N: usize>(axes: &[Axis], of: impl Fn(&Axis) -> T) -> [T; N] {
    std::array::from_fn(|i| of(axes.get(i).unwrap_or(&Axis::ONE)))
}

/// The window over one or two axes, as a layer has it.
pub(super) fn layer_window(axes: &[Axis]) -> Option<layer::Window> {
    let of = |f: fn(&Axis) -> usize, first| {
        let sizes: Vec<usize> = axes.iter().map(f).collect();
        two(&sizes, first)
    };
    matches!(axes.len(), 1 | 2).then(|| layer::Window {
        kernel: of(|axis| axis.kernel, 1),
        stride: of(|axis| axis.stride, 1),
        dilation: of(|axis| axis.dilation, 1),
        begin: of(|axis| axis.begin, 0),
        end: of(|axis| axis.end, 0),
    })
}

/// How many windows there are along each axis.
pub(super) fn outputs(axes: &[Axis]) -> Vec<usize> {
    axes.iter().map(|axis| axis.output).collect()
}

/// A pooling window that sees padding alone has no value.
pub(super) fn no_window_of_padding_only(axes: &[Axis]) -> Result<(), Fault> {
    let alone = |axis: &&Axis| axis.begin >= axis.extent() || axis.end >= axis.extent();
    match axes.iter().find(alone) {
        Some(axis) => Err(Fault::Unsupported(format!(
            "padding {:?} makes windows of padding alone, which",
            axis.padding()
        ))),
        None => Ok(()),
    }
}

/// The spatial sizes of an input of batch, channels and one to three spatial axes, none of them
/// empty but the batch.
pub(super) fn spatial(shape: &[usize]) -> Result<&[usize], Fault> {
    match shape {
        [_, inner @ ..] if inner.contains(&0) => {
            Err(Fault::shape(format!("{shape:?} has an empty axis")))
        }
        [_, _, size @ ..] if matches!(size.len(), 1..=3) => Ok(size),
        _ => Err(Fault::Unsupported(format!(
            "{} axes instead of batch, channels and one to three spatial ones: it",
            shape.len()
        ))),
    }
}

/// Refuses what would not fit into memory though input and output do: `channels` planes of
/// `sizes`.
pub(super) fn affordable(
    planes: &[usize],
    sizes: impl Iterator<Item = Option<usize>>,
    kept: &[&[usize]],
) -> Result<(), Fault> {
    let kept = kept.iter().filter_map(|shape| count(shape).ok()).max();
    let most = kept.unwrap_or(0).saturating_mul(4).max(MAX_PADDED);
    let padded = planes
        .iter()
        .map(|&plane| Some(plane))
        .chain(sizes)
        .try_fold(1usize, |n, size| n.checked_mul(size?));
    match padded {
        Some(n) if n <= most => Ok(()),
        _ => Err(Fault::Unsupported(
            "padding so much larger than the input".into(),
        )),
    }
}

impl Window {
    pub fn parse(node: &Node) -> Result<Window, Fault> {
        let attributes = &node.attributes;
        let padding = match attributes.string("auto_pad")? {
            None | Some("NOTSET" | "") => Padding::Explicit(sizes(node, "pads", 0)?),
            Some("VALID") => Padding::Valid,
            Some("SAME_UPPER") => Padding::SameUpper,
            Some("SAME_LOWER") => Padding::SameLower,
            Some(other) => return Err(Fault::Unsupported(format!("auto_pad {other:?}"))),
        };
        Ok(Window {
            kernel: sizes(node, "kernel_shape", 1)?,
            stride: sizes(node, "strides", 1)?,
            dilation: sizes(node, "dilations", 1)?,
            ceil: attributes.int_or("ceil_mode", 0)? != 0,
            padding,
        })
    }

    /// Lays the window of a pooling over an input of `shape`.
    pub fn place_pool(&self, shape: &[usize]) -> Result<Vec<Axis>, Fault> {
        let kernel = self.kernel.as_ref();
        let kernel = kernel.ok_or_else(|| Fault::shape("kernel_shape is missing"))?;
        let axes = self.place(kernel, shape)?;
        no_window_of_padding_only(&axes)?;
        no_window_beyond_proportion(&axes)?;
        Ok(axes)
    }

    /// Lays a window of `kernel` over an input of `shape`.
    pub fn place(&self, kernel: &[usize], shape: &[usize]) -> Result<Vec<Axis>, Fault> {
        let size = spatial(shape)?;
        self.fits(kernel, size.len())?;
        let mut axes = Vec::with_capacity(size.len());
        for i in 0..size.len() {
            axes.push(self.place_axis(i, kernel, size).ok_or_else(|| {
                let [stride, dilation] = [&self.stride, &self.dilation]
                    .map(|sizes| sizes.clone().unwrap_or_else(|| vec![1; size.len()]));
                Fault::shape(format!(
                    "a window of {kernel:?}, strides {stride:?}, dilations {dilation:?} does not \
                     fit into {size:?}"
                ))
            })?);
        }
        let out = outputs(&axes);
        let planes = shape.get(..2).unwrap_or_default();
        let padded = axes
            .iter()
            .map(|axis| axis.size.checked_add(axis.begin)?.checked_add(axis.end));
        affordable(planes, padded, &[shape, &[planes, out.as_slice()].concat()])?;
        Ok(axes)
    }

    /// Checks that every attribute has one number an axis, and that the kernel is `kernel`.
    pub fn fits(&self, kernel: &[usize], rank: usize) -> Result<(), Fault> {
        let pads = match &self.padding {
            Padding::Explicit(pads) => pads.as_ref(),
            _ => None,
        };
        for (name, sizes, len) in [
            ("kernel_shape", self.kernel.as_ref(), rank),
            ("strides", self.stride.as_ref(), rank),
            ("dilations", self.dilation.as_ref(), rank),
            ("pads", pads, 2 * rank),
        ] {
            if let Some(sizes) = sizes.filter(|sizes| sizes.len() != len) {
                return Err(Fault::shape(format!(
                    "{name} {sizes:?} does not fit {rank} spatial axes"
                )));
            }
        }
        match &self.kernel {
            Some(named) if named != kernel => Err(Fault::shape(format!(
                "kernel_shape is {named:?}, but the weights have {kernel:?}"
            ))),
            _ if kernel.contains(&0) => {
                Err(Fault::shape(format!("the kernel {kernel:?} is empty")))
            }
            _ => Ok(()),
        }
    }

    /// The stride and the dilation along axis `i`.
    pub fn steps(&self, i: usize) -> (usize, usize) {
        let at = |sizes: &Option<Vec<usize>>| {
            let size = sizes.as_ref().and_then(|sizes| sizes.get(i));
            size.copied().unwrap_or(1)
        };
        (at(&self.stride), at(&self.dilation))
    }

    /// The explicit padding of axis `i` of `rank`.
    pub fn pads(&self, i: usize, rank: usize) -> (usize, usize) {
        match &self.padding {
            Padding::Explicit(Some(pads)) => {
                let at = |i: usize| pads.get(i).copied().unwrap_or(0);
                (at(i), at(i + rank))
            }
            _ => (0, 0),
        }
    }

    fn place_axis(&self, i: usize, kernel: &[usize], size: &[usize]) -> Option<Axis> {
        let (rank, size, kernel) = (size.len(), *size.get(i)?, *kernel.get(i)?);
        let (stride, dilation) = self.steps(i);
        let extent = kernel.checked_sub(1)?.checked_mul(dilation)?;
        let extent = extent.checked_add(1)?;
        let (begin, asked_end) = match &self.padding {
            Padding::Explicit(_) => self.pads(i, rank),
            Padding::Valid => (0, 0),
            Padding::SameUpper | Padding::SameLower => {
                let reach = (size.div_ceil(stride).checked_sub(1)?).checked_mul(stride)?;
                let total = reach.checked_add(extent)?.saturating_sub(size);
                let (less, more) = (total / 2, total.div_ceil(2));
                if matches!(self.padding, Padding::SameUpper) {
                    (less, more)
                } else {
                    (more, less)
                }
            }
        };
        let start = size.checked_add(begin)?;
        let padded = start.checked_add(asked_end)?;
        // Ceil mode lets even the first window hang over, by less than a stride.
        let hanging = self.ceil && extent.saturating_sub(padded) < stride;
        let room = match hanging {
            true => padded.saturating_sub(extent),
            false => padded.checked_sub(extent)?,
        };
        let mut output = room / stride + 1;
        // Ceil mode adds a last window that hangs over the end, if it starts inside the input.
        if self.ceil && room % stride != 0 && output.checked_mul(stride)? < start {
            output += 1;
        }
        let covered = (output - 1).checked_mul(stride)?.checked_add(extent)?;
        Some(Axis {
            size,
            kernel,
            stride,
            dilation,
            begin,
            end: asked_end.max(covered.saturating_sub(start)),
            asked_end,
            output,
        })
    }
}

/// Attribute `name` as sizes of at least `least`.
pub(super) fn sizes(node: &Node, name: &str, least: usize) -> Result<Option<Vec<usize>>, Fault> {
    let Some(values) = node.attributes.ints(name)? else {
        return Ok(None);
    };
    let size = |&value: &i64| usize::try_from(value).ok().filter(|&size| size >= least);
    let sizes: Option<Vec<usize>> = values.iter().map(size).collect();
    sizes.map(Some).ok_or_else(|| {
        Fault::Unsupported(format!(
            "{name} {values:?} (sizes of at least {least} are needed)"
        ))
    })
}

/// A window many times as long as what it pools takes time without end, and no sound model has one.
fn no_window_beyond_proportion(axes: &[Axis]) -> Result<(), Fault> {
    const LONG: usize = 64;
    let beyond = |axis: &&Axis| axis.extent() > LONG.max(axis.size.saturating_mul(4));
    match axes.iter().find(beyond) {
        None => Ok(()),
        Some(axis) => Err(Fault::Unsupported(format!(
            "a pooling window of {} over {} places, padding for the most part,",
            axis.extent(),
            axis.size
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(
        kernel: usize,
        stride: usize,
        dilation: usize,
        ceil: bool,
        padding: Padding,
    ) -> Window {
        Window {
            kernel: Some(vec![kernel; 2]),
            stride: Some(vec![stride; 2]),
            dilation: Some(vec![dilation; 2]),
            ceil,
            padding,
        }
    }

    fn pad(begin: usize, end: usize) -> Padding {
        Padding::Explicit(Some(vec![begin, begin, end, end]))
    }

    #[test]
    fn output_sizes() {
        for (window, size, padding, output) in [
            (window(3, 1, 1, false, pad(1, 1)), 32, (1, 1), 32),
            (window(3, 2, 1, false, pad(1, 1)), 32, (1, 1), 16),
            (window(3, 2, 2, false, pad(0, 0)), 9, (0, 0), 3),
            (window(2, 2, 1, false, Padding::Valid), 5, (0, 0), 2),
            (window(5, 1, 1, false, Padding::SameUpper), 28, (2, 2), 28),
            (window(2, 1, 1, false, Padding::SameUpper), 4, (0, 1), 4),
            (window(2, 1, 1, false, Padding::SameLower), 4, (1, 0), 4),
            (window(3, 2, 1, false, Padding::SameUpper), 6, (0, 1), 3),
            // Ceil mode: the window at 4 hangs over by one.
            (window(2, 2, 1, true, pad(0, 0)), 5, (0, 1), 3),
            // It would start in the end padding, so it is dropped.
            (window(2, 2, 1, true, pad(1, 1)), 3, (1, 1), 2),
            (window(1, 3, 1, true, pad(0, 0)), 3, (0, 0), 1),
            // The only window hangs over by two.
            (window(5, 3, 1, true, pad(0, 0)), 3, (0, 2), 1),
        ] {
            let kernel = window.kernel.clone().expect("given");
            let axes = window.place(&kernel, &[1, 1, size, size]).expect("fits");
            assert_eq!(axes.len(), 2);
            for axis in axes {
                assert_eq!((axis.padding(), axis.output), (padding, output));
            }
        }
    }

    #[test]
    fn windows_that_do_not_fit() {
        let place = |window: Window, shape: &[usize]| {
            let kernel = window.kernel.clone().expect("given");
            window.place(&kernel, shape).expect_err("no fit")
        };
        place(window(5, 1, 1, false, pad(0, 0)), &[1, 1, 4, 8]);
        place(
            window(usize::MAX, 1, usize::MAX, false, pad(0, 0)),
            &[1, 1, 8, 8],
        );
        place(window(2, 1, 1, false, Padding::SameUpper), &[1, 1, 0, 0]);
        place(window(2, 1, 1, false, pad(0, 0)), &[1, 1, 4]);
        place(
            window(1 << 30, 1 << 30, 1, false, pad(1 << 29, 1 << 29)),
            &[1, 1, 4, 4],
        );
    }
}
