//! Gradients of networks in integers: those of the network in floats that they stand for.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Attribute, Data, Dim, Graph};
use scoville_runtime::{Bpda, Model, ModelSpec};

use crate::graphs::{Builder, random};

const SIDE: usize = 6;
const FILTERS: usize = 4;
const CLASSES: usize = 3;

fn load(graph: Graph, bpda: Bpda) -> Model {
    let spec = ModelSpec {
        bpda,
        ..ModelSpec::raw()
    };
    Model::load(graph, &spec, &Device::Cpu).unwrap()
}

/// The answer to `x`, and the derivative of the sum of its elements, each by its number.
fn run(model: &Model, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let rows = x.len() / model.sample_len();
    let x = Array::from_vec(&Device::Cpu, rows, model.sample_len(), x.to_vec()).unwrap();
    let (y, gradient) = model
        .gradient(&x, &mut |y: &Array| {
            let one = 1..=y.cols();
            let all = (0..y.rows()).flat_map(|_| one.clone().map(|i| i as f32));
            Array::from_vec(&Device::Cpu, y.rows(), y.cols(), all.collect())
        })
        .unwrap();
    let y = y.to_vec().unwrap();
    assert_eq!(model.logits(&x).unwrap().to_vec().unwrap(), y);
    (y, gradient.to_vec().unwrap())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Weights as whole steps, and the step.
fn whole(weights: &[f32]) -> (Vec<i8>, f32) {
    let step = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 127.0;
    let steps = weights.iter().map(|w| (w / step).round() as i8);
    (steps.collect(), step)
}

fn weights(seed: u64, len: usize) -> Vec<f32> {
    random(seed, len).into_iter().map(|v| v - 0.5).collect()
}

struct Layers {
    filters: Vec<f32>,
    dense: Vec<f32>,
}

const INPUT: [usize; 3] = [1, SIDE, SIDE];
const FLAT: usize = FILTERS * (SIDE - 2) * (SIDE - 2);

fn layers() -> Layers {
    Layers {
        filters: weights(1, FILTERS * 9),
        dense: weights(2, FLAT * CLASSES),
    }
}

/// Inputs of a batch of so many, some of which are black and some white.
fn samples(rows: usize) -> Vec<f32> {
    let x = random(3, rows * SIDE * SIDE);
    x.into_iter()
        .map(|v| (1.4 * v - 0.2).clamp(0.0, 1.0))
        .collect()
}

fn start() -> Builder {
    let fixed = INPUT.map(Dim::Fixed);
    Builder::new(&[&[Dim::Named("n".into())], &fixed[..]].concat())
}

fn in_floats(layers: &Layers) -> Graph {
    start()
        .floats("w", &[FILTERS, 1, 3, 3], &layers.filters)
        .floats("d", &[FLAT, CLASSES], &layers.dense)
        .node("Conv", &["x", "w"], "c")
        .node("Relu", &["c"], "r")
        .node("Flatten", &["r"], "f")
        .node("MatMul", &["f", "d"], "y")
        .build()
}

/// The weights in steps, with their scales, `w s` and `d s`.
fn with_weights(builder: Builder, layers: &Layers) -> Builder {
    let ((w, w_step), (d, d_step)) = (whole(&layers.filters), whole(&layers.dense));
    builder
        .constant("w", &[FILTERS, 1, 3, 3], Data::I8(w))
        .constant("d", &[FLAT, CLASSES], Data::I8(d))
        .floats("w s", &[], &[w_step])
        .floats("d s", &[], &[d_step])
        .constant("w z", &[], Data::I8(vec![0]))
        .constant("z", &[], Data::U8(vec![0]))
        .floats("x s", &[], &[1.0 / 255.0])
        .floats("c s", &[], &[2.0 / 255.0])
}

/// As static quantisation writes it in operators of integers.
fn in_operators(layers: &Layers) -> Graph {
    with_weights(start(), layers)
        .floats("y s", &[], &[0.05])
        .constant("y z", &[], Data::U8(vec![128]))
        .node("QuantizeLinear", &["x", "x s", "z"], "q")
        .node(
            "QLinearConv",
            &["q", "x s", "z", "w", "w s", "w z", "c s", "z"],
            "c",
        )
        .node("Flatten", &["c"], "f")
        .node(
            "QLinearMatMul",
            &["f", "c s", "z", "d", "d s", "w z", "y s", "y z"],
            "m",
        )
        .node("DequantizeLinear", &["m", "y s", "y z"], "y")
        .build()
}

/// As static quantisation writes it with operators of floats between steps.
fn between_steps(layers: &Layers) -> Graph {
    with_weights(start(), layers)
        .node("DequantizeLinear", &["w", "w s", "w z"], "w f")
        .node("DequantizeLinear", &["d", "d s", "w z"], "d f")
        .node("QuantizeLinear", &["x", "x s", "z"], "q")
        .node("DequantizeLinear", &["q", "x s", "z"], "x f")
        .node("Conv", &["x f", "w f"], "c")
        .node("Relu", &["c"], "r")
        .node("QuantizeLinear", &["r", "c s", "z"], "r q")
        .node("DequantizeLinear", &["r q", "c s", "z"], "r f")
        .node("Flatten", &["r f"], "f")
        .node("MatMul", &["f", "d f"], "y")
        .build()
}

/// As dynamic quantisation writes it.
fn dynamic(layers: &Layers) -> Graph {
    let float = [("to", Attribute::Int(1))];
    let steps = "DynamicQuantizeLinear";
    with_weights(start(), layers)
        .node(steps, &["x"], "x1 q")
        .and_outputs(&["x1 s", "x1 z"])
        .node("ConvInteger", &["x1 q", "w", "x1 z", "w z"], "c i")
        .node_with("Cast", &["c i"], "c f", &float)
        .node("Mul", &["x1 s", "w s"], "c1 s")
        .node("Mul", &["c f", "c1 s"], "c")
        .node("Relu", &["c"], "r")
        .node("Flatten", &["r"], "f")
        .node(steps, &["f"], "f1 q")
        .and_outputs(&["f1 s", "f1 z"])
        .node("MatMulInteger", &["f1 q", "d", "f1 z", "w z"], "m i")
        .node_with("Cast", &["m i"], "m f", &float)
        .node("Mul", &["f1 s", "d s"], "m s")
        .node("Mul", &["m f", "m s"], "y")
        .build()
}

#[test]
fn gradients_are_those_of_the_floats() {
    let layers = layers();
    let x = samples(3);
    let (y, expected) = run(&load(in_floats(&layers), Bpda::Auto), &x);
    for (name, graph, by) in [
        ("operators", in_operators(&layers), "QLinearConv (1)"),
        (
            "between steps",
            between_steps(&layers),
            "QuantizeLinear (2)",
        ),
        ("dynamic", dynamic(&layers), "DynamicQuantizeLinear (2)"),
    ] {
        let model = load(graph.clone(), Bpda::Auto);
        let (answer, gradient) = run(&model, &x);
        let apart = y.iter().zip(&answer).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 0.06, "{name}: {y:?} {answer:?}");
        let likeness = cosine(&expected, &gradient);
        assert!(likeness > 0.99, "{name}: {likeness}");
        let noted = |note: &String| note.contains("(BPDA)") && note.contains(by);
        assert!(
            model.notes().iter().any(noted),
            "{name}: {:?}",
            model.notes()
        );
        let (same, none) = run(&load(graph, Bpda::Off), &x);
        assert_eq!((same, none), (answer, vec![0.0; x.len()]), "{name}");
    }
}

/// A gradient that goes round what is quantised does not keep the rest from it.
#[test]
fn what_is_quantised_moves_beside_what_is_not() {
    let build = |inner: &str| {
        let builder = Builder::new(&[Dim::Named("n".into()), Dim::Fixed(2)])
            .floats("s", &[], &[0.01])
            .constant("z", &[], Data::I8(vec![0]))
            .node("QuantizeLinear", &["x", "s", "z"], "q")
            .node("DequantizeLinear", &["q", "s", "z"], "d")
            .node("Floor", &["x"], "r")
            .node("Add", &["x", inner], "y");
        builder.build()
    };
    let x = [0.25, -0.5];
    for (inner, bpda, slope) in [
        ("d", Bpda::Auto, 2.0),
        ("d", Bpda::Off, 1.0),
        ("d", Bpda::On, 2.0),
        ("r", Bpda::Auto, 1.0),
        ("r", Bpda::On, 2.0),
    ] {
        let (_, gradient) = run(&load(build(inner), bpda), &x);
        assert_eq!(gradient, [slope, 2.0 * slope], "{inner} {bpda:?}");
    }
}

/// An operator, its inputs when it is quantised and of floats, and its attributes.
type Case<'a> = (
    &'a str,
    &'a [&'a str],
    &'a [&'a str],
    &'a [(&'a str, Attribute)],
);

/// Each operator of onnxruntime, between steps, against the operator of floats.
#[test]
fn each_operator_goes_as_that_of_floats() {
    let kernel = [("kernel_shape", Attribute::Ints(vec![2, 2]))];
    let last = [("axis", Attribute::Int(-1)), ("opset", Attribute::Int(13))];
    let slope = [("alpha", Attribute::Float(0.1))];
    let along = [("axis", Attribute::Int(1))];
    let alone: [&str; 5] = ["q", "s", "z", "y s", "y z"];
    let two: [&str; 8] = ["q", "s", "z", "p", "s", "z", "y s", "y z"];
    let joined: [&str; 8] = ["y s", "y z", "q", "s", "z", "p", "s", "z"];
    let chosen: [&str; 9] = ["which", "q", "s", "z", "p", "s", "z", "y s", "y z"];
    let cases: [Case<'_>; 9] = [
        ("Add", &two, &["x", "b"], &[]),
        ("Mul", &two, &["x", "b"], &[]),
        ("Sigmoid", &alone, &["x"], &[]),
        ("LeakyRelu", &alone, &["x"], &slope),
        ("Softmax", &alone, &["x"], &last),
        ("AveragePool", &alone, &["x"], &kernel),
        ("GlobalAveragePool", &alone, &["x"], &[]),
        ("Concat", &joined, &["x", "b"], &along),
        ("Where", &chosen, &["which", "x", "b"], &[]),
    ];
    let shape = [1, 2, 3, 3];
    let x: Vec<f32> = random(5, 18).into_iter().map(|v| 2.0 * v - 1.0).collect();
    let b = weights(6, 18);
    let p = b.iter().map(|b| (b * 100.0).round() as i8).collect();
    let which = (0..18).map(|i| i % 3 != 0).collect();
    let start = Builder::new(&[
        Dim::Named("n".into()),
        Dim::Fixed(2),
        Dim::Fixed(3),
        Dim::Fixed(3),
    ]);
    let start = start
        .floats("b", &shape, &b)
        .constant("which", &shape, Data::Bool(which))
        .constant("p", &shape, Data::I8(p))
        .floats("s", &[], &[0.01])
        .constant("z", &[], Data::I8(vec![0]))
        .floats("y s", &[], &[0.0125])
        .constant("y z", &[], Data::I8(vec![-3]));
    for (op, quantised, floats, attributes) in cases {
        let expected = start.clone().node_with(op, floats, "y", attributes).build();
        let (y, expected) = run(&load(expected, Bpda::Auto), &x);
        let name = format!("com.microsoft.QLinear{op}");
        let graph = start
            .clone()
            .node("QuantizeLinear", &["x", "s", "z"], "q")
            .node_with(&name, quantised, "m", attributes)
            .node("DequantizeLinear", &["m", "y s", "y z"], "y")
            .build();
        let (answer, gradient) = run(&load(graph, Bpda::Auto), &x);
        for (a, b) in y.iter().zip(&answer) {
            assert!((a - b).abs() < 0.02, "{op}: {y:?} {answer:?}");
        }
        let most = expected.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
        for (a, b) in expected.iter().zip(&gradient) {
            assert!(
                (a - b).abs() < 0.03 * most,
                "{op}: {expected:?} {gradient:?}"
            );
        }
    }
}

/// White and black are the bounds of what is quantised, and move; what is beyond them does not.
#[test]
fn the_bounds_themselves_move() {
    let graph = Builder::new(&[Dim::Named("n".into()), Dim::Fixed(4)])
        .floats("s", &[], &[1.0 / 255.0])
        .constant("z", &[], Data::U8(vec![0]))
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("DequantizeLinear", &["q", "s", "z"], "y")
        .build();
    let (_, gradient) = run(&load(graph, Bpda::Auto), &[0.0, 1.0, -0.01, 1.01]);
    assert_eq!(gradient, [1.0, 2.0, 0.0, 0.0]);
}

#[test]
fn what_is_no_number_is_answered_the_same_with_a_gradient() {
    let graph = Builder::new(&[Dim::Named("n".into()), Dim::Fixed(3)])
        .floats("s", &[], &[0.5])
        .constant("z", &[], Data::I8(vec![0]))
        .node("QuantizeLinear", &["x", "s", "z"], "q")
        .node("DequantizeLinear", &["q", "s", "z"], "y")
        .build();
    let (y, gradient) = run(&load(graph, Bpda::Auto), &[f32::NAN, f32::INFINITY, 1.2]);
    assert_eq!(y, [-64.0, 63.5, 1.0]);
    assert_eq!(gradient[2], 3.0);
}
