//! Element by element: activations, arithmetic, comparisons, logic.

mod add;
mod bit_cast;
mod bitwise;
mod clip;
mod compare;
mod div;
mod elu;
mod exponential;
mod gelu;
mod hard_sigmoid;
mod hardmax;
mod hyperbolic;
mod leaky_relu;
mod logic;
pub(super) mod mask;
mod modulo;
mod mul;
mod not_finite;
pub(super) mod pow;
mod prelu;
mod relu;
mod rounding;
mod shrink;
mod sigmoid;
mod sign;
mod softplus;
mod softsign;
mod sub;
mod swish;
mod tanh;
mod thresholded_relu;
mod trigonometric;
mod typed;
mod variadic;
mod where_;

use burn_backend::Backend;

use crate::ops::Row;

pub(super) fn rows<B: Backend>() -> Vec<Row<B>> {
    vec![
        Row::exact("Abs", sign::abs),
        Row::exact("Acos", trigonometric::acos),
        Row::exact("Acosh", hyperbolic::acosh),
        Row::exact("Add", add::parse).with_layer(add::layer),
        Row::zero("And", logic::and),
        Row::exact("Asin", trigonometric::asin),
        Row::exact("Asinh", hyperbolic::asinh),
        Row::exact("Atan", trigonometric::atan),
        Row::exact("Atanh", hyperbolic::atanh),
        Row::zero("BitCast", bit_cast::parse),
        Row::zero("BitShift", bitwise::shift),
        Row::zero("BitwiseAnd", bitwise::and),
        Row::zero("BitwiseNot", bitwise::not),
        Row::zero("BitwiseOr", bitwise::or),
        Row::zero("BitwiseXor", bitwise::xor),
        Row::stepped("Ceil", rounding::ceil),
        Row::exact("Celu", elu::celu),
        Row::exact("Clip", clip::parse).with_layer(clip::layer),
        Row::exact("Cos", trigonometric::cos),
        Row::exact("Cosh", hyperbolic::cosh),
        Row::exact("Div", div::parse),
        Row::exact("Elu", elu::elu),
        Row::zero("Equal", compare::equal),
        Row::exact("Erf", exponential::erf).with_layer(exponential::erf_layer),
        Row::exact("Exp", exponential::exp),
        Row::stepped("Floor", rounding::floor),
        Row::exact("Gelu", gelu::parse).with_layer(gelu::layer),
        Row::stepped("Greater", compare::greater),
        Row::stepped("GreaterOrEqual", compare::greater_equal),
        Row::exact("HardSigmoid", hard_sigmoid::parse).with_layer(hard_sigmoid::layer),
        Row::exact("HardSwish", hard_sigmoid::parse_swish).with_layer(hard_sigmoid::swish_layer),
        Row::stepped("Hardmax", hardmax::parse),
        Row::zero("IsInf", not_finite::parse_infinite),
        Row::zero("IsNaN", not_finite::parse_nan),
        Row::exact("LeakyRelu", leaky_relu::parse).with_layer(leaky_relu::layer),
        Row::stepped("Less", compare::less),
        Row::stepped("LessOrEqual", compare::less_equal),
        Row::exact("Log", exponential::log),
        Row::exact("Max", variadic::max),
        Row::exact("Mean", variadic::mean),
        Row::exact("Min", variadic::min),
        Row::exact("Mish", softplus::parse_mish),
        Row::exact("Mod", modulo::parse),
        Row::exact("Mul", mul::parse).with_layer(mul::layer),
        Row::exact("Neg", sign::neg),
        Row::zero("Not", logic::not),
        Row::zero("Or", logic::or),
        Row::exact("PRelu", prelu::parse),
        Row::exact("Pow", pow::parse),
        Row::exact("Reciprocal", exponential::reciprocal),
        Row::exact("Relu", relu::parse).with_layer(relu::layer),
        Row::stepped("Round", rounding::round),
        Row::exact("Selu", elu::selu),
        Row::exact("Shrink", shrink::parse),
        Row::exact("Sigmoid", sigmoid::parse).with_layer(sigmoid::layer),
        Row::stepped("Sign", sign::sign),
        Row::exact("Sin", trigonometric::sin),
        Row::exact("Sinh", hyperbolic::sinh),
        Row::exact("Softplus", softplus::parse),
        Row::exact("Softsign", softsign::parse),
        Row::exact("Sqrt", exponential::sqrt),
        Row::exact("Sub", sub::parse).with_layer(sub::layer),
        Row::exact("Sum", variadic::sum),
        Row::exact("Swish", swish::parse).with_layer(swish::layer),
        Row::exact("Tan", trigonometric::tan),
        Row::exact("Tanh", tanh::parse).with_layer(tanh::layer),
        Row::exact("ThresholdedRelu", thresholded_relu::parse),
        Row::exact("Where", where_::parse),
        Row::zero("Xor", logic::xor),
    ]
}
