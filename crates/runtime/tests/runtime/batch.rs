//! Any batch size, whatever the export fixed.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Attribute, Data, Dim, Graph};
use scoville_runtime::{Model, ModelSpec};

use crate::graphs::{Builder, cnn, random};
use crate::shared::{self, relative_error};

fn load(graph: Graph) -> Model {
    Model::load(graph, &ModelSpec::raw(), &Device::Cpu).expect("loads")
}

fn noted(model: &Model, text: &str) -> bool {
    model.notes().iter().any(|note| note.contains(text))
}

/// Five samples together and one by one.
fn assert_rows_are_independent(model: &Model) {
    let x = random(3, 5 * model.sample_len());
    let together = shared::run(model, &x, Model::output);
    let apart: Vec<f32> = x
        .chunks_exact(model.sample_len())
        .flat_map(|sample| shared::run(model, sample, Model::output))
        .collect();
    let error = relative_error(&together, &apart);
    assert!(error <= 1e-5, "off by {error}");
}

#[test]
fn a_baked_reshape_is_lifted() {
    let model = load(cnn());
    assert!(noted(&model, "lifted to any"), "{:?}", model.notes());
    assert!(noted(&model, "Softmax is cut") && noted(&model, "1 BatchNormalization"));
    assert_eq!(
        (model.classes(), model.sample_shape()),
        (5, [2, 8, 8].as_slice())
    );
    assert_eq!(model.parameters(), 72 + 4 + 16 + 320 + 5);
    assert_rows_are_independent(&model);
}

#[test]
fn folding_changes_nothing_and_spares_a_convolution_that_others_read() {
    let normalised = || {
        Builder::fixed(&[1, 2, 4, 4])
            .weights("w", &[3, 2, 3, 3])
            .node("Conv", &["x", "w"], "c")
            .floats("scale", &[3], &[0.5, -1.0, 2.0])
            .floats("bias", &[3], &[0.1, 0.2, -0.3])
            .floats("mean", &[3], &[0.3, -0.2, 0.1])
            .floats("var", &[3], &[1.5, 0.5, 0.1])
            .node(
                "BatchNormalization",
                &["c", "scale", "bias", "mean", "var"],
                "n",
            )
    };
    let folded = load(normalised().node("Flatten", &["n"], "y").build());
    let spared = load(
        normalised()
            .floats("zero", &[], &[0.0])
            .node("Mul", &["c", "zero"], "z")
            .node("Add", &["n", "z"], "s")
            .node("Flatten", &["s"], "y")
            .build(),
    );
    assert!(noted(&folded, "1 BatchNormalization") && !noted(&spared, "BatchNormalization"));
    let x = random(8, 2 * folded.sample_len());
    let (folded, spared) = (
        shared::run(&folded, &x, Model::output),
        shared::run(&spared, &x, Model::output),
    );
    assert!(relative_error(&folded, &spared) <= 1e-5);
}

#[test]
fn a_gemm_is_folded_into_in_both_layouts() {
    for (shape, transposed) in [([4, 3], 0), ([3, 4], 1)] {
        let normalised = |op: &str| {
            Builder::fixed(&[1, 4])
                .weights("w", &shape)
                .weights("b", &[3])
                .node_with(
                    "Gemm",
                    &["x", "w", "b"],
                    "g",
                    &[("transB", Attribute::Int(transposed))],
                )
                .node(op, &["g"], "h")
                .floats("scale", &[3], &[0.5, -1.0, 2.0])
                .floats("bias", &[3], &[0.1, 0.2, -0.3])
                .floats("mean", &[3], &[0.3, -0.2, 0.1])
                .floats("var", &[3], &[1.5, 0.5, 0.1])
        };
        let names = ["scale", "bias", "mean", "var"];
        let of = |x| [&[x], names.as_slice()].concat();
        let folded = load(
            normalised("Neg")
                .node("BatchNormalization", &of("g"), "y")
                .build(),
        );
        let apart = normalised("Neg").node("Neg", &["h"], "same").node(
            "BatchNormalization",
            &of("same"),
            "y",
        );
        let apart = load(apart.build());
        assert!(noted(&folded, "1 BatchNormalization") && !noted(&apart, "BatchNormalization"));
        let x = random(8, 2 * 4);
        let (folded, apart) = (
            shared::run(&folded, &x, Model::output),
            shared::run(&apart, &x, Model::output),
        );
        assert!(relative_error(&folded, &apart) <= 1e-5);
    }
}

#[test]
fn softmax_is_cut_from_the_logits_only() {
    let model = load(cnn());
    let x = random(5, 2 * model.sample_len());
    let probabilities = shared::run(&model, &x, Model::output);
    for (logits, expected) in shared::run(&model, &x, Model::logits)
        .chunks(5)
        .zip(probabilities.chunks(5))
    {
        let exponentials: Vec<f32> = logits.iter().map(|logit| logit.exp()).collect();
        let sum: f32 = exponentials.iter().sum();
        let softmax: Vec<f32> = exponentials.iter().map(|e| e / sum).collect();
        assert!(relative_error(&softmax, expected) <= 1e-5);
    }
}

/// Tokens [n, 4, 6] of samples with one that is the same for all before them, as in a vision
/// transformer; the scores are of that one, mixed with the others.
fn with_class_token(builder: Builder, n: i64, token: &str) -> Graph {
    builder
        .node_with(
            "Concat",
            &[token, "x"],
            "all",
            &[("axis", Attribute::Int(1))],
        )
        .weights("positions", &[1, 5, 6])
        .node("Add", &["all", "positions"], "placed")
        .ints("heads", &[n, 5, 2, 3])
        .node("Reshape", &["placed", "heads"], "split")
        .node_with(
            "Transpose",
            &["split"],
            "keys",
            &[("perm", Attribute::Ints(vec![0, 2, 3, 1]))],
        )
        .node_with(
            "Transpose",
            &["split"],
            "queries",
            &[("perm", Attribute::Ints(vec![0, 2, 1, 3]))],
        )
        .node("MatMul", &["queries", "keys"], "products")
        .node("Softmax", &["products"], "weights")
        .node("MatMul", &["weights", "queries"], "mixed")
        .node_with(
            "Gather",
            &["mixed", "first"],
            "y",
            &[("axis", Attribute::Int(2))],
        )
        .node_with("Flatten", &["y"], "logits", &[])
        .build()
}

#[test]
fn a_constant_beside_the_samples_is_lifted() {
    let builder = |n: usize| {
        let first = Data::I64(vec![0]);
        Builder::fixed(&[n, 4, 6]).constant("first", &[], first)
    };
    let token = random(4, 6);
    let one = builder(1).floats("token", &[1, 1, 6], &token);
    let expanded = builder(1)
        .floats("flat", &[6], &token)
        .ints("shape", &[1, 1, 6])
        .node("Expand", &["flat", "shape"], "token");
    let three = builder(3).floats("token", &[3, 1, 6], &token.repeat(3));
    let x = random(6, 5 * 24);
    let outputs = [(one, 1), (expanded, 1), (three, 3)].map(|(builder, n)| {
        let model = load(with_class_token(builder, n, "token"));
        assert!(noted(&model, "lifted to any"), "{:?}", model.notes());
        assert_rows_are_independent(&model);
        shared::run(&model, &x, Model::output)
    });
    let [first, others @ ..] = &outputs;
    assert!(others.iter().all(|other| other == first));
    // Rows that differ belong to one sample each.
    let different = builder(3).weights("token", &[3, 1, 6]);
    let model = load(with_class_token(different, 3, "token"));
    assert!(noted(&model, "one by one"), "{:?}", model.notes());
    assert_rows_are_independent(&model);
}

/// What follows is the same function only for one sample at a time.
#[test]
fn graphs_that_take_no_batch_run_one_by_one() {
    let squeezed = Builder::fixed(&[1, 6])
        .ints("axes", &[0])
        .node("Squeeze", &["x", "axes"], "s")
        .weights("w", &[6, 3])
        .node("MatMul", &["s", "w"], "y")
        .build();
    // A softmax over the batch axis is 1 for one sample, and less in a batch.
    let mixing = Builder::fixed(&[1, 6])
        .node_with("Softmax", &["x"], "s", &[("axis", Attribute::Int(0))])
        .node("Add", &["s", "x"], "y")
        .build();
    let centred = Builder::fixed(&[1, 6])
        .node_with(
            "ReduceMean",
            &["x"],
            "m",
            &[("axes", Attribute::Ints(vec![0]))],
        )
        .node("Sub", &["x", "m"], "d")
        .node("Add", &["d", "x"], "y")
        .build();
    // A constant is one more sample.
    let joined = Builder::fixed(&[1, 6])
        .weights("w", &[1, 6])
        .node_with("Concat", &["w", "x"], "c", &[("axis", Attribute::Int(0))])
        .node_with("Flatten", &["c"], "y", &[("axis", Attribute::Int(0))])
        .build();
    let joined_to_two = Builder::fixed(&[2, 6])
        .floats("w", &[2, 6], &random(7, 6).repeat(2))
        .node_with("Concat", &["x", "w"], "c", &[("axis", Attribute::Int(0))])
        .ints("rows", &[2, 12])
        .node("Reshape", &["c", "rows"], "y")
        .build();
    for graph in [squeezed, mixing, centred, joined, joined_to_two] {
        let model = load(graph);
        assert!(noted(&model, "one by one"), "{:?}", model.notes());
        assert_rows_are_independent(&model);
    }
}

#[test]
fn a_dynamic_batch_needs_no_note() {
    let model = load(
        Builder::new(&[Dim::Named("n".into()), Dim::Fixed(6)])
            .weights("w", &[6, 3])
            .node("MatMul", &["x", "w"], "y")
            .build(),
    );
    assert!(model.notes().is_empty(), "{:?}", model.notes());
    assert_rows_are_independent(&model);
}

#[test]
fn the_digest_is_of_the_weights() {
    let digest = |graph: Graph| load(graph).weights_digest().expect("reads");
    let model = load(cnn());
    let before = model.weights_digest().expect("reads");
    assert_eq!(before.len(), 64);
    let x = Array::filled(&Device::Cpu, 2, model.sample_len(), 0.5f32).expect("fits");
    let mut head = |logits: &Array| Array::filled(&Device::Cpu, logits.rows(), logits.cols(), 1.0);
    model.gradient(&x, &mut head).expect("runs");
    assert_eq!(model.weights_digest().expect("reads"), before);
    assert_eq!(digest(cnn()), before);
    let mut changed = cnn();
    if let Some(scoville_onnx::Data::F32(values)) = changed
        .constants
        .get_mut("b3")
        .map(|tensor| &mut tensor.data)
    {
        values[0] += 1e-3;
    }
    assert_ne!(digest(changed), before);
}

#[test]
fn the_digest_is_of_every_piece_in_order() {
    // More than are read back at once.
    let graph = Builder::new(&[Dim::Named("n".into()), Dim::Fixed(2)])
        .weights("w", &[2, (1 << 19) + 3])
        .node("MatMul", &["x", "w"], "y")
        .build();
    let weights = graph.constants["w"].to_f32().expect("floats").into_owned();
    let mut bytes = b"w".to_vec();
    bytes.extend((weights.len() as u64).to_le_bytes());
    bytes.extend(weights.iter().flat_map(|value| value.to_le_bytes()));
    let digest = load(graph).weights_digest().expect("reads");
    assert_eq!(digest, scoville_onnx::sha256(&bytes));
}
