//! The embedding of a model of token ids: a table with a row a token. The graph is changed so that the rows of a sample's tokens
//! are part of its input, and with it of its gradient.

use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};

use crate::Error;

/// The oldest operator set whose Slice takes its bounds as inputs.
const LEAST_OPSET: i64 = 10;

/// A row of numbers a token.
#[derive(Debug, Clone)]
pub struct Embedding {
    rows: Vec<f32>,
    width: usize,
}

impl Embedding {
    pub fn new(rows: Vec<f32>, width: usize) -> Self {
        Self { rows, width }
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The row of a token; none beyond the table.
    pub fn row(&self, id: u32) -> Option<&[f32]> {
        let start = (id as usize).checked_mul(self.width)?;
        self.rows.get(start..start.checked_add(self.width)?)
    }
}

/// `graph`, which takes `length` ids a sample, as a graph that takes the ids and then the rows of its embedding, `length` times its
/// width; and the embedding.
pub fn embedded(mut graph: Graph, length: usize) -> Result<(Graph, Embedding), Error> {
    let refuse = |what: &str| Error::Interface {
        port: "embedding".into(),
        what: what.into(),
    };
    let [port] = graph.inputs.as_slice() else {
        return Err(refuse(
            "the model has several inputs; one is needed, of token ids",
        ));
    };
    if graph
        .opsets
        .get("")
        .is_none_or(|&opset| opset < LEAST_OPSET)
    {
        return Err(refuse(
            "an older operator set than 10; export the model with a newer one",
        ));
    }
    let (ids, dtype) = (port.name.clone(), port.dtype);
    let lookups: Vec<usize> = lookups(&graph, &ids).collect();
    let &[at] = lookups.as_slice() else {
        let what =
            "one Gather of a constant table by the model's input is needed to take gradients by";
        return Err(refuse(&format!("there are {}; {what}", lookups.len())));
    };
    let gather = graph.nodes.remove(at);
    let (table, looked_up) = match (gather.inputs.first(), gather.outputs.first()) {
        (Some(table), Some(output)) => (graph.constants.get(table), output.clone()),
        _ => (None, String::new()),
    };
    let table = table.and_then(|table| Some((table.to_f32()?.into_owned(), *table.shape.last()?)));
    let (rows, width) = table.ok_or_else(|| refuse("its table is not of floats"))?;
    let split = Split {
        input: format!("{ids} and embedding"),
        length,
        whole: length * (width + 1),
    };
    let mut nodes = split.ids(&ids, dtype, &mut graph);
    nodes.extend(split.rows(&looked_up, width, &mut graph));
    nodes.append(&mut graph.nodes);
    graph.nodes = nodes;
    graph.inputs = vec![Port {
        name: split.input,
        dtype: DType::F32,
        shape: Some(vec![Dim::Unknown, Dim::Fixed(split.whole)]),
    }];
    Ok((graph, Embedding { rows, width }))
}

/// How many rows the smallest table has that the ids, which are the graph's input, are looked up in.
pub fn table_rows(graph: &Graph) -> Option<usize> {
    let ids = &graph.inputs.first()?.name;
    let tables = lookups(graph, ids).filter_map(|at| graph.nodes.get(at)?.inputs.first());
    let rows = tables.filter_map(|table| graph.constants.get(table)?.shape.first().copied());
    rows.min()
}

/// The nodes that take rows of a constant matrix by the graph's input `ids`.
fn lookups<'a>(graph: &'a Graph, ids: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..graph.nodes.len()).filter(move |&at| looks_up(graph, at, ids))
}

/// Whether node `at` takes rows of a constant matrix by the graph's input `ids`.
fn looks_up(graph: &Graph, at: usize, ids: &str) -> bool {
    let Some(node) = graph.nodes.get(at) else {
        return false;
    };
    let [table, picks] = node.inputs.as_slice() else {
        return false;
    };
    let matrix = graph
        .constants
        .get(table)
        .is_some_and(|table| table.shape.len() == 2);
    let rows = matches!(node.attributes.int_or("axis", 0), Ok(0 | -2));
    let mut source = picks.as_str();
    while let Some(node) = graph
        .nodes
        .iter()
        .find(|node| node.outputs.iter().any(|o| o == source))
    {
        match (node.op.as_str(), node.inputs.first()) {
            ("Cast" | "Identity", Some(input)) => source = input,
            _ => return false,
        }
    }
    node.op == "Gather" && node.domain.is_empty() && matrix && rows && source == ids
}

/// How the new input is taken apart.
struct Split {
    input: String,
    length: usize,
    /// Elements of a sample.
    whole: usize,
}

impl Split {
    /// The ids, under their old name.
    fn ids(&self, name: &str, dtype: DType, graph: &mut Graph) -> Vec<Node> {
        let cast = Attribute::Int(if dtype == DType::I32 { 6 } else { 7 });
        let part = format!("{name} as floats");
        vec![
            self.slice(&part, 0, self.length, graph),
            node("Cast", vec![part], name, [("to".to_owned(), cast)]),
        ]
    }

    /// The rows, under the name of what was looked up.
    fn rows(&self, name: &str, width: usize, graph: &mut Graph) -> Vec<Node> {
        let (part, shape) = (format!("{name} flat"), format!("{name} shape"));
        let sizes = vec![0, self.length as i64, width as i64];
        graph.constants.insert(shape.clone(), list(sizes));
        vec![
            self.slice(&part, self.length, self.whole, graph),
            node("Reshape", vec![part, shape], name, []),
        ]
    }

    fn slice(&self, name: &str, from: usize, to: usize, graph: &mut Graph) -> Node {
        let mut inputs = vec![self.input.clone()];
        for (what, value) in [("from", from as i64), ("to", to as i64), ("axis", 1)] {
            let constant = format!("{name} {what}");
            graph.constants.insert(constant.clone(), list(vec![value]));
            inputs.push(constant);
        }
        node("Slice", inputs, name, [])
    }
}

fn list(values: Vec<i64>) -> Tensor {
    Tensor {
        shape: vec![values.len()],
        data: Data::I64(values),
    }
}

fn node<const N: usize>(
    op: &str,
    inputs: Vec<String>,
    output: &str,
    attributes: [(String, Attribute); N],
) -> Node {
    Node {
        name: output.into(),
        op: op.into(),
        domain: String::new(),
        inputs,
        outputs: vec![output.into()],
        attributes: Attributes::new(output, attributes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: Vec<Node>) -> Graph {
        Graph {
            opsets: [(String::new(), 17)].into(),
            inputs: vec![Port {
                name: "ids".into(),
                dtype: DType::I64,
                shape: Some(vec![Dim::Unknown, Dim::Fixed(2)]),
            }],
            nodes,
            constants: [(
                "table".into(),
                Tensor {
                    shape: vec![2, 3],
                    data: Data::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
                },
            )]
            .into(),
            ..Graph::default()
        }
    }

    fn gather(by: &str, to: &str) -> Node {
        node("Gather", vec!["table".into(), by.into()], to, [])
    }

    #[test]
    fn the_rows_become_part_of_the_input() {
        let cast = node(
            "Cast",
            vec!["ids".into()],
            "narrow",
            [("to".into(), Attribute::Int(6))],
        );
        let graph = graph(vec![cast, gather("narrow", "rows")]);
        assert_eq!(table_rows(&graph), Some(2));
        let (changed, embedding) = embedded(graph, 2).expect("there is one");
        assert_eq!(embedding.width(), 3);
        assert_eq!(embedding.row(1), Some([4.0, 5.0, 6.0].as_slice()));
        assert_eq!(embedding.row(2), None);
        let shape = changed.inputs.first().and_then(|port| port.shape.clone());
        assert_eq!(shape, Some(vec![Dim::Unknown, Dim::Fixed(8)]));
        assert!(changed.nodes.iter().all(|node| node.op != "Gather"));
        let makes = |name: &str| changed.nodes.iter().any(|n| n.outputs == [name]);
        assert!(makes("ids") && makes("rows"));
    }

    #[test]
    fn one_lookup_is_needed() {
        let count = |nodes| {
            let error = embedded(graph(nodes), 2)
                .err()
                .map(|error| error.to_string());
            error.unwrap_or_default()
        };
        assert!(count(Vec::new()).contains("there are 0;"));
        assert!(count(vec![gather("ids", "a"), gather("ids", "b")]).contains("there are 2;"));
        assert!(count(vec![gather("table", "a")]).contains("there are 0;"));
        let mut old = graph(vec![gather("ids", "a")]);
        old.opsets.insert(String::new(), 9);
        assert!(embedded(old, 2).is_err_and(|error| error.to_string().contains("newer")));
    }
}
