//! One table over all attacks: each runs, keeps its promises, and finds what there is to find.

use std::sync::atomic::AtomicBool;

use scoville_attacks::{
    Access, Algorithm, Budget, Goal, Problem, Success, driver, labels_only, parse, projection, rows,
};
use scoville_data::glyphs::{Split, generate};
use scoville_kernels::philox::{philox4x32, unit};
use scoville_kernels::{Array, Device, Image, Loss, Norm};
use scoville_targets::{Evaluation, Gradients, Labels, Metered, ModelTarget, Scores};

use crate::devices::target;

const SAMPLES: usize = 32;

const IMAGE: Image = Image {
    channels: 1,
    height: 28,
    width: 28,
};

struct Run {
    found: Vec<Success>,
    queries: u64,
    gradients: u64,
}

/// Runs an attack on the first correct glyphs.
fn run(attack: &str, norm: Norm, eps: f64, stopped: bool) -> Result<Run, scoville_attacks::Error> {
    let target = Metered::new(target(&Device::Cpu));
    let (x, y) = correct_samples(target.inner());
    let stop = AtomicBool::new(stopped);
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    let problem = problem(&ids, (&x, &y), norm, eps, &stop);
    let found = launch(attack, &target, &problem)?;
    check(&found, &x, &y, norm, eps, target.inner());
    let spent = target.spent();
    Ok(Run {
        found,
        queries: spent.queries,
        gradients: spent.gradients,
    })
}

/// To break all correct glyphs.
fn problem<'a>(
    ids: &'a [u32],
    (x, y): (&'a [f32], &'a [u32]),
    norm: Norm,
    eps: f64,
    stop: &'a AtomicBool,
) -> Problem<'a> {
    Problem {
        ids,
        x,
        y,
        norm,
        eps,
        bounds: (0.0, 1.0),
        seed: 1,
        goal: Goal::Any,
        constraints: None,
        stop,
    }
}

/// Runs an attack by name with the access that it needs.
fn launch(
    attack: &str,
    target: &dyn Gradients,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, scoville_attacks::Error> {
    driver::run(&parse(attack).unwrap().algorithm, target, problem)
}

fn correct_samples(target: &ModelTarget) -> (Vec<f32>, Vec<u32>) {
    let data = generate(Split::Test, 2 * SAMPLES, 0);
    let all = Array::from_vec(&Device::Cpu, 2 * SAMPLES, 784, data.read_all().unwrap()).unwrap();
    let labels = target.labels(&all).unwrap().to_vec().unwrap();
    let correct: Vec<usize> = (0..data.len())
        .filter(|&i| labels[i] == data.y[i])
        .take(SAMPLES)
        .collect();
    assert_eq!(correct.len(), SAMPLES);
    let x = data.read(&correct).unwrap();
    (x, correct.iter().map(|&i| data.y[i]).collect())
}

/// Every success lies inside the ball by f64 arithmetic and in the input range, and is misclassified when asked anew.
fn check(found: &[Success], x: &[f32], y: &[u32], norm: Norm, eps: f64, target: &ModelTarget) {
    for success in found {
        let clean = &x[success.row * 784..][..784];
        assert!(projection::distance(norm, IMAGE, clean, &success.x) <= eps);
        assert!(success.x.iter().all(|v| (0.0..=1.0).contains(v)));
        let stored = Array::from_vec(&Device::Cpu, 1, 784, success.x.clone()).unwrap();
        let label = target.labels(&stored).unwrap().to_vec().unwrap()[0];
        assert_eq!(label, success.predicted);
        assert_ne!(label, y[success.row]);
    }
}

#[test]
fn every_attack_finds_most_at_a_large_eps_and_nothing_at_a_tiny_one() {
    for row in rows().iter().filter(|row| row.access != Access::Trees) {
        // Nine targets, or nine searches of many steps, would take minutes and find no more here.
        let targeted = row.parameters.iter().any(|p| p.name == "targets");
        let short = match row.name {
            "ead" => ":steps=50",
            "lowprofool" => ":steps=50:searches=5",
            "cw-linf" | "cw-l0" => ":steps=25:searches=15",
            _ if targeted => ":targets=2",
            _ => "",
        };
        let attack = format!("{}{short}", row.name);
        for &norm in row.budget.norms() {
            let large = match norm {
                Norm::Linf => 0.2,
                Norm::L2 => 4.0,
                Norm::L1 => 60.0,
                Norm::L0 => 150.0,
                Norm::Wasserstein => 0.5,
            };
            let most = match row.name {
                // One step, or one pixel at a time, goes less far.
                "fgsm" | "simba" | "lowprofool" | "vat" => SAMPLES / 2,
                // They learn from 16 samples here.
                "universal" => SAMPLES / 8,
                "robust-patch" => SAMPLES / 4,
                // Five pixels.
                "one-pixel" => SAMPLES / 8,
                _ => SAMPLES - 2,
            };
            let found = run(&attack, norm, large, false).unwrap().found.len();
            assert!(
                found >= most,
                "{} in {norm}: {found} of {SAMPLES}",
                row.name
            );
            let found = run(&attack, norm, 1e-6, false).unwrap().found.len();
            assert_eq!(found, 0, "{} in {norm}", row.name);
        }
    }
}

#[test]
fn budgets_are_kept_to_the_last_sample() {
    // Nothing is found at a tiny eps, so every attack spends its whole budget, and no verification query is made.
    let n = SAMPLES as u64;
    for (attack, queries, gradients) in [
        ("fgsm", n, n),
        ("bim:steps=7", n, 7 * n),
        ("mi-fgsm:steps=3", n, 3 * n),
        // Each step asks for its own answer; the last looks at no neighbours.
        ("ni-fgsm:steps=3", 3 * n, 3 * n),
        ("si-ni-fgsm:steps=3:scales=4", 3 * n, 12 * n),
        ("vmi-fgsm:steps=3:neighbours=5", 3 * n, 13 * n),
        ("vni-fgsm:steps=2:neighbours=4", 2 * n, 6 * n),
        ("ti-fgsm:steps=3", 3 * n, 3 * n),
        ("di-fgsm:steps=3", 3 * n, 3 * n),
        ("acg:steps=11:restarts=2", 2 * n, 22 * n),
        ("universal:steps=4", n, 4 * n),
        ("pgd:steps=5:restarts=3", 3 * n, 15 * n),
        ("apgd-ce:steps=11:restarts=2", 2 * n, 22 * n),
        ("ddn:steps=3", n, 3 * n),
        ("fmn:steps=3", n, 3 * n),
        ("cw:steps=5:searches=2", 2 * n, 10 * n),
        ("cw-linf:steps=5:searches=2", 0, 10 * n),
        ("cw-l0:steps=5:searches=2", 0, 10 * n),
        ("alma:steps=5", n, 5 * n),
        ("brendel-bethge:steps=4", 37 * n, 18 * n),
        ("vat:steps=3", 5 * n, 3 * n),
        ("shadow:steps=3", n, 3 * n),
        ("ead:steps=5:searches=2", 10 * n, 10 * n),
        ("sigma-zero:steps=4", n, 4 * n),
        ("apgd-dlr:steps=5", n, 5 * n),
        // A targeted restart also asks for the clean sample's scores; there are nine other classes.
        ("apgd-t:steps=4:targets=2", 4 * n, 8 * n),
        ("apgd-t:steps=1:targets=50", 18 * n, 9 * n),
        // A step of FAB is a gradient and a query, and each walk asks for the clean sample's scores.
        ("fab-t:steps=4:targets=2:restarts=2", 20 * n, 16 * n),
        ("square:queries=13", 13 * n, 0),
        ("wasserstein-square:queries=13", 13 * n, 0),
        ("simba:queries=13", 13 * n, 0),
        ("simba-dct:queries=13", 13 * n, 0),
        // Those that estimate a gradient spend as much as makes up whole steps.
        ("nes:queries=15:directions=3", 14 * n, 0),
        ("spsa:queries=15:directions=3", 14 * n, 0),
        ("bandits:queries=14", 12 * n, 0),
        ("zoo:queries=20:coordinates=4", 18 * n, 0),
        // The clean samples' features and scores, and then a query a step.
        ("feature-adversary:steps=3:guides=2", 8 * n, 6 * n),
        // The first 25 look for a start; a sample that has none leaves after them.
        ("hop-skip-jump:queries=75", 75 * n, 0),
        ("boundary:queries=75", 75 * n, 0),
        ("sign-opt:queries=75", 75 * n, 0),
        ("geoda:queries=75", 75 * n, 0),
        ("rays:queries=75", 75 * n, 0),
        ("pointwise:queries=75", 75 * n, 0),
    ] {
        let norm = parse(attack).unwrap().row.budget.norms()[0];
        let run = run(attack, norm, 1e-6, false).unwrap();
        assert_eq!(
            (run.queries, run.gradients),
            (queries, gradients),
            "{attack}"
        );
    }
}

#[test]
fn finished_samples_leave_the_batch() {
    // At eps 0.2 most samples fall in a few of the 40 steps: had they stayed, this would cost 40 gradients each.
    let run = run("pgd:steps=40", Norm::Linf, 0.2, false).unwrap();
    assert!(run.gradients < 10 * SAMPLES as u64, "{}", run.gradients);
}

#[test]
fn a_sample_fares_alone_as_in_a_batch() {
    let target = target(&Device::Cpu);
    let (x, y) = correct_samples(&target);
    let stop = AtomicBool::new(false);
    let (linf, l0) = ((Norm::Linf, 10.0 / 255.0), (Norm::L0, 9.0));
    let in_l0 = [
        "patch:steps=20:restarts=2",
        "one-pixel:queries=400:population=30",
    ]
    .map(|attack| (attack, l0));
    let in_linf = [
        "mi-fgsm",
        "si-ni-fgsm:steps=4",
        "vni-fgsm:steps=4:neighbours=3",
        "ti-fgsm:steps=4:radius=2",
        "di-fgsm:steps=4:smallest=0.8",
        "acg:steps=20",
        "apgd-ce:steps=20:restarts=2",
        "apgd-t:steps=20:targets=3",
        "fab-t:steps=10:targets=2:restarts=2",
        "deepfool:steps=3",
        "fmn:steps=20",
        "cw-linf:steps=10:searches=3",
        "brendel-bethge:steps=10:radius=0.2",
        "shadow:steps=20",
        "square:queries=60",
        "simba:queries=600",
        "simba-dct",
        "nes",
        "spsa",
        "bandits",
        "hop-skip-jump:queries=200",
        "geoda:queries=200",
        "rays:queries=100",
    ]
    .map(|attack| (attack, linf));
    let of_mass = ["wasserstein:steps=20", "wasserstein-square:queries=300"]
        .map(|attack| (attack, (Norm::Wasserstein, 0.03)));
    for (attack, (norm, eps)) in in_linf.into_iter().chain(in_l0).chain(of_mass) {
        let rows_broken = |rows: std::ops::Range<usize>| -> Vec<(usize, u64)> {
            let ids: Vec<u32> = rows.clone().map(|i| i as u32).collect();
            let (x, y) = (&x[rows.start * 784..rows.end * 784], &y[rows.clone()]);
            let problem = Problem {
                ids: &ids,
                x,
                y,
                norm,
                eps,
                bounds: (0.0, 1.0),
                seed: 1,
                goal: Goal::Any,
                constraints: None,
                stop: &stop,
            };
            let found = launch(attack, &target, &problem);
            let found = found.unwrap().into_iter();
            let mut broken: Vec<_> = found.map(|s| (rows.start + s.row, s.asked)).collect();
            broken.sort_unstable();
            broken
        };
        // Who is broken, and after how many answers about the sample.
        let together = rows_broken(0..SAMPLES);
        let alone: Vec<_> = (0..SAMPLES).flat_map(|i| rows_broken(i..i + 1)).collect();
        assert_eq!(together, alone, "{attack}");
        assert!(
            !together.is_empty() && together.len() < SAMPLES,
            "{attack}: {}",
            together.len()
        );
    }
}

/// A target whose gradients are noise.
struct Noisy(ModelTarget);

impl Labels for Noisy {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.0.sample_shape()
    }

    fn device(&self) -> &Device {
        self.0.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, scoville_targets::Error> {
        self.0.labels(x)
    }
}

impl Scores for Noisy {
    fn scores(&self, x: &Array) -> Result<Array, scoville_targets::Error> {
        self.0.scores(x)
    }
}

impl Gradients for Noisy {
    fn gradient(
        &self,
        x: &Array,
        y: &Array<u32>,
        loss: Loss,
    ) -> Result<Evaluation, scoville_targets::Error> {
        let mut seen = self.0.gradient(x, y, loss)?;
        // Other noise at each other point.
        let bits = seen.gradient.to_vec()?.into_iter().map(f32::to_bits);
        let key = bits.fold(0, u32::wrapping_add);
        let noise = (0..(x.rows() * x.cols()) as u32)
            .map(|i| unit(philox4x32([i, 0, 0, 0], [key, 0])[0]) - 0.5);
        seen.gradient = Array::from_vec(self.device(), x.rows(), x.cols(), noise.collect())?;
        Ok(seen)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, scoville_targets::Error> {
        self.0.divergence(x, from)
    }
}

/// Samples that an attack breaks by moving mass. What it finds has the distance that it says, and all of the mass.
fn broken_by_moved_mass(attack: &str, eps: f64, target: &dyn Gradients) -> usize {
    let (norm, stop) = (Norm::Wasserstein, AtomicBool::new(false));
    let (x, y) = correct_samples(&self::target(&Device::Cpu));
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    let problem = problem(&ids, (&x, &y), norm, eps, &stop);
    let found = launch(attack, target, &problem).unwrap();
    for success in &found {
        let clean = &x[success.row * 784..][..784];
        assert_eq!(
            success.distance,
            projection::distance(norm, IMAGE, clean, &success.x)
        );
        let mass = |x: &[f32]| x.iter().map(|&v| f64::from(v)).sum::<f64>();
        assert!((mass(&success.x) / mass(clean) - 1.0).abs() < 1e-6);
    }
    found.len()
}

#[test]
fn mass_that_is_moved_along_the_gradient_does_more_than_mass_moved_at_random() {
    let (attack, eps) = ("wasserstein:steps=30", 0.05);
    let along = broken_by_moved_mass(attack, eps, &target(&Device::Cpu));
    let random = broken_by_moved_mass(attack, eps, &Noisy(target(&Device::Cpu)));
    assert!(
        along >= SAMPLES / 2 && random <= along / 4,
        "{along} {random}"
    );
}

#[test]
fn flows_that_lower_the_margin_do_more_than_one_at_random() {
    let broken = |queries: usize| {
        let attack = format!("wasserstein-square:queries={queries}");
        broken_by_moved_mass(&attack, 0.2, &target(&Device::Cpu))
    };
    let (search, chance) = (broken(400), broken(2));
    assert!(
        search >= SAMPLES / 2 && chance <= search / 4,
        "{search} {chance}"
    );
}

/// A target that has nothing but labels to give.
struct LabelsAlone(ModelTarget);

impl Labels for LabelsAlone {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.0.sample_shape()
    }

    fn device(&self) -> &Device {
        self.0.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, scoville_targets::Error> {
        self.0.labels(x)
    }
}

#[test]
fn attacks_from_labels_run_on_a_target_that_has_no_scores() {
    let target = LabelsAlone(target(&Device::Cpu));
    let (x, y) = correct_samples(&target.0);
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    let attacks = rows().iter().filter(|row| row.access == Access::Labels);
    for (row, &norm) in
        attacks.flat_map(|row| row.budget.norms().iter().map(move |norm| (row, norm)))
    {
        let problem = Problem {
            ids: &ids,
            x: &x,
            y: &y,
            norm,
            eps: match norm {
                Norm::Linf => 1.0,
                Norm::L2 => 28.0,
                _ => 784.0,
            },
            bounds: (0.0, 1.0),
            seed: 1,
            goal: Goal::Any,
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        // The distance falls with the queries.
        let median = [100, 400].map(|queries| {
            let attack = parse(&format!("{}:queries={queries}", row.name)).unwrap();
            let Algorithm::LabelsOnly(attack) = attack.algorithm else {
                panic!("{} asks for more than labels", row.name);
            };
            let found = labels_only(attack.as_ref(), &target, &problem).unwrap();
            assert_eq!(found.len(), SAMPLES, "{} in {norm}", row.name);
            assert!(found.iter().all(|s| s.asked <= queries), "{}", row.name);
            let mut distances: Vec<f64> = found.iter().map(|s| s.distance).collect();
            distances.sort_by(f64::total_cmp);
            distances[SAMPLES / 2]
        });
        assert!(
            median[1] < 0.8 * median[0],
            "{} in {norm}: {median:?}",
            row.name
        );
    }
}

#[test]
fn the_spatial_attack_is_the_worst_of_its_grid() {
    // The budget is a severity, which the ball's radius stands for.
    let at = |attack: &str, severity| run(attack, Norm::Linf, severity, false).unwrap();
    let (gentle, hard) = (at("spatial", 1.0), at("spatial", 5.0));
    let one = at("corrupt-rotation", 5.0).found.len().max(1);
    assert!(gentle.found.len() < hard.found.len());
    assert!(hard.found.len() > one, "{} {one}", hard.found.len());
    let few = at("spatial-random", 5.0);
    assert!(few.found.len() > 1 && few.found.len() <= hard.found.len());
    assert!(few.queries < 11 * SAMPLES as u64 && few.queries > 2 * SAMPLES as u64);
    let left = (SAMPLES - gentle.found.len()) as u64;
    assert!(gentle.queries >= 775 * left && gentle.queries < 776 * SAMPLES as u64);
}

/// What seeks the nearest point comes nearer than an attack that takes the first.
#[test]
fn longer_searches_end_nearer() {
    let median = |attack: &str, norm, eps| {
        let mut found = run(attack, norm, eps, false).unwrap().found;
        assert!(found.len() >= SAMPLES - 2, "{attack}: {}", found.len());
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        found[SAMPLES / 2].distance
    };
    for (norm, eps, plain, better) in [
        (Norm::Linf, 0.5, "deepfool", "cw-linf:steps=25:searches=15"),
        (Norm::L2, 8.0, "deepfool", "alma"),
        (Norm::L1, 80.0, "alma:steps=30", "alma"),
        (Norm::L1, 80.0, "alma", "brendel-bethge:steps=100"),
        (Norm::L0, 150.0, "jsma", "cw-l0:steps=25:searches=15"),
    ] {
        let (plain, nearer) = (median(plain, norm, eps), median(better, norm, eps));
        assert!(
            nearer < 0.98 * plain,
            "{better} in {norm}: {nearer}, {plain}"
        );
    }
}

#[test]
fn iterations_and_restarts_help() {
    let found = |attack: &str| {
        run(attack, Norm::Linf, 8.0 / 255.0, false)
            .unwrap()
            .found
            .len()
    };
    let (one, many) = (found("fgsm"), found("apgd-ce:steps=50:restarts=2"));
    assert!(many >= one && many > 0, "{one} {many}");
    assert!(found("square:queries=600") >= found("square:queries=20"));
}

#[test]
fn a_stop_ends_an_attack_at_once() {
    for attack in ["pgd:steps=1000000", "square:queries=1000000"] {
        let stopped = run(attack, Norm::Linf, 1e-6, true);
        assert!(matches!(stopped, Err(scoville_attacks::Error::Interrupted)));
    }
}

/// Any attack can aim at a class: what it finds is that class, and more fall where any class will do.
#[test]
fn attacks_reach_the_class_that_they_aim_at() {
    let target = target(&Device::Cpu);
    let (x, y) = correct_samples(&target);
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    let aim = |attack: &str, goal| {
        let problem = Problem {
            ids: &ids,
            x: &x,
            y: &y,
            norm: Norm::Linf,
            eps: 0.12,
            bounds: (0.0, 1.0),
            seed: 1,
            goal,
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        let found = launch(attack, &target, &problem).unwrap();
        check(&found, &x, &y, Norm::Linf, 0.12, &target);
        found
    };
    for attack in [
        "pgd:steps=20",
        "apgd-t:steps=20",
        "deepfool",
        "square:queries=300",
        "hop-skip-jump:queries=300",
    ] {
        let one = aim(attack, Goal::Class(3));
        assert!(!one.is_empty(), "{attack}");
        assert!(one.iter().all(|s| s.predicted == 3 && y[s.row] != 3));
        let [any, second, least, every] = [Goal::Any, Goal::Second, Goal::LeastLikely, Goal::Every]
            .map(|goal| aim(attack, goal).len());
        assert!(
            least <= second && second <= every && every <= any + 1,
            "{attack}: {any} {second} {least} {every}"
        );
        assert!(second > 0, "{attack}");
    }
}

/// In a wide ball a class is reached wherever the clean sample is from it.
#[test]
fn a_class_far_from_the_top_is_reached() {
    let target = target(&Device::Cpu);
    let (x, y) = correct_samples(&target);
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    let aim = |attack, norm, eps, n: usize| {
        let problem = Problem {
            ids: &ids[..n],
            x: &x[..n * 784],
            y: &y[..n],
            norm,
            eps,
            bounds: (0.0, 1.0),
            seed: 1,
            goal: Goal::LeastLikely,
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        launch(attack, &target, &problem).unwrap().len()
    };
    for (attack, norm, eps) in [
        ("apgd-t:targets=2", Norm::Linf, 0.4),
        ("apgd-dlr", Norm::Linf, 0.4),
        ("alma", Norm::L2, 12.0),
        ("alma", Norm::L1, 100.0),
        ("fmn", Norm::L2, 28.0),
        ("ddn", Norm::L2, 12.0),
    ] {
        let found = aim(attack, norm, eps, SAMPLES);
        assert!(found >= SAMPLES - 1, "{attack} in {norm}: {found}");
        assert_eq!(aim(attack, norm, eps, 0), 0);
    }
}

/// The view as one class against the rest has two classes, whatever loss an attack climbs on it.
#[test]
fn every_attack_in_every_norm_can_aim_at_a_class() {
    let target = target(&Device::Cpu);
    let (x, y) = correct_samples(&target);
    let (x, y) = (&x[..4 * 784], &y[..4]);
    for row in rows().iter().filter(|row| row.access != Access::Trees) {
        let mut attack = row.name.to_owned();
        for (name, few) in [("steps", 7), ("queries", 40), ("searches", 1)] {
            if row.parameters.iter().any(|p| p.name == name) {
                attack += &format!(":{name}={few}");
            }
        }
        let norms = match row.budget {
            Budget::Ball(norms) => norms,
            Budget::Severity => &[Norm::Linf],
            Budget::Edits => &[],
        };
        for &norm in norms {
            let problem = Problem {
                ids: &[0, 1, 2, 3],
                x,
                y,
                norm,
                eps: 1.0,
                bounds: (0.0, 1.0),
                seed: 1,
                goal: Goal::Every,
                constraints: None,
                stop: &AtomicBool::new(false),
            };
            match launch(&attack, &target, &problem) {
                Ok(found) => check(&found, x, y, norm, 1.0, &target),
                Err(error) => panic!("{attack} in {norm}: {error}"),
            }
        }
    }
}

/// Class 3 for every sample, by what was learnt from others.
#[test]
fn what_all_samples_share_can_aim_at_a_class() {
    let target = target(&Device::Cpu);
    let (x, y) = correct_samples(&target);
    let ids: Vec<u32> = (0..SAMPLES as u32).collect();
    for (attack, norm, eps) in [
        ("universal", Norm::Linf, 0.3),
        ("robust-patch:steps=50", Norm::L0, 196.0),
    ] {
        let problem = Problem {
            ids: &ids,
            x: &x,
            y: &y,
            norm,
            eps,
            bounds: (0.0, 1.0),
            seed: 1,
            goal: Goal::Class(3),
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        let found = launch(attack, &target, &problem).unwrap();
        check(&found, &x, &y, norm, eps, &target);
        assert!(found.iter().all(|s| s.predicted == 3 && y[s.row] != 3));
        assert!(found.len() >= SAMPLES / 4, "{attack}: {}", found.len());
    }
}

/// One square of pixels each, and nothing else.
#[test]
fn a_patch_is_a_square() {
    let target = target(&Device::Cpu);
    let (x, _) = correct_samples(&target);
    for found in run("patch", Norm::L0, 30.0, false).unwrap().found {
        let clean = &x[found.row * 784..][..784];
        let changed = (0..784).filter(|&i| found.x[i] != clean[i]);
        let (rows, columns): (Vec<usize>, Vec<usize>) = changed.map(|i| (i / 28, i % 28)).unzip();
        for places in [rows, columns] {
            let (first, last) = (places.iter().min().unwrap(), places.iter().max().unwrap());
            assert!(last - first < 5, "{places:?}");
        }
    }
}
