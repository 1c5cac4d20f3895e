#!/usr/bin/env python3
"""Median distances of minimal-norm attacks, Foolbox's beside ours, on correctly classified CIFAR-10 images.

    VENV/bin/python benches/minimal-norm.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 100]
        [--norm linf|l2|l1|l0] [--only NAME,..] [--skip-peers] [--skip-ours]

Ours is read off the security curve of one run on a ladder of 400 eps (in L0 1 to 400 elements), so it is rounded up by at most 1.8 %. Foolbox's is the
median of its distances, rounded up to the same ladder; where it finds nothing, the distance is infinite.
"""
import argparse, importlib.util, json, pathlib, subprocess, time

HERE = pathlib.Path(__file__).resolve().parent
# name: ours, theirs
ATTACKS = {
    "linf": {
        "deepfool": ("deepfool", lambda fa: fa.LinfDeepFoolAttack(steps=50)),
        "fmn": ("fmn:steps=100", lambda fa: fa.LInfFMNAttack(steps=100)),
    },
    "l2": {
        "deepfool": ("deepfool", lambda fa: fa.L2DeepFoolAttack(steps=50)),
        "ddn": ("ddn:steps=100", lambda fa: fa.DDNAttack(steps=100)),
        "fmn": ("fmn:steps=100", lambda fa: fa.L2FMNAttack(steps=100)),
        "cw": ("cw:steps=200:searches=9", lambda fa: fa.L2CarliniWagnerAttack(steps=200, binary_search_steps=9)),
        "newtonfool": ("newtonfool:steps=100", lambda fa: fa.NewtonFoolAttack(steps=100)),
    },
    "l1": {
        "fmn": ("fmn:steps=100", lambda fa: fa.L1FMNAttack(steps=100)),
        "ead": ("ead:steps=200:searches=9", lambda fa: fa.EADAttack(steps=200, binary_search_steps=9, decision_rule="L1", abort_early=False)),
    },
    "l0": {
        "fmn": ("fmn:steps=100", lambda fa: fa.L0FMNAttack(steps=100)),
        "sigma-zero": ("sigma-zero:steps=100", None),
        "jsma": ("jsma:steps=300", None),
        "sparsefool": ("sparsefool", None),
    },
}
LADDER = {"linf": (1e-3, 1.0), "l2": (1e-2, 10.0), "l1": (1e-1, 100.0)}
ORDER = {"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}


def ladder(norm):
    if norm == "l0":
        return list(range(1, 401))
    low, high = LADDER[norm]
    return [low * (high / low) ** (i / 399) for i in range(400)]


def ours(a, attack, eps):
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", a.norm,
         "--eps-ladder", ",".join(map(repr, eps)), "--attacks", attack, "--device", "cpu", "--format", "ndjson"],
        capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    scored = next(e for e in events if e["event"] == "technique.scored" and e["technique"] == "AML.T0043.000")
    curve = scored["curve"]
    half = next((p["eps"] for p in curve if 2 * p["successes"] >= p["correct"]), float("inf"))
    return dict(median=half, found=curve[-1]["successes"], of=curve[-1]["correct"], seconds=round(scored["seconds"], 2), gradients=scored["gradients"])


def theirs(model, x, y, attack, eps, norm):
    import foolbox
    import torch
    fmodel = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    start = time.perf_counter()
    adv = attack.run(fmodel, x, foolbox.criteria.Misclassification(y))
    seconds = time.perf_counter() - start
    with torch.no_grad():
        wrong = model(adv).argmax(1) != y
    distance = (adv - x).flatten(1).norm(ORDER[norm], dim=1)
    distance = [d if w else float("inf") for d, w in zip(distance.tolist(), wrong.tolist())]
    half = sorted(distance)[(len(distance) + 1) // 2 - 1]
    return dict(median=min((e for e in eps if e >= half), default=float("inf")), found=sum(wrong.tolist()), of=len(y), seconds=round(seconds, 2))


def peer_model(a):
    import torch
    from onnx2torch import convert
    spec = importlib.util.spec_from_file_location("peers", HERE / "../../shared/peers/run_peers.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = convert(a.model).eval()
    for q in model.parameters():
        q.requires_grad_(False)
    floats = lambda s: [float(v) for v in s.split(",")]
    model = peers.Normalised(model, floats(a.mean), floats(a.std), None).eval()
    x, y = map(torch.tensor, peers.cifar(a.data, a.n))
    correct = model(x).argmax(1) == y
    return model, x[correct], y[correct]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--mean", default="0")
    p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=100)
    p.add_argument("--norm", choices=list(ATTACKS), default="l2")
    p.add_argument("--only", default="")
    p.add_argument("--skip-peers", action="store_true")
    p.add_argument("--skip-ours", action="store_true")
    a = p.parse_args()
    eps = ladder(a.norm)
    peer = None if a.skip_peers else peer_model(a)
    for name, (mine, make) in ATTACKS[a.norm].items():
        if a.only and name not in a.only.split(","):
            continue
        if not a.skip_ours:
            print(json.dumps(dict(attack=name, norm=a.norm, who="scoville", **ours(a, mine, eps))), flush=True)
        if peer and make:
            import foolbox.attacks as fa
            print(json.dumps(dict(attack=name, norm=a.norm, who="foolbox", **theirs(*peer, make(fa), eps, a.norm))), flush=True)


if __name__ == "__main__":
    main()
