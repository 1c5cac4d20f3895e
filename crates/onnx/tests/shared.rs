//! Real exports load, with the counts and names that the Python package `onnx` gives for them.

use std::path::{Path, PathBuf};

use scoville_onnx::{Graph, Port, load};

/// File, opset, nodes but for `Constant`, constants, their elements, inputs, outputs.
type Row<'a> = (&'a str, i64, usize, usize, usize, &'a str, &'a str);

#[rustfmt::skip]
const MODELS: [Row<'static>; 27] = [
    ("onnx/cifar10_resnet20.onnx", 9, 77, 109, 274044, "input.1", "208"),
    ("onnx/cifar10_tf2onnx_nhwc.onnx", 8, 16, 11, 122572, "conv2d_input:0", "Identity:0"),
    ("onnx/detector_fastestdet.onnx", 16, 218, 157, 241309, "input", "output"),
    ("onnx/detector_tinyyolo_vnncomp2023.onnx", 9, 31, 25, 92093, "input.1", "108"),
    ("onnx/gtsrb_cnn_32.onnx", 11, 10, 8, 272907, "input", "output"),
    ("onnx/mnist_burn_bn.onnx", 16, 13, 18, 376938, "input.1", "33"),
    ("onnx/mnist_cntk.onnx", 7, 12, 8, 5998, "Input3", "Plus214_Output_0"),
    ("onnx/mnist_colt_0.1.onnx", 9, 13, 13, 357884, "input.1", "26"),
    ("onnx/mnist_leocb_nhwc_gap.onnx", 13, 32, 28, 19648, "input", "output"),
    ("onnx/mnist_rten_weak.onnx", 18, 11, 10, 26454, "input", "logits"),
    ("onnx/mnist_wonnx_opt.onnx", 8, 8, 7, 5996, "Input3", "Plus214_Output_0"),
    ("onnx/text_byte_bilstm_tract.onnx", 9, 23, 17, 339214, "input", "output"),
    ("text/sentiment_embed/sentiment_model.onnx", 18, 6, 6, 962114, "input", "output"),
    ("text/sms_spam_tfidf_lr.onnx", 11, 8, 2, 7486, "input", "label,probabilities"),
    ("vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx", 9, 17, 16, 112006, "input.1", "33"),
    ("vnncomp/vnncomp2021_marabou_cifar10/models/cifar10_small.onnx", 9, 15, 11, 85220, "x:0", "Identity:0"),
    ("vnncomp/vnncomp2021_verivital/models/Convnet_maxpool.onnx", 9, 5, 4, 11690, "input", "output"),
    ("vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x2.onnx", 9, 6, 6, 269322, "0", "12"),
    ("vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x4.onnx", 9, 10, 10, 400906, "0", "20"),
    ("vnncomp/vnncomp2022_oval21/models/cifar_base_kw.onnx", 9, 8, 8, 105966, "input.1", "16"),
    ("vnncomp/vnncomp2022_oval21/models/cifar_deep_kw.onnx", 9, 12, 12, 54902, "input.1", "24"),
    ("vnncomp/vnncomp2022_sri_resnet_a/models/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx", 9, 24, 25, 354488, "input", "output"),
    ("vnncomp/vnncomp2023_traffic_signs/models/3_30_30_QConv_16_3_QConv_32_2_Dense_43_ep_30.onnx", 15, 15, 5, 1005587, "quant_conv2d_20_input", "activation_10"),
    ("vnncomp/vnncomp2023_vit/models/ibp_3_3_8.onnx", 9, 146, 113, 68309, "input", "output"),
    ("vnncomp/vnncomp2024_cora_mnist/models/mnist-point.onnx", 8, 23, 16, 575260, "input", "fc_8_copy_Add"),
    ("vnncomp/vnncomp2024_cora_mnist/models/mnist-trades.onnx", 8, 23, 16, 575260, "input", "fc_8_copy_Add"),
    ("vnncomp/vnncomp2024_safenlp/models/ruarobot_perturbations_0.onnx", 13, 5, 4, 4226, "embeddings", "predictions"),
];

#[test]
fn real_models_load() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if !root.exists() {
        println!("skipped: no ../shared");
        return;
    }
    let data = root.join("data");
    for row in MODELS {
        let graph = load(&data.join(row.0)).unwrap_or_else(|error| panic!("{}: {error}", row.0));
        let (inputs, outputs) = (names(&graph.inputs), names(&graph.outputs));
        assert_eq!(summary(row.0, &graph, &inputs, &outputs), row);
    }
    let listed: Vec<PathBuf> = MODELS.iter().map(|row| data.join(row.0)).collect();
    let unlisted: Vec<PathBuf> = onnx_files(&data)
        .into_iter()
        .filter(|path| !listed.contains(path))
        .collect();
    assert_eq!(
        unlisted,
        Vec::<PathBuf>::new(),
        "models without a row in the table"
    );
}

fn summary<'a>(file: &'a str, graph: &Graph, inputs: &'a str, outputs: &'a str) -> Row<'a> {
    let elements = graph
        .constants
        .values()
        .map(|constant| constant.len())
        .sum();
    (
        file,
        graph.opsets[""],
        graph.nodes.len(),
        graph.constants.len(),
        elements,
        inputs,
        outputs,
    )
}

fn names(ports: &[Port]) -> String {
    ports
        .iter()
        .map(|port| port.name.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

fn onnx_files(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let models = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "onnx"));
    models
        .chain(dirs.iter().flat_map(|dir| onnx_files(dir)))
        .collect()
}
