//! Whatever is certain to keep samples apart does: one of them changes, and no other follows.

use scoville_onnx::Data;

use super::testing::{Case, bools, floats, ints, typed, wave};

const MICROSOFT: &str = "com.microsoft";
const ML: &str = "ai.onnx.ml";

/// Of one input of this shape.
fn of(op: &'static str, shape: &[usize]) -> Case {
    Case::new(op).input(wave(1, shape))
}

fn bytes(shape: &[usize]) -> super::testing::Operand {
    let values = (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 101) as u8);
    typed(shape, Data::U8(values.collect()))
}

fn zero() -> super::testing::Operand {
    typed(&[], Data::U8(vec![3]))
}

fn one(value: f32) -> super::testing::Operand {
    floats(&[], &[value])
}

#[test]
fn reductions() {
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2"] {
        let case = |axes: &[i64]| {
            let case = of(op, &[2, 3, 4]).opset(18);
            case.constant(ints(&[axes.len()], axes))
        };
        case(&[1, 2]).keeps_samples(0, 2);
        case(&[0]).int("keepdims", 0).keeps_samples(1, 3);
        case(&[0, 2]).keeps_samples(1, 3);
        case(&[0]).mixes_samples(0, 2);
        of(op, &[2, 3]).opset(18).mixes_samples(0, 2);
    }
    of("ArgMax", &[3, 5, 7])
        .int("axis", 1)
        .int("keepdims", 0)
        .mixes_samples(1, 5);
    let ramp = || floats(&[2, 3], &[0.1, 0.2, 0.9, 0.3, 0.0, -4.0]);
    let top = |axis: i64| {
        Case::new("TopK")
            .outputs(2)
            .int("axis", axis)
            .input(ramp())
            .constant(ints(&[1], &[2]))
    };
    top(1).keeps_samples(0, 2);
    top(0).mixes_samples(0, 2);
    of("ArgMin", &[2, 9])
        .int("axis", 0)
        .int("keepdims", 0)
        .mixes_samples(0, 2);
    let sum = |axis: i64| of("CumSum", &[2, 3]).opset(14).constant(ints(&[], &[axis]));
    sum(1).keeps_samples(0, 2);
    sum(0).keeps_samples(1, 3);
    sum(0).mixes_samples(0, 2);
}

#[test]
fn the_place_of_the_largest() {
    // The change moves the largest element of every row.
    let rows = floats(&[2, 3], &[5.0, 4.0, 3.0, 5.0, 4.0, 3.0]);
    let case = Case::new("ArgMax")
        .int("keepdims", 0)
        .input(rows.clone())
        .int("axis", 1);
    let near = floats(&[3, 3], &[0.9, 0.8, 0.7, 0.4, 0.3, 0.2, 0.9, 0.8, 0.7]);
    Case::new("ArgMax")
        .int("axis", 1)
        .int("keepdims", 0)
        .input(near.clone())
        .keeps_samples(0, 3);
    Case::new("Hardmax").input(near).keeps_samples(0, 3);
    Case::new("Hardmax")
        .int("axis", 0)
        .input(rows)
        .mixes_samples(0, 2);
    case.mixes_samples(1, 3);
}

#[test]
fn normalisation() {
    let scaled = |op, shape: &[usize], n: usize| {
        of(op, shape)
            .constant(wave(2, &[n]))
            .constant(wave(3, &[n]))
    };
    scaled("LayerNormalization", &[2, 3, 4], 4)
        .opset(17)
        .outputs(3)
        .keeps_samples(0, 2);
    scaled("LayerNormalization", &[2, 3, 4], 4)
        .opset(17)
        .keeps_samples(1, 3);
    scaled("LayerNormalization", &[2, 3, 4], 4)
        .opset(17)
        .mixes_samples(2, 4);
    scaled("LayerNormalization", &[2, 3, 4], 4)
        .opset(17)
        .int("axis", 0)
        .mixes_samples(0, 2);
    scaled("InstanceNormalization", &[2, 3, 4], 3).keeps_samples(0, 2);
    scaled("GroupNormalization", &[2, 4, 3], 4)
        .opset(21)
        .int("num_groups", 2)
        .keeps_samples(0, 2);
    of("RMSNormalization", &[2, 3, 4])
        .opset(23)
        .constant(wave(2, &[4]))
        .keeps_samples(0, 2);
    of("LRN", &[2, 4, 3, 3])
        .int("size", 3)
        .float("alpha", 0.5)
        .keeps_samples(0, 2);
    of("LRN", &[2, 4, 3, 3]).int("size", 3).mixes_samples(1, 4);
    of("LpNormalization", &[2, 3]).keeps_samples(0, 2);
    of("LpNormalization", &[2, 3])
        .int("axis", 0)
        .mixes_samples(0, 2);
    of("MeanVarianceNormalization", &[2, 3, 4, 4])
        .ints("axes", &[1, 2, 3])
        .keeps_samples(0, 2);
    of("MeanVarianceNormalization", &[2, 3, 4, 4]).mixes_samples(0, 2);
    of("Softmax", &[2, 3]).keeps_samples(0, 2);
    of("Softmax", &[2, 3]).int("axis", 0).mixes_samples(0, 2);
    let skip = || of("SkipLayerNormalization", &[2, 3, 4]).domain(MICROSOFT);
    skip()
        .input(wave(5, &[2, 3, 4]))
        .constant(wave(6, &[4]))
        .keeps_samples(0, 2);
    skip()
        .constant(wave(5, &[3, 4]))
        .constant(wave(6, &[4]))
        .keeps_samples(0, 2);
    skip()
        .constant(wave(5, &[2, 3, 4]))
        .constant(wave(6, &[4]))
        .mixes_samples(0, 2);
}

#[test]
fn images() {
    let resize = |scales: &[f32]| {
        of("Resize", &[2, 3, 4, 4])
            .string("mode", "linear")
            .absent()
            .constant(floats(&[4], scales))
    };
    resize(&[1.0, 1.0, 2.0, 2.0]).keeps_samples(0, 2);
    resize(&[1.0, 1.0, 0.5, 1.5]).keeps_samples(1, 3);
    resize(&[2.0, 1.0, 1.0, 1.0]).mixes_samples(0, 2);
    of("DepthToSpace", &[2, 4, 3, 3])
        .int("blocksize", 2)
        .keeps_samples(0, 2);
    of("SpaceToDepth", &[2, 3, 4, 4])
        .int("blocksize", 2)
        .keeps_samples(0, 2);
    of("DepthToSpace", &[2, 4, 3, 3])
        .int("blocksize", 2)
        .mixes_samples(1, 4);
    let grid = || of("GridSample", &[2, 1, 4, 4]).opset(16);
    grid().input(wave(2, &[2, 3, 3, 2])).keeps_samples(0, 2);
    grid().constant(wave(2, &[2, 3, 3, 2])).mixes_samples(0, 2);
    let crop = |axes: &[i64], sizes: &[i64]| {
        of("CenterCropPad", &[2, 4, 5])
            .opset(18)
            .ints("axes", axes)
            .constant(ints(&[sizes.len()], sizes))
    };
    crop(&[1, 2], &[6, 3]).keeps_samples(0, 2);
    crop(&[0], &[4]).mixes_samples(0, 2);
    of("AffineGrid", &[2, 2, 3])
        .opset(20)
        .constant(ints(&[4], &[2, 1, 3, 3]))
        .keeps_samples(0, 2);
}

#[test]
fn element_by_element() {
    for op in ["Sum", "Min", "Max", "Mean"] {
        of(op, &[2, 3]).input(wave(4, &[2, 3])).keeps_samples(0, 2);
        let row = match op {
            "Min" => [9.0; 3],
            _ => [-9.0; 3],
        };
        of(op, &[2, 3])
            .constant(floats(&[3], &row))
            .keeps_samples(0, 2);
        of(op, &[2, 3])
            .constant(wave(4, &[2, 3]))
            .mixes_samples(0, 2);
    }
    let flags = bools(&[2, 3], &[true, false, true, false, true, true]);
    Case::new("Where")
        .input(flags.clone())
        .constant(wave(1, &[3]))
        .constant(wave(2, &[3]))
        .keeps_samples(0, 2);
    Case::new("Where")
        .constant(flags)
        .input(wave(1, &[2, 3]))
        .constant(wave(2, &[3]))
        .mixes_samples(0, 2);
    of("Pow", &[2, 3])
        .constant(floats(&[], &[2.0]))
        .keeps_samples(0, 2);
    of("PRelu", &[2, 3])
        .constant(wave(2, &[3]))
        .keeps_samples(0, 2);
    of("PRelu", &[2, 3])
        .constant(wave(2, &[2, 3]))
        .mixes_samples(0, 2);
    of("Mod", &[2, 3])
        .int("fmod", 1)
        .constant(floats(&[3], &[0.3, 0.4, 0.7]))
        .keeps_samples(0, 2);
    of("Less", &[2, 3])
        .constant(floats(&[], &[0.5]))
        .keeps_samples(0, 2);
    of("Cast", &[2, 3]).int("to", 7).keeps_samples(0, 2);
    of("Shrink", &[2, 3]).keeps_samples(0, 2);
    Case::new("Not")
        .input(bools(&[2, 1], &[true, false]))
        .keeps_samples(0, 2);
    of("FastGelu", &[2, 3])
        .domain(MICROSOFT)
        .constant(wave(2, &[3]))
        .keeps_samples(0, 2);
}

#[test]
fn quantised() {
    let quantise = |scales: &[f32]| {
        let shape: &[usize] = if scales.len() == 1 {
            &[]
        } else {
            &[scales.len()]
        };
        of("QuantizeLinear", &[2, 3]).constant(floats(shape, scales))
    };
    quantise(&[0.01]).keeps_samples(0, 2);
    quantise(&[0.01, 0.02, 0.03]).keeps_samples(0, 2);
    quantise(&[0.01, 0.02]).int("axis", 0).mixes_samples(0, 2);
    let back = Case::new("DequantizeLinear")
        .input(bytes(&[2, 3]))
        .constant(one(0.1));
    back.constant(zero()).keeps_samples(0, 2);
    of("DynamicQuantizeLinear", &[2, 3])
        .outputs(3)
        .mixes_samples(0, 2);
    let conv = Case::new("ConvInteger")
        .input(bytes(&[2, 2, 4]))
        .constant(bytes(&[3, 2, 2]));
    conv.constant(zero()).keeps_samples(0, 2);
    let product = || {
        Case::new("MatMulInteger")
            .input(bytes(&[2, 3]))
            .constant(bytes(&[3, 4]))
    };
    product().constant(zero()).keeps_samples(0, 2);
    product().constant(bytes(&[2])).mixes_samples(0, 2);
    let linear = Case::new("QLinearMatMul")
        .input(bytes(&[2, 3]))
        .constant(one(0.1))
        .constant(zero());
    let linear = linear
        .constant(bytes(&[3, 4]))
        .constant(one(0.1))
        .constant(zero());
    linear
        .constant(one(2.0))
        .constant(zero())
        .keeps_samples(0, 2);
    let add = || {
        Case::new("QLinearAdd")
            .domain(MICROSOFT)
            .input(bytes(&[2, 3]))
            .constant(one(0.1))
            .constant(zero())
    };
    let to = |case: Case| {
        case.constant(one(0.1))
            .constant(zero())
            .constant(one(0.3))
            .constant(zero())
    };
    to(add().constant(bytes(&[3]))).keeps_samples(0, 2);
    to(add().constant(bytes(&[2, 3]))).mixes_samples(0, 2);
}

#[test]
fn products() {
    let einsum = |equation, shape: &[usize]| {
        of("Einsum", &[2, 3, 4])
            .string("equation", equation)
            .constant(wave(2, shape))
    };
    einsum("bij,jk->bik", &[4, 5]).keeps_samples(0, 2);
    einsum("bij,jk->kib", &[4, 5]).keeps_samples(0, 2);
    einsum("bij,bk->bik", &[2, 5]).mixes_samples(0, 2);
    einsum("bij,jk->ik", &[4, 5]).mixes_samples(0, 2);
    let two = |equation, shape: &[usize]| {
        of("Einsum", &[2, 3, 4])
            .string("equation", equation)
            .input(wave(2, shape))
    };
    two("bij,bkj->bik", &[2, 5, 4]).keeps_samples(0, 2);
    two("bij,ckj->bcik", &[2, 5, 4]).mixes_samples(0, 2);
    let fused = |flag: &str| of("FusedMatMul", &[2, 3]).domain(MICROSOFT).int(flag, 1);
    fused("transB")
        .constant(wave(2, &[4, 3]))
        .keeps_samples(0, 2);
    fused("transA")
        .constant(wave(2, &[2, 4]))
        .mixes_samples(0, 2);
    // x x^T, once as one product for all and once as one for each.
    fused("transB").input(wave(2, &[2, 3])).mixes_samples(0, 2);
    of("MatMul", &[2, 3])
        .input(wave(2, &[3, 2]))
        .mixes_samples(0, 2);
    of("MatMul", &[2, 3, 4])
        .input(wave(2, &[2, 4, 3]))
        .keeps_samples(0, 2);
    of("Gemm", &[2, 3])
        .constant(wave(2, &[3, 4]))
        .keeps_samples(0, 2);
    // Transposed, then reshaped so that each row holds a piece of every sample.
    of("Transpose", &[2, 3]).keeps_samples(0, 2);
    of("Reshape", &[3, 2])
        .constant(ints(&[2], &[2, 3]))
        .mixes_samples(1, 2);
}

#[test]
fn attention() {
    let qkv = |op| {
        of(op, &[2, 3, 4])
            .input(wave(2, &[2, 5, 4]))
            .input(wave(3, &[2, 5, 4]))
    };
    let many = || {
        qkv("MultiHeadAttention")
            .domain(MICROSOFT)
            .int("num_heads", 2)
    };
    many().keeps_samples(0, 2);
    many()
        .absent()
        .input(ints(&[2, 5], &[1, 1, 0, 1, 1, 1, 1, 1, 1, 0]))
        .keeps_samples(0, 2);
    many()
        .absent()
        .constant(ints(&[2, 5], &[1; 10]))
        .mixes_samples(0, 2);
    let standard = || {
        qkv("Attention")
            .opset(23)
            .int("q_num_heads", 2)
            .int("kv_num_heads", 2)
    };
    standard().outputs(3).keeps_samples(0, 2);
    standard().constant(wave(4, &[3, 5])).keeps_samples(0, 2);
    standard()
        .constant(wave(4, &[2, 1, 3, 5]))
        .mixes_samples(0, 2);
    standard().input(wave(4, &[2, 1, 3, 5])).keeps_samples(0, 2);
    // A mask of the two heads, not of the two samples.
    standard().input(wave(4, &[2, 3, 5])).mixes_samples(0, 2);
    let shared = of("MultiHeadAttention", &[2, 3, 4])
        .domain(MICROSOFT)
        .int("num_heads", 2);
    shared
        .constant(wave(2, &[2, 5, 4]))
        .constant(wave(3, &[2, 5, 4]))
        .mixes_samples(0, 2);
    let projected = of("Attention", &[2, 3, 4])
        .domain(MICROSOFT)
        .int("num_heads", 2);
    projected
        .outputs(2)
        .constant(wave(2, &[4, 12]))
        .constant(wave(3, &[12]))
        .keeps_samples(0, 2);
    let linear = || {
        let case = of("LinearAttention", &[2, 3, 4]).opset(27).outputs(2);
        let case = case.int("q_num_heads", 2).int("kv_num_heads", 2);
        case.string("update_rule", "linear")
            .input(wave(2, &[2, 3, 4]))
    };
    linear().input(wave(3, &[2, 3, 4])).keeps_samples(0, 2);
    linear().constant(wave(3, &[2, 3, 4])).mixes_samples(0, 2);
    let rotary = |rows: usize| {
        let case = of("RotaryEmbedding", &[2, 2, 3, 4]).opset(23);
        case.constant(wave(2, &[rows, 3, 2]))
            .constant(wave(3, &[rows, 3, 2]))
    };
    rotary(1).keeps_samples(0, 2);
    rotary(2).mixes_samples(0, 2);
}

#[test]
fn tables() {
    let ml = |op| of(op, &[3, 2]).domain(ML);
    let weights = |case: Case| {
        case.floats("coefficients", &[1.0, -2.0, 0.5, 3.0])
            .floats("intercepts", &[0.1, 0.2])
    };
    weights(ml("LinearRegressor"))
        .int("targets", 2)
        .keeps_samples(0, 3);
    weights(ml("LinearClassifier"))
        .ints("classlabels_ints", &[7, 9])
        .outputs(2)
        .keeps_samples(0, 3);
    ml("Scaler")
        .floats("offset", &[0.5, 1.0])
        .floats("scale", &[2.0, 3.0])
        .keeps_samples(0, 3);
    ml("Normalizer").string("norm", "L2").keeps_samples(0, 3);
    ml("Imputer")
        .floats("imputed_value_floats", &[0.5, 1.0])
        .float("replaced_value_float", 9.0)
        .keeps_samples(0, 3);
    ml("Binarizer").float("threshold", 0.7).keeps_samples(0, 3);
    ml("FeatureVectorizer")
        .ints("inputdimensions", &[2, 1])
        .input(wave(2, &[3, 1]))
        .keeps_samples(0, 3);
    ml("ArrayFeatureExtractor")
        .constant(ints(&[2], &[1, 0]))
        .keeps_samples(0, 3);
    let labels = || {
        Case::new("ArrayFeatureExtractor")
            .domain(ML)
            .constant(wave(1, &[4]))
    };
    labels().input(ints(&[3], &[0, 2, 1])).keeps_samples(0, 3);
    ml("ArrayFeatureExtractor")
        .constant(ints(&[1], &[1]))
        .mixes_samples(1, 2);
    // A vector is one row.
    of("Scaler", &[2])
        .domain(ML)
        .floats("offset", &[0.5])
        .floats("scale", &[2.0])
        .mixes_samples(0, 2);
}

#[test]
fn signals() {
    let dft = |axis: i64| {
        of("DFT", &[2, 4, 1])
            .opset(20)
            .absent()
            .constant(ints(&[], &[axis]))
    };
    dft(1).keeps_samples(0, 2);
    dft(0).keeps_samples(1, 4);
    dft(0).mixes_samples(0, 2);
    let stft = of("STFT", &[2, 6, 1]).opset(17).constant(ints(&[], &[2]));
    stft.absent().constant(ints(&[], &[2])).keeps_samples(0, 2);
    let turned = |lens: &[i64]| of("ReverseSequence", &[3, 2, 2]).constant(ints(&[2], lens));
    turned(&[2, 2]).keeps_samples(1, 2);
    turned(&[2, 2]).mixes_samples(0, 3);
    turned(&[2, 3]).mixes_samples(1, 2);
}
