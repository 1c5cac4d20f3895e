//! Element by element: activations, arithmetic, comparisons, logic.

mod add;
mod clip;
mod div;
mod leaky_relu;
mod mul;
mod relu;
mod sigmoid;
mod sub;
mod tanh;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Add", add::parse),
        Row::exact("Clip", clip::parse),
        Row::exact("Div", div::parse),
        Row::exact("LeakyRelu", leaky_relu::parse),
        Row::exact("Mul", mul::parse),
        Row::exact("Relu", relu::parse),
        Row::exact("Sigmoid", sigmoid::parse),
        Row::exact("Sub", sub::parse),
        Row::exact("Tanh", tanh::parse),
    ]
}
