//! Text: always known before the run, so operators of text infer all that they give.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::DType;

use crate::Fault;
use crate::ops::{Operator, count};
use crate::value::{Elements, Fact, Facts, Values};

/// Most strings that an operator makes: a string takes 24 bytes beside its characters.
const MAX_STRINGS: usize = 1 << 20;
/// Most bytes of the strings that an operator makes.
const MAX_BYTES: usize = 1 << 26;

/// An operator all of whose outputs are known before the run.
pub(super) struct OnText<F>(pub F);

impl<B, F> Operator<B> for OnText<F>
where
    B: Backend,
    F: Fn(&Facts) -> Result<Vec<Fact>, Fault> + Send + Sync,
{
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        (self.0)(inputs)
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Backend("text is not computed in a run".into()))
    }
}

/// Shape and strings of input `index`.
pub(super) fn input(inputs: &Facts, index: usize) -> Result<(&[usize], &[String]), Fault> {
    let fact = inputs.any(index)?;
    let what = match fact.dtype {
        DType::String => "must be text that does not depend on the model's input",
        _ => "holds numbers, text is needed",
    };
    let text = fact.known_text().ok_or(Fault::Input { index, what })?;
    Ok((fact.shape(), text))
}

/// Refuses a shape of too many strings, before they are made.
pub(super) fn check_shape(shape: &[usize]) -> Result<usize, Fault> {
    match count(shape)? {
        strings if strings <= MAX_STRINGS => Ok(strings),
        strings => Err(Fault::shape(format!(
            "{strings} strings are more than {MAX_STRINGS}; use a smaller batch"
        ))),
    }
}

/// The strings as a known value.
pub(super) fn known(
    shape: Vec<usize>,
    strings: impl Iterator<Item = Result<String, Fault>>,
) -> Result<Fact, Fault> {
    let strings: Vec<String> = limited(strings).collect::<Result<_, _>>()?;
    Ok(Fact::known(DType::String, shape, Elements::Text(strings)))
}

/// The strings, and an error once they take too much memory.
fn limited(
    strings: impl Iterator<Item = Result<String, Fault>>,
) -> impl Iterator<Item = Result<String, Fault>> {
    let mut bytes = 0usize;
    strings.enumerate().map(move |(i, string)| {
        let string = string?;
        bytes = bytes.saturating_add(string.len());
        if i < MAX_STRINGS && bytes <= MAX_BYTES {
            return Ok(string);
        }
        Err(Fault::shape(format!(
            "the text takes more than {MAX_BYTES} bytes; use a smaller batch"
        )))
    })
}

/// Rows of different lengths as the last axis of a value that `shape` and it make, filled up with
/// `padding`.
pub(super) fn rows<'t>(
    shape: &[usize],
    rows: &[Vec<&'t str>],
    padding: &'t str,
) -> Result<Fact, Fault> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let shape = [shape, &[width]].concat();
    check_shape(&shape)?;
    let strings = rows.iter().flat_map(|row| {
        let filled = row.iter().copied().chain(std::iter::repeat(padding));
        filled.take(width).map(|string| Ok(string.to_owned()))
    });
    known(shape, strings)
}
