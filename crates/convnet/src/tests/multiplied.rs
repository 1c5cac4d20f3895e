//! Products of two values.

use super::{agrees, net};
use crate::testing::{excited, multiplied, numbers, window};
use crate::{Kind, Layer, Net};

#[test]
fn of_one_shape() {
    agrees(&multiplied());
}

#[test]
fn of_a_factor_for_each_channel() {
    agrees(&excited([9, 8]));
}

/// A change of a corner changes the factors, and by them all pixels.
#[test]
fn a_patch_reaches_all_pixels_through_the_factors() {
    let b = excited([9, 8]);
    let kept = net(&b);
    let mut x = numbers(5, 4 * kept.inputs());
    for round in 0..20 {
        x[round % 7] = round as f32 / 20.0;
        let (ours, _) = kept.forward(&x, false);
        let (new, _) = net(&b).forward(&x, false);
        assert_eq!(ours, new, "round {round}");
    }
}

#[test]
fn factors_that_do_not_fit() {
    let layers = |inputs: Vec<usize>| {
        let kind = Kind::AveragePool {
            window: window([2, 1], [2, 1], [0, 0]),
            count_padding: false,
        };
        let pool = Layer {
            kind,
            inputs: vec![0],
        };
        let kind = Kind::Multiply;
        vec![pool, Layer { kind, inputs }]
    };
    let why = |inputs| Net::new([4, 6, 6], layers(inputs)).unwrap_err().what;
    let fits = "its second factor fits neither the first nor its channels";
    assert_eq!(why(vec![0, 1]), fits);
    assert_eq!(why(vec![0]), "it has too few inputs, or too many");
}
