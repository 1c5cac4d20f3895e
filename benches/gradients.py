#!/usr/bin/env python3
"""Input gradients of `scoville predict --gradient` against PyTorch's (onnx2torch), on every model of the shared data that
onnx2torch converts: the largest difference over the largest gradient. Three columns: ours against PyTorch's in float32, ours
against PyTorch's in float64, and PyTorch's in float32 against its own in float64, with the number of ReLU inputs that stand on
the other side of 0 there: at such a kink float32 has another gradient, whoever computes it.

    gradients.py target/release/scoville ../shared/data [SEED [PART OF A NAME]]
"""
import copy, glob, os, subprocess, sys, tempfile, warnings
import numpy as np
import onnx, onnx2torch, torch

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
        print(f"{name}: onnx2torch fails: {str(error).splitlines()[0][:100]}")
        continue
    with tempfile.TemporaryDirectory() as folder:
        x.tofile(f"{folder}/x.f32")
        with open(f"{folder}/y.csv", "w") as f:
            f.write("label\n" + "".join(f"{label}\n" for label in labels))
        run = subprocess.run([binary, "predict", path, "--data", f"f32:{folder}/x.f32,{folder}/y.csv", "--raw", "--device", "cpu",
                              "--shape", ",".join(map(str, shape)), "--gradient", f"{folder}/g.f32"], capture_output=True, text=True)
        if run.returncode:
            print(f"{name}: {run.stderr.strip()}")
            continue
        got = np.fromfile(f"{folder}/g.f32", np.float32).reshape(expected.shape)
    largest = np.abs(exact).max()
    errors = [np.abs(a - b).max() / max(largest, 1e-30) for a, b in ((got, expected), (got, exact), (expected, exact))]
    worst = np.maximum(worst, errors)
    print(f"{name}: {errors[0]:.1e} {errors[1]:.1e} {errors[2]:.1e}, kinks {kinks} (largest gradient {largest:.2e})")
print("worst:", " ".join(f"{error:.1e}" for error in worst))
