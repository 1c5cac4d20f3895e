#!/usr/bin/env python3
"""Input gradients of `scoville predict --gradient` against PyTorch's in float64, on small modules of every operator family that
PyTorch exports: the largest difference over the largest gradient of each.

    family-gradients.py target/release/scoville
"""
import subprocess, sys, tempfile, warnings
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

binary = sys.argv[1]
warnings.filterwarnings("ignore")
torch.manual_seed(0)
rows = 3


class Of(nn.Module):
    """A function, flattened to scores that depend on all of it."""

    def __init__(self, f, *parts):
        super().__init__()
        self.f, self.parts = f, nn.ModuleList(parts)

    def forward(self, x):
        return self.f(x, *self.parts).flatten(1)


class First(nn.Module):
    """The first output of a module of several."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[0]


image, line, words = [4, 6, 6], [12], [5, 8]
cases = {
    "Conv, 1 axis": (nn.Conv1d(5, 4, 3, padding=1, stride=2), words),
    "Conv, grouped and dilated": (nn.Conv2d(4, 6, 3, dilation=2, groups=2), image),
    "Conv, depthwise": (nn.Conv2d(4, 4, 3, padding=1, groups=4, stride=2), image),
    "Conv, 3 axes": (nn.Conv3d(2, 3, 2), [2, 3, 4, 4]),
    "ConvTranspose": (nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), image),
    "MaxPool": (nn.MaxPool2d(3, 2, 1), image),
    "AveragePool": (nn.AvgPool2d(3, 2, 1), image),
    "LpPool": (lambda x: F.lp_pool2d(x.abs() + 0.1, 2, 2), image),
    "BatchNormalization": (nn.BatchNorm2d(4).eval(), image),
    "InstanceNormalization": (nn.InstanceNorm2d(4, affine=True), image),
    "LayerNormalization": (nn.LayerNorm(8), words),
    "GroupNormalization": (nn.GroupNorm(2, 4), image),
    "LRN": (nn.LocalResponseNorm(3), image),
    "Gemm": (nn.Linear(12, 7), line),
    "MatMul": (lambda x: x @ x.transpose(1, 2), words),
    "Einsum": (lambda x: torch.einsum("bij,bkj->bik", x, x), words),
    "Softmax": (lambda x: F.softmax(x, 1) * x, words),
    "LogSoftmax": (lambda x: F.log_softmax(x, 2), words),
    "RNN": (First(nn.RNN(8, 6, batch_first=True)), words),
    "LSTM": (First(nn.LSTM(8, 6, batch_first=True, bidirectional=True)), words),
    "GRU": (First(nn.GRU(8, 6, batch_first=True)), words),
    "Resize, nearest": (lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), image),
    "Resize, linear": (lambda x: F.interpolate(x, size=(9, 7), mode="bilinear"), image),
    "Resize, cubic": (lambda x: F.interpolate(x, size=(9, 7), mode="bicubic"), image),
    "GridSample": (lambda x: F.grid_sample(x, torch.tanh(x[:, :2].permute(0, 2, 3, 1)), align_corners=False), image),
    "DepthToSpace": (nn.PixelShuffle(2), image),
    "Pad, reflect": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), image),
    "Gather and Concat": (lambda x: torch.cat([x[:, 1:3], x[:, [0, 3]], x], 1), words),
    "ScatterElements": (lambda x: torch.zeros_like(x).scatter_add(1, torch.tensor([[0, 2, 2, 1] * 3] * rows), x), line),
    "Slice and Tile": (lambda x: x[:, 1:, ::2].repeat(1, 2, 1), words),
    "Split and Stack": (lambda x: torch.stack(x.chunk(2, 2), 1).prod(1), words),
    "TopK": (lambda x: x.topk(3, 2)[0], words),
    "CumSum": (lambda x: x.cumsum(1), words),
    "ReduceMean, L2, LogSumExp": (lambda x: torch.stack([x.mean(2), x.norm(dim=2), x.logsumexp(2)], 2), words),
    "ReduceMax, Min, Prod": (lambda x: torch.stack([x.amax(2), x.amin(2), x.prod(2)], 2), words),
    "Relu family": (lambda x: F.relu(x) + F.leaky_relu(x, 0.1) * 2 + F.elu(x) + F.selu(x) + F.celu(x, 0.5), line),
    "PRelu": (nn.PReLU(), line),
    "Gelu, Mish, HardSwish": (lambda x: F.gelu(x) + F.mish(x) + F.hardswish(x) + F.silu(x), line),
    "Sigmoid family": (lambda x: torch.sigmoid(x) + torch.tanh(x) + F.softplus(x) + F.softsign(x) + F.hardsigmoid(x), line),
    "Exp, Log, Sqrt, Pow, Erf": (lambda x: x.exp() + (x.abs() + 1).log() + (x.abs() + 1).sqrt() + (x * x + 1) ** 1.5 + torch.erf(x), line),
    "Trigonometry": (lambda x: x.sin() + x.cos() + (x / 4).tan() + (x / 4).asin() + x.atan(), line),
    "Div, Min, Max, Clip, Abs": (lambda x: x / (x.abs() + 2) + torch.maximum(x, -x / 2) + torch.minimum(x, x * x) + x.clamp(-0.5, 0.5), line),
    "Where": (lambda x: torch.where(x > 0.1, x * x, -x), line),
}
cases["MultiHeadAttention"] = (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0).eval(), words)

worst, failed = 0.0, 0
for name, (f, shape) in cases.items():
    module = Of(lambda x, part: part(x), f) if isinstance(f, nn.Module) else Of(lambda x, f=f: f(x))
    module.eval()
    x = torch.randn(rows, *shape)
    labels = [int(i) for i in module(x).argmin(1)]
    leaf = x.double().requires_grad_(True)
    F.cross_entropy(module.double()(leaf), torch.tensor(labels), reduction="sum").backward()
    expected = leaf.grad.numpy()
    module.float()
    with tempfile.TemporaryDirectory() as folder:
        try:
            torch.onnx.export(module, (x,), f"{folder}/m.onnx", dynamo=False, opset_version=20, do_constant_folding=True)
        except Exception as error:
            print(f"{name}: PyTorch does not export it: {str(error).splitlines()[0][:80]}")
            failed += 1
            continue
        x.numpy().tofile(f"{folder}/x.f32")
        with open(f"{folder}/y.csv", "w") as out:
            out.write("label\n" + "".join(f"{label}\n" for label in labels))
        run = subprocess.run([binary, "predict", f"{folder}/m.onnx", "--data", f"f32:{folder}/x.f32,{folder}/y.csv", "--raw", "--device", "cpu",
                              "--shape", ",".join(map(str, shape)), "--gradient", f"{folder}/g.f32"], capture_output=True, text=True)
        if run.returncode:
            print(f"{name}: {run.stderr.strip()[:200]}")
            failed += 1
            continue
        got = np.fromfile(f"{folder}/g.f32", np.float32).reshape(expected.shape)
    off = np.abs(got - expected).max() / np.abs(expected).max()
    worst = max(worst, off)
    print(f"{name}: {off:.1e}")
print(f"{len(cases) - failed} of {len(cases)}, worst {worst:.1e}")
