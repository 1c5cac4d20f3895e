//! Searches that change a patch of each sample, against whole runs.

use crate::testing::{Builder, THREE, mean, numbers, window};
use crate::{Kind, Net};

/// Random numbers in [0, n).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

/// Changes a square of `side` pixels in all channels.
fn change(x: &mut [f32], [channels, rows, cols]: [usize; 3], side: usize, random: &mut Random) {
    let [top, left] = [rows, cols].map(|len| random.below(len - side + 1));
    for c in 0..channels {
        let value = random.below(1000) as f32 / 500.0 - 1.0;
        for y in top..top + side {
            let at = (c * rows + y) * cols + left;
            x[at..at + side].fill(value);
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A search over `n` samples that keeps one change in `keep`; gives how often a part was enough.
fn search(b: &Builder, n: usize, side: usize, keep: usize) -> usize {
    let net = Net::new(b.input(), b.layers.clone()).unwrap();
    let mut random = Random(side as u64);
    let mut best = numbers(5, n * net.inputs());
    let mut in_part = 0;
    for call in 0..40 {
        let mut x = best.clone();
        for x in x.chunks_exact_mut(net.inputs()) {
            // Some stay as they are.
            if random.below(5) > 0 {
                change(x, b.input(), side, &mut random);
            }
        }
        let (part, _) = net.forward(&x, false);
        let (whole, _) = net.forward(&x, true);
        assert!(bits(&part) == bits(&whole), "call {call}");
        in_part += usize::from(net.patches().unwrap().depth().is_some());
        for (best, x) in best
            .chunks_exact_mut(net.inputs())
            .zip(x.chunks_exact(net.inputs()))
        {
            if random.below(keep) == 0 {
                best.copy_from_slice(x);
            }
        }
    }
    in_part
}

/// Strides, dense layers.
fn strided() -> Builder {
    let mut b = Builder::new([1, 28, 28]);
    let x = b.conv(0, 16, 1, window([4, 4], [2, 2], [1, 1]));
    let x = b.relu(x);
    let x = b.conv(x, 32, 1, window([4, 4], [2, 2], [1, 1]));
    let x = b.relu(x);
    b.dense(x, 10);
    b
}

/// Winograd's tiles with narrow ones among them, pools of both kinds.
fn pooled() -> Builder {
    let mut b = Builder::new([3, 38, 30]);
    let x = b.conv(0, 16, 1, THREE);
    let x = b.relu(x);
    let x = b.conv(x, 24, 1, window([3, 3], [1, 1], [0, 0]));
    let x = b.pool(x, window([2, 2], [2, 2], [0, 0]), Kind::MaxPool);
    let x = b.conv(x, 16, 1, THREE);
    let x = b.pool(x, window([3, 3], [2, 2], [1, 1]), mean);
    b.dense(x, 7);
    b
}

/// Values that are read twice, groups, depthwise kernels, dilation.
fn branched() -> Builder {
    let mut b = Builder::new([3, 32, 32]);
    let x = b.conv(0, 32, 1, window([5, 5], [1, 1], [2, 2]));
    let x = b.relu(x);
    let y = b.conv(x, 32, 32, THREE);
    let y = b.conv(y, 32, 2, THREE);
    let y = b.relu(y);
    let y = b.conv(y, 32, 1, THREE);
    let sum = b.add(x, y);
    let sum = b.relu(sum);
    let mut wide = window([3, 3], [2, 1], [2, 2]);
    wide.dilation = [2, 2];
    let x = b.conv(sum, 16, 1, wide);
    let short = b.conv(sum, 16, 1, window([1, 1], [2, 1], [0, 0]));
    let x = b.add(x, short);
    b.relu(x);
    b
}

#[test]
fn what_changed_is_run_alone_and_gives_the_same() {
    for (name, b) in [
        ("strided", strided()),
        ("pooled", pooled()),
        ("branched", branched()),
    ] {
        for keep in [1, 2, 1000] {
            for side in [1, 3, 7] {
                let in_part = search(&b, 3, side, keep);
                assert!(in_part > 30 || side == 7, "{name}: {in_part} of 40 calls");
            }
        }
    }
}

/// Winograd's method by grids of which one has fewer taps than another: its tiles meet inputs that no tap does.
#[test]
fn grids_with_fewer_taps() {
    for (kernel, stride) in [
        ([3, 3], [1, 2]),
        ([3, 3], [2, 1]),
        ([3, 3], [2, 2]),
        ([3, 5], [2, 2]),
        ([5, 3], [2, 2]),
        ([3, 4], [1, 3]),
        ([5, 5], [2, 2]),
    ] {
        let mut b = Builder::new([3, 32, 32]);
        let x = b.conv(0, 16, 1, THREE);
        let x = b.relu(x);
        b.conv(x, 16, 1, window(kernel, stride, [1, 1]));
        for side in [1, 3, 5] {
            let in_part = search(&b, 3, side, 2);
            assert!(in_part > 20, "{kernel:?} {stride:?}: {in_part} of 40 calls");
        }
    }
}

/// Where most of a sample changes there is nothing to gain, and nothing is kept.
#[test]
fn what_changed_everywhere_is_run_whole() {
    assert_eq!(search(&strided(), 2, 27, 2), 0);
}

#[test]
fn what_is_asked_again_is_run_again() {
    let b = strided();
    let net = Net::new(b.input(), b.layers.clone()).unwrap();
    let x = numbers(3, 4 * net.inputs());
    for _ in 0..8 {
        net.forward(&x, false);
    }
    assert_eq!(net.patches().unwrap().depth(), None);
}

/// One sample goes far, the others stay near.
#[test]
fn samples_of_one_batch_need_not_be_alike() {
    let b = strided();
    let net = Net::new(b.input(), b.layers.clone()).unwrap();
    let len = net.inputs();
    let mut x = numbers(3, 8 * len);
    for call in 0..12 {
        for sample in 0..8 {
            x[sample * len + call] = call as f32;
        }
        x[..len].copy_from_slice(&numbers(100 + call as u64, len));
        let (part, _) = net.forward(&x, false);
        let (whole, _) = net.forward(&x, true);
        assert!(bits(&part) == bits(&whole), "call {call}");
    }
    assert!(net.patches().unwrap().depth().is_some());
}

/// A batch of another size, as after samples have left, and one that repeats itself.
#[test]
fn batches_that_shrink_and_repeat() {
    let b = strided();
    let net = Net::new(b.input(), b.layers.clone()).unwrap();
    let len = net.inputs();
    let mut x = numbers(3, 6 * len);
    for call in 0..30 {
        if call % 10 == 9 {
            x.truncate(x.len() - len);
        }
        if call % 3 > 0 {
            let at = call * 7 % x.len();
            x[at] = -x[at];
        }
        let (part, _) = net.forward(&x, false);
        let (whole, _) = net.forward(&x, true);
        assert!(bits(&part) == bits(&whole), "call {call}");
    }
}
