#!/usr/bin/env python3
"""The same measures as the example time-model, of onnxruntime and PyTorch (onnx2torch), one JSON line each.

    runtime_peers.py onnxruntime|torch MODEL.onnx BATCH ROUNDS [N,..]
"""
import json, resource, statistics, sys, time
import numpy as np

peer, path, batch, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import onnx
model = onnx.load(path, load_external_data=False)
given = {i.name for i in model.graph.initializer}
port = next(i for i in model.graph.input if i.name not in given)
dims = [d.dim_value for d in port.type.tensor_type.shape.dim]
shape = [int(n) for n in sys.argv[5].split(",")] if len(sys.argv) > 5 else dims[1:]
fixed = dims[0]  # 0: any batch
x = ((np.arange(batch * int(np.prod(shape))) % 251) / np.float32(251)).astype(np.float32).reshape(batch, *shape)


def median(run):
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 3)


result = {"runtime": peer}
if peer == "onnxruntime":
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    start = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    result["load_s"] = round(time.perf_counter() - start, 4)
    chunks = [x[i:i + 1] for i in range(batch)] if fixed == 1 else [x]
    result["forward_ms"] = median(lambda: [session.run(None, {port.name: c}) for c in chunks])
    result["batch"] = "one by one: the export fixes it" if fixed == 1 and batch > 1 else "whole"
else:
    import torch, onnx2torch
    torch.set_num_threads(2)
    start = time.perf_counter()
    net = onnx2torch.convert(onnx.load(path)).eval()
    result["load_s"] = round(time.perf_counter() - start, 4)
    for weight in net.parameters():
        weight.requires_grad_(False)
    t = torch.tensor(x)

    def forward():
        with torch.no_grad():
            net(t)

    def gradient():
        leaf = t.clone().requires_grad_(True)
        net(leaf).sum().backward()

    result["forward_ms"] = median(forward)
    result["gradient_ms"] = median(gradient)
result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps(result))
