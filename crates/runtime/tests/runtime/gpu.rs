//! The same small network on a GPU (the software one will do) and on the CPU.

use scoville_kernels::{Array, Device, DeviceSpec, adapters};
use scoville_onnx::{Attribute, Data, Graph};
use scoville_runtime::{Model, ModelSpec};

use crate::graphs::{Builder, cnn, random};
use crate::shared::relative_error;

/// A GPU; no adapter at all fails the test, unless SCOVILLE_NO_GPU_TESTS=1 says that this is known.
pub fn gpu() -> Option<Device> {
    if std::env::var("SCOVILLE_NO_GPU_TESTS").is_ok_and(|value| value == "1") {
        println!("skipped: SCOVILLE_NO_GPU_TESTS=1");
        return None;
    }
    let all = adapters();
    let info = all.iter().find(|info| info.software).or(all.first());
    let info = info.expect("no adapter: install mesa-vulkan-drivers (lavapipe)");
    let spec: DeviceSpec = format!("{}:{}", info.api, info.index)
        .parse()
        .expect("a device");
    Some(Device::open(&spec).expect("opens"))
}

struct Results {
    logits: Vec<f32>,
    output: Vec<f32>,
    gradient: Vec<f32>,
    digest: String,
}

fn results(device: &Device, spec: &ModelSpec) -> Results {
    let model = Model::load(cnn(), spec, device).expect("loads");
    let rows = 3;
    let x = random(9, rows * model.sample_len());
    let x = Array::from_vec(device, rows, model.sample_len(), x).expect("fits");
    let before = model.weights_digest().expect("reads");
    let mut head = |logits: &Array| {
        let weights = (0..rows * 5).map(|i| (1.0 + i as f32).sin()).collect();
        Array::from_vec(&logits.device(), rows, 5, weights)
    };
    let (logits, gradient) = model.gradient(&x, &mut head).expect("runs");
    let results = Results {
        logits: logits.to_vec().expect("reads"),
        output: model.output(&x).expect("runs").to_vec().expect("reads"),
        gradient: gradient.to_vec().expect("reads"),
        digest: model.weights_digest().expect("reads"),
    };
    assert_eq!(results.digest, before, "running changed the weights");
    results
}

#[test]
fn gpu_and_cpu_agree() {
    let Some(gpu) = gpu() else { return };
    let normalised = ModelSpec {
        shape: Some(vec![2, 8, 8]),
        mean: vec![0.4, 0.5],
        std: vec![0.25],
        ..ModelSpec::default()
    };
    for spec in [ModelSpec::raw(), normalised] {
        let (on_cpu, on_gpu) = (results(&Device::Cpu, &spec), results(&gpu, &spec));
        for (what, got, expected) in [
            ("logits", &on_gpu.logits, &on_cpu.logits),
            ("output", &on_gpu.output, &on_cpu.output),
            ("gradient", &on_gpu.gradient, &on_cpu.gradient),
        ] {
            let error = relative_error(got, expected);
            assert!(error <= 1e-4, "{what}: off by {error}");
        }
        assert_eq!(on_gpu.digest, on_cpu.digest);
    }
}

/// Operators that move, gather and reduce, each on `x` of [1, 4, 6].
fn small_graphs() -> Vec<(&'static str, Graph)> {
    let int = |name, value| (name, Attribute::Int(value));
    let text = |name, value: &str| (name, Attribute::String(value.into()));
    let builder = || {
        Builder::fixed(&[1, 4, 6])
            .ints("one", &[1])
            .ints("two", &[2])
            .ints("last", &[-1])
            .ints("start", &[i64::MIN])
            .ints("pads", &[0, 1, -1, 0, 2, 3])
            .ints("rows", &[2, 0, 2])
            .floats("scalar", &[], &[0.5])
    };
    // Three tuples, of which two name one element.
    let column = |builder: Builder| {
        builder
            .ints("places shape", &[-1, 2])
            .ints("flat places", &[0, 3, 0, -1, 0, 3])
            .node("Reshape", &["flat places", "places shape"], "places")
    };
    let mut graphs: Vec<(&str, Builder)> = vec![
        (
            "Slice",
            builder().node("Slice", &["x", "last", "start", "two", "last"], "y"),
        ),
        (
            "Mul",
            builder()
                .node_with("ReduceMean", &["x"], "mean", &[int("keepdims", 0)])
                .node("Mul", &["mean", "scalar"], "half")
                .node("Mul", &["half", "x"], "y"),
        ),
        (
            "Einsum",
            builder()
                .node_with("Einsum", &["x", "x"], "s", &[text("equation", "bij,bij->")])
                .node("Sub", &["x", "s"], "y"),
        ),
        (
            "Einsum",
            builder()
                .node_with("Einsum", &["x"], "a", &[text("equation", "bij->")])
                .node_with("Einsum", &["a", "a"], "s", &[text("equation", ",->")])
                .node("Sub", &["x", "s"], "y"),
        ),
        ("Transpose", builder().node("Transpose", &["x"], "y")),
        (
            "GatherND",
            column(builder()).node("GatherND", &["x", "places"], "y"),
        ),
        (
            "Gather",
            builder().node_with("Gather", &["x", "rows"], "y", &[int("axis", 1)]),
        ),
        (
            "CumSum",
            builder().node_with("CumSum", &["x", "two"], "y", &[int("exclusive", 1)]),
        ),
        (
            "TopK",
            builder().node_with("TopK", &["x", "two"], "y", &[int("axis", 1)]),
        ),
        ("Trilu", builder().node("Trilu", &["x"], "y")),
        ("ReduceSum", builder().node("ReduceSum", &["x", "one"], "y")),
        (
            "Einsum",
            builder().node_with(
                "Einsum",
                &["x", "x"],
                "y",
                &[text("equation", "bij,bij->bj")],
            ),
        ),
    ];
    for mode in ["constant", "edge", "reflect"] {
        let pad = builder().node_with("Pad", &["x", "pads", "scalar"], "y", &[text("mode", mode)]);
        graphs.push(("Pad", pad));
    }
    let axes = [("axes", Attribute::Ints(vec![2])), int("keepdims", 1)];
    for op in ["ReduceMax", "ReduceProd", "ReduceL2", "ReduceLogSumExp"] {
        graphs.push((op, builder().node_with(op, &["x"], "y", &axes)));
    }
    for reduction in ["none", "add", "mul", "max"] {
        let builder = column(builder())
            .ints("three", &[3])
            .node("Slice", &["x", "one", "three", "one"], "part")
            .ints("updates shape", &[2, 6])
            .node("Reshape", &["part", "updates shape"], "updates")
            .ints("indices", &[0, 3, 0, 3])
            .ints("indices shape", &[2, 2])
            .node("Reshape", &["indices", "indices shape"], "at");
        let scatter = [text("reduction", reduction)];
        graphs.push((
            "ScatterND",
            builder.node_with("ScatterND", &["x", "at", "updates"], "y", &scatter),
        ));
    }
    let finish = |(op, builder): (&'static str, Builder)| {
        let graph = builder
            .ints("flat", &[1, -1])
            .node("Reshape", &["y", "flat"], "logits");
        (op, graph.build())
    };
    graphs.into_iter().map(finish).collect()
}

/// Quantised operators with scales and zero points that are scalars, known and computed, on `x` of
/// [1, 4, 6] and on a scalar.
fn quantised_graphs() -> Vec<(&'static str, Graph)> {
    let axes = |axes: &[i64]| {
        let axes = ("axes", Attribute::Ints(axes.to_vec()));
        [axes, ("keepdims", Attribute::Int(0))]
    };
    // The bytes q [1, 4, 6], v [6] and one []; the scale `computed` [].
    let builder = || {
        Builder::fixed(&[1, 4, 6])
            .floats("s", &[], &[0.01])
            .constant("z", &[], Data::U8(vec![3]))
            .node("QuantizeLinear", &["x", "s", "z"], "q")
            .node_with("ReduceMax", &["x"], "vector", &axes(&[0, 1]))
            .node("QuantizeLinear", &["vector", "s", "z"], "v")
            .node_with("ReduceMax", &["x"], "scalar", &axes(&[0, 1, 2]))
            .node("QuantizeLinear", &["scalar", "s", "z"], "one")
            .node("Mul", &["scalar", "s"], "computed")
    };
    let of = |op, inputs: &[&str]| builder().node(op, inputs, "bytes");
    let linear = ["v", "s", "z", "v", "s", "z", "s", "z"];
    let computed = ["v", "computed", "z", "v", "s", "z", "s", "z"];
    let sum = ["one", "s", "z", "one", "computed", "z", "s", "z"];
    let graphs = vec![
        (
            "QuantizeLinear",
            of("QuantizeLinear", &["scalar", "computed", "z"]),
        ),
        ("MatMulInteger", of("MatMulInteger", &["v", "v", "z", "z"])),
        ("QLinearMatMul", of("QLinearMatMul", &linear)),
        ("QLinearMatMul", of("QLinearMatMul", &computed)),
        ("QLinearAdd", of("com.microsoft.QLinearAdd", &sum)),
        (
            "QLinearMul",
            of(
                "com.microsoft.QLinearMul",
                &["q", "s", "z", "one", "s", "z", "computed", "z"],
            ),
        ),
    ];
    let finish = |(op, builder): (&'static str, Builder)| {
        let graph = builder
            .node_with("Cast", &["bytes"], "floats", &[("to", Attribute::Int(1))])
            .node("Add", &["x", "floats"], "y")
            .ints("flat", &[1, -1])
            .node("Reshape", &["y", "flat"], "logits");
        (op, graph.build())
    };
    graphs.into_iter().map(finish).collect()
}

#[test]
fn operators_agree() {
    let Some(gpu) = gpu() else { return };
    for (op, graph) in small_graphs().into_iter().chain(quantised_graphs()) {
        let run = |device: &Device| {
            let model = Model::load(graph.clone(), &ModelSpec::raw(), device).expect(op);
            let x = Array::from_vec(device, 1, 24, random(5, 24)).expect("fits");
            let mut head = |logits: &Array| {
                let weights = (0..logits.cols()).map(|i| (1.0 + i as f32).sin()).collect();
                Array::from_vec(&logits.device(), 1, logits.cols(), weights)
            };
            let (logits, gradient) = model.gradient(&x, &mut head).expect(op);
            [logits, gradient].map(|array| array.to_vec().expect("reads"))
        };
        for (got, expected) in run(&gpu).iter().zip(run(&Device::Cpu)) {
            let error = relative_error(got, &expected);
            assert!(
                error <= 1e-4,
                "{op}: off by {error}: {got:?} instead of {expected:?}"
            );
        }
    }
}

/// WGSL may assume that there is neither NaN nor infinity.
#[test]
fn what_is_not_finite_is_found() {
    let Some(gpu) = gpu() else { return };
    let sign = |positive: i64, negative: i64| {
        let attributes = [("detect_positive", positive), ("detect_negative", negative)];
        attributes.map(|(name, value)| (name, Attribute::Int(value)))
    };
    // 0, 1, infinity and its opposite, NaN.
    let x = [0.0, 1.0, 2.0, -2.0, 3.0];
    for (op, attributes, expected) in [
        ("IsNaN", vec![], [0.0, 0.0, 0.0, 0.0, 1.0]),
        ("IsInf", vec![], [0.0, 0.0, 1.0, 1.0, 0.0]),
        ("IsInf", sign(1, 0).to_vec(), [0.0, 0.0, 1.0, 0.0, 0.0]),
        ("IsInf", sign(0, 1).to_vec(), [0.0, 0.0, 0.0, 1.0, 0.0]),
    ] {
        let graph = Builder::fixed(&[1, 5])
            .floats("huge", &[5], &[1.0, 1.0, 3e38, 3e38, 3e38])
            .floats("last", &[5], &[0.0, 0.0, 0.0, 0.0, 3e38])
            .node("Mul", &["x", "huge"], "large")
            .node("Mul", &["x", "last"], "taken")
            .node("Sub", &["large", "taken"], "odd")
            .node_with(op, &["odd"], "flags", &attributes)
            .node_with("Cast", &["flags"], "y", &[("to", Attribute::Int(1))])
            .build();
        for device in [&Device::Cpu, &gpu] {
            let model = Model::load(graph.clone(), &ModelSpec::raw(), device).expect(op);
            let x = Array::from_vec(device, 1, 5, x.to_vec()).expect("fits");
            let y = model.output(&x).expect(op).to_vec().expect("reads");
            assert_eq!(y, expected, "{op} {attributes:?} on {device:?}");
        }
    }
}

#[test]
fn an_array_on_another_device_is_refused() {
    let Some(gpu) = gpu() else { return };
    let model = Model::load(cnn(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    let x = Array::<f32>::zeros(&gpu, 1, model.sample_len()).expect("fits");
    assert!(model.logits(&x).is_err());
}
