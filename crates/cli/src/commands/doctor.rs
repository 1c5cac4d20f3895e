//! `scoville doctor`: does this machine compute what it should, and if not, what to do.

use scoville_data::glyphs::{self, Split};
use scoville_kernels::{Array, Ball, Device, DeviceSpec, Loss, Norm, adapters, start, step};
use scoville_runtime::Model;
use scoville_targets::{Gradients, ModelTarget, Scores};

use super::{columns, print};
use crate::args::DoctorArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load::builtin_model;

/// Samples that the model checks use.
const SAMPLES: usize = 4;

/// How far a device may be from the CPU, relative to the largest value.
const TOLERANCE: f32 = 1e-4;

/// Prints as it goes: a first run on a GPU compiles for a while.
pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let specs = match &args.device {
        Some(spec) => vec![*spec],
        None => every_device()?,
    };
    let mut healthy = true;
    for spec in specs {
        healthy &= match Device::open(&spec) {
            Ok(device) => check(&device)?,
            Err(error) => line(false, "driver", &error.to_string())?,
        };
    }
    print(if healthy {
        "\nAll well.\n"
    } else {
        "\nSomething is wrong: update the driver of the device that failed, or use --device cpu.\n"
    })?;
    Ok(if healthy {
        Exit::Done
    } else {
        Exit::Unreachable
    })
}

type Check = fn(&Device) -> Result<f32, Box<dyn std::error::Error>>;

const CHECKS: [(&str, Check); 3] = [
    ("kernel", kernel),
    ("forward pass", forward),
    ("input gradient", gradient),
];

/// Prints the outcome of one check and returns it.
fn line(ok: bool, what: &str, detail: &str) -> Result<bool, Failure> {
    let mark = if ok { "  ok" } else { "  FAIL" };
    let cells = [format!("{mark:<6}"), format!("{what:<14}"), detail.into()];
    print(&columns(&[cells.to_vec()]))?;
    Ok(ok)
}

/// The CPU and every adapter, with a word on drivers where there is no GPU.
fn every_device() -> Result<Vec<DeviceSpec>, Failure> {
    let adapters = adapters();
    if adapters.iter().all(|a| a.software) {
        print(
            "No GPU was found; Scoville computes on the CPU. If this machine has one, install its driver:\n\
             \x20 Linux: the vendor's driver with Vulkan and libvulkan1 (Debian: nvidia-driver, or mesa-vulkan-drivers\n\
             \x20        for AMD and Intel); Windows: the vendor's driver; macOS: nothing, Metal is built in.\n\n",
        )?;
    }
    let spec = |text: String| text.parse::<DeviceSpec>().or_fail(Exit::Internal, "");
    let named = adapters
        .iter()
        .map(|a| spec(format!("{}:{}", a.api, a.index)));
    std::iter::once(Ok(DeviceSpec::Cpu)).chain(named).collect()
}

/// Checks one device; true when all is well.
fn check(device: &Device) -> Result<bool, Failure> {
    let software = if device.is_software() {
        " (software, slow)"
    } else {
        ""
    };
    print(&format!(
        "{}: {}{software}\n",
        device.backend(),
        device.name()
    ))?;
    let mut healthy = line(true, "driver", "opens")?;
    for (what, check) in CHECKS {
        healthy &= match check(device) {
            Ok(difference) => line(difference <= TOLERANCE, what, &told(device, difference))?,
            Err(error) => line(false, what, &error.to_string())?,
        };
    }
    if healthy {
        say_how(device)?;
    }
    Ok(healthy)
}

/// On the CPU itself there is nothing to compare with, only values that must be finite.
fn told(device: &Device, difference: f32) -> String {
    match (device.is_gpu(), difference) {
        (_, f32::INFINITY) => "values that are not finite".into(),
        (false, _) => "runs".into(),
        (true, 0.0) => "the same as on the CPU".into(),
        (true, _) => format!("largest difference from the CPU {difference:.1e}"),
    }
}

/// Which kernels run the built-in model there, and whatever else its loading noted.
fn say_how(device: &Device) -> Result<(), Failure> {
    let model = builtin_model(device).or_fail(Exit::Internal, "the built-in model")?;
    for note in model.notes() {
        print(&columns(&[vec![" ".repeat(6), note.clone()]]))?;
    }
    Ok(())
}

/// A random start and a step in every norm, against their CPU twins.
fn kernel(device: &Device) -> Result<f32, Box<dyn std::error::Error>> {
    let walk = |device: &Device, norm| -> Result<Vec<f32>, scoville_kernels::Error> {
        let (rows, cols) = (3, 1000);
        let values =
            |scale: f32| (0..rows * cols).map(move |i| (i as f32 * scale).sin() * 0.5 + 0.5);
        let x0 = Array::from_vec(device, rows, cols, values(0.37).collect())?;
        let gradient =
            Array::from_vec(device, rows, cols, values(0.11).map(|v| v - 0.5).collect())?;
        let ids = Array::from_vec(device, rows, 1, (0..rows as u32).collect())?;
        let ball = Ball {
            norm,
            eps: 0.3,
            lo: 0.0,
            hi: 1.0,
        };
        let mut x = start(&x0, &ids, &ball, 1, 0, false)?;
        step(&mut x, &x0, &gradient, 0.1, &ball)?;
        x.to_vec()
    };
    let mut worst = 0.0f32;
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        worst = worst.max(difference(&walk(device, norm)?, &walk(&Device::Cpu, norm)?));
    }
    Ok(worst)
}

fn forward(device: &Device) -> Result<f32, Box<dyn std::error::Error>> {
    let scores = |device: &Device| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let (target, x, _) = sample(device)?;
        Ok(target.scores(&x)?.to_vec()?)
    };
    Ok(difference(&scores(device)?, &scores(&Device::Cpu)?))
}

fn gradient(device: &Device) -> Result<f32, Box<dyn std::error::Error>> {
    let gradient = |device: &Device| -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let (target, x, y) = sample(device)?;
        Ok(target
            .gradient(&x, &y, Loss::CrossEntropy)?
            .gradient
            .to_vec()?)
    };
    Ok(difference(&gradient(device)?, &gradient(&Device::Cpu)?))
}

type Sample = (ModelTarget, Array, Array<u32>);

/// The built-in model and a few digits, on `device`.
fn sample(device: &Device) -> Result<Sample, Box<dyn std::error::Error>> {
    let model: Model = builtin_model(device)?;
    let data = glyphs::generate(Split::Test, SAMPLES, 0);
    let x = Array::from_vec(device, SAMPLES, data.sample_len(), data.read_all()?)?;
    // The label after the true one: its gradient does not vanish where the model is sure.
    let wrong = data.y.iter().map(|y| (y + 1) % 10).collect();
    let y = Array::from_vec(device, SAMPLES, 1, wrong)?;
    Ok((ModelTarget::new(model), x, y))
}

/// The largest difference, relative to the largest expected value.
fn difference(got: &[f32], expected: &[f32]) -> f32 {
    if got.len() != expected.len() || got.iter().any(|v| !v.is_finite()) {
        return f32::INFINITY;
    }
    let scale = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
    got.iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
        / scale
}
