//! Arrays one below the other, and the parts of such a stack.

use std::ops::Range;

use crate::array::Word;
use crate::launch;
use crate::{Array, Device, Error};

const KERNEL: &str = "stack";

/// The rows of `first`, then those of `others`, all of the same length.
pub fn stack<T: Word>(first: &Array<T>, others: &[&Array<T>]) -> Result<Array<T>, Error> {
    let (device, cols) = (first.device(), first.cols());
    let parts = || std::iter::once(first).chain(others.iter().copied());
    for part in parts() {
        part.expect_shape(KERNEL, "rows", part.rows(), cols)?;
    }
    let rows = parts().map(Array::rows).sum();
    match &device {
        Device::Cpu => {
            let parts = parts().map(|part| part.host(KERNEL));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Array::from_vec(&device, rows, cols, parts.concat())
        }
        Device::Gpu(gpu) => {
            let all = Array::uninit(&device, rows, cols)?;
            let mut at = 0;
            for part in parts() {
                let (from, to) = (part.buffer(KERNEL, gpu)?, all.buffer(KERNEL, gpu)?);
                let words = part.rows() * cols;
                launch::copy(gpu, (from, 0), (to, at), words)?;
                at += words;
            }
            Ok(all)
        }
    }
}

/// Some of the `rows` of an array, in their order.
pub fn part<T: Word>(all: &Array<T>, rows: Range<usize>) -> Result<Array<T>, Error> {
    if rows.start > rows.end || rows.end > all.rows() {
        return Err(Error::Shape {
            kernel: KERNEL,
            expected: format!("rows within {}", all.rows()),
            got: format!("{rows:?}"),
        });
    }
    let (device, cols) = (all.device(), all.cols());
    let (at, words) = (rows.start * cols, rows.len() * cols);
    match &device {
        Device::Cpu => {
            let part = all.host(KERNEL)?[at..at + words].to_vec();
            Array::from_vec(&device, rows.len(), cols, part)
        }
        Device::Gpu(gpu) => {
            let part = Array::uninit(&device, rows.len(), cols)?;
            let (from, to) = (all.buffer(KERNEL, gpu)?, part.buffer(KERNEL, gpu)?);
            launch::copy(gpu, (from, at), (to, 0), words)?;
            Ok(part)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn parts_come_out_as_they_went_in() {
        for device in testing::devices() {
            for cols in [1, 3, 257] {
                let rows = [2, 0, 5, 1];
                let part_of = |i: usize, n: usize| {
                    let values = (0..n * cols).map(|k| (100 * i + k) as u32).collect();
                    Array::from_vec(&device, n, cols, values).unwrap()
                };
                let parts: Vec<_> = (0..).zip(rows).map(|(i, n)| part_of(i, n)).collect();
                let others: Vec<_> = parts[1..].iter().collect();
                let all = stack(&parts[0], &others).unwrap();
                let whole: Vec<u32> = parts.iter().flat_map(|p| p.to_vec().unwrap()).collect();
                assert_eq!(all.to_vec().unwrap(), whole);
                let mut at = 0;
                for expected in &parts {
                    let end = at + expected.rows();
                    let found = part(&all, at..end).unwrap();
                    assert_eq!(found.to_vec().unwrap(), expected.to_vec().unwrap());
                    at = end;
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let [two, three] = [2, 3].map(|n| Array::<f32>::zeros(&Device::Cpu, n, n).unwrap());
        assert!(matches!(stack(&two, &[&three]), Err(Error::Shape { .. })));
        for rows in [1..4, 3..4, Range { start: 2, end: 1 }] {
            assert!(matches!(part(&two, rows), Err(Error::Shape { .. })));
        }
    }
}
