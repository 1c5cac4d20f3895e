//! Gradients through what stands for operators that have none, and those of an inner layer.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Attribute, Data, Dim, Graph};
use scoville_runtime::{Bpda, Model, ModelSpec};

use crate::graphs::Builder;

const X: [f32; 4] = [-1.25, 0.2, 0.75, 3.0];

fn load(graph: Graph, bpda: Bpda) -> Model {
    let spec = ModelSpec {
        bpda,
        ..ModelSpec::raw()
    };
    Model::load(graph, &spec, &Device::Cpu).unwrap()
}

/// The answer to [`X`], and the derivative of the sum of its elements, each by its number.
fn run(model: &Model) -> (Vec<f32>, Vec<f32>) {
    let x = Array::from_vec(&Device::Cpu, 1, X.len(), X.to_vec()).unwrap();
    let mut head = |y: &Array| {
        let by = (1..=y.cols()).map(|i| i as f32).collect();
        Array::from_vec(&Device::Cpu, 1, y.cols(), by)
    };
    let (y, gradient) = model.gradient(&x, &mut head).unwrap();
    let y = y.to_vec().unwrap();
    assert_eq!(model.logits(&x).unwrap().to_vec().unwrap(), y);
    (y, gradient.to_vec().unwrap())
}

/// Of `steps` and then a product by 2 for each element.
fn graph(steps: impl FnOnce(Builder) -> Builder) -> Graph {
    let start = Builder::new(&[Dim::Named("n".into()), Dim::Fixed(4)])
        .floats("two", &[], &[2.0])
        .floats("half", &[1, 4], &[0.5; 4])
        .floats("scale", &[], &[0.5])
        .constant("zero", &[], Data::U8(vec![1]));
    steps(start).node("Mul", &["s", "two"], "y").build()
}

fn cast(to: i64) -> [(&'static str, Attribute); 1] {
    [("to", Attribute::Int(to))]
}

#[test]
fn answers_stay_and_gradients_are_those_of_the_stand_ins() {
    let softsign = |x: f32| 1.0 / (1.0 + x.abs()).powi(2);
    let above = |x: f32| 0.5 * softsign(x - 0.5);
    let unary = |op: &'static str| graph(move |g| g.node(op, &["x"], "s"));
    let compared = |op: &'static str| {
        graph(move |g| {
            let g = g.node(op, &["x", "half"], "c");
            g.node_with("Cast", &["c"], "s", &cast(1))
        })
    };
    // 3 above the threshold, 1 below it: the step is 2.
    let chosen = graph(|g| {
        let g = g.node("Greater", &["x", "half"], "c");
        let g = g
            .floats("above", &[1, 4], &[3.0; 4])
            .floats("below", &[], &[1.0]);
        g.node("Where", &["c", "above", "below"], "s")
    });
    let truncated = graph(|g| {
        let g = g.node_with("Cast", &["x"], "c", &cast(7));
        g.node_with("Cast", &["c"], "s", &cast(1))
    });
    let quantised = graph(|g| {
        let g = g.node("QuantizeLinear", &["x", "scale", "zero"], "q");
        g.node("DequantizeLinear", &["q", "scale", "zero"], "s")
    });
    let ones = [1.0; 4];
    for (name, graph, answer, slopes) in [
        ("Round", unary("Round"), [-1.0, 0.0, 1.0, 3.0], ones),
        ("Floor", unary("Floor"), [-2.0, 0.0, 0.0, 3.0], ones),
        ("Ceil", unary("Ceil"), [-1.0, 1.0, 1.0, 3.0], ones),
        (
            "Sign",
            unary("Sign"),
            [-1.0, 1.0, 1.0, 1.0],
            X.map(softsign),
        ),
        (
            "Greater",
            compared("Greater"),
            [0.0, 0.0, 1.0, 1.0],
            X.map(above),
        ),
        (
            "GreaterOrEqual",
            compared("GreaterOrEqual"),
            [0.0, 0.0, 1.0, 1.0],
            X.map(above),
        ),
        (
            "Less",
            compared("Less"),
            [1.0, 1.0, 0.0, 0.0],
            X.map(|x| -above(x)),
        ),
        (
            "LessOrEqual",
            compared("LessOrEqual"),
            [1.0, 1.0, 0.0, 0.0],
            X.map(|x| -above(x)),
        ),
        (
            "Greater",
            chosen,
            [1.0, 1.0, 3.0, 3.0],
            X.map(|x| 2.0 * above(x)),
        ),
        ("Cast", truncated, [-1.0, 0.0, 0.0, 3.0], ones),
        // What is saturated does not move.
        (
            "QuantizeLinear",
            quantised,
            [-0.5, 0.0, 1.0, 3.0],
            [0.0, 1.0, 1.0, 1.0],
        ),
    ] {
        let model = load(graph.clone(), Bpda::Auto);
        let (y, gradient) = run(&model);
        assert_eq!(y, answer.map(|v| 2.0 * v), "{name}");
        let expected = (0..4).map(|i| 2.0 * (i as f32 + 1.0) * slopes[i]);
        for (got, expected) in gradient.iter().zip(expected) {
            assert!(
                (got - expected).abs() < 1e-5,
                "{name}: {gradient:?} {expected}"
            );
        }
        let note = format!("stand-ins (BPDA) for {name} (1)");
        let noted = |model: &Model| model.notes().iter().any(|n| n.ends_with(&note));
        assert!(noted(&model), "{:?}", model.notes());
        let plain = load(graph, Bpda::Off);
        assert_eq!(run(&plain), (y, vec![0.0; 4]), "{name}");
        assert!(!noted(&plain));
    }
}

#[test]
fn hardmax_goes_as_softmax_does() {
    let gradient_of = |op: &'static str| {
        let graph = graph(move |g| g.node(op, &["x"], "s"));
        run(&load(graph, Bpda::Auto))
    };
    let ((hard, by_hard), (_, by_soft)) = (gradient_of("Hardmax"), gradient_of("Softmax"));
    assert_eq!(hard, [0.0, 0.0, 0.0, 2.0]);
    for (a, b) in by_hard.iter().zip(&by_soft) {
        assert!((a - b).abs() < 1e-6 && *b != 0.0, "{by_hard:?} {by_soft:?}");
    }
}

/// Where the derivative reaches the input it is not touched, unless somebody asks for it.
#[test]
fn a_gradient_that_is_there_stays_unless_asked_for() {
    let build = || {
        graph(|g| {
            let g = g
                .node("Round", &["x"], "r")
                .node("Mul", &["x", "half"], "m");
            g.node("Add", &["r", "m"], "s")
        })
    };
    for (bpda, slope) in [(Bpda::Auto, 0.5), (Bpda::On, 1.5), (Bpda::Off, 0.5)] {
        let (_, gradient) = run(&load(build(), bpda));
        let expected = [1.0, 2.0, 3.0, 4.0].map(|i| 2.0 * i * slope);
        assert_eq!(gradient, expected, "{bpda:?}");
    }
    let untouched = load(build(), Bpda::Auto);
    let note = "no gradient passes through Round (1)";
    assert!(untouched.notes().iter().any(|n| n == note));
}

#[test]
fn what_is_infinite_stays_so() {
    let model = load(graph(|g| g.node("Floor", &["x"], "s")), Bpda::Auto);
    let x = vec![f32::INFINITY, f32::NEG_INFINITY, 0.5, 1e38];
    let x = Array::from_vec(&Device::Cpu, 1, 4, x).unwrap();
    let (y, _) = model.gradient(&x, &mut |y| y.copy()).unwrap();
    let expected = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        2.0 * 1e38_f32.floor(),
    ];
    assert_eq!(y.to_vec().unwrap(), expected);
}

#[test]
fn features_are_an_inner_value() {
    let build = || {
        Builder::new(&[Dim::Named("n".into()), Dim::Fixed(4)])
            .floats(
                "up",
                &[4, 3],
                &[1.0, 0.0, 2.0, 0.5, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 0.0, -1.0],
            )
            .floats("down", &[3, 2], &[1.0; 6])
            .node("MatMul", &["x", "up"], "m")
            .node("Relu", &["m"], "r")
            .node("MatMul", &["r", "down"], "y")
            .build()
    };
    let of = |layer: Option<&str>| {
        let spec = ModelSpec {
            layer: layer.map(Into::into),
            ..ModelSpec::raw()
        };
        Model::load(build(), &spec, &Device::Cpu)
    };
    let x = Array::from_vec(
        &Device::Cpu,
        2,
        4,
        vec![1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 0.0, 0.0],
    )
    .unwrap();
    for (layer, expected) in [
        (None, [10.0, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (Some("m"), [10.0, 1.0, 1.0, 0.5, -1.0, 0.0]),
    ] {
        let model = of(layer).unwrap();
        assert_eq!(model.features(&x).unwrap().to_vec().unwrap(), expected);
        let (values, by_x) = model
            .features_gradient(&x, &mut |f| {
                assert_eq!((f.rows(), f.cols()), (2, 3));
                Array::from_vec(&Device::Cpu, 2, 3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
            })
            .unwrap();
        assert_eq!(values.to_vec().unwrap(), expected);
        // The second of the second sample is below zero: Relu stops its gradient.
        let second = if layer.is_some() {
            [0.0, -1.0, 1.0, 0.0]
        } else {
            [0.0; 4]
        };
        let expected = [[1.0, 0.5, 0.0, 2.0], second].concat();
        assert_eq!(by_x.to_vec().unwrap(), expected);
    }
    let unknown = of(Some("nothing")).unwrap_err().to_string();
    assert!(unknown.contains("`nothing`"), "{unknown}");
}
