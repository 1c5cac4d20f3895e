use super::*;
use crate::testing::{self, Random, assert_close};

const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

fn ball(norm: Norm) -> Ball {
    Ball {
        norm,
        eps: 0.0,
        lo: 0.0,
        hi: 1.0,
    }
}

fn run(device: &Device, [x, x0, b]: [&[f32]; 3], gap: &[f32], radius: f32, norm: Norm) -> Vec<f32> {
    let (rows, cols) = (gap.len(), x.len() / gap.len());
    let array = |data: &[f32]| Array::from_vec(device, rows, cols, data.to_vec()).unwrap();
    let gap = Array::from_vec(device, rows, 1, gap.to_vec()).unwrap();
    let mut moved = array(x);
    boundary_step(&mut moved, &array(x0), &array(b), &gap, radius, &ball(norm)).unwrap();
    moved.to_vec().unwrap()
}

fn distance(a: &[f32], b: &[f32], norm: Norm) -> f64 {
    let moves = a.iter().zip(b).map(|(a, b)| f64::from(a - b).abs());
    match norm {
        Norm::Linf => moves.fold(0.0, f64::max),
        Norm::L2 => moves.map(|m| m * m).sum::<f64>().sqrt(),
        Norm::L1 => moves.sum(),
        _ => moves.filter(|&m| m > 1e-6).count() as f64,
    }
}

#[test]
fn table() {
    // x at the middle, the clean sample 0.2 below in both elements, the boundary through x.
    let (x, x0, b) = ([0.5, 0.5], [0.3, 0.3], [2.0, 1.0]);
    for device in testing::devices() {
        for (norm, radius, gap, expected) in [
            // The moves onto 2 m0 + m1 = -0.3 that end nearest to (-0.2, -0.2).
            (Norm::L2, 9.0, -0.3, [0.42, 0.36]),
            (Norm::L1, 9.0, -0.3, [0.45, 0.3]),
            (Norm::Linf, 9.0, -0.3, [0.4, 0.4]),
            // The shortest move to it is as long as the radius; beyond the radius there is none.
            (Norm::L2, 0.1342, -0.3, [0.38, 0.44]),
            (Norm::L1, 0.1, 0.9, [0.5894, 0.5447]),
            // The range ends at 1.
            (Norm::L2, 9.0, 3.0, [1.0, 1.0]),
        ] {
            let got = run(&device, [&x, &x0, &b], &[gap], radius, norm);
            assert_close(
                &format!("{norm} {gap} on {device:?}"),
                &got,
                &expected,
                5e-3,
            );
        }
        for bad in [0.0, f32::NAN, f32::INFINITY] {
            let got = run(&device, [&x, &x0, &[bad, bad]], &[1.0], 1.0, Norm::L2);
            assert_eq!(got, x);
        }
    }
}

/// The move keeps to the radius, the range and the boundary, and every device ends as near to the clean sample.
#[test]
fn constraints_hold_and_devices_agree() {
    let mut random = Random::new(91);
    // Software devices take long for as many rounds over larger ones.
    let shapes = testing::shapes(92).into_iter();
    let small = shapes.filter(|(rows, cols)| rows * cols <= 4096);
    for (case, (rows, cols)) in small.enumerate() {
        let norm = NORMS[case % 4];
        let x0 = random.floats(rows * cols, 0.0, 1.0);
        let x = random.floats(rows * cols, 0.0, 1.0);
        let b = random.floats(rows * cols, -1.0, 1.0);
        let gap = random.floats(rows, -0.2, 0.2);
        let radius = [0.3, 3.0][case / 4 % 2];
        let cpu = run(&Device::Cpu, [&x, &x0, &b], &gap, radius, norm);
        for device in testing::devices() {
            let got = run(&device, [&x, &x0, &b], &gap, radius, norm);
            for row in 0..rows {
                let at = row * cols..(row + 1) * cols;
                let what = format!("{norm}, {rows} x {cols}, row {row} on {device:?}");
                let (x, x0, got, cpu) = (
                    &x[at.clone()],
                    &x0[at.clone()],
                    &got[at.clone()],
                    &cpu[at.clone()],
                );
                assert!(got.iter().all(|v| (0.0..=1.0).contains(v)), "{what}");
                assert!(
                    distance(x, got, Norm::L2) <= 1.002 * f64::from(radius),
                    "{what}"
                );
                let along = |to: &[f32]| -> f64 {
                    let moves = to.iter().zip(x).map(|(to, x)| f64::from(to - x));
                    moves
                        .zip(&b[at.clone()])
                        .map(|(m, &b)| m * f64::from(b))
                        .sum()
                };
                if norm == Norm::L0 {
                    // Rounding may choose another element, which matters where there are few.
                    continue;
                }
                let (mine, theirs) = (along(got), along(cpu));
                assert!((mine - theirs).abs() < 0.03 * theirs.abs() + 1e-4, "{what}");
                let (near, nearer) = (distance(got, x0, norm), distance(cpu, x0, norm));
                assert!(
                    (near - nearer).abs() <= 0.05 * nearer + 2e-2,
                    "{what}: {near} {nearer}"
                );
            }
        }
    }
}

/// No random move that meets the same constraints ends nearer to the clean sample.
#[test]
fn nothing_feasible_is_nearer() {
    let mut random = Random::new(93);
    for case in 0..60 {
        let (norm, cols, radius) = (NORMS[case % 3], 6, 0.4);
        let x0 = random.floats(cols, 0.2, 0.8);
        let x = random.floats(cols, 0.2, 0.8);
        let b = random.floats(cols, -1.0, 1.0);
        let gap = random.floats(1, -0.1, 0.1);
        let got = run(&Device::Cpu, [&x, &x0, &b], &gap, radius, norm);
        let moved: Vec<f32> = got.iter().zip(&x).map(|(g, x)| g - x).collect();
        let along: f32 = moved.iter().zip(&b).map(|(m, b)| m * b).sum();
        let squares: f32 = b.iter().map(|b| b * b).sum();
        let least = distance(&got, &x0, norm);
        for _ in 0..400 {
            let mut other: Vec<f32> = moved
                .iter()
                .zip(random.floats(cols, -0.1, 0.1))
                .map(|(m, r)| m + r)
                .collect();
            let off: f32 = other.iter().zip(&b).map(|(m, b)| m * b).sum::<f32>() - along;
            other
                .iter_mut()
                .zip(&b)
                .for_each(|(m, b)| *m -= off / squares * b);
            let to: Vec<f32> = other.iter().zip(&x).map(|(m, x)| m + x).collect();
            let inside = to.iter().all(|v| (0.0..=1.0).contains(v));
            if inside && distance(&to, &x, Norm::L2) <= f64::from(radius) {
                let there = distance(&to, &x0, norm);
                assert!(there >= least - 6e-3, "{norm}: {there} {least}");
            }
        }
    }
}

#[test]
fn in_l0_few_elements_stay_changed_on_every_device() {
    let mut random = Random::new(94);
    for cols in [300, 3000] {
        let x0 = random.floats(cols, 0.3, 0.7);
        let noise = random.floats(cols, -0.2, 0.2);
        let x: Vec<f32> = x0.iter().zip(noise).map(|(x0, noise)| x0 + noise).collect();
        let b = random.floats(cols, -1.0, 1.0);
        let gap: f32 = b
            .iter()
            .zip(&x0)
            .zip(&x)
            .map(|((b, x0), x)| b * (x0 - x))
            .sum();
        let gap = gap + 0.8;
        for device in testing::devices() {
            let got = run(&device, [&x, &x0, &b], &[gap], 50.0, Norm::L0);
            let changed = distance(&got, &x0, Norm::L0);
            assert!(
                (1.0..6.0).contains(&changed),
                "{changed} of {cols} on {device:?}"
            );
            let moves = got.iter().zip(&x).map(|(to, x)| to - x);
            let along: f32 = moves.zip(&b).map(|(m, b)| m * b).sum();
            assert!((along - gap).abs() <= 0.02 * gap.abs(), "{along} {gap}");
        }
    }
}

#[test]
fn shapes_must_fit() {
    let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
    let run = |x0: usize, b: usize, gap: usize| {
        let (x0, b, gap) = (array(x0, 3), array(2, b), array(gap, 1));
        boundary_step(&mut array(2, 3), &x0, &b, &gap, 1.0, &ball(Norm::L2))
    };
    assert!(run(2, 3, 2).is_ok());
    assert!(run(3, 3, 2).is_err());
    assert!(run(2, 4, 2).is_err());
    assert!(run(2, 3, 1).is_err());
}
