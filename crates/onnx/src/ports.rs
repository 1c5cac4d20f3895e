//! Inputs and outputs of the graph.

use std::collections::HashSet;

use crate::decode::MAX_DIMS;
use crate::dtype::DType;
use crate::error::Error;
use crate::graph::{Dim, Port};
use crate::order::Level;
use crate::proto;

/// The ports, each a plain tensor with a name of its own; `what` says in errors what they are. Those of a subgraph may
/// lack a type.
pub(crate) fn ports(
    protos: Vec<proto::ValueInfo>,
    what: &'static str,
    level: Level,
) -> Result<Vec<Port>, Error> {
    check_names(&protos, what)?;
    protos.into_iter().map(|proto| port(proto, level)).collect()
}

/// Refuses ports without a name of their own.
pub(crate) fn check_names(protos: &[proto::ValueInfo], what: &'static str) -> Result<(), Error> {
    let mut names = HashSet::new();
    for proto in protos {
        if proto.name.is_empty() {
            return Err(Error::Unnamed { what });
        }
        if !names.insert(proto.name.as_str()) {
            return Err(Error::Duplicate {
                value: proto.name.clone(),
            });
        }
    }
    Ok(())
}

pub(crate) fn port(proto: proto::ValueInfo, level: Level) -> Result<Port, Error> {
    let name = proto.name;
    let kind = proto.r#type.unwrap_or_default();
    if level == Level::Subgraph && is_untyped(&kind) {
        return Ok(untyped(name));
    }
    let Some(tensor) = kind.tensor else {
        let kinds = [
            (kind.sequence, "sequence"),
            (kind.map, "map"),
            (kind.sparse, "sparse tensor"),
            (kind.optional, "optional"),
            (kind.opaque, "opaque"),
        ];
        let kind = kinds
            .into_iter()
            .find(|(set, _)| set.is_some())
            .map_or("undefined", |(_, kind)| kind);
        return Err(Error::NotATensor { value: name, kind });
    };
    let dtype = DType::from_code(tensor.elem_type).map_err(|dtype| Error::UnsupportedType {
        value: name.clone(),
        dtype,
    })?;
    let shape = tensor.shape.map(|shape| dims(&name, shape)).transpose()?;
    Ok(Port { name, dtype, shape })
}

/// The port of which the file does not say what it holds.
pub(crate) fn untyped(name: String) -> Port {
    Port {
        name,
        dtype: DType::F32,
        shape: None,
    }
}

fn is_untyped(kind: &proto::Type) -> bool {
    let undefined = proto::TensorType::default();
    *kind == proto::Type::default() || kind.tensor.as_ref() == Some(&undefined)
}

fn dims(name: &str, shape: proto::Shape) -> Result<Vec<Dim>, Error> {
    let first: Vec<i64> = shape
        .dim
        .iter()
        .take(8)
        .map(|dim| dim.value.unwrap_or(-1))
        .collect();
    let refuse = |why| Error::Dims {
        value: name.into(),
        dims: first.clone(),
        why,
    };
    if shape.dim.len() > MAX_DIMS {
        return Err(refuse("more than 64 dimensions (the first 8 are shown)"));
    }
    let mut elements = 1_usize;
    let mut dims = Vec::with_capacity(shape.dim.len());
    for dim in shape.dim {
        dims.push(match dim.value {
            // Older Keras and Paddle exports write -1 for a dimension that varies, as does onnxruntime.
            Some(-1) => Dim::Unknown,
            Some(value) => {
                let size = usize::try_from(value)
                    .map_err(|_| refuse("a negative dimension; export with a fixed shape"))?;
                let product = elements
                    .checked_mul(size.max(1))
                    .filter(|&n| isize::try_from(n).is_ok());
                elements =
                    product.ok_or_else(|| refuse("more elements than any machine can hold"))?;
                Dim::Fixed(size)
            }
            None if dim.param.is_empty() => Dim::Unknown,
            None => Dim::Named(dim.param),
        });
    }
    Ok(dims)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and name of each dimension.
    type Dims = &'static [(Option<i64>, &'static str)];

    fn typed(elem_type: i32, dims: Option<Dims>) -> proto::ValueInfo {
        let dim = |&(value, param): &(Option<i64>, &str)| proto::Dimension {
            value,
            param: param.into(),
        };
        let shape = dims.map(|dims| proto::Shape {
            dim: dims.iter().map(dim).collect(),
        });
        let tensor = proto::TensorType { elem_type, shape };
        of_type(proto::Type {
            tensor: Some(tensor),
            ..Default::default()
        })
    }

    fn of_type(kind: proto::Type) -> proto::ValueInfo {
        proto::ValueInfo {
            name: "x".into(),
            r#type: Some(kind),
        }
    }

    #[test]
    fn shapes() {
        let cases: &[(Option<Dims>, Option<Vec<Dim>>)] = &[
            (None, None),
            (Some(&[]), Some(vec![])),
            (
                Some(&[
                    (None, "batch"),
                    (Some(3), ""),
                    (None, ""),
                    (Some(-1), ""),
                    (Some(0), ""),
                ]),
                Some(vec![
                    Dim::Named("batch".into()),
                    Dim::Fixed(3),
                    Dim::Unknown,
                    Dim::Unknown,
                    Dim::Fixed(0),
                ]),
            ),
        ];
        for (dims, shape) in cases {
            let expected = Port {
                name: "x".into(),
                dtype: DType::F32,
                shape: shape.clone(),
            };
            assert_eq!(port(typed(1, *dims), Level::Model).unwrap(), expected);
        }
    }

    #[test]
    fn a_subgraphs_port_may_lack_a_type() {
        let nameless = proto::ValueInfo {
            name: "x".into(),
            r#type: None,
        };
        for proto in [nameless, of_type(proto::Type::default()), typed(0, None)] {
            let found = port(proto, Level::Subgraph).unwrap();
            assert_eq!(found, untyped("x".into()));
        }
        let typed = port(typed(7, Some(&[])), Level::Subgraph).unwrap();
        assert_eq!((typed.dtype, typed.shape), (DType::I64, Some(vec![])));
    }

    #[test]
    fn bad_ports_are_refused() {
        let empty = Some(bytes::Bytes::new());
        let cases = [
            (
                "no type",
                proto::ValueInfo {
                    name: "x".into(),
                    r#type: None,
                },
                "undefined type",
            ),
            (
                "sequence",
                of_type(proto::Type {
                    sequence: empty.clone(),
                    ..Default::default()
                }),
                "sequence type",
            ),
            (
                "map",
                of_type(proto::Type {
                    map: empty,
                    ..Default::default()
                }),
                "map type",
            ),
            ("no element type", typed(0, None), "element type undefined"),
            ("complex", typed(14, None), "complex64"),
            ("negative", typed(1, Some(&[(Some(-2), "")])), "negative"),
            (
                "overflow",
                typed(1, Some(&[(Some(1 << 40), ""), (Some(1 << 40), "")])),
                "more elements",
            ),
            (
                "overflow behind a zero",
                typed(
                    1,
                    Some(&[(Some(0), ""), (Some(i64::MAX), ""), (Some(2), "")]),
                ),
                "more elements",
            ),
            (
                "65 dimensions",
                typed(1, Some(&[(Some(1), ""); 65])),
                "more than 64",
            ),
        ];
        for (name, proto, expected) in cases {
            let error = port(proto, Level::Model).expect_err(name).to_string();
            assert!(
                error.contains(expected) && error.contains("\"x\""),
                "{name}: {error}"
            );
        }
    }
}
