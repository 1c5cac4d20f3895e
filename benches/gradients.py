#!/usr/bin/env python3
"""Input gradients of `scoville predict --gradient` against PyTorch's (onnx2torch), on every model of the shared data that
onnx2torch converts: the largest difference over the largest gradient.

    gradients.py target/release/scoville ../shared/data
"""
import glob, os, subprocess, sys, tempfile
import numpy as np
import onnx, onnx2torch, torch

binary, data = sys.argv[1:3]
torch.manual_seed(0)
rows = 4
paths = sorted(glob.glob(f"{data}/onnx/*.onnx") + glob.glob(f"{data}/vnncomp/*/models/*.onnx"))
worst = 0.0
for path in paths:
    name = os.path.relpath(path, data)
    model = onnx.load(path)
    given = {i.name for i in model.graph.initializer}
    port = next(i for i in model.graph.input if i.name not in given)
    shape = [d.dim_value for d in port.type.tensor_type.shape.dim][1:]
    if port.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        print(f"{name}: input is no float")
        continue
    scale = 255.0 if "traffic" in name or "cntk" in name or "wonnx" in name else 1.0
    x = (np.random.default_rng(0).random((rows, *shape)) * scale).astype(np.float32)
    try:
        net = onnx2torch.convert(model).eval()
        # One by one: some exports fix the batch.
        leaves = [torch.tensor(x[i:i + 1]).requires_grad_(True) for i in range(rows)]
        logits = [net(leaf).reshape(1, -1) for leaf in leaves]
    except Exception as error:
        print(f"{name}: onnx2torch fails: {str(error).splitlines()[0][:100]}")
        continue
    labels = [int(z.argmin()) for z in logits]
    nodes = [n.op_type for n in model.graph.node]
    softmax = nodes[-1] in ("Softmax", "LogSoftmax")
    for leaf, z, label in zip(leaves, logits, labels):
        # predict takes logits, which are what the final softmax reads.
        loss = -(torch.log(z) if nodes[-1] == "Softmax" else z if softmax else torch.log_softmax(z, 1))[0, label]
        loss.backward()
    expected = np.stack([leaf.grad.numpy()[0] for leaf in leaves])
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
    largest = np.abs(expected).max()
    error = np.abs(got - expected).max() / max(largest, 1e-30)
    worst = max(worst, error)
    print(f"{name}: {error:.1e} (largest gradient {largest:.2e})")
print(f"worst: {worst:.1e}")
