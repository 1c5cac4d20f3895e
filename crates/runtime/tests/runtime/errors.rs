//! What cannot be loaded or run is refused with a reason, before burn sees it.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Attribute, DType, Dim, Graph, Port};
use scoville_runtime::{Error, Model, ModelSpec};

use crate::graphs::{Builder, cnn};

fn refusal(graph: Graph) -> String {
    Model::load(graph, &ModelSpec::raw(), &Device::Cpu)
        .and_then(|model| model.check_classifier())
        .expect_err("it must be refused")
        .to_string()
}

fn assert_refused(graph: Graph, reasons: &[&str]) {
    let message = refusal(graph);
    for reason in reasons {
        assert!(
            message.contains(reason),
            "{message:?} does not say {reason:?}"
        );
    }
}

#[test]
fn all_unsupported_operators_are_named_at_once() {
    let graph = Builder::fixed(&[1, 4])
        .node("Frobnicate", &["x"], "a")
        .node("Frobnicate", &["a"], "b")
        .node("Gimble", &["b"], "c")
        .node("Relu", &["c"], "y")
        .build();
    assert_refused(
        graph.clone(),
        &[
            "2 operators",
            "Gimble (1 node",
            "Frobnicate (2 nodes, e.g. make a)",
        ],
    );
    match Model::load(graph, &ModelSpec::raw(), &Device::Cpu) {
        Err(Error::UnsupportedOperators(list)) => assert_eq!(list.len(), 2),
        other => panic!("{other:?}"),
    }
    let mut foreign = cnn();
    foreign.nodes[0].domain = "com.microsoft".into();
    assert_refused(foreign, &["com.microsoft.Conv"]);
}

#[test]
fn operators_off_the_path_do_not_matter() {
    let mut graph = cnn();
    let mut stray = graph.nodes[0].clone();
    stray.op = "Frobnicate".into();
    stray.outputs = vec!["stray".into()];
    graph.nodes.insert(1, stray);
    graph.outputs.push(Port {
        name: "stray".into(),
        dtype: DType::F32,
        shape: None,
    });
    let model = Model::load(graph, &ModelSpec::raw(), &Device::Cpu).expect("loads");
    assert!(
        model
            .notes()
            .iter()
            .any(|note| note.contains("only output y is used"))
    );
}

#[test]
fn faults_name_the_node_and_the_shapes() {
    let mismatch = Builder::fixed(&[1, 4])
        .weights("w", &[3, 2])
        .node("MatMul", &["x", "w"], "y");
    assert_refused(
        mismatch.build(),
        &["make y (MatMul)", "[1, 4] x [3, 2]", "sizes 4 and 3"],
    );
    let conv = Builder::fixed(&[1, 2, 4, 4])
        .weights("w", &[1, 3, 3, 3])
        .node("Conv", &["x", "w"], "y");
    assert_refused(
        conv.build(),
        &["make y (Conv)", "[1, 2, 4, 4] x [1, 3, 3, 3]", "2 channels"],
    );
    let wrong_type = Builder::fixed(&[1, 4]).node_with(
        "Flatten",
        &["x"],
        "y",
        &[("axis", Attribute::Float(1.0))],
    );
    assert_refused(wrong_type.build(), &["make y", "axis"]);
    let missing = Builder::fixed(&[1, 4]).node("Add", &["x"], "y");
    assert_refused(missing.build(), &["make y (Add)", "input 1 is missing"]);
    let floats = Builder::fixed(&[1, 4])
        .weights("w", &[2])
        .node("Reshape", &["x", "w"], "y");
    assert_refused(floats.build(), &["input 1 holds floats"]);
}

#[test]
fn interfaces_that_are_no_classifiers() {
    let identity = |dims: &[Dim]| Builder::new(dims).node("Relu", &["x"], "y");
    let fixed = |shape: &[usize]| Builder::fixed(shape).node("Relu", &["x"], "y").build();
    assert_refused(fixed(&[1, 4, 5]), &["[1, 4, 5]", "one score a class"]);
    assert_refused(fixed(&[]), &["scalar"]);
    assert_refused(fixed(&[1, 0]), &["does not fill"]);
    assert_refused(
        identity(&[Dim::Unknown, Dim::Unknown]).build(),
        &["give the shape"],
    );
    let constant = Builder::fixed(&[1, 4])
        .weights("w", &[1, 3])
        .node("Relu", &["w"], "y")
        .build();
    assert_refused(constant, &["does not depend on the input"]);
    let mut two = fixed(&[1, 4]);
    two.inputs.push(Port {
        name: "z".into(),
        dtype: DType::F32,
        shape: None,
    });
    assert_refused(two, &["there are 2 (x, z)"]);
    let mut text = fixed(&[1, 4]);
    text.inputs[0].dtype = DType::String;
    assert_refused(text, &["input x", "takes text"]);
    let shape = Builder::fixed(&[1, 4]).node("Shape", &["x"], "y").build();
    assert_refused(shape, &["does not depend on the input"]);
}

#[test]
fn sizes_are_checked_before_anything_is_allocated() {
    let side = 1usize << 20;
    let huge = Builder::fixed(&[1, 1, 1, 2])
        .weights("w", &[1, 1, 1, 1])
        .node_with(
            "Conv",
            &["x", "w"],
            "y",
            &[("pads", Attribute::Ints(vec![side as i64; 4]))],
        )
        .build();
    assert_refused(huge, &["bytes", "smaller batch"]);
}

#[test]
fn arrays_that_do_not_fit() {
    let model = Model::load(cnn(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    let narrow = Array::<f32>::zeros(&Device::Cpu, 2, 127).expect("fits");
    let message = model.logits(&narrow).expect_err("127 of 128").to_string();
    assert!(
        message.contains("2 x 127, but 2 x 128 is needed"),
        "{message}"
    );
    let empty = Array::<f32>::zeros(&Device::Cpu, 0, 128).expect("fits");
    assert!(model.logits(&empty).is_err());
}
