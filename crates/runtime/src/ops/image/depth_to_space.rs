//! DepthToSpace and SpaceToDepth: blocks of channels become blocks of places, and back. Shi et al.
//! 2016.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

enum Direction {
    /// The block's two axes come before the channels.
    BlockFirst,
    /// They come after the channels.
    ChannelFirst,
    ToDepth,
}

struct Blocks {
    size: usize,
    direction: Direction,
}

pub(super) fn to_space<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let direction = match node.attributes.string("mode")? {
        None | Some("DCR") => Direction::BlockFirst,
        Some("CRD") => Direction::ChannelFirst,
        Some(other) => return Err(Fault::Unsupported(format!("mode {other:?}"))),
    };
    new(node, direction)
}

pub(super) fn to_depth<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    new(node, Direction::ToDepth)
}

fn new<B: Backend>(node: &Node, direction: Direction) -> Parsed<B> {
    let size = node.attributes.int("blocksize")?;
    let size = size.ok_or_else(|| Fault::shape("attribute blocksize is missing"))?;
    Ok(Box::new(Blocks {
        size: usize::try_from(size)
            .ok()
            .filter(|&size| size > 0 && size < 1 << 16)
            .ok_or_else(|| Fault::Unsupported(format!("blocksize {size}")))?,
        direction,
    }))
}

/// The input with blocks as axes of their own, how these are permuted, and the output's shape.
struct Layout {
    split: [usize; 6],
    axes: [usize; 6],
    shape: [usize; 4],
}

impl Blocks {
    fn layout(&self, x: &[usize]) -> Result<Layout, Fault> {
        let &[n, c, h, w] = x else {
            return Err(Fault::shape(
                "four axes of batch, channels, height, width are needed",
            ));
        };
        let b = self.size;
        let fits = match self.direction {
            Direction::ToDepth => h % b == 0 && w % b == 0,
            _ => c % (b * b) == 0,
        };
        let grown = |size: usize, by: usize| {
            let grown = size.checked_mul(by);
            grown.ok_or_else(|| Fault::shape("the output overflows"))
        };
        if !fits {
            return Err(Fault::shape(format!("blocks of {b} do not fit {x:?}")));
        }
        Ok(match self.direction {
            Direction::ToDepth => Layout {
                split: [n, c, h / b, b, w / b, b],
                axes: [0, 3, 5, 1, 2, 4],
                shape: [n, grown(c, b * b)?, h / b, w / b],
            },
            Direction::BlockFirst => Layout {
                split: [n, b, b, c / (b * b), h, w],
                axes: [0, 3, 4, 1, 5, 2],
                shape: [n, c / (b * b), grown(h, b)?, grown(w, b)?],
            },
            Direction::ChannelFirst => Layout {
                split: [n, c / (b * b), b, b, h, w],
                axes: [0, 1, 4, 2, 5, 3],
                shape: [n, c / (b * b), grown(h, b)?, grown(w, b)?],
            },
        })
    }
}

impl<B: Backend> Operator<B> for Blocks {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let shape = self.layout(x.shape())?.shape.to_vec();
        Ok(vec![x.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let layout = self.layout(&inputs.shape(0)?)?;
        let reshape = |x, shape: &[usize]| B::float_reshape(x, Shape::from(shape.to_vec()));
        let x = reshape(inputs.tensor(0)?, &layout.split);
        let x = B::float_permute(x, &layout.axes);
        Ok(vec![reshape(x, &layout.shape)])
    }

    fn moves(&self, _: usize) -> bool {
        true
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let space = || {
            Case::new("DepthToSpace")
                .int("blocksize", 2)
                .input(counting(&[1, 8, 1, 1]))
        };
        space().gives(&[1, 2, 2, 2], &[0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
        let by_channel = || space().string("mode", "CRD");
        by_channel().gives(&[1, 2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        by_channel().gradient_agrees();
        let depth = |x| Case::new("SpaceToDepth").int("blocksize", 2).input(x);
        depth(counting(&[1, 2, 2, 2]))
            .gives(&[1, 8, 1, 1], &[0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
        depth(counting(&[1, 1, 2, 4])).gradient_agrees();
        Case::new("SpaceToDepth")
            .int("blocksize", 2)
            .constant(ints(&[1, 1, 2, 2], &[1, 2, 3, 1 << 40]))
            .gives_ints(&[1, 4, 1, 1], &[1, 2, 3, 1 << 40]);
    }

    #[test]
    fn faults() {
        let case = |op, size| {
            Case::new(op)
                .int("blocksize", size)
                .input(counting(&[1, 2, 3, 3]))
        };
        case("DepthToSpace", 2).fails("do not fit");
        case("SpaceToDepth", 2).fails("do not fit");
        case("SpaceToDepth", 0).fails("blocksize 0");
        Case::new("SpaceToDepth")
            .int("blocksize", 1)
            .input(counting(&[2, 2]))
            .fails("four axes");
    }
}
