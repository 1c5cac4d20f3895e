"""Integer networks beside the networks of floats that they stand for, on CIFAR-10.

VENV/bin/python benches/quantised.py SCOVILLE MODEL.onnx TEST.bin TRAIN.bin.gz --out DIR [--mean M,.. --std S,..] [--n 100]
                                     [--eps 2/255,4/255] [--attacks apgd-ce:steps=20]

Quantises MODEL with onnxruntime, statically in both formats (QOperator, QDQ) on the first 64 images of TRAIN, and
dynamically. On the first n images of TEST it compares the gradients (`scoville predict --gradient`) by their cosine, and
what the attacks break (`scoville assess`), with and without stand-ins.
"""

import argparse
import gzip
import json
import pathlib
import subprocess

import numpy as np
import onnx
from onnxruntime import quantization as q

parser = argparse.ArgumentParser()
parser.add_argument("scoville")
parser.add_argument("model")
parser.add_argument("test")
parser.add_argument("train")
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--mean", default="")
parser.add_argument("--std", default="")
parser.add_argument("--n", default="100")
parser.add_argument("--eps", default="2/255,4/255,8/255")
parser.add_argument("--attacks", default="apgd-ce:steps=20")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)


def calibration():
    """The first 64 images as the model takes them."""
    records = np.frombuffer(gzip.open(args.train).read(64 * 3073), np.uint8).reshape(64, 3073)
    images = records[:, 1:].reshape(64, 3, 32, 32).astype(np.float32) / 255
    numbers = lambda text, default: np.array([float(v) for v in text.split(",") if v] or [default], np.float32)
    scaled = (images - numbers(args.mean, 0).reshape(-1, 1, 1)) / numbers(args.std, 1).reshape(-1, 1, 1)
    return scaled.astype(np.float32)


class Reader(q.CalibrationDataReader):
    def __init__(self, name):
        self.rows = iter({name: row[None]} for row in calibration())

    def get_next(self):
        return next(self.rows, None)


def quantised():
    name = onnx.load(args.model).graph.input[0].name
    prepared = args.out / "float.onnx"
    q.shape_inference.quant_pre_process(args.model, prepared)
    for kind, form in [("qoperator", q.QuantFormat.QOperator), ("qdq", q.QuantFormat.QDQ)]:
        path = args.out / f"{kind}.onnx"
        q.quantize_static(prepared, path, Reader(name), quant_format=form)
        yield kind, path
    path = args.out / "dynamic.onnx"
    q.quantize_dynamic(prepared, path)
    yield "dynamic", path


def flags(path, bpda="auto"):
    model = [str(path), "--data", f"cifar10:{args.test}", "--limit", args.n, "--device", "cpu", "--bpda", bpda]
    return model + ["--mean", args.mean] * bool(args.mean) + ["--std", args.std] * bool(args.std)


def gradients(path):
    file = args.out / "gradient.f32"
    subprocess.run([args.scoville, "predict", *flags(path), "--gradient", file], check=True, capture_output=True)
    return np.fromfile(file, np.float32).reshape(int(args.n), -1)


def attacked(path, bpda="auto"):
    command = [args.scoville, "assess", *flags(path, bpda), "--eps-ladder", args.eps, "--attacks", args.attacks]
    run = subprocess.run([*command, "--format", "ndjson"], capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    curve = next(e["curve"] for e in events if e["event"] == "technique.scored")
    seconds = next(e["totals"]["seconds"] for e in events if e["event"] == "run.finished")
    return " ".join(f"{p['successes']}/{p['correct']}" for p in curve) + f" in {seconds:.0f} s"


expected = gradients(args.model)
print("float:", attacked(args.model), flush=True)
for kind, path in quantised():
    found = gradients(path)
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    cosine = (expected * found).sum(1) / np.maximum(lengths, 1e-30)
    figures = f"cosine median {np.median(cosine):.3f}, least {cosine.min():.3f}"
    print(f"{kind}: {attacked(path)}; without stand-ins {attacked(path, 'off')}; {figures}", flush=True)
