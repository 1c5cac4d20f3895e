//! Attributes of a node, read by type.

use bytes::Bytes;

use crate::decode;
use crate::error::Error;
use crate::external::External;
use crate::proto;
use crate::tensor::Tensor;

/// Most attributes a node may have; the operator with the most has about 20.
const MAX_ATTRIBUTES: usize = 256;

/// One attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(String),
    Tensor(Box<Tensor>),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
}

impl Attribute {
    fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an int",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::Tensor(_) => "a tensor",
            Self::Ints(_) => "a list of ints",
            Self::Floats(_) => "a list of floats",
            Self::Strings(_) => "a list of strings",
        }
    }
}

/// The attributes of one node. A getter answers `None` for an attribute that is absent and an error, naming node and attribute,
/// for one of another type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes {
    node: String,
    /// A handful at most, so looked up one by one.
    items: Vec<(String, Attribute)>,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $variant:ident($value:ident) -> $type:ty = $result:expr, $kind:literal;)*) => {
        $($(#[$doc])* pub fn $name(&self, name: &str) -> Result<Option<$type>, Error> {
            match self.get(name) {
                None => Ok(None),
                Some(Attribute::$variant($value)) => Ok(Some($result)),
                Some(other) => Err(self.wrong_type(name, $kind, other)),
            }
        })*
    };
}

impl Attributes {
    /// The attributes of the node that errors call `node`.
    pub fn new(node: &str, items: impl IntoIterator<Item = (String, Attribute)>) -> Self {
        Self {
            node: node.into(),
            items: items.into_iter().collect(),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|(name, _)| name.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.items
            .iter()
            .find(|(item, _)| item == name)
            .map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.items
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    getters! {
        int: Int(x) -> i64 = *x, "an int";
        float: Float(x) -> f32 = *x, "a float";
        string: String(x) -> &str = x, "a string";
        tensor: Tensor(x) -> &Tensor = x, "a tensor";
        ints: Ints(x) -> &[i64] = x, "a list of ints";
        floats: Floats(x) -> &[f32] = x, "a list of floats";
        strings: Strings(x) -> &[String] = x, "a list of strings";
    }

    pub fn int_or(&self, name: &str, default: i64) -> Result<i64, Error> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub fn float_or(&self, name: &str, default: f32) -> Result<f32, Error> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    fn wrong_type(&self, name: &str, expected: &'static str, found: &Attribute) -> Error {
        Error::AttributeType {
            node: self.node.clone(),
            attribute: name.into(),
            expected,
            found: found.kind(),
        }
    }
}

/// Reads the attributes of the node that errors call `node`.
pub(crate) fn read(
    node: &str,
    protos: Vec<proto::Attribute>,
    external: &mut External,
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
        let value = value(node, &name, proto, external)?;
        attributes.items.push((name, value));
    }
    Ok(attributes)
}

fn value(
    node: &str,
    name: &str,
    proto: proto::Attribute,
    external: &mut External,
) -> Result<Attribute, Error> {
    if !proto.ref_attr_name.is_empty() {
        return Err(bad(
            node,
            name,
            "it refers to a function's attribute; inline the functions with `onnx.inliner`",
        ));
    }
    let text = |bytes: &Bytes| match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(bad(
            node,
            name,
            "its text is not UTF-8; export the model again",
        )),
    };
    Ok(match kind(&proto) {
        1 => Attribute::Float(proto.f.unwrap_or_default()),
        2 => Attribute::Int(proto.i.unwrap_or_default()),
        3 => Attribute::String(text(&proto.s.unwrap_or_default())?),
        4 => {
            let Some(tensor) = proto.t else {
                return Err(bad(
                    node,
                    name,
                    "its tensor is missing; export the model again",
                ));
            };
            let label = format!("{name} of node {node}");
            Attribute::Tensor(Box::new(decode::tensor(*tensor, &label, external)?))
        }
        6 => Attribute::Floats(proto.floats),
        7 => Attribute::Ints(proto.ints),
        8 => Attribute::Strings(proto.strings.iter().map(text).collect::<Result<_, _>>()?),
        5 | 10 => {
            return Err(Error::Subgraph {
                node: node.into(),
                attribute: name.into(),
            });
        }
        9 => {
            return Err(bad(
                node,
                name,
                "lists of tensors are not supported; use dense constants",
            ));
        }
        11 | 12 => {
            return Err(Error::Sparse {
                tensor: format!("{name} of node {node}"),
            });
        }
        13 | 14 => {
            return Err(bad(
                node,
                name,
                "type attributes are not supported; use plain tensors",
            ));
        }
        _ => {
            return Err(bad(
                node,
                name,
                "it has no value of a known type; export the model again",
            ));
        }
    })
}

/// `AttributeProto.type`; IR version 1 had none, so there the field that is set tells.
fn kind(proto: &proto::Attribute) -> i32 {
    let set = [
        (1, proto.f.is_some()),
        (2, proto.i.is_some()),
        (3, proto.s.is_some()),
        (4, proto.t.is_some()),
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
    use crate::tensor::Data;

    fn proto(name: &str, kind: i32) -> proto::Attribute {
        proto::Attribute {
            name: name.into(),
            kind,
            ..Default::default()
        }
    }

    fn decoded(protos: Vec<proto::Attribute>) -> Result<Attributes, Error> {
        read("conv1", protos, &mut External::new(None))
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
    fn getters_answer_by_type_with_and_without_the_type_field() {
        let untyped = all().into_iter().map(|attribute| proto::Attribute {
            kind: 0,
            ..attribute
        });
        for attributes in [decoded(all()).unwrap(), decoded(untyped.collect()).unwrap()] {
            assert_eq!(attributes.float("f").unwrap(), Some(0.5));
            assert_eq!(attributes.int("i").unwrap(), Some(-7));
            assert_eq!(attributes.string("s").unwrap(), Some("SAME"));
            let tensor = Tensor {
                shape: vec![],
                data: Data::F32(vec![2.0]),
            };
            assert_eq!(attributes.tensor("t").unwrap(), Some(&tensor));
            assert_eq!(attributes.floats("floats").unwrap(), Some(&[1.0, 2.0][..]));
            assert_eq!(attributes.ints("ints").unwrap(), Some(&[3][..]));
            assert_eq!(
                attributes.strings("strings").unwrap().map(<[_]>::len),
                Some(2)
            );
            assert_eq!(
                (
                    attributes.int_or("i", 1).unwrap(),
                    attributes.int_or("no", 1).unwrap()
                ),
                (-7, 1)
            );
            assert_eq!(
                (
                    attributes.float_or("f", 1.0).unwrap(),
                    attributes.float_or("no", 1.0).unwrap()
                ),
                (0.5, 1.0)
            );
            assert_eq!(attributes.ints("no").unwrap(), None);
            assert_eq!(
                attributes.names().collect::<Vec<_>>(),
                ["f", "i", "s", "t", "floats", "ints", "strings"]
            );
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
    fn a_wrong_type_names_node_and_attribute() {
        let attributes = decoded(all()).unwrap();
        let found = [
            attributes.int("f").err(),
            attributes.int_or("s", 1).err(),
            attributes.float_or("i", 1.0).err(),
            attributes.ints("i").err(),
            attributes.floats("t").err(),
            attributes.string("strings").err(),
            attributes.strings("s").err(),
            attributes.tensor("floats").err(),
        ];
        for error in found {
            let message = error.unwrap().to_string();
            assert!(
                message.starts_with("node \"conv1\", attribute \""),
                "{message}"
            );
        }
        let message = attributes.int("f").unwrap_err().to_string();
        assert_eq!(
            message,
            "node \"conv1\", attribute \"f\" is a float, but an int is needed"
        );
    }

    #[test]
    fn bad_attributes_are_refused() {
        let cases = [
            ("no name", proto("", 2), "no name"),
            ("no value", proto("a", 0), "no value of a known type"),
            ("type 99", proto("a", 99), "no value of a known type"),
            ("type -1", proto("a", -1), "no value of a known type"),
            ("no tensor", proto("a", 4), "tensor is missing"),
            (
                "subgraph",
                proto("then_branch", 5),
                "subgraph in attribute \"then_branch\"",
            ),
            ("subgraphs", proto("a", 10), "subgraph"),
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
