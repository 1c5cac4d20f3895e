//! Nodes, and the constants that some of them are.

use std::collections::BTreeMap;

use crate::attributes::{self, Attribute};
use crate::error::Error;
use crate::finite::check_finite;
use crate::graph::Node;
use crate::opsets::{self, short_domain};
use crate::proto;
use crate::tensor::{Data, Tensor};
use crate::validate::{Context, define};

/// The nodes that compute; `Constant` nodes become `constants`.
pub(crate) fn nodes(
    protos: Vec<proto::Node>,
    constants: &mut BTreeMap<String, Tensor>,
    context: &mut Context,
) -> Result<Vec<Node>, Error> {
    let mut nodes = Vec::with_capacity(protos.len());
    for proto in protos {
        let mut node = node(proto, context)?;
        opsets::check_use(context.opsets, &node.domain)?;
        if node.op == "Constant" && node.domain.is_empty() {
            let tensor = constant(&node)?;
            define(constants, node.outputs.swap_remove(0), tensor)?;
        } else {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

fn node(proto: proto::Node, context: &mut Context) -> Result<Node, Error> {
    let name = label(&proto).to_owned();
    if proto.op_type.is_empty() {
        return Err(Error::NoOperator { node: name });
    }
    let attributes = attributes::read(&name, proto.attribute, context)?;
    let domain = short_domain(&proto.domain).to_owned();
    let (op, inputs, outputs) = (proto.op_type, proto.input, proto.output);
    Ok(Node {
        name,
        op,
        domain,
        inputs,
        outputs,
        attributes,
    })
}

/// What to call a node: its name, or its first output where it has none.
pub(crate) fn label(node: &proto::Node) -> &str {
    let names = std::iter::once(&node.name).chain(&node.output);
    names
        .map(String::as_str)
        .find(|name| !name.is_empty())
        .unwrap_or(&node.op_type)
}

/// The value of a `Constant` node, which has one output and one attribute.
fn constant(node: &Node) -> Result<Tensor, Error> {
    let bad = |attribute: &str, why: &str| Error::BadAttribute {
        node: node.name.clone(),
        attribute: attribute.into(),
        why: why.into(),
    };
    let mut items = node.attributes.iter();
    let (Some((name, value)), None, [_]) = (items.next(), items.next(), node.outputs.as_slice())
    else {
        return Err(bad(
            "value",
            "a Constant needs one output and one attribute; export the model again",
        ));
    };
    let vector = |data: Data| Tensor {
        shape: vec![data.len()],
        data,
    };
    let scalar = |data| Tensor {
        shape: vec![],
        data,
    };
    let tensor = match (name, value) {
        ("value", Attribute::Tensor(tensor)) => (**tensor).clone(),
        ("value_float", Attribute::Float(x)) => scalar(Data::F32(vec![*x])),
        ("value_floats", Attribute::Floats(x)) => vector(Data::F32(x.clone())),
        ("value_int", Attribute::Int(x)) => scalar(Data::I64(vec![*x])),
        ("value_ints", Attribute::Ints(x)) => vector(Data::I64(x.clone())),
        ("value_string", Attribute::String(x)) => scalar(Data::String(vec![x.clone()])),
        ("value_strings", Attribute::Strings(x)) => vector(Data::String(x.clone())),
        _ => {
            return Err(bad(
                name,
                "no value that a Constant can have; export the model again",
            ));
        }
    };
    check_finite(&node.name, &tensor.data)?;
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Constant node `c` with these attributes.
    fn constant_of(items: Vec<(&str, Attribute)>) -> Result<Tensor, Error> {
        let items = items
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        constant(&Node {
            name: "c".into(),
            op: "Constant".into(),
            domain: String::new(),
            inputs: vec![],
            outputs: vec!["c".into()],
            attributes: attributes::Attributes::new("c", items),
        })
    }

    #[test]
    fn every_way_to_write_a_constant() {
        let text = || "a".to_owned();
        let tensor = Tensor {
            shape: vec![1, 1],
            data: Data::F64(vec![1.0]),
        };
        let cases = [
            (
                "value",
                Attribute::Tensor(Box::new(tensor)),
                vec![1, 1],
                Data::F64(vec![1.0]),
            ),
            (
                "value_float",
                Attribute::Float(1.0),
                vec![],
                Data::F32(vec![1.0]),
            ),
            (
                "value_floats",
                Attribute::Floats(vec![1.0, 2.0]),
                vec![2],
                Data::F32(vec![1.0, 2.0]),
            ),
            ("value_int", Attribute::Int(-1), vec![], Data::I64(vec![-1])),
            (
                "value_ints",
                Attribute::Ints(vec![]),
                vec![0],
                Data::I64(vec![]),
            ),
            (
                "value_string",
                Attribute::String(text()),
                vec![],
                Data::String(vec![text()]),
            ),
            (
                "value_strings",
                Attribute::Strings(vec![text()]),
                vec![1],
                Data::String(vec![text()]),
            ),
        ];
        for (name, value, shape, data) in cases {
            assert_eq!(
                constant_of(vec![(name, value)]).unwrap(),
                Tensor { shape, data },
                "{name}"
            );
        }
    }

    #[test]
    fn bad_constants_are_refused() {
        let int = || Attribute::Int(1);
        let cases = [
            ("none", vec![], "one output and one attribute"),
            (
                "two",
                vec![("value_int", int()), ("value_float", int())],
                "one output and one attribute",
            ),
            (
                "wrong type",
                vec![("value_float", int())],
                "\"value_float\": no value that a Constant",
            ),
            ("unknown", vec![("sparse", int())], "\"sparse\""),
            (
                "NaN",
                vec![("value_float", Attribute::Float(f32::NAN))],
                "1 NaN",
            ),
        ];
        for (name, items, expected) in cases {
            let error = constant_of(items).expect_err(name).to_string();
            assert!(
                error.contains(expected) && error.contains("\"c\""),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn a_node_is_called_by_its_name_or_first_output() {
        let node = |name: &str, outputs: &[&str]| proto::Node {
            name: name.into(),
            output: outputs.iter().map(|output| (*output).into()).collect(),
            op_type: "Relu".into(),
            ..Default::default()
        };
        assert_eq!(label(&node("relu1", &["y"])), "relu1");
        assert_eq!(label(&node("", &["", "y"])), "y");
        assert_eq!(label(&node("", &[])), "Relu");
    }
}
