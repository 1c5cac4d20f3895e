//! Table tests of operators: a node, its inputs, what it gives or why it fails.

use std::collections::BTreeMap;

use burn_backend::ops::FloatTensorOps;
use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexDevice};
use scoville_onnx::{Attribute, Attributes, Data, Node, Tensor};

use super::samples::Samples;
use super::{Context, Operator, Registry};
use crate::Fault;
use crate::step::{self, Host};
use crate::value::{Elements, Fact, Facts, Value, Values, on_device, read, upload};

type Tape = Host;

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

/// A fixed mix of values from -0.625 to 0.625.
pub fn wave(seed: usize, shape: &[usize]) -> Operand {
    let value = |i: usize| ((i * 7 + seed * 3) % 11) as f32 / 8.0 - 0.625;
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    floats(shape, &values)
}

pub fn texts(shape: &[usize], values: &[&str]) -> Operand {
    Operand(Tensor {
        shape: shape.to_vec(),
        data: Data::String(values.iter().map(|v| (*v).into()).collect()),
    })
}

/// Of any type.
pub fn typed(shape: &[usize], data: Data) -> Operand {
    Operand(Tensor {
        shape: shape.to_vec(),
        data,
    })
}

/// A node under test.
#[derive(Clone)]
pub struct Case {
    op: &'static str,
    domain: &'static str,
    opset: i64,
    outputs: usize,
    attributes: Vec<(String, Attribute)>,
    /// With each, whether it is known before the run.
    inputs: Vec<Option<(Tensor, bool)>>,
}

impl Case {
    pub fn new(op: &'static str) -> Case {
        Case {
            op,
            domain: "",
            opset: 13,
            outputs: 1,
            attributes: Vec::new(),
            inputs: Vec::new(),
        }
    }

    pub fn domain(mut self, domain: &'static str) -> Case {
        self.domain = domain;
        self
    }

    pub fn opset(mut self, opset: i64) -> Case {
        self.opset = opset;
        self
    }

    /// How many outputs the node names.
    pub fn outputs(mut self, outputs: usize) -> Case {
        self.outputs = outputs;
        self
    }

    pub fn attribute(mut self, name: &str, value: Attribute) -> Case {
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

    pub fn floats(self, name: &str, values: &[f32]) -> Case {
        self.attribute(name, Attribute::Floats(values.to_vec()))
    }

    pub fn string(self, name: &str, value: &str) -> Case {
        self.attribute(name, Attribute::String(value.into()))
    }

    pub fn strings(self, name: &str, values: &[&str]) -> Case {
        let values = values.iter().map(|v| (*v).into()).collect();
        self.attribute(name, Attribute::Strings(values))
    }

    /// An input that is fed at run time, of floats, whole numbers or booleans; gradients are taken
    /// by those of floats.
    pub fn input(mut self, operand: Operand) -> Case {
        self.inputs.push(Some((operand.0, false)));
        self
    }

    /// An input that is known before the run.
    pub fn constant(mut self, operand: Operand) -> Case {
        self.inputs.push(Some((operand.0, true)));
        self
    }

    /// An optional input that is left out.
    pub fn absent(mut self) -> Case {
        self.inputs.push(None);
        self
    }

    /// Asserts the first output, to 1e-5 of its largest value. Whole numbers and booleans are
    /// given as floats.
    pub fn gives(&self, shape: &[usize], values: &[f32]) {
        self.output_gives(0, shape, values);
    }

    /// Asserts output `index`, to 1e-5 of its largest value.
    pub fn output_gives(&self, index: usize, shape: &[usize], values: &[f32]) {
        let (fact, out) = self.run(index).expect(self.op);
        assert_eq!(fact.shape(), shape, "{}: inferred", self.op);
        let scale = values.iter().fold(1.0f32, |max, v| max.max(v.abs()));
        let same = |a: f32, b: f32| a == b || a.is_nan() && b.is_nan();
        let close = |(&a, &b): (&f32, &f32)| same(a, b) || (a - b).abs() <= 1e-5 * scale;
        assert!(
            out.len() == values.len() && out.iter().zip(values).all(close),
            "{}: {out:?} instead of {values:?}",
            self.op
        );
    }

    /// Asserts that the first output is these integers, known before the run.
    pub fn gives_ints(&self, shape: &[usize], values: &[i64]) {
        self.known(shape, &Elements::Int(values.to_vec()));
    }

    /// Asserts that the first output is these strings.
    pub fn gives_texts(&self, shape: &[usize], values: &[&str]) {
        let values = values.iter().map(|v| (*v).into()).collect();
        self.known(shape, &Elements::Text(values));
    }

    fn known(&self, shape: &[usize], elements: &Elements) {
        let facts = self.infer().expect(self.op);
        let fact = facts.first().expect("an output");
        assert_eq!(fact.shape(), shape, "{}", self.op);
        assert_eq!(fact.elements(), Some(elements), "{}", self.op);
    }

    /// Asserts that it is refused before it runs, for a reason that contains `reason`.
    pub fn fails(&self, reason: &str) {
        self.says(&self.infer().expect_err("it must fail"), reason);
    }

    /// Asserts that it is refused when it runs, for a reason that contains `reason`.
    pub fn fails_in_a_run(&self, reason: &str) {
        self.infer().expect(self.op);
        self.says(&self.run(0).expect_err("it must fail"), reason);
    }

    fn says(&self, fault: &Fault, reason: &str) {
        let fault = fault.to_string();
        assert!(
            fault.contains(reason),
            "{}: {fault:?} does not say {reason:?}",
            self.op
        );
    }

    /// Asserts the gradient of a weighted sum of the first output by every fed float input against
    /// central differences.
    pub fn gradient_agrees(&self) {
        self.gradient_of_output_agrees(0);
    }

    /// The same for output `index`.
    pub fn gradient_of_output_agrees(&self, index: usize) {
        const STEP: f32 = 1e-2;
        let fed = self.fed();
        let leaves: Vec<FloatTensor<Tape>> = fed
            .iter()
            .map(|tensor| Tape::float_set_require_grad(uploaded(tensor), true))
            .collect();
        let out = self.forward(leaves.clone()).expect(self.op).remove(index);
        let shape = out.shape();
        let weights: Vec<f32> = (0..shape.num_elements())
            .map(|i| weight(i) as f32)
            .collect();
        let weights = TensorData::new(weights, shape.to_vec());
        let weights = Tape::float_from_data(weights, &FlexDevice);
        let mut gradients = Tape::backward(Tape::float_mul(out, weights));

        let objective = |fed: &[Tensor]| -> f64 {
            let inputs = fed.iter().map(uploaded).collect();
            let out = self.forward(inputs).expect(self.op).remove(index);
            let out = read::<Tape>(out).expect("reads");
            out.iter()
                .enumerate()
                .map(|(i, &value)| weight(i) * f64::from(value))
                .sum()
        };
        for (which, leaf) in leaves.iter().enumerate() {
            let gradient = Tape::grad_remove(leaf, &mut gradients).expect("a gradient");
            let gradient = read::<Flex>(gradient).expect("reads");
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

    /// Asserts that it is certain to keep `n` samples apart that lie along `axis` of every fed
    /// input, and that it does: where one changes, the outputs change in its places alone.
    pub fn keeps_samples(&self, axis: usize, n: usize) {
        let held = self.held(axis, n);
        let outputs = self.infer().expect(self.op);
        let places = self.samples(&held).expect(self.op);
        assert_eq!(places.len(), outputs.len(), "{}: places", self.op);
        let results = |case: &Case| -> Vec<Vec<f32>> {
            let run = |index| case.run(index).expect(case.op).1;
            (0..outputs.len()).map(run).collect()
        };
        let before = results(self);
        for sample in 0..n {
            let after = results(&self.with_changed(&held, n, sample));
            let mut changes = 0;
            for (index, place) in places.iter().enumerate() {
                let place = place.expect("samples in every output");
                let shape = outputs[index].shape();
                assert_eq!(shape[place.axis], n * place.block, "{}: size", self.op);
                for (i, (old, new)) in before[index].iter().zip(&after[index]).enumerate() {
                    let same = old.to_bits() == new.to_bits();
                    let its = of_sample(i, shape, place) == sample;
                    assert!(
                        same || its,
                        "{}: sample {sample} reaches element {i} of output {index}",
                        self.op
                    );
                    changes += usize::from(!same);
                }
            }
            assert!(changes > 0, "{}: sample {sample} changes nothing", self.op);
        }
    }

    /// Asserts that it is not certain to keep `n` samples apart that lie along `axis` of every fed
    /// input.
    pub fn mixes_samples(&self, axis: usize, n: usize) {
        let found = self.samples(&self.held(axis, n));
        assert_eq!(found, None, "{}", self.op);
    }

    fn held(&self, axis: usize, n: usize) -> Vec<Option<Samples>> {
        let held = |input: &Option<(Tensor, bool)>| match input {
            Some((tensor, false)) => Some(Samples {
                axis,
                block: tensor.shape[axis] / n,
            }),
            _ => None,
        };
        self.inputs.iter().map(held).collect()
    }

    fn samples(&self, held: &[Option<Samples>]) -> Option<Vec<Option<Samples>>> {
        let outputs = self.infer().expect(self.op);
        let operator = self.operator().expect(self.op);
        operator.samples(held, &Facts(self.facts()), &outputs)
    }

    /// With other elements of one sample.
    fn with_changed(&self, held: &[Option<Samples>], n: usize, sample: usize) -> Case {
        let mut case = self.clone();
        for (input, place) in case.inputs.iter_mut().zip(held) {
            let (Some((tensor, _)), Some(place)) = (input, *place) else {
                continue;
            };
            assert_eq!(tensor.shape[place.axis], n * place.block, "{}", self.op);
            let shape = tensor.shape.clone();
            let its = |i: usize| of_sample(i, &shape, place) == sample;
            match &mut tensor.data {
                Data::F32(values) => change(values, its, |i, v| 1.7 * v + 0.6 + (i % 3) as f32),
                Data::I64(values) => change(values, its, |_, v| v ^ 1),
                Data::I32(values) => change(values, its, |_, v| v ^ 1),
                Data::U8(values) => change(values, its, |_, v| 255 - v),
                Data::Bool(values) => change(values, its, |_, v| !v),
                _ => panic!("{}: an input of another type", self.op),
            }
        }
        case
    }

    /// The fed float tensors.
    fn fed(&self) -> Vec<Tensor> {
        let fed = self.inputs.iter().flatten().filter(|(_, known)| !known);
        fed.map(|(tensor, _)| tensor.clone())
            .filter(|tensor| tensor.to_f32().is_some())
            .collect()
    }

    pub fn run(&self, index: usize) -> Result<(Fact, Vec<f32>), Fault> {
        let mut facts = self.infer()?;
        let fact = facts.swap_remove(index);
        let values = match fact.elements() {
            Some(Elements::Float(values)) => values.clone(),
            Some(Elements::Int(values)) => values.iter().map(|&v| v as f32).collect(),
            Some(Elements::Text(_)) => panic!("{}: text", self.op),
            None => {
                let inputs = self.fed().iter().map(uploaded).collect();
                let out = self.forward(inputs)?.swap_remove(index);
                let shapes = [&out.shape()[..], fact.shape()].map(on_device);
                assert_eq!(shapes[0], shapes[1], "{}: computed", self.op);
                read::<Tape>(out)?
            }
        };
        Ok((fact, values))
    }

    fn infer(&self) -> Result<Vec<Fact>, Fault> {
        step::infer(self.operator()?.as_ref(), &Facts(self.facts()))
    }

    fn operator(&self) -> Result<Box<dyn Operator<Tape>>, Fault> {
        let name = |i: usize| match self.inputs[i] {
            Some(_) => format!("x{i}"),
            None => String::new(),
        };
        let node = Node {
            name: "node".into(),
            op: self.op.into(),
            domain: self.domain.into(),
            inputs: (0..self.inputs.len()).map(name).collect(),
            outputs: (0..self.outputs).map(|i| format!("y{i}")).collect(),
            attributes: Attributes::new("node", self.attributes.iter().cloned()),
        };
        let constants: BTreeMap<String, Tensor> = (0..self.inputs.len())
            .filter_map(|i| {
                let (tensor, known) = self.inputs[i].clone()?;
                known.then(|| (name(i), tensor))
            })
            .collect();
        let context = Context {
            opset: self.opset,
            constants: &constants,
        };
        let registry = Registry::<Tape>::new();
        (registry.find(&node).expect("a registered operator").parse)(&node, &context)
    }

    fn facts(&self) -> Vec<Option<Fact>> {
        let fact = |(tensor, known): &(Tensor, bool)| {
            let fact = Fact::of_tensor(tensor).expect("a fact");
            match known {
                true => fact,
                false => fact.with_shape(tensor.shape.clone()),
            }
        };
        let inputs = self.inputs.iter();
        inputs.map(|input| input.as_ref().map(fact)).collect()
    }

    fn forward(&self, fed: Vec<FloatTensor<Tape>>) -> Result<Vec<FloatTensor<Tape>>, Fault> {
        let operator = self.operator()?;
        let facts = self.infer()?;
        let mut fed = fed.into_iter();
        let inputs = self.inputs.iter().zip(self.facts()).map(|(input, fact)| {
            let ((tensor, known), fact) = (input.as_ref()?, fact?);
            Some(match (known, tensor.to_f32()) {
                (true, _) => Value::known(fact),
                (false, Some(_)) => Value::new(fact, fed.next().expect("a fed tensor")),
                (false, None) => Value::new(fact, uploaded(tensor)),
            })
        });
        let values = Values {
            inputs: inputs.collect(),
            device: &FlexDevice,
            stand_ins: false,
        };
        operator.forward(values, &facts)
    }
}

/// Which sample element `i` of a tensor belongs to.
fn of_sample(i: usize, shape: &[usize], place: Samples) -> usize {
    let after: usize = shape[place.axis + 1..].iter().product();
    i / after % shape[place.axis] / place.block
}

fn change<T: Copy>(values: &mut [T], its: impl Fn(usize) -> bool, to: impl Fn(usize, T) -> T) {
    for (i, value) in values.iter_mut().enumerate() {
        if its(i) {
            *value = to(i, *value);
        }
    }
}

/// Weights of the outputs in the objective: of both signs, and none alike.
fn weight(i: usize) -> f64 {
    (1.0 + i as f64).sin()
}

fn uploaded(tensor: &Tensor) -> FloatTensor<Tape> {
    let fact = Fact::of_tensor(tensor).expect("a fact");
    upload::<Tape>(&fact, &FlexDevice).expect("numbers")
}
