//! Graphs with nodes added: a value is computed further, and everything that read it reads the result.

use scoville_onnx::{Attribute, Attributes, Data, Graph, Node, Tensor};

/// Nodes that are being added after one value of a graph.
pub struct Wrap {
    nodes: Vec<Node>,
    constants: Vec<(String, Tensor)>,
    prefix: String,
}

impl Wrap {
    /// The output of a new node. Inputs are names of values.
    pub fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.op_with(op, inputs, &[])
    }

    /// The same with attributes.
    pub fn op_with(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let output = format!("{}{}", self.prefix, self.nodes.len());
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).into(), value.clone()));
        self.nodes.push(Node {
            name: output.clone(),
            op: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&i| i.into()).collect(),
            outputs: vec![output.clone()],
            attributes: Attributes::new(&output, attributes),
        });
        output
    }

    /// Outputs that the last node has besides its first.
    pub fn and_output(&mut self, name: &str) -> String {
        let name = format!("{}{name}", self.prefix);
        self.nodes.last_mut().unwrap().outputs.push(name.clone());
        name
    }

    pub fn floats(&mut self, shape: &[usize], values: Vec<f32>) -> String {
        self.constant(shape, Data::F32(values))
    }

    pub fn integers(&mut self, values: &[i64]) -> String {
        self.constant(&[values.len()], Data::I64(values.into()))
    }

    pub fn boolean(&mut self, value: bool) -> String {
        self.constant(&[], Data::Bool(vec![value]))
    }

    fn constant(&mut self, shape: &[usize], data: Data) -> String {
        let name = format!("{}constant{}", self.prefix, self.constants.len());
        let shape = shape.to_vec();
        self.constants.push((name.clone(), Tensor { shape, data }));
        name
    }

    /// `x * factor`.
    pub fn times(&mut self, x: &str, factor: f32) -> String {
        let factor = self.floats(&[], vec![factor]);
        self.op("Mul", &[x, &factor])
    }

    /// `x + shift`.
    pub fn plus(&mut self, x: &str, shift: f32) -> String {
        let shift = self.floats(&[], vec![shift]);
        self.op("Add", &[x, &shift])
    }

    /// `x` in steps of `1 / levels`.
    pub fn rounded(&mut self, x: &str, levels: f32) -> String {
        let scaled = self.times(x, levels);
        let rounded = self.op("Round", &[&scaled]);
        self.times(&rounded, 1.0 / levels)
    }

    /// 1.0 where `x` is above `threshold`, else 0.0.
    pub fn above(&mut self, x: &str, threshold: f32) -> String {
        let threshold = self.floats(&[], vec![threshold]);
        let above = self.op("Greater", &[x, &threshold]);
        self.op_with("Cast", &[&above], &[("to", Attribute::Int(1))])
    }

    /// The mean over `axes`, which stay.
    pub fn mean(&mut self, x: &str, axes: &[i64]) -> String {
        self.op_with(
            "ReduceMean",
            &[x],
            &[("axes", Attribute::Ints(axes.into()))],
        )
    }
}

/// Computes `value` further by `build`, which is given its name and names the result.
pub fn wrap(graph: &mut Graph, value: &str, build: impl FnOnce(&mut Wrap, &str) -> String) {
    let mut added = Wrap {
        nodes: Vec::new(),
        constants: Vec::new(),
        prefix: format!("{value} wrapped "),
    };
    let result = build(&mut added, value);
    for name in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        if name == value {
            name.clone_from(&result);
        }
    }
    for port in &mut graph.outputs {
        if port.name == value {
            port.name.clone_from(&result);
            port.shape = None;
        }
    }
    let producer = graph
        .nodes
        .iter()
        .position(|node| node.outputs.iter().any(|o| o == value));
    let at = producer.map_or(0, |producer| producer + 1);
    graph.nodes.splice(at..at, added.nodes);
    graph.constants.extend(added.constants);
}
