//! Tensors that are not what they claim.

use super::{Case, field, initialiser, int, port, sound};

/// A sparse initialiser of one value, with so many zeros.
fn sparse(dims: &[i64]) -> Vec<u8> {
    let values = [
        int(1, 1),
        int(2, 1),
        field(8, b"w"),
        field(4, &[0, 0, 0x80, 0x3f]),
    ]
    .concat();
    let indices = [int(1, 1), int(2, 7), int(7, 0)].concat();
    let dims: Vec<_> = dims.iter().map(|&dim| int(3, dim)).collect();
    field(
        15,
        &[field(1, &values), field(2, &indices), dims.concat()].concat(),
    )
}

/// An input of this shape.
fn shaped(dims: &[i64]) -> Vec<u8> {
    let dims: Vec<_> = dims.iter().map(|&dim| field(1, &int(1, dim))).collect();
    let tensor = [int(1, 1), field(2, &dims.concat())].concat();
    field(11, &[field(1, b"z"), field(2, &field(1, &tensor))].concat())
}

pub fn cases() -> Vec<Case> {
    let of = |dtype, dims: &[i64], data: &[u8]| sound(&initialiser(dtype, dims, data));
    let raw = |bytes: &[u8]| field(9, bytes);
    let (one, nan, inf) = ([0, 0, 0x80, 0x3f], [0, 0, 0xc0, 0x7f], [0, 0, 0x80, 0x7f]);
    vec![
        (
            "claims 2^60 floats",
            of(1, &[1 << 60], b""),
            "elements but holds 0",
        ),
        (
            "negative dimension",
            of(1, &[-1], b""),
            "negative dimension",
        ),
        (
            "2^64 elements",
            of(1, &[1 << 32, 1 << 32], b""),
            "more elements than any machine",
        ),
        (
            "zero times 2^126",
            of(1, &[0, i64::MAX, i64::MAX], b""),
            "more elements than any machine",
        ),
        (
            "65 dimensions",
            of(1, &[1; 65], &raw(&one)),
            "more than 64 dimensions",
        ),
        (
            "too few bytes",
            of(1, &[2], &raw(&one)),
            "2 elements of 4 bytes but holds 4 bytes",
        ),
        (
            "too many bytes",
            of(1, &[], &raw(&[0; 8])),
            "but holds 8 bytes",
        ),
        (
            "data in two fields",
            of(1, &[1], &[raw(&one), field(4, &one)].concat()),
            "data in several",
        ),
        (
            "NaN",
            of(1, &[2], &raw(&[one, nan].concat())),
            "1 NaN, first at element 1",
        ),
        (
            "infinity among weights",
            of(1, &[2], &raw(&[one, inf].concat())),
            "1 infinite, first at element 1",
        ),
        (
            "complex numbers",
            of(14, &[1], &raw(&[0; 8])),
            "complex64, which is not supported",
        ),
        (
            "float8",
            of(17, &[1], &raw(&[0])),
            "float8e4m3fn, which is not supported",
        ),
        ("unknown type", of(99, &[1], b""), "unknown code 99"),
        ("segment", of(1, &[1], &field(3, b"")), "segmented"),
        ("bool of 2", of(9, &[1], &raw(&[2])), "not a valid bool"),
        (
            "int8 of 128",
            of(3, &[1], &field(5, &[0x80, 1])),
            "not a valid int8",
        ),
        (
            "half a byte too many",
            of(22, &[1], &raw(&[0, 0])),
            "4 bits but holds 2 bytes",
        ),
        (
            "sparse terabyte",
            sound(&sparse(&[1 << 38])),
            "bytes of memory",
        ),
        (
            "sparse tensor of 2^64",
            sound(&sparse(&[1 << 32, 1 << 32])),
            "more elements",
        ),
        (
            "negative dimension of an input",
            sound(&shaped(&[-2])),
            "negative dimension",
        ),
        (
            "input of 2^80 elements",
            sound(&shaped(&[1 << 40, 1 << 40])),
            "more elements",
        ),
        (
            "65 dimensions of an input",
            sound(&shaped(&[1; 65])),
            "more than 64 dimensions",
        ),
        (
            "external data in memory",
            of(1, &[1], &external_entry()),
            "not read from a folder",
        ),
        (
            "initialiser without a name",
            sound(&field(5, &[int(2, 1), field(4, &one)].concat())),
            "without a name",
        ),
        (
            "input without a name",
            sound(&port(11, "")),
            "an input without a name",
        ),
    ]
}

fn external_entry() -> Vec<u8> {
    let entry = [field(1, b"location"), field(2, b"/etc/passwd")].concat();
    [field(13, &entry), int(14, 1)].concat()
}
