#!/usr/bin/env python3
"""AutoAttack beside its peers: the same model, images and threads, in turn (A B A B). One NDJSON line a run.

    VENV/bin/python benches/autoattack.py target/release/scoville [--rounds 2] [--n 100] [--rows resnet_2b,...] [--peers torchattacks]

VENV: see benches/README.md. torchattacks knows Linf and L2, pyautoattack (the authors' code) L1 too. Seconds are
those of the attacks alone: of a run of ours the seconds of the technique that AutoAttack counts under.

torchattacks takes 10 steps where AutoAttack standard has 100, in all but Square; `scoville-10` is ours with as few, in Linf and L2."""
import argparse, json, os, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DATA", ROOT / "../shared/data"))
sys.path.insert(0, str(DATA / "../peers"))
CIFAR = DATA / "cifar10/cifar10_test_exact.bin"
MNIST = [DATA / f"mnist/t10k-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1")]
RESNET_2B = DATA / "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx"
RESNET_2B_NORM = ["0.4914,0.4822,0.4465", "0.2471,0.2435,0.2616"]

# name: model, data, mean and standard deviation, norm, eps, whether the peers' model takes flat images, transposed
ROWS = {
    "resnet_2b": (RESNET_2B, "cifar", *RESNET_2B_NORM, "linf", 2 / 255),
    "resnet_2b-l2": (RESNET_2B, "cifar", *RESNET_2B_NORM, "l2", 0.5),
    "resnet_2b-l1": (RESNET_2B, "cifar", *RESNET_2B_NORM, "l1", 12.0),
    "mnist_colt": (DATA / "onnx/mnist_colt_0.1.onnx", "mnist", "0.1307", "0.3081", "linf", 0.1),
    "mnist-trades": (DATA / "vnncomp/vnncomp2024_cora_mnist/models/mnist-trades.onnx", "mnist", "0", "1", "linf", 0.1),
    "resnet20": (DATA / "onnx/cifar10_resnet20.onnx", "cifar", "0.485,0.456,0.406", "0.229,0.224,0.225", "linf", 0.5 / 255),
}
TRANSPOSED = {"mnist-trades"}


# As many steps and queries as torchattacks takes.
SHORT = "apgd-ce:steps=10,apgd-t:steps=10,fab-t:steps=10,square:queries=5000"


def ours(binary, name, n, threads, short=False):
    model, data, mean, std, norm, eps = ROWS[name]
    source = f"cifar10:{CIFAR}" if data == "cifar" else f"idx:{MNIST[0]},{MNIST[1]}"
    command = [binary, "assess", model, "--data", source, "--limit", n, "--norm", norm, "--eps-ladder", repr(eps), "--attacks",
               SHORT if short else "autoattack", "--device", "cpu", "--format", "ndjson"]
    command += ["--mean", mean, "--std", std] if mean != "0" else []
    command += ["--transpose"] if name in TRANSPOSED else []
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads))
    out = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
    scored = [e for e in map(json.loads, out.stdout.splitlines()) if e["event"] == "technique.scored" and e["technique"] != "AML.T0015"]
    if not scored:
        sys.exit(out.stderr)
    return dict(robust=min(e["curve"][0]["robust_accuracy"] for e in scored), seconds=sum(e["seconds"] for e in scored),
                gradients=sum(e["gradients"] for e in scored), queries=sum(e["queries"] for e in scored))


def theirs(peer, name, n, threads):
    import torch
    from onnx2torch import convert
    from run_peers import Normalised, cifar, mnist
    path, data, mean, std, norm, eps = ROWS[name]
    torch.set_num_threads(threads)
    floats = lambda text: [float(v) for v in text.split(",")]
    model = Normalised(convert(str(path)), floats(mean), floats(std), [784] if name in TRANSPOSED else None).eval()
    for weights in model.parameters():
        weights.requires_grad_(False)
    x, y = map(torch.tensor, mnist(*map(str, MNIST), n) if data == "mnist" else cifar(str(CIFAR), n))
    x = x.transpose(2, 3).contiguous() if name in TRANSPOSED else x
    norm = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]
    start = time.perf_counter()
    if peer == "torchattacks":
        import torchattacks
        x = torchattacks.AutoAttack(model, norm=norm, eps=eps, version="standard", n_classes=10, seed=0)(x, y)
    else:
        from pyautoattack import AutoAttack
        x = AutoAttack(model, norm=norm, eps=eps, version="standard", device="cpu", seed=0).run_standard_evaluation(x, y, batch_size=128)
        x = x[0] if isinstance(x, tuple) else x
    seconds = time.perf_counter() - start
    with torch.no_grad():
        return dict(robust=(model(x).argmax(1) == y).float().mean().item(), seconds=seconds)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("binary")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--n", type=int, default=100)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rows", default=",".join(ROWS))
    p.add_argument("--peers", default="torchattacks")
    a = p.parse_args()
    for name in a.rows.split(","):
        peers = ["pyautoattack"] if ROWS[name][4] == "l1" else a.peers.split(",")
        for _ in range(a.rounds):
            for who in peers + ["scoville"] + ["scoville-10"] * ("torchattacks" in peers):
                if who.startswith("scoville"):
                    got = ours(a.binary, name, a.n, a.threads, short=who == "scoville-10")
                else:
                    got = theirs(who, name, a.n, a.threads)
                print(json.dumps(dict(row=name, who=who, n=a.n, **{k: round(v, 3) for k, v in got.items()})), flush=True)


main()
