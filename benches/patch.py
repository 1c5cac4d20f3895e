#!/usr/bin/env python3
"""One patch for many images, under random places, turns and scales: ART's AdversarialPatchPyTorch beside `robust-patch`.

    VENV/bin/python benches/patch.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 100] [--sides 5,10,14]
        [--steps 200] [--target CLASS] [--skip-peers] [--skip-ours]

Each patch is learnt from one half of the correctly classified CIFAR-10 images and tried, in one random pose each, on the other
half. Poses: turned by at most 20 degrees to either side, 0.8 to 1 times as large, anywhere on the image, no change of light. ART
is given the halves of a seeded shuffle, Adam at its default learning rate over 255, one batch a half, and as many passes as we
take steps. Its mean is over `--repeats` draws of the trial's poses.
"""
import argparse, importlib.util, json, pathlib, subprocess, time

HERE = pathlib.Path(__file__).resolve().parent
DEGREES, SMALLEST = 20, 0.8


def ours(a, side):
    attack = f"robust-patch:steps={a.steps}:degrees={DEGREES}:smallest={SMALLEST}:darkest=1"
    aim = ["--target-class", str(a.target)] if a.target is not None else []
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", "l0",
         "--eps-ladder", str(3 * side * side), "--attacks", attack, "--device", "cpu", "--format", "ndjson", *aim],
        capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    scored = next(e for e in events if e["event"] == "technique.scored" and e["technique"] == "AML.T0041")
    point = scored["curve"][0]
    return dict(found=point["successes"], of=point["correct"], seconds=round(scored["seconds"], 1))


def theirs(a, model, x, y, side):
    import numpy as np
    import torch
    from art.attacks.evasion import AdversarialPatchPyTorch
    from art.estimators.classification import PyTorchClassifier
    if a.target is not None:
        x, y = x[y != a.target], y[y != a.target]
    classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(), (3, 32, 32), 10, clip_values=(0, 1), device_type="cpu")
    order = np.random.RandomState(0).permutation(len(x))
    halves = order[: len(x) // 2], order[len(x) // 2 :]
    found, start = 0, time.perf_counter()
    for own, other in (halves, halves[::-1]):
        attack = AdversarialPatchPyTorch(
            classifier, rotation_max=DEGREES, scale_min=SMALLEST * side / 32, scale_max=side / 32, learning_rate=5 / 255, max_iter=a.steps,
            batch_size=len(own), patch_shape=(3, 32, 32), patch_type="square", targeted=a.target is not None, verbose=False)
        aim = np.eye(10, dtype=np.float32)[np.full(len(own), a.target) if a.target is not None else y[own].numpy()]
        patch, _ = attack.generate(x[own].numpy(), aim)
        for _ in range(a.repeats):
            with torch.no_grad():
                tried = attack._random_overlay(x[other], torch.tensor(patch)).clamp(0, 1)
                predicted = model(tried).argmax(1)
            hit = predicted == a.target if a.target is not None else predicted != y[other]
            found += hit.sum().item() / a.repeats
    return dict(found=round(found, 1), of=len(x), seconds=round(time.perf_counter() - start, 1))


def peer_model(a):
    spec = importlib.util.spec_from_file_location("minimal_norm", HERE / "minimal-norm.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    return bench.peer_model(a)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--mean", default="0")
    p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=100)
    p.add_argument("--sides", default="5,10,14")
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--target", type=int)
    p.add_argument("--skip-peers", action="store_true")
    p.add_argument("--skip-ours", action="store_true")
    a = p.parse_args()
    peer = None if a.skip_peers else peer_model(a)
    for side in map(int, a.sides.split(",")):
        if not a.skip_ours:
            print(json.dumps(dict(side=side, who="scoville", **ours(a, side))), flush=True)
        if peer:
            print(json.dumps(dict(side=side, who="art", **theirs(a, *peer, side))), flush=True)


if __name__ == "__main__":
    main()
