//! The loop of every gradient attack.

use std::ops::Range;

use scoville_kernels::{Array, Loss, head, rivals};
use scoville_targets::Gradients;

use crate::parts::{Rule, Start};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

/// A gradient attack as the sum of its parts: climbs `loss` from `start` by `rule`, `steps` times, `restarts` times over.
///
/// A targeted loss aims each restart at another class: the ones that the target finds most likely on the clean sample
/// come first, and there are no more restarts than other classes.
///
/// Every point on the way is offered, the last one included, so a run costs `steps` gradient evaluations and one query
/// a restart (two with a targeted loss) for each sample that is not broken before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Descent {
    pub loss: Loss,
    pub start: Start,
    pub rule: Rule,
    pub steps: usize,
    pub restarts: usize,
}

impl WhiteBox for Descent {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        self.run_some(0..self.restarts(target.classes()), search, target)
    }

    fn restarts(&self, classes: usize) -> usize {
        restarts(self.loss, self.restarts, classes)
    }

    fn run_some(
        &self,
        some: Range<usize>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        for restart in some.start..some.end.min(self.restarts(target.classes())) {
            if search.is_done() {
                break;
            }
            self.walk(restart, search, target)?;
        }
        Ok(())
    }
}

impl Descent {
    fn walk(
        &self,
        restart: usize,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut x = self.start.place(search, restart)?;
        let mut labels = labels(self.loss, restart, search, target)?;
        let mut walk = self.rule.begin(search)?;
        for iteration in 0..self.steps {
            let mut seen = target.gradient(&x, &labels, self.loss)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut labels, &rows)?;
                gather_in_place(&mut seen.loss, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
                walk.gather(&rows)?;
            }
            walk.advance(iteration, &mut x, seen, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)?;
        search.settle()
    }
}

/// How many restarts there are: a targeted loss has no more than other classes.
pub(crate) fn restarts(loss: Loss, wanted: usize, classes: usize) -> usize {
    if loss.is_targeted() {
        wanted.min(classes.saturating_sub(1))
    } else {
        wanted
    }
}

/// The labels as the loss takes them.
pub(crate) fn labels(
    loss: Loss,
    restart: usize,
    search: &Search<'_>,
    target: &dyn Gradients,
) -> Result<Array<u32>, Error> {
    Ok(if loss.is_targeted() {
        rivals(&target.scores(&search.x0)?, &search.y, restart)?
    } else {
        search.y.copy()?
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use scoville_kernels::{Device, DeviceSpec, Norm, adapters};
    use scoville_runtime::{Model, ModelSpec};
    use scoville_targets::{Labels, ModelTarget};

    use super::*;
    use crate::{Goal, Problem, white_box};

    fn gpu() -> Option<Device> {
        if std::env::var("SCOVILLE_NO_GPU_TESTS").is_ok_and(|value| value == "1") {
            return None;
        }
        let all = adapters();
        let info = all.iter().find(|info| info.software).or(all.first());
        let info = info.expect("no adapter: install mesa-vulkan-drivers (lavapipe)");
        let spec: DeviceSpec = format!("{}:{}", info.api, info.index).parse().unwrap();
        Some(Device::open(&spec).unwrap())
    }

    fn target(device: &Device) -> ModelTarget {
        let bytes = include_bytes!("../../../../datasets/glyphs-cnn.onnx");
        let graph = scoville_onnx::parse(bytes.as_slice().into(), None).unwrap();
        let spec = ModelSpec {
            shape: Some(vec![1, 28, 28]),
            ..ModelSpec::default()
        };
        ModelTarget::new(Model::load(graph, &spec, device).unwrap())
    }

    /// Command buffers that PGD with so many steps takes, where it breaks nothing.
    fn submissions(target: &ModelTarget, steps: usize) -> u64 {
        let Device::Gpu(gpu) = target.device() else {
            return 0;
        };
        let x: Vec<f32> = (0..4 * 784).map(|i| (i % 251) as f32 / 251.0).collect();
        let array = Array::from_vec(target.device(), 4, 784, x.clone()).unwrap();
        let y = target.labels(&array).unwrap().to_vec().unwrap();
        let problem = Problem {
            ids: &[0, 1, 2, 3],
            x: &x,
            y: &y,
            norm: Norm::Linf,
            eps: 1e-6,
            bounds: (0.0, 1.0),
            seed: 7,
            goal: Goal::Any,
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        let pgd = Descent {
            loss: Loss::CrossEntropy,
            start: Start::Uniform,
            rule: Rule::Steepest { step: 0.25 },
            steps,
            restarts: 1,
        };
        let before = gpu.submissions();
        assert_eq!(white_box(&pgd, target, &problem).unwrap(), []);
        gpu.submissions() - before
    }

    /// Beside the found flags, which are read every tenth time, nothing of an iteration waits for the host.
    #[test]
    fn iterations_share_command_buffers() {
        let Some(device) = gpu() else { return };
        let target = target(&device);
        let (few, many) = (submissions(&target, 10), submissions(&target, 110));
        println!("{few} of 10 steps, {many} of 110");
        assert!(few > 0 && many - few <= 20, "{few} and {many}");
    }
}
