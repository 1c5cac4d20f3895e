//! Table tests of operators: a node, its inputs, what it gives or why it fails.

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use burn_backend::ops::FloatTensorOps;
use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, Backend, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexDevice};
use scoville_onnx::{Attribute, Attributes, Data, Node, Tensor};

use super::{Context, Operator, find};
use crate::Fault;
use crate::value::{Fact, Facts, Ints, Value, Values};

type Tape = Autodiff<Flex>;

/// One input of a case.
#[derive(Clone)]
pub struct Operand(Tensor);

pub fn floats(shape: &[usize], values: &[f32]) -> Operand {
    Operand(Tensor {
        shape: shape.to_vec(),
        data: Data::F32(values.to_vec()),
    })
}

pub fn ints(shape: &[usize], values: &[i64]) -> Operand {
    Operand(Tensor {
        shape: shape.to_vec(),
        data: Data::I64(values.to_vec()),
    })
}

pub fn bools(shape: &[usize], values: &[bool]) -> Operand {
    Operand(Tensor {
        shape: shape.to_vec(),
        data: Data::Bool(values.to_vec()),
    })
}

/// 0, 1, 2, ...
pub fn counting(shape: &[usize]) -> Operand {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
    floats(shape, &values)
}

/// A node under test.
pub struct Case {
    op: &'static str,
    opset: i64,
    attributes: Vec<(String, Attribute)>,
    inputs: Vec<Option<(Tensor, bool)>>,
}

/// An operator, and what it makes of the case's inputs.
type Inferred<B> = (Box<dyn Operator<B>>, Vec<Fact>);

impl Case {
    pub fn new(op: &'static str) -> Case {
        Case {
            op,
            opset: 13,
            attributes: Vec::new(),
            inputs: Vec::new(),
        }
    }

    pub fn opset(mut self, opset: i64) -> Case {
        self.opset = opset;
        self
    }

    fn attribute(mut self, name: &str, value: Attribute) -> Case {
        self.attributes.push((name.into(), value));
        self
    }

    pub fn int(self, name: &str, value: i64) -> Case {
        self.attribute(name, Attribute::Int(value))
    }

    pub fn float(self, name: &str, value: f32) -> Case {
        self.attribute(name, Attribute::Float(value))
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Case {
        self.attribute(name, Attribute::Ints(values.to_vec()))
    }

    pub fn string(self, name: &str, value: &str) -> Case {
        self.attribute(name, Attribute::String(value.into()))
    }

    /// An input that is fed at run time; gradients are taken by it.
    pub fn input(mut self, operand: Operand) -> Case {
        self.inputs.push(Some((operand.0, false)));
        self
    }

    /// An input that is a constant of the graph.
    pub fn constant(mut self, operand: Operand) -> Case {
        self.inputs.push(Some((operand.0, true)));
        self
    }

    /// An optional input that is left out.
    pub fn absent(mut self) -> Case {
        self.inputs.push(None);
        self
    }

    /// Asserts the first output, to 1e-5 of its largest value.
    pub fn gives(&self, shape: &[usize], values: &[f32]) {
        let (fact, out) = self.run().expect(self.op);
        assert_eq!(fact, Fact::Float(shape.to_vec()), "{}: inferred", self.op);
        assert_eq!(out.shape().to_vec(), shape, "{}: computed", self.op);
        let out = floats_of(out);
        let scale = values.iter().fold(1.0f32, |max, v| max.max(v.abs()));
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * scale;
        assert!(
            out.len() == values.len() && out.iter().zip(values).all(close),
            "{}: {out:?} instead of {values:?}",
            self.op
        );
    }

    /// Asserts that the first output is these integers, at inference.
    pub fn gives_ints(&self, shape: &[usize], values: &[i64]) {
        let (_, facts) = self.infer::<Flex>().expect(self.op);
        let expected = Ints {
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        assert_eq!(facts, [Fact::Int(expected)], "{}", self.op);
    }

    /// Asserts that it is refused before it runs, for a reason that contains `reason`.
    pub fn fails(&self, reason: &str) {
        let fault = self
            .infer::<Flex>()
            .err()
            .expect("it must fail")
            .to_string();
        assert!(
            fault.contains(reason),
            "{}: {fault:?} does not say {reason:?}",
            self.op
        );
    }

    /// Asserts the gradient of a weighted sum of the output by every fed input against central
    /// differences.
    pub fn gradient_agrees(&self) {
        const STEP: f32 = 1e-2;
        let fed = self.fed();
        let leaves: Vec<FloatTensor<Tape>> = fed
            .iter()
            .map(|tensor| Tape::float_set_require_grad(upload::<Tape>(tensor), true))
            .collect();
        let out = self.forward::<Tape>(leaves.clone()).expect(self.op);
        let shape = out.shape();
        let weights: Vec<f32> = (0..shape.num_elements())
            .map(|i| weight(i) as f32)
            .collect();
        let weights = TensorData::new(weights, shape.to_vec());
        let weights = Tape::float_from_data(weights, &FlexDevice);
        let mut gradients = Tape::backward(Tape::float_mul(out, weights));

        let objective = |fed: &[Tensor]| -> f64 {
            let inputs = fed.iter().map(upload::<Flex>).collect();
            let out = floats_of(self.forward::<Flex>(inputs).expect(self.op));
            out.iter()
                .enumerate()
                .map(|(i, &value)| weight(i) * f64::from(value))
                .sum()
        };
        for (which, leaf) in leaves.iter().enumerate() {
            let gradient = Tape::grad_remove(leaf, &mut gradients).expect("a gradient");
            let gradient = floats_of(gradient);
            let scale = gradient.iter().fold(0.0f32, |max, g| max.max(g.abs()));
            assert!(
                scale > 0.0,
                "{}: the gradient by input {which} is zero",
                self.op
            );
            for (i, &analytic) in gradient.iter().enumerate() {
                let moved = |step: f32| {
                    let mut fed = fed.clone();
                    if let Data::F32(values) = &mut fed[which].data {
                        values[i] += step;
                    }
                    objective(&fed)
                };
                let numeric = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
                assert!(
                    (numeric - f64::from(analytic)).abs() <= 1e-2 * f64::from(scale),
                    "{}: by element {i} of input {which}: {analytic} instead of {numeric}",
                    self.op
                );
            }
        }
    }

    fn fed(&self) -> Vec<Tensor> {
        let fed = self
            .inputs
            .iter()
            .flatten()
            .filter(|(_, constant)| !constant);
        fed.map(|(tensor, _)| tensor.clone())
            .filter(|t| t.to_f32().is_some())
            .collect()
    }

    fn run(&self) -> Result<(Fact, FloatTensor<Flex>), Fault> {
        let (_, facts) = self.infer::<Flex>()?;
        let inputs = self.fed().iter().map(upload::<Flex>).collect();
        Ok((facts[0].clone(), self.forward::<Flex>(inputs)?))
    }

    fn infer<B: Backend>(&self) -> Result<Inferred<B>, Fault> {
        let name = |i: usize| {
            if self.inputs[i].is_some() {
                format!("x{i}")
            } else {
                String::new()
            }
        };
        let node = Node {
            name: "node".into(),
            op: self.op.into(),
            domain: String::new(),
            inputs: (0..self.inputs.len()).map(name).collect(),
            outputs: vec!["y".into()],
            attributes: Attributes::new("node", self.attributes.iter().cloned()),
        };
        let constants: BTreeMap<String, Tensor> = (0..self.inputs.len())
            .filter_map(|i| {
                let (tensor, constant) = self.inputs[i].clone()?;
                constant.then(|| (name(i), tensor))
            })
            .collect();
        let context = Context {
            opset: self.opset,
            constants: &constants,
        };
        let operator = find::<B>(&node).expect("a registered operator")(&node, &context)?;
        let facts = operator.infer(&self.facts())?;
        Ok((operator, facts))
    }

    fn facts(&self) -> Facts {
        let fact = |tensor: &Tensor| match ints_of(tensor) {
            Some(ints) => Fact::Int(ints),
            None => Fact::Float(tensor.shape.clone()),
        };
        Facts(
            self.inputs
                .iter()
                .map(|input| input.as_ref().map(|(t, _)| fact(t)))
                .collect(),
        )
    }

    fn forward<B: Backend<Device = FlexDevice>>(
        &self,
        fed: Vec<FloatTensor<B>>,
    ) -> Result<FloatTensor<B>, Fault> {
        let (operator, facts) = self.infer::<B>()?;
        let mut fed = fed.into_iter();
        let values = self.inputs.iter().map(|input| {
            let (tensor, constant) = input.as_ref()?;
            Some(match ints_of(tensor) {
                Some(ints) => Value::Int(ints),
                None if *constant => Value::Float(upload::<B>(tensor)),
                None => Value::Float(fed.next().expect("a fed tensor")),
            })
        });
        let mut outputs = operator.forward(Values(values.collect()), &facts)?;
        Ok(outputs.remove(0))
    }
}

/// Weights of the outputs in the objective: of both signs, and none alike.
fn weight(i: usize) -> f64 {
    (1.0 + i as f64).sin()
}

fn ints_of(tensor: &Tensor) -> Option<Ints> {
    let values = match &tensor.data {
        Data::I64(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|&b| b.into()).collect(),
        _ => return None,
    };
    Some(Ints {
        shape: tensor.shape.clone(),
        values,
    })
}

fn upload<B: Backend<Device = FlexDevice>>(tensor: &Tensor) -> FloatTensor<B> {
    let values = tensor.to_f32().expect("floats").into_owned();
    B::float_from_data(TensorData::new(values, tensor.shape.clone()), &FlexDevice)
}

fn floats_of(tensor: FloatTensor<Flex>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("floats")
}
