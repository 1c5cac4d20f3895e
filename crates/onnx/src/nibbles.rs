//! int4 and uint4, stored two in a byte, the first in the low half.

use crate::dtype::DType;
use crate::elements::from_raw;
use crate::error::Error;
use crate::tensor::Data;

/// Values of uint4.
pub(crate) fn halves(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte & 15, byte >> 4])
}

/// Values of int4.
pub(crate) fn signed(bytes: &[u8]) -> impl Iterator<Item = i8> {
    halves(bytes).map(|half| (half << 4) as i8 >> 4)
}

/// `int32_data` holds a byte, so two values, in each number.
pub(crate) fn from_ints(
    ints: &[i32],
    name: &str,
    dtype: DType,
    count: usize,
) -> Result<Data, Error> {
    // Some writers extend the sign of the upper value.
    let byte = |(index, &int): (usize, &i32)| match int {
        -128..=255 => Ok(int as u8),
        _ => Err(Error::BadElement {
            tensor: name.into(),
            index: 2 * index,
            dtype,
        }),
    };
    let bytes: Vec<u8> = ints
        .iter()
        .enumerate()
        .map(byte)
        .collect::<Result<_, _>>()?;
    from_raw(&bytes, name, dtype, count)
}

/// The bytes of values, to be written.
pub(crate) fn packed(values: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, value) in values.enumerate() {
        match bytes.last_mut() {
            Some(last) if index % 2 == 1 => *last |= value << 4,
            _ => bytes.push(value & 15),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decoded;
    use crate::proto;
    use bytes::Bytes;

    #[test]
    fn two_in_a_byte() {
        let of = |code: i32, count: i64| proto::Tensor {
            data_type: code,
            dims: vec![count],
            ..Default::default()
        };
        let raw = |code, count| proto::Tensor {
            raw_data: Some(Bytes::from_static(&[0x81, 0x7f])),
            ..of(code, count)
        };
        let ints = |code, count, values: &[i32]| proto::Tensor {
            int32_data: values.into(),
            ..of(code, count)
        };
        let signed = Data::I4(vec![1, -8, -1]);
        let unsigned = Data::U4(vec![1, 8, 15, 7]);
        let cases = [
            (raw(22, 3), signed.clone()),
            (raw(21, 4), unsigned.clone()),
            (ints(22, 3, &[-127, 0x7f]), signed),
            (ints(21, 4, &[0x81, 0x7f]), unsigned),
            (of(22, 0), Data::I4(vec![])),
        ];
        for (proto, data) in cases {
            assert_eq!(decoded(proto).unwrap().data, data);
        }
        let bad = [
            (raw(22, 5), "5 elements of 4 bits"),
            (raw(21, 2), "4 bits but holds 2 bytes"),
            (ints(22, 2, &[256]), "valid int4"),
        ];
        for (proto, expected) in bad {
            let error = decoded(proto).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
