use scoville_kernels::{Image, Norm};
use scoville_targets::{TreeNode, Trees};

use crate::projection::distance;
use crate::tables_tests::{Batch, Small, attacked, batch, is_valid, mixed, sample};

/// Numbers from 0 to 1, made of a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 40) as f32 / 16_777_216.0
    }
}

const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

/// Trees of 7 elements and two classes, of this depth.
fn grown(trees: usize, depth: usize, numbers: &mut Numbers) -> Small {
    let mut forest = Trees {
        nodes: Vec::new(),
        roots: Vec::new(),
        base: vec![0.0, 0.0],
    };
    for _ in 0..trees {
        let root = grow(&mut forest.nodes, depth, numbers);
        forest.roots.push(root);
    }
    Small::Forest(forest)
}

fn grow(nodes: &mut Vec<TreeNode>, depth: usize, numbers: &mut Numbers) -> usize {
    if depth == 0 {
        let class = usize::from(numbers.next() < 0.5);
        nodes.push(TreeNode::Leaf(vec![(class, 0.5 + numbers.next())]));
        return nodes.len() - 1;
    }
    let feature = (numbers.next() * 7.0) as usize;
    let threshold = 0.1 + 0.8 * numbers.next();
    let below = grow(nodes, depth - 1, numbers);
    let above = grow(nodes, depth - 1, numbers);
    nodes.push(TreeNode::Split {
        feature,
        threshold,
        strict: false,
        below,
        above,
    });
    nodes.len() - 1
}

/// Every box that leaves of all trees leave in [0, 1], as bounds of each element.
fn boxes(forest: &Trees) -> Vec<[(f32, f32); 7]> {
    let mut all = vec![[(-1.0, 1.0); 7]];
    for &root in &forest.roots {
        let mut next = Vec::new();
        for start in all {
            let mut open = vec![(root, start)];
            while let Some((at, bounds)) = open.pop() {
                let &TreeNode::Split {
                    feature,
                    threshold,
                    below,
                    above,
                    ..
                } = &forest.nodes[at]
                else {
                    next.push(bounds);
                    continue;
                };
                let (low, high) = bounds[feature];
                let mut half = |child, range: (f32, f32)| {
                    if range.0 < range.1 {
                        let mut bounds: [(f32, f32); 7] = bounds;
                        bounds[feature] = range;
                        open.push((child, bounds));
                    }
                };
                half(below, (low, high.min(threshold)));
                half(above, (low.max(threshold), high));
            }
        }
        all = next;
    }
    all
}

/// How near the nearest point of another class is, over all boxes.
fn nearest(target: &Small, clean: &[f32], label: u32, norm: Norm) -> Option<f64> {
    let Small::Forest(forest) = target else {
        return None;
    };
    let points = boxes(forest).into_iter().map(|bounds| {
        let nearest = |(&v, (low, high)): (&f32, (f32, f32))| v.clamp(low.next_up().max(0.0), high);
        clean.iter().zip(bounds).map(nearest).collect::<Vec<f32>>()
    });
    let wrong = points.filter(|x| target.label(x) != label);
    wrong
        .map(|x| distance(norm, Image::row(x.len()), clean, &x))
        .min_by(f64::total_cmp)
}

#[test]
fn of_a_single_tree_nothing_is_nearer() {
    let mut numbers = Numbers(5);
    for round in 0..20 {
        let target = grown(1, 2 + round % 5, &mut numbers);
        let whole = batch(&target, 0..10);
        let norm = NORMS[round % 4];
        for attack in ["decision-tree", "leaf-tuple"] {
            let found = attacked(attack, &target, &whole, (norm, 1e3), None);
            let by_row = |row: usize| found.iter().find(|s| s.row == row);
            for row in 0..whole.ids.len() {
                let clean = &whole.x[row * 7..][..7];
                let known = nearest(&target, clean, whole.y[row], norm);
                let got = by_row(row).map(|s| s.distance);
                match (known, got) {
                    (Some(known), Some(got)) => {
                        assert!((got - known).abs() < 1e-5, "{attack} {norm}: {got} {known}");
                    }
                    (None, None) => {}
                    other => panic!("{attack} {norm}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn of_an_ensemble_leaf_tuples_come_close_and_never_too_close() {
    let mut numbers = Numbers(9);
    let (mut known_sum, mut got_sum, mut exact, mut all) = (0.0, 0.0, 0, 0);
    for round in 0..8 {
        let target = grown(4, 3, &mut numbers);
        let whole = batch(&target, 0..10);
        let norm = [Norm::L2, Norm::L1, Norm::Linf][round % 3];
        for success in attacked("leaf-tuple", &target, &whole, (norm, 1e3), None) {
            let clean = &whole.x[success.row * 7..][..7];
            let known = nearest(&target, clean, whole.y[success.row], norm).unwrap();
            assert!(
                success.distance > known - 1e-5,
                "{} {known}",
                success.distance
            );
            known_sum += known;
            got_sum += success.distance;
            exact += usize::from(success.distance < known + 1e-4);
            all += 1;
        }
    }
    assert!(all > 50, "{all}");
    assert!(got_sum < 1.1 * known_sum, "{got_sum} {known_sum}");
    assert!(4 * exact > 3 * all, "{exact} of {all}");
}

/// With constraints, against every valid row of a grid that holds a point of each box.
#[test]
fn constraints_hold_in_trees_too() {
    let mut numbers = Numbers(11);
    let constraints = mixed();
    for attack in ["decision-tree", "leaf-tuple"] {
        for norm in NORMS {
            let target = grown(1, 5, &mut numbers);
            let whole = batch(&target, 0..12);
            let found = attacked(attack, &target, &whole, (norm, 1e3), Some(&constraints));
            for success in &found {
                let clean = &whole.x[success.row * 7..][..7];
                assert!(is_valid(clean, &success.x), "{attack}: {:?}", success.x);
            }
            for row in 0..whole.ids.len() {
                let known = on_grid(&target, &whole, row, norm);
                let got = found.iter().find(|s| s.row == row).map(|s| s.distance);
                let (known, got) = (known.unwrap_or(f64::MAX), got.unwrap_or(f64::MAX));
                assert!(got <= known + 1e-5, "{attack} {norm}: {got} {known}");
            }
        }
    }
}

/// The nearest wrong row of the valid ones on a grid: 21 values of both numbers, all steps, all categories.
fn on_grid(target: &Small, whole: &Batch, row: usize, norm: Norm) -> Option<f64> {
    let clean = sample(whole.ids[row]);
    let fine = |v: f32| {
        (0..=20)
            .map(|k| k as f32 / 20.0)
            .chain([v])
            .collect::<Vec<_>>()
    };
    let mut best: Option<f64> = None;
    for a in fine(clean[0]) {
        for b in fine(clean[1]) {
            for step in 0..=10 {
                for hot in 0..3 {
                    let mut x = clean.clone();
                    (x[0], x[1]) = (a, b);
                    x[2] = if step as f32 / 10.0 == clean[2] {
                        clean[2]
                    } else {
                        step as f32 / 10.0
                    };
                    x[4..].copy_from_slice(&[0, 1, 2].map(|k| f32::from(u8::from(k == hot))));
                    if is_valid(&clean, &x) && target.label(&x) != whole.y[row] {
                        let far = mixed().distance(norm, &clean, &x);
                        best = Some(best.map_or(far, |best| best.min(far)));
                    }
                }
            }
        }
    }
    best
}

#[test]
fn a_class_can_be_aimed_at_and_none_is_found_where_there_is_none() {
    let leaf = |class| TreeNode::Leaf(vec![(class, 1.0)]);
    let split = |threshold, below, above| TreeNode::Split {
        feature: 0,
        threshold,
        strict: false,
        below,
        above,
    };
    let nodes = vec![
        leaf(0),
        leaf(1),
        leaf(2),
        split(0.9, 1, 2),
        split(0.8, 0, 3),
    ];
    let target = Small::Forest(Trees {
        nodes,
        roots: vec![4],
        base: vec![0.0; 4],
    });
    let whole = batch(&target, (0..60).filter(|&id| sample(id)[0] < 0.8));
    let aim = |class| {
        let goal = crate::Goal::Class(class);
        let problem = crate::Problem {
            ids: &whole.ids,
            x: &whole.x,
            y: &whole.y,
            norm: Norm::Linf,
            eps: 1.0,
            bounds: (0.0, 1.0),
            seed: 0,
            goal,
            constraints: None,
            stop: &std::sync::atomic::AtomicBool::new(false),
        };
        crate::parse("leaf-tuple")
            .unwrap()
            .run(&target, None, &problem)
            .unwrap()
    };
    let near = aim(1);
    assert_eq!(near.len(), whole.ids.len());
    assert!(
        near.iter()
            .all(|s| s.predicted == 1 && (s.x[0] - 0.8).abs() < 1e-5)
    );
    assert!(
        aim(2)
            .iter()
            .all(|s| s.predicted == 2 && (s.x[0] - 0.9).abs() < 1e-5)
    );
    assert_eq!(aim(3), []);
}
