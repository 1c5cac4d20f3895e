//! Functions that bend, against the same in double precision.

use super::{agrees, close, net};
use crate::testing::{Builder, FUNCTIONS, bent};
use crate::{Function, Smooth};

/// The value and the derivative.
pub(super) fn truth(smooth: Smooth, x: f64) -> (f64, f64) {
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let root = std::f64::consts::SQRT_2;
    let (f, slope) = match smooth.function {
        Function::Sigmoid => {
            let share = 1.0 / (1.0 + (-x).exp());
            (share, share / (1.0 + x.exp()))
        }
        Function::Tanh => (x.tanh(), x.cosh().powi(-2)),
        Function::HardSigmoid { slope, shift } => {
            let line = f64::from(slope) * x + f64::from(shift);
            let inside = (0.0..=1.0).contains(&line);
            (line.clamp(0.0, 1.0), f64::from(inside) * f64::from(slope))
        }
        Function::Normal => (0.5 + between(density, x), density(x)),
        Function::Erf => (
            2.0 * between(density, root * x),
            2.0 * root * density(root * x),
        ),
    };
    match smooth.gated {
        true => (x * f, f + x * slope),
        false => (f, slope),
    }
}

/// The integral from 0 to `x`, by Simpson's rule.
fn between(density: impl Fn(f64) -> f64, x: f64) -> f64 {
    let x = x.clamp(-12.0, 12.0);
    let (n, mut sum) = (2000, density(0.0) + density(x));
    for i in 1..n {
        let weight = if i % 2 == 1 { 4.0 } else { 2.0 };
        sum += weight * density(x * f64::from(i) / f64::from(n));
    }
    sum * x / f64::from(n) / 3.0
}

#[test]
fn values_and_slopes_from_tail_to_tail() {
    let steps = (-400..=400).map(|i| i as f32 / 10.0);
    let far = [
        -1e4, -130.0, -88.0, -1e-3, -1e-20, 0.0, 1e-20, 1e-3, 88.0, 130.0, 1e4,
    ];
    let x: Vec<f32> = steps.chain(far).collect();
    for function in FUNCTIONS {
        for gated in [false, true] {
            let smooth = Smooth { function, gated };
            let mut b = Builder::new([x.len(), 1, 1]);
            b.smooth(0, function, gated);
            let net = net(&b);
            let (y, tape) = net.forward(&x, true);
            let slopes = net.backward(&tape.unwrap(), &vec![1.0; x.len()]);
            for (i, &x) in x.iter().enumerate() {
                let (value, slope) = truth(smooth, x.into());
                let near = |a: f32, b: f64| (f64::from(a) - b).abs() < 4e-7 * b.abs().max(1.0);
                assert!(near(y[i], value), "{smooth:?} of {x}: {} for {value}", y[i]);
                let of = slopes[i];
                assert!(
                    near(of, slope),
                    "{smooth:?}, slope at {x}: {of} for {slope}"
                );
            }
        }
    }
}

#[test]
fn small_values_keep_their_digits() {
    for (function, x) in [
        (Function::Sigmoid, -30.0f32),
        (Function::Tanh, 1e-6),
        (Function::Normal, -8.0),
    ] {
        let mut b = Builder::new([1, 1, 1]);
        b.smooth(0, function, false);
        let (y, _) = net(&b).forward(&[x], false);
        let tail = |x: f64| 6.220_960_574_271_785e-16 * f64::from(u8::from(x == -8.0));
        let value = match function {
            Function::Normal => tail(x.into()),
            _ => {
                let gated = false;
                truth(Smooth { function, gated }, x.into()).0
            }
        };
        let off = f64::from(y[0]) / value - 1.0;
        assert!(
            off.abs() < 3e-6,
            "{function:?} of {x}: {} for {value}",
            y[0]
        );
    }
}

#[test]
fn what_is_infinite_or_not_a_number() {
    for function in FUNCTIONS {
        let mut b = Builder::new([3, 1, 1]);
        b.smooth(0, function, false);
        let (y, _) = net(&b).forward(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], false);
        assert!(y[0].is_nan(), "{function:?} of NaN: {}", y[0]);
        let least = match function {
            Function::Tanh | Function::Erf => -1.0,
            _ => 0.0,
        };
        close("of infinities", &y[1..], &[1.0, least]);
    }
}

/// What is large does not make something of the tail.
#[test]
fn far_out_a_gate_is_shut() {
    for function in FUNCTIONS {
        let mut b = Builder::new([2, 1, 1]);
        b.smooth(0, function, true);
        let (y, _) = net(&b).forward(&[-1e38, 1e38], false);
        let least = match function {
            Function::Tanh | Function::Erf => 1e38,
            _ => 0.0,
        };
        assert_eq!(y, [least, 1e38], "{function:?}");
    }
}

#[test]
fn alone_behind_layers_and_read_twice() {
    for function in FUNCTIONS {
        for gated in [false, true] {
            let mut b = Builder::new([20, 5, 4]);
            b.smooth(0, function, gated);
            agrees(&b);
            agrees(&bent(function, gated));
        }
    }
}
