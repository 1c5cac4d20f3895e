//! ReduceMean over the named axes, or all of them. Axes are an attribute up to opset 17, then an
//! input.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Axes, Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct ReduceMean {
    axes: Axes,
    keep_axes: bool,
    /// No axes means no reduction, instead of all.
    none_is_noop: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(ReduceMean {
        axes: Axes::parse(node, context, 18)?,
        keep_axes: node.attributes.int_or("keepdims", 1)? != 0,
        none_is_noop: node.attributes.int_or("noop_with_empty_axes", 0)? != 0,
    }))
}

impl ReduceMean {
    fn reduced(&self, axes: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, Fault> {
        match axes.filter(|axes| !axes.is_empty()) {
            Some(axes) => crate::ops::axes(&axes, rank),
            None if self.none_is_noop => Ok(Vec::new()),
            None => Ok((0..rank).collect()),
        }
    }
}

impl<B: Backend> Operator<B> for ReduceMean {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?;
        let reduced = self.reduced(self.axes.get(inputs)?, shape.len())?;
        let mut out = Vec::new();
        for (i, &size) in shape.iter().enumerate() {
            match (reduced.contains(&i), self.keep_axes) {
                (true, _) if size == 0 => return Err(Fault::shape(format!("axis {i} is empty"))),
                (true, true) => out.push(1),
                (true, false) => {}
                (false, _) => out.push(size),
            }
        }
        Ok(vec![Fact::float(out)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let axes = match &self.axes {
            Axes::Attribute(axes) => axes.clone(),
            Axes::Input => inputs.optional_ints(1)?.map(<[i64]>::to_vec),
        };
        let reduced = self.reduced(axes, x.rank())?;
        let mean = reduced
            .into_iter()
            .fold(x, |x, axis| B::float_mean_dim(x, axis));
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(mean, Shape::from(out.to_vec()))])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |opset| {
            Case::new("ReduceMean")
                .opset(opset)
                .input(counting(&[2, 2, 2]))
        };
        case(13).gives(&[1, 1, 1], &[3.5]);
        case(13).int("keepdims", 0).gives(&[], &[3.5]);
        case(13)
            .ints("axes", &[1, -1])
            .int("keepdims", 0)
            .gives(&[2], &[1.5, 5.5]);
        case(18)
            .constant(ints(&[1], &[0]))
            .gives(&[1, 2, 2], &[2.0, 3.0, 4.0, 5.0]);
        case(18)
            .int("noop_with_empty_axes", 1)
            .gives(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        case(18).constant(ints(&[2], &[-1, -2])).gradient_agrees();
        case(18).constant(ints(&[1], &[3])).fails("outside");
        Case::new("ReduceMean")
            .opset(13)
            .input(counting(&[2, 0]))
            .fails("axis 1 is empty");
    }
}
