//! Table tests of the Reduce operators.

use crate::ops::testing::{Case, bools, counting, floats, ints};

const OPS: [&str; 10] = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
];

#[test]
fn axes() {
    let case = |opset| {
        Case::new("ReduceMean")
            .opset(opset)
            .input(counting(&[2, 2, 2]))
    };
    case(13).gives(&[1, 1, 1], &[3.5]);
    case(13).int("keepdims", 0).gives(&[], &[3.5]);
    case(13)
        .ints("axes", &[1, -1])
        .int("keepdims", 0)
        .gives(&[2], &[1.5, 5.5]);
    case(18)
        .constant(ints(&[1], &[0]))
        .gives(&[1, 2, 2], &[2.0, 3.0, 4.0, 5.0]);
    case(18)
        .constant(ints(&[2], &[0, 2]))
        .gives(&[1, 2, 1], &[2.5, 4.5]);
    case(18)
        .int("noop_with_empty_axes", 1)
        .gives(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    case(18).constant(ints(&[1], &[3])).fails("outside");
    case(18).constant(ints(&[2], &[1, -2])).fails("twice");
    let sum = |opset| Case::new("ReduceSum").opset(opset).input(counting(&[2, 2]));
    sum(11).ints("axes", &[0]).gives(&[1, 2], &[2.0, 4.0]);
    sum(13)
        .constant(ints(&[1], &[0]))
        .gives(&[1, 2], &[2.0, 4.0]);
    sum(13).constant(ints(&[0], &[])).gives(&[1, 1], &[6.0]);
}

#[test]
fn values() {
    let row = [-1.0f32, 2.0, 3.0];
    let values = [
        4.0,
        4.0 / 3.0,
        3.0,
        -1.0,
        -6.0,
        14.0,
        6.0,
        3.741_657,
        4.0f32.ln(),
    ];
    let exps: f32 = row.iter().map(|v| v.exp()).sum();
    for (op, value) in OPS.into_iter().zip(values.into_iter().chain([exps.ln()])) {
        Case::new(op)
            .input(floats(&[3], &row))
            .gives(&[1], &[value]);
        Case::new(op).input(floats(&[], &[2.0])).gives(
            &[],
            &[match op {
                "ReduceSumSquare" => 4.0,
                "ReduceLogSum" => 2.0f32.ln(),
                _ => 2.0,
            }],
        );
    }
}

#[test]
fn gradients() {
    for op in OPS {
        let case = Case::new(op)
            .opset(13)
            .input(floats(&[2, 3], &[1.0, 2.0, 3.0, -0.5, 0.7, 1.5]));
        case.gradient_agrees();
        let case = Case::new(op).opset(13).int("keepdims", 0).input(floats(
            &[2, 2, 2],
            &[1.0, 2.0, 3.0, 0.5, 0.7, 1.5, 4.0, 2.5],
        ));
        case.ints("axes", &[0, 2]).gradient_agrees();
    }
    // The product's derivative by a zero, and by others beside one or two zeros.
    for row in [[0.0f32, 2.0, 3.0], [0.0, 0.0, 3.0]] {
        let row = [&row[..], &[1.0, 2.0, 3.0]].concat();
        Case::new("ReduceProd")
            .ints("axes", &[1])
            .input(floats(&[2, 3], &row))
            .gradient_agrees();
    }
    // The norm's at 0, which is 0 here.
    Case::new("ReduceL2")
        .ints("axes", &[1])
        .input(floats(&[2, 2], &[0.0, 0.0, 3.0, 4.0]))
        .gives(&[2, 1], &[0.0, 5.0]);
}

#[test]
fn large_exponents() {
    let case = |row: [f32; 2]| Case::new("ReduceLogSumExp").input(floats(&[2], &row));
    case([1000.0, 1000.0]).gives(&[1], &[1000.0 + 2.0f32.ln()]);
    case([f32::NEG_INFINITY, 1.0]).gives(&[1], &[1.0]);
    case([f32::NEG_INFINITY; 2]).gives(&[1], &[f32::NEG_INFINITY]);
    case([f32::INFINITY, 1.0]).gives(&[1], &[f32::INFINITY]);
}

#[test]
fn no_elements() {
    let inf = f32::INFINITY;
    let values = [0.0, 0.0, -inf, inf, 1.0, 0.0, 0.0, 0.0, -inf, -inf];
    for (op, value) in OPS.into_iter().zip(values) {
        let case = Case::new(op)
            .opset(13)
            .ints("axes", &[1])
            .input(floats(&[2, 0], &[]));
        match op {
            "ReduceSum" => {}
            "ReduceMean" => case.fails("axis 1 is empty"),
            _ => case.gives(&[2, 1], &[value; 2]),
        }
    }
    let sum = |axis| {
        Case::new("ReduceSum")
            .input(floats(&[2, 0], &[]))
            .constant(ints(&[1], &[axis]))
    };
    sum(1).gives(&[2, 1], &[0.0, 0.0]);
    sum(0).gives(&[1, 0], &[]);
}

#[test]
fn integers() {
    let row = [-3i64, 2, 4];
    let values = [3, 1, 4, -3, -24, 29, 9, 5, 1, 4];
    for (op, value) in OPS.into_iter().zip(values) {
        Case::new(op)
            .constant(ints(&[3], &row))
            .gives_ints(&[1], &[value]);
        Case::new(op)
            .input(ints(&[3], &row))
            .gives(&[1], &[value as f32]);
    }
    let big = || ints(&[2], &[i64::MAX - 1, 1]);
    Case::new("ReduceSum")
        .constant(big())
        .gives_ints(&[1], &[i64::MAX]);
    Case::new("ReduceSumSquare")
        .constant(big())
        .fails("overflow");
    Case::new("ReduceProd")
        .constant(ints(&[2], &[i64::MAX, 2]))
        .fails("overflow");
    let flags = || bools(&[2, 2], &[true, false, true, true]);
    for (op, values) in [("ReduceMax", [1, 1]), ("ReduceMin", [0, 1])] {
        Case::new(op)
            .opset(20)
            .int("keepdims", 0)
            .constant(flags())
            .constant(ints(&[1], &[1]))
            .gives_ints(&[2], &values);
        Case::new(op)
            .opset(20)
            .int("keepdims", 0)
            .input(flags())
            .constant(ints(&[1], &[1]))
            .gives(&[2], &values.map(|v| v as f32));
    }
}
