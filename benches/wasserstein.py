#!/usr/bin/env python3
"""Wasserstein attacks at one eps, ART's beside ours, on correctly classified images.

    VENV/bin/python benches/wasserstein.py SCOVILLE MODEL.onnx mnist|cifar10 IMAGES[,LABELS] --eps E [--n 20] [--mean a,b,c --std a,b,c]
        [--steps 100] [--art-steps 40] [--art-step S] [--art-norm inf|2|1|wasserstein] [--skip-peer]

ART projects by Sinkhorn's iterations, with an entropy term, into 5 x 5 windows, and clips afterwards, which changes the mass. Of its images this counts those that are
misclassified, and how far each is, brought to the mass of the clean image, by a linear programme (scipy's HiGHS): the least flow between neighbouring pixels of each
channel, where mass that appears or vanishes pays height + width, over the mass of the clean image; and those that are still wrong where each is drawn back to eps along
the line, if it must be.
"""
import argparse, gzip, importlib.util, json, os, pathlib, subprocess, time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def programme(height, width):
    """Edge lengths, and the matrix from what flows on them to what each pixel gets."""
    import scipy.sparse
    pixel = np.arange(height * width).reshape(height, width)
    a = np.concatenate([pixel[:, :-1].ravel(), pixel[:-1].ravel()])
    b = np.concatenate([pixel[:, 1:].ravel(), pixel[1:].ravel()])
    source, sink = np.concatenate([a, b]), np.concatenate([b, a])
    edges, pixels = len(source), height * width
    everyone = pixel.ravel()
    rows = np.concatenate([source, sink, everyone, everyone])
    cols = np.concatenate([np.arange(edges), np.arange(edges), edges + np.arange(2 * pixels)])
    values = np.concatenate([-np.ones(edges), np.ones(edges), -np.ones(pixels), np.ones(pixels)])
    lengths = np.concatenate([np.ones(edges), np.full(2 * pixels, height + width)])
    return lengths, scipy.sparse.csr_matrix((values, (rows, cols)))


def distance(clean, x):
    from scipy.optimize import linprog
    lengths, gets = programme(*clean.shape[1:])
    total = 0.0
    for before, after in zip(clean.astype(np.float64), x.astype(np.float64)):
        total += linprog(lengths, A_eq=gets, b_eq=(after - before).ravel(), method="highs").fun
    return total / clean.astype(np.float64).sum()


def ours(a):
    source = f"idx:{a.data}" if a.kind == "mnist" else f"cifar10:{a.data}"
    begin = time.perf_counter()
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", source, "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", "wasserstein",
         "--eps-ladder", str(a.eps), "--attacks", f"wasserstein:steps={a.steps}", "--device", "cpu", "--format", "ndjson"],
        capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    scored = next(e for e in events if e["event"] == "technique.scored" and e["technique"] == "AML.T0043.000")
    rung = scored["curve"][0]
    return dict(found=rung["successes"], of=rung["correct"], seconds=round(scored["seconds"], 2), whole=round(time.perf_counter() - begin, 1))


def load(a):
    import torch
    from onnx2torch import convert
    spec = importlib.util.spec_from_file_location("peers", pathlib.Path(os.environ.get("DATA", HERE / "../../shared/data")) / "../peers/run_peers.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    torch.set_num_threads(2)
    if a.kind == "mnist":
        images, labels = a.data.split(",")
        x = np.frombuffer(gzip.open(images).read()[16:], np.uint8).reshape(-1, 1, 28, 28)[: a.n] / np.float32(255)
        y = np.frombuffer(gzip.open(labels).read()[8:], np.uint8)[: a.n].astype(np.int64)
    else:
        x, y = peers.cifar(a.data, a.n)
    floats = lambda s: [float(v) for v in s.split(",")]
    model = peers.Normalised(convert(a.model).eval(), floats(a.mean), floats(a.std), None).eval()
    with torch.no_grad():
        right = model(torch.tensor(x)).argmax(1).numpy() == y
    return model, x[right], y[right]


def theirs(a):
    import torch
    from art.attacks.evasion import Wasserstein
    from art.estimators.classification import PyTorchClassifier
    model, x, y = load(a)
    classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), x.shape[1:], 10, clip_values=(0, 1), device_type="cpu")
    attack = Wasserstein(classifier, regularization=a.regularization, p=2, kernel_size=5, eps=a.eps, eps_step=a.art_step, norm=a.art_norm, ball="wasserstein",
                         eps_iter=a.art_steps + 1, max_iter=a.art_steps, batch_size=len(y), verbose=False)
    begin = time.perf_counter()
    adv = attack.generate(x, y).astype(np.float32)
    seconds = time.perf_counter() - begin
    mass = adv.sum((1, 2, 3), keepdims=True) / x.sum((1, 2, 3), keepdims=True)
    label = lambda x: model(torch.tensor(x)).argmax(1).numpy()
    with torch.no_grad():
        wrong = label(adv) != y
        adv = adv / mass
        far = np.array([distance(*pair) for pair in zip(x, adv)])
        share = np.minimum(1.0, a.eps / np.maximum(far, 1e-12)).astype(np.float32).reshape(-1, 1, 1, 1)
        inside = label(x + (adv - x) * share) != y
    return dict(wrong=int(wrong.sum()), within_eps=int((wrong & (far <= a.eps)).sum()), drawn_back=int(inside.sum()), of=len(y), median_distance=round(float(np.median(far)), 4),
                mass_changed_by=round(float(np.median(np.abs(mass - 1))), 5), seconds=round(seconds, 1))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("model")
    p.add_argument("kind", choices=["mnist", "cifar10"])
    p.add_argument("data")
    p.add_argument("--eps", type=float, required=True)
    p.add_argument("--n", type=int, default=20)
    p.add_argument("--mean", default="0")
    p.add_argument("--std", default="1")
    p.add_argument("--steps", type=int, default=100)
    p.add_argument("--art-steps", type=int, default=40)
    p.add_argument("--art-step", type=float, default=0.1)
    p.add_argument("--art-norm", default="inf")
    p.add_argument("--regularization", type=float, default=1000.0)
    p.add_argument("--skip-peer", action="store_true")
    a = p.parse_args()
    print(json.dumps(dict(who="scoville", eps=a.eps, **ours(a))), flush=True)
    if not a.skip_peer:
        print(json.dumps(dict(who="ART", eps=a.eps, **theirs(a))), flush=True)


if __name__ == "__main__":
    main()
