//! Attributes of a node, read by type.

mod read;

use crate::error::Error;
use crate::graph::Graph;
use crate::tensor::Tensor;

pub(crate) use read::{MAX_ATTRIBUTES, read};

/// One attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    String(String),
    Tensor(Box<Tensor>),
    /// A branch or body of control flow.
    Graph(Box<Graph>),
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
            Self::Graph(_) => "a graph",
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
        graph: Graph(x) -> &Graph = x, "a graph";
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Data;

    fn all() -> Attributes {
        let tensor = Tensor {
            shape: vec![],
            data: Data::F32(vec![2.0]),
        };
        let items = [
            ("f", Attribute::Float(0.5)),
            ("i", Attribute::Int(-7)),
            ("s", Attribute::String("SAME".into())),
            ("t", Attribute::Tensor(Box::new(tensor))),
            ("g", Attribute::Graph(Box::default())),
            ("floats", Attribute::Floats(vec![1.0, 2.0])),
            ("ints", Attribute::Ints(vec![3])),
            ("strings", Attribute::Strings(vec!["a".into(), "b".into()])),
        ];
        Attributes::new("conv1", items.map(|(name, value)| (name.into(), value)))
    }

    #[test]
    fn getters_answer_by_type() {
        let attributes = all();
        assert_eq!(attributes.float("f").unwrap(), Some(0.5));
        assert_eq!(attributes.int("i").unwrap(), Some(-7));
        assert_eq!(attributes.string("s").unwrap(), Some("SAME"));
        assert_eq!(attributes.tensor("t").unwrap().map(Tensor::len), Some(1));
        assert_eq!(attributes.graph("g").unwrap(), Some(&Graph::default()));
        assert_eq!(attributes.floats("floats").unwrap(), Some(&[1.0, 2.0][..]));
        assert_eq!(attributes.ints("ints").unwrap(), Some(&[3][..]));
        let strings = attributes.strings("strings").unwrap();
        assert_eq!(strings.map(<[_]>::len), Some(2));
        assert_eq!(attributes.int_or("i", 1).unwrap(), -7);
        assert_eq!(attributes.int_or("no", 1).unwrap(), 1);
        assert_eq!(attributes.float_or("f", 1.0).unwrap(), 0.5);
        assert_eq!(attributes.float_or("no", 1.0).unwrap(), 1.0);
        assert_eq!(attributes.ints("no").unwrap(), None);
        assert_eq!(
            attributes.names().collect::<Vec<_>>(),
            ["f", "i", "s", "t", "g", "floats", "ints", "strings"]
        );
    }

    #[test]
    fn a_wrong_type_names_node_and_attribute() {
        let attributes = all();
        let found = [
            attributes.int("f").err(),
            attributes.int_or("s", 1).err(),
            attributes.float_or("i", 1.0).err(),
            attributes.ints("i").err(),
            attributes.floats("t").err(),
            attributes.string("strings").err(),
            attributes.strings("s").err(),
            attributes.tensor("floats").err(),
            attributes.graph("t").err(),
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
}
