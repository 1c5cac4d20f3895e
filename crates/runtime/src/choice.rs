//! Which convolutions a GPU runs, burn's or our own: whichever was faster there, measured once and remembered.

use std::time::{Duration, Instant};

use scoville_kernels::{Array, Cache, Device, Reduce, reduce_rows};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::convnet::gpu::{self, Gpu};
use crate::network::{End, Engine, Fast, Network};
use crate::probe::noise;

/// Samples of the gradients that are timed, where memory holds them.
const SAMPLES: usize = 128;
/// Gradients that are timed each way, after one that is not.
const RUNS: usize = 3;

/// What a gradient takes each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    samples: usize,
    own: Duration,
    burn: Duration,
}

/// Takes the faster way, and says which; `expected` is the output of a sample of noise on the CPU.
pub(crate) fn choose(
    network: &mut Network<Gpu>,
    device: &Device,
    expected: Result<Vec<f32>, Error>,
) -> Result<Option<String>, Error> {
    let make = |input, layers: Vec<_>| gpu::make(device, input, &layers);
    match network.accelerate(&make, |_| expected)? {
        Fast::Taken => {}
        refused => return Ok(refused.refusal()),
    }
    if device.is_software() {
        // Burn tunes itself for minutes there.
        let note = "convolutions run on kernels of Scoville's own; burn's were not timed, for this adapter is software";
        return Ok(Some(note.into()));
    }
    let (times, known) = times(network, device, &Cache::of_user(), SAMPLES)?;
    if times.own > times.burn {
        network.set_segments(Vec::new());
    }
    Ok(Some(times.note(known)))
}

/// What was measured, now or before, and whether it was before.
fn times(
    network: &mut Network<Gpu>,
    device: &Device,
    cache: &Cache,
    samples: usize,
) -> Result<(Times, bool), Error> {
    let name = name(network, device)?;
    let known = cache.load(&name);
    if let Some(times) = known.and_then(|bytes| Times::parse(&bytes)) {
        return Ok((times, true));
    }
    let times = measure(network, device, samples)?;
    // Without a cache it is measured again.
    cache.store(&name, times.to_string().as_bytes());
    Ok((times, false))
}

/// The name that a choice is remembered by: it depends on the device, on what is run, and on who runs it.
fn name(network: &Network<Gpu>, device: &Device) -> Result<String, Error> {
    let driver = match device {
        Device::Gpu(gpu) => gpu.info().driver.as_str(),
        Device::Cpu => "",
    };
    let version = env!("CARGO_PKG_VERSION");
    let (api, adapter) = (device.backend(), device.name());
    let outline = network.outline()?;
    let key = format!("{version}\n{api}\n{adapter}\n{driver}\n{outline}");
    let digest = format!("{:x}", Sha256::digest(key));
    Ok(format!("convolutions-{}", &digest[..32]))
}

/// Times gradients with our own kernels, which the network has, and without.
fn measure(network: &mut Network<Gpu>, device: &Device, samples: usize) -> Result<Times, Error> {
    let (samples, own) = fitting(network, device, samples)?;
    let segments = network.set_segments(Vec::new());
    let burn = time(network, device, samples);
    network.set_segments(segments);
    Ok(Times {
        samples,
        own,
        burn: burn?,
    })
}

/// The time of a gradient of `samples`, or of as many as memory holds.
fn fitting(
    network: &Network<Gpu>,
    device: &Device,
    mut samples: usize,
) -> Result<(usize, Duration), Error> {
    loop {
        match time(network, device, samples) {
            Err(error) if error.is_out_of_memory() && samples > 1 => samples /= 2,
            time => return Ok((samples, time?)),
        }
    }
}

/// The shortest of a few gradients.
fn time(network: &Network<Gpu>, device: &Device, samples: usize) -> Result<Duration, Error> {
    let x = noise(device, samples, network.sample_len())?;
    let mut head = |logits: &Array| Array::filled(device, samples, logits.cols(), 1.0);
    let mut once = || -> Result<Duration, Error> {
        let start = Instant::now();
        let (_, gradient) = network.gradient(&x, End::Logits, &mut head)?;
        // Reading a number a sample waits for the device.
        reduce_rows(&gradient, Reduce::Linf)?.to_vec()?;
        Ok(start.elapsed())
    };
    once()?;
    let mut shortest = once()?;
    for _ in 1..RUNS {
        shortest = shortest.min(once()?);
    }
    Ok(shortest)
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [own, burn] = [self.own, self.burn].map(|time| time.as_nanos());
        write!(f, "{} {own} {burn}", self.samples)
    }
}

impl Times {
    fn parse(bytes: &[u8]) -> Option<Times> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split(' ').map(str::parse::<u64>);
        let mut next = || words.next()?.ok();
        let (samples, own, burn) = (next()?, next()?, next()?);
        Some(Times {
            samples: usize::try_from(samples).ok()?,
            own: Duration::from_nanos(own),
            burn: Duration::from_nanos(burn),
        })
    }

    fn note(&self, known: bool) -> String {
        let whose = match self.own <= self.burn {
            true => "Scoville's own",
            false => "burn's",
        };
        let [own, burn] = [self.own, self.burn].map(|time| 1e3 * time.as_secs_f64());
        let when = match known {
            true => "as measured here before",
            false => "measured now",
        };
        format!(
            "convolutions run on {whose} kernels: a gradient of {} samples takes {own:.2} ms on Scoville's and {burn:.2} ms on \
             burn's, {when}",
            self.samples
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scoville_kernels::{DeviceSpec, adapters};
    use scoville_onnx::{Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};

    use super::*;
    use crate::ModelSpec;
    use crate::network::Recipe;
    use crate::prologue::Prologue;
    use crate::step::Host;

    /// A convolution alone.
    fn graph() -> Graph {
        let port = |name: &str, shape: &[usize]| Port {
            name: name.into(),
            dtype: DType::F32,
            shape: Some(shape.iter().map(|&size| Dim::Fixed(size)).collect()),
        };
        let weights = Tensor {
            shape: vec![3, 2, 2, 2],
            data: Data::F32((0..24).map(|i| i as f32 / 24.0).collect()),
        };
        Graph {
            opsets: [(String::new(), 17)].into(),
            inputs: vec![port("x", &[1, 2, 4, 4])],
            outputs: vec![port("y", &[1, 3, 3, 3])],
            nodes: vec![Node {
                name: "conv".into(),
                op: "Conv".into(),
                inputs: vec!["x".into(), "w".into()],
                outputs: vec!["y".into()],
                domain: String::new(),
                attributes: Attributes::default(),
            }],
            constants: [("w".into(), weights)].into(),
            ..Graph::default()
        }
    }

    fn recipe() -> Arc<Recipe> {
        let sample = [2, 4, 4].map(Dim::Fixed);
        Arc::new(Recipe {
            name: "one".into(),
            output: "y".into(),
            prologue: Prologue::new(&ModelSpec::raw(), Some(&sample)).unwrap(),
            softmax: None,
            features: None,
            baked: Some(1),
            dtype: DType::F32,
            memory: None,
        })
    }

    /// The software adapter, where one is: which way is faster does not matter here.
    fn device() -> Option<Device> {
        if std::env::var("SCOVILLE_NO_GPU_TESTS").is_ok_and(|value| value == "1") {
            return None;
        }
        let all = adapters();
        let info = all.iter().find(|info| info.software).or(all.first());
        let info = info.expect("no adapter: install mesa-vulkan-drivers (lavapipe)");
        let spec: DeviceSpec = format!("{}:{}", info.api, info.index).parse().unwrap();
        Some(Device::open(&spec).unwrap())
    }

    fn folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("scoville-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_is_remembered_is_not_measured_again() {
        let Some(device) = device() else { return };
        let folder = folder("remembered");
        let cache = Cache::at(&folder);
        let mut network = Network::<Gpu>::load(recipe(), graph(), &device).unwrap();
        let known = Times {
            samples: 7,
            own: Duration::from_nanos(2),
            burn: Duration::from_nanos(1),
        };
        let name = name(&network, &device).unwrap();
        assert!(cache.store(&name, known.to_string().as_bytes()));
        let found = times(&mut network, &device, &cache, 2).unwrap();
        assert_eq!(found, (known, true));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    #[ignore = "burn tunes itself for half a minute on a software GPU: ./test --full"]
    fn a_choice_is_measured_once() {
        let Some(device) = device() else { return };
        let folder = folder("measured");
        let cache = Cache::at(&folder);
        let mut network = Network::<Gpu>::load(recipe(), graph(), &device).unwrap();
        let make = |input, layers: Vec<_>| gpu::make(&device, input, &layers);
        let burns = network.probe();
        let fast = network.accelerate(&make, |_| burns);
        assert!(matches!(fast, Ok(Fast::Taken)));
        let (first, known) = times(&mut network, &device, &cache, 2).unwrap();
        assert!(!known && first.samples == 2 && !first.own.is_zero() && !first.burn.is_zero());
        assert_eq!(network.inspect().unwrap().networks(), 1);
        let again = times(&mut network, &device, &cache, 2).unwrap();
        assert_eq!(again, (first, true));

        let name = name(&network, &device).unwrap();
        std::fs::write(folder.join(name), "damaged").unwrap();
        assert!(!times(&mut network, &device, &cache, 2).unwrap().1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// What would be wrong is not taken.
    #[test]
    fn networks_that_differ_are_refused() {
        let mut network = Network::<Host>::load(recipe(), graph(), &Device::Cpu).unwrap();
        let other = |_: &_| Ok(vec![0.5; 27]);
        let refused = network
            .accelerate(&crate::convnet::host::make, other)
            .unwrap();
        assert!(
            refused
                .refusal()
                .is_some_and(|note| note.contains("differ by more than 1e-4"))
        );
        assert_eq!(network.inspect().unwrap().networks(), 0);
    }

    #[test]
    fn times_round_trip_and_damage_is_seen() {
        let times = Times {
            samples: 128,
            own: Duration::from_micros(1500),
            burn: Duration::from_micros(2500),
        };
        assert_eq!(Times::parse(times.to_string().as_bytes()), Some(times));
        for damaged in ["", "128", "128 1", "128 x 2", "-1 1 1"] {
            assert_eq!(Times::parse(damaged.as_bytes()), None, "{damaged}");
        }
        assert_eq!(Times::parse(&[0xff, 0x20]), None);
        let slower = Times {
            own: Duration::from_micros(3000),
            ..times
        };
        assert!(
            times
                .note(false)
                .contains("on Scoville's own kernels: a gradient of 128 samples takes 1.50 ms")
        );
        assert!(
            slower.note(true).contains("on burn's kernels")
                && slower.note(true).ends_with("before")
        );
    }
}
