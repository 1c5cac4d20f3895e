//! Decoded messages to [`Attributes`].

use bytes::Bytes;

use super::{Attribute, Attributes};
use crate::decode;
use crate::error::Error;
use crate::proto;
use crate::validate::{self, Context};

/// Most attributes a node may have; the operator with the most has about 20.
pub(crate) const MAX_ATTRIBUTES: usize = 256;

/// Reads the attributes of the node that errors call `node`.
pub(crate) fn read(
    node: &str,
    protos: Vec<proto::Attribute>,
    context: &mut Context,
) -> Result<Attributes, Error> {
    if let Some(extra) = protos.get(MAX_ATTRIBUTES) {
        return Err(bad(
            node,
            &extra.name,
            "no operator has more than 256 attributes; export the model again",
        ));
    }
    let mut attributes = Attributes::new(node, []);
    for mut proto in protos {
        let name = std::mem::take(&mut proto.name);
        if name.is_empty() {
            return Err(bad(node, &name, "it has no name; export the model again"));
        }
        if attributes.get(&name).is_some() {
            return Err(bad(node, &name, "it is given twice; keep one"));
        }
        let value = value(node, &name, proto, context)?;
        attributes.items.push((name, value));
    }
    Ok(attributes)
}

fn value(
    node: &str,
    name: &str,
    proto: proto::Attribute,
    context: &mut Context,
) -> Result<Attribute, Error> {
    let bad = |why| bad(node, name, why);
    if !proto.ref_attr_name.is_empty() {
        return Err(bad(
            "it refers to a function's attribute, but stands in no function; export the model again",
        ));
    }
    let text = |bytes: &Bytes| match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(bad("its text is not UTF-8; export the model again")),
    };
    Ok(match kind(&proto) {
        1 => Attribute::Float(proto.f.unwrap_or_default()),
        2 => Attribute::Int(proto.i.unwrap_or_default()),
        3 => Attribute::String(text(&proto.s.unwrap_or_default())?),
        4 => {
            let missing = || bad("its tensor is missing; export the model again");
            let tensor = proto.t.ok_or_else(missing)?;
            let label = format!("{name} of node {node}");
            Attribute::Tensor(Box::new(decode::tensor(*tensor, &label, context.external)?))
        }
        5 => {
            let missing = || bad("its graph is missing; export the model again");
            let graph = proto.g.ok_or_else(missing)?;
            Attribute::Graph(Box::new(validate::subgraph(*graph, context)?))
        }
        6 => Attribute::Floats(proto.floats),
        7 => Attribute::Ints(proto.ints),
        8 => Attribute::Strings(proto.strings.iter().map(text).collect::<Result<_, _>>()?),
        11 | 12 => {
            return Err(Error::Sparse {
                tensor: format!("{name} of node {node}"),
                why: "an attribute cannot be sparse",
            });
        }
        other => return Err(bad(refusal(other))),
    })
}

/// Why attributes of this kind are not read.
fn refusal(kind: i32) -> &'static str {
    match kind {
        9 => "lists of tensors are not supported; use dense constants",
        10 => "lists of graphs are not supported; no standard operator has one",
        13 | 14 => "type attributes are not supported; use plain tensors",
        _ => "it has no value of a known type; export the model again",
    }
}

/// `AttributeProto.type`; IR version 1 had none, so there the field that is set tells.
fn kind(proto: &proto::Attribute) -> i32 {
    let set = [
        (1, proto.f.is_some()),
        (2, proto.i.is_some()),
        (3, proto.s.is_some()),
        (4, proto.t.is_some()),
        (5, proto.g.is_some()),
        (6, !proto.floats.is_empty()),
        (7, !proto.ints.is_empty()),
        (8, !proto.strings.is_empty()),
    ];
    match proto.kind {
        0 => set
            .into_iter()
            .find(|(_, is_set)| *is_set)
            .map_or(0, |(kind, _)| kind),
        kind => kind,
    }
}

fn bad(node: &str, attribute: &str, why: &str) -> Error {
    Error::BadAttribute {
        node: node.into(),
        attribute: attribute.into(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Data, Tensor};

    fn proto(name: &str, kind: i32) -> proto::Attribute {
        proto::Attribute {
            name: name.into(),
            kind,
            ..Default::default()
        }
    }

    fn decoded(protos: Vec<proto::Attribute>) -> Result<Attributes, Error> {
        Context::test(|context| read("conv1", protos, context))
    }

    fn tensor() -> Option<Box<proto::Tensor>> {
        let tensor = proto::Tensor {
            data_type: 1,
            float_data: vec![2.0],
            ..Default::default()
        };
        Some(Box::new(tensor))
    }

    fn all() -> Vec<proto::Attribute> {
        vec![
            proto::Attribute {
                f: Some(0.5),
                ..proto("f", 1)
            },
            proto::Attribute {
                i: Some(-7),
                ..proto("i", 2)
            },
            proto::Attribute {
                s: Some("SAME".into()),
                ..proto("s", 3)
            },
            proto::Attribute {
                t: tensor(),
                ..proto("t", 4)
            },
            proto::Attribute {
                g: Some(Box::default()),
                ..proto("g", 5)
            },
            proto::Attribute {
                floats: vec![1.0, 2.0],
                ..proto("floats", 6)
            },
            proto::Attribute {
                ints: vec![3],
                ..proto("ints", 7)
            },
            proto::Attribute {
                strings: vec!["a".into(), "b".into()],
                ..proto("strings", 8)
            },
        ]
    }

    #[test]
    fn types_are_told_with_and_without_the_type_field() {
        let untyped = all().into_iter().map(|attribute| proto::Attribute {
            kind: 0,
            ..attribute
        });
        let tensor = Tensor {
            shape: vec![],
            data: Data::F32(vec![2.0]),
        };
        let expected = [
            ("f", Attribute::Float(0.5)),
            ("i", Attribute::Int(-7)),
            ("s", Attribute::String("SAME".into())),
            ("t", Attribute::Tensor(Box::new(tensor))),
            ("g", Attribute::Graph(Box::default())),
            ("floats", Attribute::Floats(vec![1.0, 2.0])),
            ("ints", Attribute::Ints(vec![3])),
            ("strings", Attribute::Strings(vec!["a".into(), "b".into()])),
        ];
        for attributes in [decoded(all()).unwrap(), decoded(untyped.collect()).unwrap()] {
            for (found, (name, value)) in attributes.iter().zip(&expected) {
                assert_eq!(found, (*name, value));
            }
        }
    }

    #[test]
    fn zeros_and_empty_lists_may_be_left_out() {
        let attributes = decoded(vec![
            proto("f", 1),
            proto("i", 2),
            proto("s", 3),
            proto("ints", 7),
        ])
        .unwrap();
        assert_eq!(attributes.float("f").unwrap(), Some(0.0));
        assert_eq!(attributes.int("i").unwrap(), Some(0));
        assert_eq!(attributes.string("s").unwrap(), Some(""));
        assert_eq!(attributes.ints("ints").unwrap(), Some(&[][..]));
    }

    #[test]
    fn bad_attributes_are_refused() {
        let cases = [
            ("no name", proto("", 2), "no name"),
            ("no value", proto("a", 0), "no value of a known type"),
            ("type 99", proto("a", 99), "no value of a known type"),
            ("type -1", proto("a", -1), "no value of a known type"),
            ("no tensor", proto("a", 4), "tensor is missing"),
            ("no graph", proto("then_branch", 5), "graph is missing"),
            ("graphs", proto("a", 10), "lists of graphs"),
            ("tensors", proto("a", 9), "lists of tensors"),
            (
                "sparse",
                proto("a", 11),
                "sparse tensor \"a of node conv1\"",
            ),
            ("type", proto("a", 13), "type attributes"),
            (
                "not UTF-8",
                proto::Attribute {
                    s: Some(Bytes::from_static(b"\xff")),
                    ..proto("a", 3)
                },
                "UTF-8",
            ),
            (
                "reference",
                proto::Attribute {
                    ref_attr_name: "alpha".into(),
                    ..proto("a", 1)
                },
                "refers to a function",
            ),
        ];
        for (name, proto, expected) in cases {
            let error = decoded(vec![proto]).expect_err(name).to_string();
            assert!(
                error.contains(expected) && error.contains("conv1"),
                "{name}: {error}"
            );
        }
        let error = decoded(vec![proto("a", 2), proto("a", 2)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("given twice"), "{error}");
        let many = (0..257)
            .map(|index| proto(&format!("a{index}"), 2))
            .collect();
        let error = decoded(many).unwrap_err().to_string();
        assert!(
            error.contains("\"a256\"") && error.contains("more than 256"),
            "{error}"
        );
    }
}
