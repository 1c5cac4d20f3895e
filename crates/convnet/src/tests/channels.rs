//! Channels that are put together, cut and shuffled.

use super::agrees;
use crate::testing::{half_read, shuffled, together};
use crate::{Kind, Layer, Net, Place};

#[test]
fn put_together() {
    for counts in [[16, 32, 16], [5, 20, 16], [1, 2, 3]] {
        agrees(&together(counts));
    }
}

#[test]
fn cut_and_shuffled() {
    agrees(&shuffled());
}

#[test]
fn read_in_part() {
    agrees(&half_read());
}

#[test]
fn channels_that_do_not_fit() {
    let why = |places: &[Place]| {
        let layer = Layer {
            kind: Kind::Channels(places.to_vec()),
            inputs: vec![0],
        };
        Net::new([4, 3, 3], vec![layer]).unwrap_err().what
    };
    assert_eq!(why(&[(0, 4)]), "it takes a channel that there is not");
    assert_eq!(why(&[(1, 0)]), "it takes a channel that there is not");
    assert_eq!(why(&[(0, 1), (0, 1)]), "it takes a channel twice");
    assert_eq!(why(&[]), "it makes an empty value");
}
