//! Guard that walks the protobuf wire format before anything is decoded.
//!
//! Two bytes can make an empty node of 150, and one byte of packed zeros an `i64` of eight, so the guard adds up an upper
//! bound of what decoding and validation will allocate and refuses what goes beyond the [`Budget`]. It allocates nothing
//! itself. Lengths that run past their message, groups, and over-long varints are refused here too, with their offset.
//! Its own depth is that of the tables below, with subgraphs at most [`MAX_SUBGRAPHS`] deep.

use std::mem::size_of;

use crate::budget::{self, Budget};
use crate::error::Error;
use crate::proto;

/// Deepest nesting of subgraphs; exports have two or three levels.
pub(crate) const MAX_SUBGRAPHS: usize = 16;

/// What the length-delimited fields of a message cost; those not listed are text, bytes or skipped.
type Fields = &'static [(u64, Field)];

enum Field {
    /// A sub-message, and the size of its struct.
    Message(Fields, usize),
    /// The graph inside an attribute, the only way in which a message contains itself.
    Subgraph,
    /// Packed varints, and the size of one when decoded.
    Varints(usize),
}

use Field::{Message, Subgraph, Varints};

const MODEL: Fields = &[
    (7, Message(GRAPH, size_of::<proto::Graph>())),
    (8, Message(&[], size_of::<proto::OperatorSet>())),
    (25, Message(FUNCTION, size_of::<proto::Function>())),
];
const FUNCTION: Fields = &[
    (7, Message(NODE, size_of::<proto::Node>())),
    (9, Message(&[], size_of::<proto::OperatorSet>())),
    (11, Message(ATTRIBUTE, size_of::<proto::Attribute>())),
];
const GRAPH: Fields = &[
    (1, Message(NODE, size_of::<proto::Node>())),
    (5, Message(TENSOR, size_of::<proto::Tensor>())),
    (11, Message(VALUE_INFO, size_of::<proto::ValueInfo>())),
    (12, Message(VALUE_INFO, size_of::<proto::ValueInfo>())),
    (15, Message(SPARSE_TENSOR, size_of::<proto::SparseTensor>())),
];
const NODE: Fields = &[(5, Message(ATTRIBUTE, size_of::<proto::Attribute>()))];
const ATTRIBUTE: Fields = &[
    (5, Message(TENSOR, size_of::<proto::Tensor>())),
    (6, Subgraph),
    (8, Varints(8)),
];
const TENSOR: Fields = &[
    (1, Varints(8)),
    (5, Varints(4)),
    (7, Varints(8)),
    (11, Varints(8)),
    (13, Message(&[], size_of::<proto::Entry>())),
];
const SPARSE_TENSOR: Fields = &[
    (1, Message(TENSOR, size_of::<proto::Tensor>())),
    (2, Message(TENSOR, size_of::<proto::Tensor>())),
    (3, Varints(8)),
];
const VALUE_INFO: Fields = &[(2, Message(TYPE, size_of::<proto::Type>()))];
const TYPE: Fields = &[(1, Message(TENSOR_TYPE, size_of::<proto::TensorType>()))];
const TENSOR_TYPE: Fields = &[(2, Message(SHAPE, size_of::<proto::Shape>()))];
const SHAPE: Fields = &[(1, Message(&[], size_of::<proto::Dimension>()))];

/// Refuses bytes that are no well-formed model or would take more memory than their size warrants. What is left of the
/// budget is for what validation makes beyond that.
pub(crate) fn check(file: &[u8]) -> Result<Budget, Error> {
    walk(file, MODEL)
}

/// [`check`] for the bytes of a single tensor.
pub(crate) fn check_tensor(file: &[u8]) -> Result<Budget, Error> {
    walk(file, TENSOR)
}

fn walk(file: &[u8], fields: Fields) -> Result<Budget, Error> {
    let mut guard = Guard {
        file,
        budget: Budget::of(file.len()),
        subgraphs: 0,
    };
    guard.message(0, file.len(), fields)?;
    Ok(guard.budget)
}

struct Guard<'a> {
    file: &'a [u8],
    budget: Budget,
    /// How many subgraphs the walk is inside of.
    subgraphs: usize,
}

impl Guard<'_> {
    fn message(&mut self, mut at: usize, end: usize, fields: Fields) -> Result<(), Error> {
        while at < end {
            let start = at;
            let (key, after_key) = varint(self.file, at, end)?;
            let number = key >> 3;
            if number == 0 || number >> 29 != 0 {
                return Err(Error::Malformed {
                    offset: start,
                    what: "a field number out of range",
                });
            }
            at = match key & 7 {
                0 => self.scalar(varint(self.file, after_key, end)?.1, start, end)?,
                1 => self.scalar(after_key.saturating_add(8), start, end)?,
                5 => self.scalar(after_key.saturating_add(4), start, end)?,
                2 => {
                    let (length, body) = varint(self.file, after_key, end)?;
                    let stop = body.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
                    self.inside(stop, start, end)?;
                    let field = fields.iter().find(|(listed, _)| *listed == number);
                    self.delimited(field.map(|(_, field)| field), body, stop)?;
                    stop
                }
                _ => {
                    return Err(Error::Malformed {
                        offset: start,
                        what: "an unknown wire type",
                    });
                }
            };
        }
        Ok(())
    }

    /// A number outside a packed list; counted as one of a growing list of eight bytes each.
    fn scalar(&mut self, stop: usize, start: usize, end: usize) -> Result<usize, Error> {
        self.inside(stop, start, end)?;
        self.budget.charge(2 * 8)?;
        Ok(stop)
    }

    fn delimited(&mut self, field: Option<&Field>, body: usize, stop: usize) -> Result<(), Error> {
        let bytes = self.file.get(body..stop).unwrap_or_default();
        match field {
            // Lists grow by doubling, and the validated value lives beside the decoded one for a while.
            Some(Message(fields, size)) => {
                self.budget.charge(3 * size)?;
                self.message(body, stop, fields)
            }
            Some(Subgraph) => self.subgraph(body, stop),
            Some(Varints(size)) => {
                let count = bytes.iter().filter(|byte| **byte < 0x80).count();
                self.budget.charge(count.saturating_mul(2 * size))
            }
            // Text is copied, and its name kept in a table or an error label; lists of floats grow by doubling.
            None => self.budget.charge(budget::text(bytes.len())),
        }
    }

    fn subgraph(&mut self, body: usize, stop: usize) -> Result<(), Error> {
        if self.subgraphs == MAX_SUBGRAPHS {
            return Err(Error::Nesting {
                offset: body,
                limit: MAX_SUBGRAPHS,
            });
        }
        self.budget.charge(budget::SUBGRAPH)?;
        self.subgraphs += 1;
        self.message(body, stop, GRAPH)?;
        self.subgraphs -= 1;
        Ok(())
    }

    fn inside(&self, stop: usize, start: usize, end: usize) -> Result<(), Error> {
        if stop > self.file.len() {
            return Err(Error::Truncated { offset: start });
        }
        if stop > end {
            return Err(Error::Malformed {
                offset: start,
                what: "a field longer than its message",
            });
        }
        Ok(())
    }
}

/// The varint at `at` and the offset behind it.
pub(crate) fn varint(file: &[u8], at: usize, end: usize) -> Result<(u64, usize), Error> {
    let mut value = 0_u64;
    for (index, byte) in file
        .get(at..end)
        .unwrap_or_default()
        .iter()
        .take(10)
        .enumerate()
    {
        if index == 9 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Ok((value, at + index + 1));
        }
    }
    if end == file.len() && end - at < 10 {
        return Err(Error::Truncated { offset: at });
    }
    Err(Error::Malformed {
        offset: at,
        what: "a varint without an end",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `body` as the length-delimited field `number`.
    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = body.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn well_formed_messages_pass() {
        let node = field(1, &field(4, b"Relu"));
        for bytes in [vec![], vec![8, 8], field(7, &node), field(15, b"skipped")] {
            assert!(check(&bytes).is_ok(), "{bytes:?}");
        }
    }

    #[test]
    fn malformed_messages_are_refused_with_their_offset() {
        let cases: &[(&str, &[u8], &str)] = &[
            ("key alone", &[8], "ends inside the field at byte 1"),
            (
                "endless varint",
                &[8, 0xff, 0xff],
                "ends inside the field at byte 1",
            ),
            (
                "over-long varint",
                &[0xff; 32],
                "varint without an end at byte 0",
            ),
            (
                "length beyond the file",
                &[8, 8, 0x3a, 100, 0],
                "ends inside the field at byte 2",
            ),
            (
                "length of 2^63",
                &[
                    0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1,
                ],
                "ends inside the field at byte 0",
            ),
            (
                "field longer than its message",
                &[0x3a, 2, 0x0a, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8],
                "longer than its message at byte 2",
            ),
            (
                "varint longer than its message",
                &[0x3a, 2, 8, 0x80, 1],
                "varint without an end at byte 3",
            ),
            (
                "field number 0",
                &[0, 0],
                "field number out of range at byte 0",
            ),
            ("group", &[0x0b, 0x0c], "unknown wire type at byte 0"),
            ("wire type 7", &[8, 8, 0x0f], "unknown wire type at byte 2"),
            (
                "fixed64 cut off",
                &[9, 0, 0],
                "ends inside the field at byte 0",
            ),
            (
                "fixed32 cut off",
                &[13, 0, 0],
                "ends inside the field at byte 0",
            ),
        ];
        for (name, bytes, expected) in cases {
            let error = check(bytes).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn bytes_that_grow_when_decoded_are_refused() {
        let many = |body: &[u8], count: usize| body.repeat(count);
        let in_graph = |body: Vec<u8>| field(7, &body);
        let in_tensor = |body: Vec<u8>| field(7, &field(5, &body));
        let cases = [
            ("empty nodes", in_graph(many(&field(1, b""), 1 << 20))),
            (
                "empty initialisers",
                in_graph(many(&field(5, b""), 1 << 20)),
            ),
            ("empty inputs", in_graph(many(&field(11, b""), 1 << 20))),
            (
                "empty attributes",
                in_graph(field(1, &many(&field(5, b""), 1 << 20))),
            ),
            (
                "empty names",
                in_graph(field(1, &many(&field(1, b""), 1 << 20))),
            ),
            ("packed zeros", in_tensor(field(7, &vec![0; 8 << 20]))),
            ("packed dims", in_tensor(field(1, &vec![0; 8 << 20]))),
            ("unpacked dims", in_tensor(many(&[8, 0], 8 << 20))),
            ("opsets", many(&field(8, b""), 1 << 20)),
        ];
        for (name, bytes) in cases {
            let error = check(&bytes).expect_err(name);
            assert!(
                matches!(error, Error::Amplification { .. }),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn large_weights_are_no_amplification() {
        let raw = field(7, &field(5, &field(9, &vec![0; 64 << 20])));
        let floats = field(7, &field(5, &field(4, &vec![0; 64 << 20])));
        assert!(check(&raw).is_ok() && check(&floats).is_ok());
    }
}
