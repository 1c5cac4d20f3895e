//! Pairwise coupling: the probabilities of k classes out of those of each pair of them.
//!
//! Algorithm 2 of Wu, Lin and Weng, "Probability estimates for multi-class classification by
//! pairwise coupling" (2004), with the constants of libsvm and onnxruntime: at most 100 rounds,
//! until no equation is off by more than 0.005 / k. A row that has got there stays as it is; since
//! nothing is read back, the rounds are run to the end. Two classes get there in two.

use burn_backend::{
    Backend, FloatDType, Shape, Slice, TensorData, TensorMetadata, get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor},
};

const ROUNDS: usize = 100;
const ROUNDS_OF_TWO: usize = 3;

/// `wins`, \[rows, pairs\], are the probabilities of the first class of each pair, in order.
pub(super) fn couple<B: Backend>(wins: FloatTensor<B>, classes: usize) -> FloatTensor<B> {
    let rows = wins.shape().first().copied().unwrap_or(0);
    let device = wins.device();
    let q = equations::<B>(&wins, classes);
    let units: Vec<FloatTensor<B>> = (0..classes)
        .map(|i| {
            let unit = (0..classes).map(|j| f32::from(u8::from(i == j))).collect();
            B::float_from_data(TensorData::new(unit, [1, classes]), &device)
        })
        .collect();
    let shape = Shape::from([rows, classes]);
    let mut p = B::float_full(
        shape,
        (1.0 / classes as f32).into(),
        &device,
        FloatDType::F32,
    );
    let rounds = if classes == 2 { ROUNDS_OF_TWO } else { ROUNDS };
    for _ in 0..rounds {
        let products: Vec<_> = q
            .iter()
            .map(|row| sum::<B>(row.clone(), p.clone()))
            .collect();
        let mut qp = B::float_cat(products, 1);
        let mut pqp = sum::<B>(p.clone(), qp.clone());
        let done = done::<B>(&qp, &pqp, classes);
        let mut next = p.clone();
        for (i, (row, unit)) in q.iter().zip(&units).enumerate() {
            let (qii, qpi) = (column::<B>(row, i), column::<B>(&qp, i));
            let step = B::float_div(B::float_sub(pqp.clone(), qpi.clone()), qii.clone());
            let scale = B::float_add_scalar(step.clone(), 1.0f32.into());
            let twice = B::float_mul_scalar(qpi, 2.0f32.into());
            let change = B::float_add(B::float_mul(step.clone(), qii), twice);
            pqp = B::float_add(pqp, B::float_mul(step.clone(), change));
            pqp = B::float_div(B::float_div(pqp, scale.clone()), scale.clone());
            qp = B::float_add(qp, B::float_mul(row.clone(), step.clone()));
            qp = B::float_div(qp, scale.clone());
            next = B::float_add(next, B::float_mul(unit.clone(), step));
            next = B::float_div(next, scale);
        }
        p = B::float_mask_where(next, done, p);
    }
    p
}

/// The rows of the matrix Q, \[rows, classes\] each: on its diagonal the sums of r_ji^2, elsewhere
/// -r_ji r_ij, where r_ij is the probability of i in the pair of i and j.
fn equations<B: Backend>(wins: &FloatTensor<B>, classes: usize) -> Vec<FloatTensor<B>> {
    let mut pair = 0;
    let mut r = vec![vec![None; classes]; classes];
    for i in 0..classes {
        for j in i + 1..classes {
            let win = column::<B>(wins, pair);
            pair += 1;
            let loss = B::float_add_scalar(B::float_neg(win.clone()), 1.0f32.into());
            set(&mut r, i, j, win);
            set(&mut r, j, i, loss);
        }
    }
    let at = |i: usize, j: usize| r.get(i).and_then(|row| row.get(j)).cloned().flatten();
    let row = |i: usize| {
        let squares = (0..classes)
            .filter_map(|j| at(j, i))
            .map(|r| B::float_mul(r.clone(), r));
        let diagonal = squares.reduce(|sum, square| B::float_add(sum, square));
        let entry = |j: usize| match (at(j, i), at(i, j)) {
            (Some(back), Some(there)) => Some(B::float_neg(B::float_mul(back, there))),
            _ => diagonal.clone(),
        };
        B::float_cat((0..classes).filter_map(entry).collect(), 1)
    };
    (0..classes).map(row).collect()
}

fn set<T>(matrix: &mut [Vec<Option<T>>], i: usize, j: usize, value: T) {
    if let Some(place) = matrix.get_mut(i).and_then(|row| row.get_mut(j)) {
        *place = Some(value);
    }
}

/// The rows in which every equation holds well enough.
fn done<B: Backend>(qp: &FloatTensor<B>, pqp: &FloatTensor<B>, classes: usize) -> BoolTensor<B> {
    let (qp, pqp) = (B::float_detach(qp.clone()), B::float_detach(pqp.clone()));
    let off = B::float_max_dim(B::float_abs(B::float_sub(qp, pqp)), 1);
    let bools = get_or_init_device_settings::<B>(&off.device()).bool_dtype;
    let rows = off.shape().first().copied().unwrap_or(0);
    let off = B::float_expand(off, Shape::from([rows, classes]));
    B::float_lower_elem(off, (0.005 / classes as f32).into(), bools)
}

fn sum<B: Backend>(left: FloatTensor<B>, right: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sum_dim(B::float_mul(left, right), 1)
}

fn column<B: Backend>(x: &FloatTensor<B>, i: usize) -> FloatTensor<B> {
    let column = Slice::new(i as isize, Some(i as isize + 1), 1);
    B::float_slice(x.clone(), &[Slice::new(0, None, 1), column])
}
