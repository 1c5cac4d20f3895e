//! Models that take text: what they make of it, up to the first numbers, runs on the host; what follows is a [`Model`] of numbers.

use burn_backend::TensorMetadata;
use burn_flex::FlexDevice;
use scoville_kernels::{Array, Device};
use scoville_onnx::{DType, Dim, Graph, Port};

use crate::contained::contained;
use crate::program::Program;
use crate::step::Host;
use crate::value::{Elements, Fact, Value, read};
use crate::{Error, Model, ModelSpec, output, prune};

/// Texts of two lengths, to see what the model makes of them.
const SAMPLES: [&str; 2] = ["one text", "and another one"];

/// A classifier of text, ready to run on one device.
pub struct TextModel {
    program: Program<Host>,
    /// The name of the numbers.
    numbers: String,
    /// Whether texts lie in a column, n x 1, and not in a list.
    column: bool,
    model: Model,
}

impl TextModel {
    /// Compiles `graph`, which takes one text a sample.
    pub fn load(mut graph: Graph, output: Option<&str>, device: &Device) -> Result<Self, Error> {
        let column = takes_column(&graph)?;
        output::choose(&mut graph, output)?;
        let graph = prune::prune(graph)?;
        let numbers = numbers_of_text(&graph, column)?;
        let mut front = front(&graph, &numbers)?;
        let program = contained("load", || {
            let limit = Device::Cpu.memory_limit();
            Program::<Host>::compile(&mut front, &FlexDevice, limit)
        })?;
        let width = run(&program, &numbers, column, &SAMPLES)?.len() / SAMPLES.len();
        let spec = ModelSpec {
            shape: Some(vec![width]),
            ..ModelSpec::raw()
        };
        let model = Model::load(rest(graph, &front, &numbers, width), &spec, device)?;
        Ok(Self {
            program,
            numbers,
            column,
            model,
        })
    }

    /// What the model makes of texts: a row a text.
    pub fn numbers(&self, texts: &[&str]) -> Result<Array, Error> {
        let numbers = run(&self.program, &self.numbers, self.column, texts)?;
        let (rows, width) = (texts.len(), self.model.sample_len());
        if numbers.len() != rows * width {
            return Err(interface(
                &self.numbers,
                "they are as many as its text is long; a classifier needs as many for every text",
            ));
        }
        Ok(Array::from_vec(self.model.device(), rows, width, numbers)?)
    }

    /// The model of those numbers.
    pub fn model(&self) -> &Model {
        &self.model
    }
}

fn interface(port: &str, what: &str) -> Error {
    Error::Interface {
        port: format!("numbers {port}"),
        what: what.into(),
    }
}

/// Whether the graph's only input is a column of texts, or a list.
fn takes_column(graph: &Graph) -> Result<bool, Error> {
    let refuse = |port: &str, what: &str| Error::Interface {
        port: format!("input {port}"),
        what: what.into(),
    };
    let [port] = graph.inputs.as_slice() else {
        return Err(refuse(
            "of text",
            "one is needed, that takes a text a sample",
        ));
    };
    if port.dtype != DType::String {
        return Err(refuse(
            &port.name,
            "it takes numbers; say in target.toml, under [text], how text becomes token ids",
        ));
    }
    match port.shape.as_deref() {
        Some([_]) => Ok(false),
        None | Some([_, Dim::Fixed(1) | Dim::Named(_) | Dim::Unknown]) => Ok(true),
        Some(_) => Err(refuse(
            &port.name,
            "it takes several texts a sample; one is needed",
        )),
    }
}

fn feed(column: bool, texts: &[&str]) -> Fact {
    let shape = match column {
        true => vec![texts.len(), 1],
        false => vec![texts.len()],
    };
    let texts = texts.iter().map(|&text| text.to_owned()).collect();
    Fact::known(DType::String, shape, Elements::Text(texts))
}

/// The name of the numbers that the graph first makes of its text.
fn numbers_of_text(graph: &Graph, column: bool) -> Result<String, Error> {
    let mut graph = graph.clone();
    let limit = Device::Cpu.memory_limit();
    let output = graph
        .outputs
        .first()
        .map_or(String::new(), |port| port.name.clone());
    let found = contained("planning", || {
        let program = Program::<Host>::compile(&mut graph, &FlexDevice, limit)?;
        let plan = program.plan(vec![feed(column, &SAMPLES)], &[&output])?;
        Ok(program.numbers_of_text(&plan))
    })?;
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(interface(&output, "they do not depend on the text")),
        several => Err(interface(
            &several.join(", "),
            "the graph makes numbers of its text in several places; one is needed",
        )),
    }
}

/// What leads from the text to its numbers.
fn front(graph: &Graph, numbers: &str) -> Result<Graph, Error> {
    let skeleton = Graph {
        opsets: graph.opsets.clone(),
        inputs: graph.inputs.clone(),
        outputs: vec![port(numbers, None)],
        nodes: graph.nodes.clone(),
        ..Graph::default()
    };
    let mut front = prune::prune(skeleton)?;
    let reads = front.nodes.iter().flat_map(|node| node.reads());
    let constants = reads.filter_map(|name| graph.constants.get_key_value(name));
    front.constants = constants
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(front)
}

/// What follows the numbers.
fn rest(mut graph: Graph, front: &Graph, numbers: &str, width: usize) -> Graph {
    let is_front = |name: &String| front.nodes.iter().any(|node| node.name == *name);
    graph.nodes.retain(|node| !is_front(&node.name));
    graph.inputs = vec![port(numbers, Some(vec![Dim::Unknown, Dim::Fixed(width)]))];
    graph
}

fn port(name: &str, shape: Option<Vec<Dim>>) -> Port {
    Port {
        name: name.into(),
        dtype: DType::F32,
        shape,
    }
}

fn run(
    program: &Program<Host>,
    numbers: &str,
    column: bool,
    texts: &[&str],
) -> Result<Vec<f32>, Error> {
    contained("reading the text", || {
        let feed = feed(column, texts);
        let plan = program.plan(vec![feed.clone()], &[numbers])?;
        if plan.shape().first() != Some(&texts.len()) {
            return Err(interface(numbers, "they are not one row a text"));
        }
        let made = program.run(&plan, vec![Value::known(feed)], false)?;
        let value = made.into_iter().next();
        let (known, tensor) = value.map_or((None, None), |value| {
            (value.fact.elements().cloned(), value.tensor)
        });
        match (known, tensor) {
            (Some(Elements::Float(values)), _) => Ok(values),
            (Some(Elements::Int(values)), _) => Ok(values.iter().map(|&v| v as f32).collect()),
            (_, Some(tensor)) if tensor.shape().num_elements() > 0 => {
                read::<Host>(tensor).map_err(|fault| Error::Backend {
                    during: "reading the text",
                    message: fault.to_string(),
                })
            }
            _ => Err(interface(numbers, "there are none")),
        }
    })
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{Attribute, Attributes, Data, Node, Tensor};

    use super::*;

    fn node(domain: &str, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> Node {
        let named = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Node {
            name: op.into(),
            op: op.into(),
            domain: domain.into(),
            inputs: inputs.iter().map(|&input| input.into()).collect(),
            outputs: vec![format!("{op} out")],
            attributes: Attributes::new(op, named),
        }
    }

    /// Counts `a` and `b`, and says twice the first and the second.
    fn counter(shape: Vec<Dim>) -> Graph {
        let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
        let strings = |values: &[&str]| {
            Attribute::Strings(values.iter().map(|&value| value.to_owned()).collect())
        };
        let tokens = [
            ("mark", Attribute::Int(0)),
            ("mincharnum", Attribute::Int(1)),
            ("pad_value", Attribute::String("#".into())),
            ("tokenexp", Attribute::String("[a-z]+".into())),
        ];
        let counts = [
            ("mode", Attribute::String("TF".into())),
            ("min_gram_length", Attribute::Int(1)),
            ("max_gram_length", Attribute::Int(1)),
            ("max_skip_count", Attribute::Int(0)),
            ("ngram_counts", ints(&[0])),
            ("ngram_indexes", ints(&[0, 1])),
            ("pool_strings", strings(&["a", "b"])),
        ];
        let lower = [("case_change_action", Attribute::String("LOWER".into()))];
        let constant = |shape: &[usize], data| Tensor {
            shape: shape.to_vec(),
            data,
        };
        Graph {
            opsets: [(String::new(), 11), ("com.microsoft".into(), 1)].into(),
            inputs: vec![Port {
                name: "text".into(),
                dtype: DType::String,
                shape: Some(shape),
            }],
            outputs: vec![port("Mul out", None)],
            nodes: vec![
                node("", "Reshape", &["text", "flat"], &[]),
                node("", "StringNormalizer", &["Reshape out"], &lower),
                node(
                    "com.microsoft",
                    "Tokenizer",
                    &["StringNormalizer out"],
                    &tokens,
                ),
                node("", "TfIdfVectorizer", &["Tokenizer out"], &counts),
                node("", "Mul", &["TfIdfVectorizer out", "factors"], &[]),
            ],
            constants: [
                ("flat".into(), constant(&[1], Data::I64(vec![-1]))),
                ("factors".into(), constant(&[2], Data::F32(vec![2.0, 1.0]))),
            ]
            .into(),
            ..Graph::default()
        }
    }

    #[test]
    fn text_becomes_numbers_on_the_host_and_a_model_takes_them() {
        for shape in [vec![Dim::Unknown, Dim::Fixed(1)], vec![Dim::Unknown]] {
            let model = TextModel::load(counter(shape), None, &Device::Cpu).expect("it loads");
            let numbers = model.numbers(&["A, b a", "", "x b b b"]).expect("it runs");
            let counts = [2.0, 1.0, 0.0, 0.0, 0.0, 3.0];
            assert_eq!(numbers.to_vec().expect("it is read"), counts);
            let scores = model.model().logits(&numbers).expect("it runs");
            let doubled = [4.0, 1.0, 0.0, 0.0, 0.0, 3.0];
            assert_eq!(scores.to_vec().expect("it is read"), doubled);
        }
    }

    #[test]
    fn what_is_no_classifier_of_texts_is_refused() {
        let error = |graph| {
            let loaded = TextModel::load(graph, None, &Device::Cpu);
            loaded
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        let wide = counter(vec![Dim::Unknown, Dim::Fixed(3)]);
        assert!(error(wide).contains("several texts a sample"));
        let mut numbers = counter(vec![Dim::Unknown]);
        numbers.inputs = vec![port("text", None)];
        assert!(error(numbers).contains("[text]"));
        let mut twice = counter(vec![Dim::Unknown]);
        let again = twice
            .nodes
            .iter()
            .find(|node| node.op == "TfIdfVectorizer")
            .cloned();
        let mut again = again.expect("it is there");
        again.name = "again".into();
        again.outputs = vec!["again".into()];
        twice.nodes.insert(4, again);
        if let Some(node) = twice.nodes.last_mut() {
            node.inputs = vec!["TfIdfVectorizer out".into(), "again".into()];
        }
        assert!(error(twice).contains("several places"));
    }
}
