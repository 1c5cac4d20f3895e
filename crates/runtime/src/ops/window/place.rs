//! The sliding window of Conv, MaxPool and AveragePool: attributes, padding, output size. Two
//! spatial axes.

use scoville_onnx::Node;

use crate::Fault;

enum AutoPad {
    Explicit([(usize, usize); 2]),
    Valid,
    SameUpper,
    SameLower,
}

/// Attributes of a window; each pair is height, width.
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    ceil: bool,
    padding: AutoPad,
}

/// A window laid over an input of known size.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Padding at the beginning and the end of each axis; with it windows fit exactly.
    pub padding: [(usize, usize); 2],
    /// How many windows there are along each axis.
    pub output: [usize; 2],
}

impl Placed {
    /// Whether burn's pooling can pad by itself.
    pub fn is_symmetric(&self) -> bool {
        self.padding.iter().all(|(begin, end)| begin == end)
    }

    /// A pooling window that sees padding alone has no value.
    pub fn no_window_of_padding_only(&self, window: &Window) -> Result<(), Fault> {
        for axis in [0, 1] {
            let extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
            let (begin, end) = self.padding[axis];
            if begin >= extent || end >= extent {
                let what = format!("padding {:?} makes windows of padding alone", self.padding);
                return Err(Fault::Unsupported(what));
            }
        }
        Ok(())
    }

    /// The padding for a tensor of batch, channels, height, width.
    pub fn of_image(&self) -> [(usize, usize); 4] {
        let [height, width] = self.padding;
        [(0, 0), (0, 0), height, width]
    }
}

impl Window {
    /// `kernel` is known from the weights of a convolution; a pooling names it itself.
    pub fn parse(node: &Node, kernel: Option<[usize; 2]>) -> Result<Window, Fault> {
        let attributes = &node.attributes;
        let pair = |name: &str| match attributes.ints(name)? {
            Some(values) => positive_pair(name, values).map(Some),
            None => Ok(None),
        };
        let named = pair("kernel_shape")?;
        if let (Some(named), Some(kernel)) = (named, kernel)
            && named != kernel
        {
            let what = format!("kernel_shape is {named:?}, but the weights have {kernel:?}");
            return Err(Fault::shape(what));
        }
        let kernel = kernel
            .or(named)
            .ok_or_else(|| Fault::shape("kernel_shape is missing"))?;
        let padding = match attributes.string("auto_pad")? {
            None | Some("NOTSET") => AutoPad::Explicit(pads(node)?),
            Some("VALID") => AutoPad::Valid,
            Some("SAME_UPPER") => AutoPad::SameUpper,
            Some("SAME_LOWER") => AutoPad::SameLower,
            Some(other) => return Err(Fault::Unsupported(format!("auto_pad {other:?}"))),
        };
        Ok(Window {
            kernel,
            stride: pair("strides")?.unwrap_or([1, 1]),
            dilation: pair("dilations")?.unwrap_or([1, 1]),
            ceil: attributes.int_or("ceil_mode", 0)? != 0,
            padding,
        })
    }

    /// Lays the window over an input of `size`.
    pub fn place(&self, size: [usize; 2]) -> Result<Placed, Fault> {
        let mut placed = Placed {
            padding: [(0, 0); 2],
            output: [0; 2],
        };
        for axis in [0, 1] {
            let (padding, output) = self.place_axis(axis, size[axis]).ok_or_else(|| {
                Fault::shape(format!(
                    "a window of {:?}, strides {:?}, dilations {:?} does not fit into {size:?}",
                    self.kernel, self.stride, self.dilation
                ))
            })?;
            placed.padding[axis] = padding;
            placed.output[axis] = output;
        }
        Ok(placed)
    }

    /// The end padding that the node asks for, without what ceil mode adds.
    pub fn explicit_end(&self, axis: usize, placed: &Placed) -> usize {
        match &self.padding {
            AutoPad::Explicit(pads) => pads[axis].1,
            _ => placed.padding[axis].1,
        }
    }

    fn place_axis(&self, axis: usize, size: usize) -> Option<((usize, usize), usize)> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let extent = (kernel - 1)
            .checked_mul(self.dilation[axis])?
            .checked_add(1)?;
        let (begin, end) = match &self.padding {
            AutoPad::Explicit(pads) => pads[axis],
            AutoPad::Valid => (0, 0),
            AutoPad::SameUpper | AutoPad::SameLower => {
                let reach = (size.div_ceil(stride).checked_sub(1)?).checked_mul(stride)?;
                let total = reach.checked_add(extent)?.saturating_sub(size);
                let (less, more) = (total / 2, total.div_ceil(2));
                if matches!(self.padding, AutoPad::SameUpper) {
                    (less, more)
                } else {
                    (more, less)
                }
            }
        };
        let room = size
            .checked_add(begin)?
            .checked_add(end)?
            .checked_sub(extent)?;
        let mut output = room / stride + 1;
        // Ceil mode adds a last window that hangs over the end, if it starts inside the input.
        if self.ceil && room % stride != 0 && output.checked_mul(stride)? < size + begin {
            output += 1;
        }
        let covered = (output - 1).checked_mul(stride)?.checked_add(extent)?;
        let end = end.max(covered.saturating_sub(size + begin));
        Some(((begin, end), output))
    }
}

/// Height and width of an input of batch, channels, height, width.
pub(super) fn spatial(shape: &[usize]) -> Result<[usize; 2], Fault> {
    match shape {
        [_, _, height, width] => Ok([*height, *width]),
        _ => Err(Fault::Unsupported(format!(
            "{} axes instead of batch, channels, height, width",
            shape.len()
        ))),
    }
}

fn positive_pair(name: &str, values: &[i64]) -> Result<[usize; 2], Fault> {
    let positive = |value: i64| usize::try_from(value).ok().filter(|&value| value > 0);
    match values {
        [h, w] => positive(*h).zip(positive(*w)).map(|(h, w)| [h, w]),
        _ => None,
    }
    .ok_or_else(|| Fault::Unsupported(format!("{name} {values:?} (two positive sizes are needed)")))
}

fn pads(node: &Node) -> Result<[(usize, usize); 2], Fault> {
    let Some(values) = node.attributes.ints("pads")? else {
        return Ok([(0, 0); 2]);
    };
    let sizes: Option<Vec<usize>> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
    match sizes.as_deref() {
        Some([top, left, bottom, right]) => Ok([(*top, *bottom), (*left, *right)]),
        _ => Err(Fault::Unsupported(format!(
            "pads {values:?} (four sizes >= 0 are needed)"
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
        padding: AutoPad,
    ) -> Window {
        Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [dilation; 2],
            ceil,
            padding,
        }
    }

    #[test]
    fn output_sizes() {
        let pad = |begin, end| AutoPad::Explicit([(begin, end); 2]);
        for (window, size, padding, output) in [
            (window(3, 1, 1, false, pad(1, 1)), 32, (1, 1), 32),
            (window(3, 2, 1, false, pad(1, 1)), 32, (1, 1), 16),
            (window(3, 2, 2, false, pad(0, 0)), 9, (0, 0), 3),
            (window(2, 2, 1, false, AutoPad::Valid), 5, (0, 0), 2),
            (window(5, 1, 1, false, AutoPad::SameUpper), 28, (2, 2), 28),
            (window(2, 1, 1, false, AutoPad::SameUpper), 4, (0, 1), 4),
            (window(2, 1, 1, false, AutoPad::SameLower), 4, (1, 0), 4),
            (window(3, 2, 1, false, AutoPad::SameUpper), 6, (0, 1), 3),
            // Ceil mode: the window at 4 hangs over by one.
            (window(2, 2, 1, true, pad(0, 0)), 5, (0, 1), 3),
            // It would start in the end padding, so it is dropped.
            (window(2, 2, 1, true, pad(1, 1)), 3, (1, 1), 2),
            (window(1, 3, 1, true, pad(0, 0)), 3, (0, 0), 1),
        ] {
            let placed = window.place([size; 2]).expect("fits");
            assert_eq!(
                placed,
                Placed {
                    padding: [padding; 2],
                    output: [output; 2]
                }
            );
        }
    }

    #[test]
    fn windows_that_do_not_fit() {
        let none = || AutoPad::Explicit([(0, 0); 2]);
        assert!(window(5, 1, 1, false, none()).place([4, 8]).is_err());
        assert!(
            window(usize::MAX, 1, usize::MAX, false, none())
                .place([8, 8])
                .is_err()
        );
        assert!(
            window(2, 1, 1, false, AutoPad::SameUpper)
                .place([0, 0])
                .is_err()
        );
    }
}
