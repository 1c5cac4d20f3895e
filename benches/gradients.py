#!/usr/bin/env python3
"""Input gradients of `scoville predict --gradient` against PyTorch's (onnx2torch), on every model of the data that
onnx2torch converts: the largest difference over the largest gradient. Three columns: ours against PyTorch's in float32, ours
against PyTorch's in float64, and PyTorch's in float32 against its own in float64, with the number of ReLU inputs that stand on
the other side of 0 there: at such a kink float32 has another gradient, whoever computes it.

Models that onnx2torch does not convert are made double and run by onnx's reference evaluator: our gradient is compared with
central differences of that, along our gradient and five random directions, relative to the gradient's length.

    gradients.py target/release/scoville DATA [SEED [PART OF A NAME]]
"""
import copy, glob, os, subprocess, sys, tempfile, warnings
import numpy as np
import onnx, onnx2torch, torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

binary, data = sys.argv[1:3]
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
part = sys.argv[4] if len(sys.argv) > 4 else ""
warnings.filterwarnings("ignore")
torch.manual_seed(0)
rows = 4


def forward(net, x, dtype):
    """Inputs, outputs and the ReLUs' sides of a run of each row: some exports fix the batch."""
    sides = []
    hooks = [m.register_forward_hook(lambda _, inputs, __: sides.append(inputs[0].detach() > 0))
             for m in net.modules() if isinstance(m, torch.nn.ReLU)]
    leaves = [torch.tensor(x[i:i + 1], dtype=dtype).requires_grad_(True) for i in range(rows)]
    outputs = [net(leaf).reshape(1, -1) for leaf in leaves]
    for hook in hooks:
        hook.remove()
    return leaves, outputs, sides


def gradients(leaves, outputs, labels, last):
    """Of the cross-entropy at the labels of the logits, which are what a final softmax reads, as predict takes them."""
    for z, label in zip(outputs, labels):
        z = torch.log(z) if last == "Softmax" else z if last == "LogSoftmax" else torch.log_softmax(z, 1)
        (-z[0, label]).backward()
    return np.stack([leaf.grad.numpy()[0] for leaf in leaves])


def doubled(model):
    """The model with every float as a double."""
    model = copy.deepcopy(model)
    del model.graph.value_info[:]

    def double(tensor):
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    for tensor in model.graph.initializer:
        double(tensor)
    for port in [*model.graph.input, *model.graph.output]:
        if port.type.tensor_type.elem_type == TensorProto.FLOAT:
            port.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "momentum":
                # Otherwise the evaluator mixes the statistics of the batch in.
                attribute.f = 1.0
            if attribute.type == onnx.AttributeProto.TENSOR:
                double(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    return ReferenceEvaluator(model)


def differences(evaluator, port, x, label, last, gradient):
    """The largest difference of the slopes along some directions, over the gradient's length."""
    def loss(x):
        z = np.asarray(evaluator.run(None, {port.name: x[None]})[0]).reshape(-1)
        z = np.log(z) if last == "Softmax" else z if last == "LogSoftmax" else z - z.max() - np.log(np.exp(z - z.max()).sum())
        return -z[label]

    length = np.linalg.norm(gradient)
    directions = [gradient / length] + [np.random.default_rng(i).standard_normal(x.shape) for i in range(5)]
    off, step = 0.0, 1e-6 * max(1.0, np.abs(x).max())
    for v in directions:
        v = v / np.linalg.norm(v)
        slope = (loss(x + step * v) - loss(x - step * v)) / (2 * step)
        off = max(off, abs(slope - (gradient * v).sum()) / length)
    return off


def ours(path, x, labels, shape):
    """What `predict --gradient` gives, or None and why."""
    with tempfile.TemporaryDirectory() as folder:
        x.tofile(f"{folder}/x.f32")
        with open(f"{folder}/y.csv", "w") as f:
            f.write("label\n" + "".join(f"{label}\n" for label in labels))
        run = subprocess.run([binary, "predict", path, "--data", f"f32:{folder}/x.f32,{folder}/y.csv", "--raw", "--device", "cpu",
                              "--shape", ",".join(map(str, shape)), "--gradient", f"{folder}/g.f32"], capture_output=True, text=True)
        if run.returncode:
            return None, run.stderr.strip()
        return np.fromfile(f"{folder}/g.f32", np.float32).reshape(x.shape), None


paths = sorted(glob.glob(f"{data}/onnx/*.onnx") + glob.glob(f"{data}/vnncomp/*/models/*.onnx"))
worst = np.zeros(3)
for path in paths:
    name = os.path.relpath(path, data)
    if part not in name:
        continue
    model = onnx.load(path)
    given = {i.name for i in model.graph.initializer}
    port = next(i for i in model.graph.input if i.name not in given)
    shape = [d.dim_value for d in port.type.tensor_type.shape.dim][1:]
    if port.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        print(f"{name}: input is no float")
        continue
    scale = 255.0 if "traffic" in name or "cntk" in name or "wonnx" in name else 1.0
    x = (np.random.default_rng(seed).random((rows, *shape)) * scale).astype(np.float32)
    last = model.graph.node[-1].op_type
    try:
        net = onnx2torch.convert(model).eval()
        single = forward(net, x, torch.float32)
        labels = [int(z.argmin()) for z in single[1]]
        expected = gradients(*single[:2], labels, last)
        double = forward(copy.deepcopy(net).double(), x, torch.float64)
        exact = gradients(*double[:2], labels, last)
        kinks = sum(int((a != b).sum()) for a, b in zip(single[2], double[2]))
    except Exception as error:
        reason = str(error).splitlines()[0][:60]
        labels = [0] * rows
        got, failure = ours(path, x, labels, shape)
        if failure:
            print(f"{name}: {failure}")
            continue
        evaluator = doubled(model)
        off = [differences(evaluator, port, x[i].astype(np.float64), labels[i], last, got[i].astype(np.float64)) for i in range(rows)]
        print(f"{name}: {max(off):.1e} from differences in float64 (onnx2torch fails: {reason})")
        continue
    got, failure = ours(path, x, labels, shape)
    if failure:
        print(f"{name}: {failure}")
        continue
    largest = np.abs(exact).max()
    errors = [np.abs(a - b).max() / max(largest, 1e-30) for a, b in ((got, expected), (got, exact), (expected, exact))]
    worst = np.maximum(worst, errors)
    print(f"{name}: {errors[0]:.1e} {errors[1]:.1e} {errors[2]:.1e}, kinks {kinks} (largest gradient {largest:.2e})")
print("worst:", " ".join(f"{error:.1e}" for error in worst))
